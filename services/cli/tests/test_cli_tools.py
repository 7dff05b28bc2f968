"""`trace` and `send`: what they make of records, files and answers."""

import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orloop_cli.errors import LauncherError
from orloop_cli.ports import free_port
from orloop_cli.reader import Seen
from orloop_cli.send import Answer, parse_answer, read_messages, send
from orloop_cli.trace import follow, lines, tree

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def record(number: int, id: str, cause: str | None = None, trace: str = "t1", type: str = "Thing") -> Seen:
    headers = {"ce_id": id, "ce_type": f"orloop.{type}", "traceparent": f"00-{trace}-s-01", "ce_source": "/orloop/gate"}
    if cause:
        headers["ce_causationid"] = cause
    return Seen("orloop.suite-events.v1", 0, number, headers, NOON + timedelta(seconds=number), b"{}")


LOG = [
    record(0, "down", type="RoomWentDown"),
    record(1, "other", trace="t2"),
    record(2, "proposal", cause="down", type="Proposal"),
    record(3, "decided", cause="proposal", type="PlanDecided"),
    record(4, "sent", cause="decided", trace="t3"),
    record(5, "unrelated", cause="other", trace="t2"),
]


@pytest.mark.parametrize("start", ["down", "decided", "sent", "propo"])
def test_the_chain_of_an_event_holds_its_causes_and_its_effects(start: str) -> None:
    assert [step.id for step in follow(start, LOG)] == ["down", "proposal", "decided", "sent"]


def test_the_chain_is_shown_as_a_tree_with_seconds_since_its_first_record() -> None:
    steps = follow("down", LOG)
    assert [(depth, step.id) for depth, step in tree(steps)] == [
        (0, "down"),
        (1, "proposal"),
        (2, "decided"),
        (3, "sent"),
    ]
    shown = list(lines(steps))
    assert shown[0].startswith("12:00:00.000   +0.000 s  RoomWentDown down")
    assert shown[2].startswith("12:00:03.000   +3.000 s      PlanDecided decided")


@pytest.mark.parametrize(("start", "got"), [("nothing", "got none"), ("o", "got none"), ("", "got 6: decided")])
def test_an_event_that_is_not_just_one_is_named(start: str, got: str) -> None:
    log = LOG if start != "o" else LOG[:1]
    with pytest.raises(LauncherError, match=got):
        follow(start, log)


@pytest.mark.parametrize("ends", ["\r", "\n", "\r\n"])
def test_messages_are_read_whatever_the_line_ends(tmp_path: Path, ends: str) -> None:
    path = tmp_path / "two.hl7"
    path.write_bytes(ends.join(["MSH|^~\\&|A", "PID|1", "MSH|^~\\&|B", "PID|2", ""]).encode())
    assert read_messages(path) == [b"MSH|^~\\&|A\rPID|1\r", b"MSH|^~\\&|B\rPID|2\r"]


def test_framed_messages_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "framed.hl7"
    path.write_bytes(b"\x0bMSH|^~\\&|A\rPID|1\r\x1c\r\x0bMSH|^~\\&|B\r\x1c\r")
    assert read_messages(path) == [b"MSH|^~\\&|A\rPID|1\r", b"MSH|^~\\&|B\r"]


def test_a_file_without_a_message_is_named(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear colleague")
    with pytest.raises(LauncherError, match=r"Expected HL7 messages in .*letter.txt, got no segment"):
        read_messages(tmp_path / "letter.txt")
    with pytest.raises(LauncherError, match="No such file"):
        read_messages(tmp_path / "none.hl7")


def test_an_answer_is_read_with_the_text_of_its_error() -> None:
    message = b"MSH|^~\\&|ORLOOP\rMSA|AR|C1\rERR|||101|E||||expected MSH-12 2.5.1\r"
    assert parse_answer(message) == Answer("C1", "AR", "expected MSH-12 2.5.1")
    assert not parse_answer(message).accepted
    assert parse_answer(b"MSH|\rMSA|AA|C2\r") == Answer("C2", "AA", "")


@pytest.mark.broker  # not Kafka, but a socket
def test_each_message_is_answered_before_the_next_is_sent() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    got: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            for code in (b"AA", b"AR"):
                got.append(connection.recv(65536))
                connection.sendall(b"\x0bMSH|\rMSA|" + code + b"|C\r\x1c\r")

    server = threading.Thread(target=serve)
    server.start()
    answers = list(send([b"MSH|1\r", b"MSH|2\r"], "127.0.0.1", listener.getsockname()[1]))
    server.join(5)
    listener.close()
    assert got == [b"\x0bMSH|1\r\x1c\r", b"\x0bMSH|2\r\x1c\r"]
    assert [answer.code for answer in answers] == ["AA", "AR"]


@pytest.mark.broker
def test_nobody_listening_is_told_with_a_next_step() -> None:
    with pytest.raises(
        LauncherError, match=r"Expected an answer from 127.0.0.1:\d+, got: Connection refused.\nMaybe ingest"
    ):
        list(send([b"MSH|1\r"], "127.0.0.1", free_port()))
