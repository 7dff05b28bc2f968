"""The broker away, the disk full, another on our place: what was acknowledged is on the log at last, by itself."""

import asyncio
import contextlib
import itertools
import shutil
import subprocess
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable

import httpx
import pytest
from ingest_proof.senders import WINDOW, Sender, Step
from ingest_proof.traffic import draw

from orloop_common.domain import events as e
from orloop_common.messages import HL7_RAW, INGEST_JOURNALS, SUITE_EVENTS, decode
from orloop_common.runtime.crypto import PayloadCipher

pytestmark = [pytest.mark.broker, pytest.mark.timeout(150)]


def metric(ingest, name: str) -> float:
    lines = (line.split() for line in ingest.get("/metrics").text.splitlines())
    return next(float(line[1]) for line in lines if line[:1] == [f"orloop_ingest_{name}"])


def start_without_the_log(ingest) -> None:
    """Until it takes messages: it says that it does."""
    ingest.start(wait=False)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if metric(ingest, "log_unread") == 1:
                return
        time.sleep(0.05)
    raise AssertionError(f"the doors stayed shut:\n{ingest.log}")


def test_while_the_broker_is_away_at_the_start_too_messages_are_taken_and_follow_in_order(
    make_ingest, own_broker, siu, canaries
):
    from orloop_cli.topics import Cluster, declared

    def say(control: str, **more) -> bytes:
        return siu(source=ingest.source, case=control, control=control, **more)

    Cluster(own_broker.bootstrap).apply(declared())
    ingest = make_ingest(own_broker.bootstrap, ORLOOP_DURABLE_SECONDS="1", ORLOOP_DOORS_WAIT_SECONDS="0.5")
    line = ingest.connect()
    before = line.ask(say("A0"))
    ingest.drained()
    own_broker.kill()
    for n in range(1, 50):
        assert f"MSA|AA|A{n}\r".encode() in line.ask(say(f"A{n}"))
    assert ingest.post("rooms/3/down", {"cause": "water"}).status_code == 503
    ingest.kill()

    start_without_the_log(ingest)  # the broker is away, and nothing of the log is known
    line = ingest.connect()
    first = line.ask(say("B0"))
    assert b"MSA|AA|B0\r" in first
    assert line.ask(say("A0")) == before, "it is on the broker, which is away: the journal still knows it"
    assert b"MSA|AA|A7\r" in line.ask(say("A7"))
    assert line.ask(say("A7")) == line.ask(say("A7"))
    assert b"MSA|AR|M9\r" in line.ask(siu(source=ingest.source, control="M9", header="P|1.0"))
    answer = ingest.get("/readyz")
    assert (answer.status_code, "acknowledged from the journal" in answer.json()["missing"]["mllp"]) == (503, True)
    assert (metric(ingest, "log_unread"), metric(ingest, "journal_waiting")) == (1, 51)
    ingest.kill()  # and what was acknowledged so survives us, too

    start_without_the_log(ingest)
    line, both = ingest.connect(), ingest.connect()
    assert line.ask(say("B0")) == first
    for n in range(1, 20):
        assert f"MSA|AA|B{n}\r".encode() in line.ask(say(f"B{n}"))
    assert b"MSA|CA|B20\r" in both.ask(say("B20", header="P|2.5.1|||AL|AL"))
    assert both.silent(1.0), "the application's answer comes after the mapping"
    own_broker.start().wait_ready()
    assert b"MSA|AA|B20\r" in both.answer()
    ingest.wait_ready()
    assert b"MSA|AA|C0\r" in line.ask(say("C0"))

    order = [*(f"A{n}" for n in range(50)), "B0", "M9", *(f"B{n}" for n in range(1, 21)), "C0"]
    assert [raw.control_id for raw in ingest.records(HL7_RAW)] == order
    events = [event for event in ingest.records(SUITE_EVENTS) if not isinstance(event, e.ClockTicked)]
    told = [event.case for event in events if isinstance(event, e.CaseScheduled)]
    assert len(told) == len(set(told)) == len(order) - 1
    assert max(Counter(event.id for event in events).values()) == 1
    assert metric(ingest, "log_unread") == 0
    assert ingest.post("rooms/3/down", {"cause": "water"}).status_code == 202
    assert [word for word in canaries if word in ingest.log] == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 640 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=640k", "none", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs a disk of its own: run as root, where a tmpfs may be mounted")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def send(
    port: int, *plans: list[Step], heard: Callable[[], None] = lambda: None
) -> tuple[list[Sender], threading.Thread]:
    """Senders that keep what is not acknowledged, on their way; they wait as long as `heard` does."""
    senders = [Sender(port, steps, heard) for steps in plans]

    async def all_of_them() -> None:
        await asyncio.gather(*(sender.run() for sender in senders))

    thread = threading.Thread(target=lambda: asyncio.run(all_of_them()), daemon=True)
    thread.start()
    return senders, thread


def until(condition, what: str, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def raws_of(ingest) -> list[str]:
    """MSH-10 of what lies raw on the log now."""
    found = (decode(h["ce_type"], h["ce_dataschema"], value) for h, _, value in ingest.read(HL7_RAW))
    return [raw.control_id for raw in found if raw.source == ingest.source]


def is_whole(ingest, senders: list[Sender]) -> None:
    """All was acknowledged at last, is on the log to the byte and in its order, and no event is there twice."""
    assert [wrong for sender in senders for wrong in sender.wrong] == []
    ingest.drained()
    key = PayloadCipher(ingest.payload_key)
    raws = [raw for raw in ingest.records(HL7_RAW) if raw.source == ingest.source]
    whole = [raw for raw in raws if not (raw.problem or "").startswith("broken_frame")]  # cut off with a connection
    kept = [zlib.decompress(key.decrypt(raw.payload.encode())) for raw in whole]
    for sender in senders:
        assert len(sender.acknowledged) == len(sender.steps)
        assert list(dict.fromkeys(kept)) == [step.said.body for step in sender.steps]
    ids = Counter(event.id for event in ingest.records(SUITE_EVENTS))
    assert [id for id, times in ids.items() if times > 1] == []


def test_a_disk_that_is_full_while_the_broker_is_away_closes_unanswered_and_all_goes_on_by_itself(
    make_ingest, own_broker, small_disk
):
    from orloop_cli.topics import Cluster, declared

    Cluster(own_broker.bootstrap).apply(declared())
    ingest = make_ingest(own_broker.bootstrap, ORLOOP_JOURNAL=str(small_disk / "journal"))
    own_broker.kill()
    senders, sending = send(ingest.mllp_port, [Step(said) for said in draw(ingest.source, 1200)])
    until(
        lambda: min(metric(ingest, "not_durable_total"), metric(ingest, "journal_failures_total")) > 3,
        "the disk never got full",
    )
    taken = len(senders[0].acknowledged)
    assert 0 < taken < 1200
    assert shutil.disk_usage(small_disk).free < 64 * 1024
    assert ingest.get("/healthz").status_code == 200
    own_broker.start().wait_ready()
    sending.join(60)
    is_whole(ingest, senders)
    until(lambda: shutil.disk_usage(small_disk).free > 256 * 1024, "what the broker has needs no place any more")


def test_a_successor_on_another_disk_takes_over_under_load_and_emits_nothing_before_the_first_is_drained(make_ingest):
    first, heard, killed, goes_on = make_ingest(), itertools.count(1), threading.Event(), threading.Event()

    def kill() -> None:  # in the middle of the sender's day, with more under way; the sender waits for the successor
        if next(heard) == 250:
            first.kill()
            killed.set()
            goes_on.wait(60)

    senders, sending = send(first.mllp_port, [Step(said) for said in draw(first.source, 700)], heard=kill)
    sender = senders[0]
    assert killed.wait(40), "the first took too little"
    second = make_ingest(start=False)
    second.suite, second.source, second.payload_key = first.suite, first.source, first.payload_key
    (second.folder / "site.yaml").write_text((first.folder / "site.yaml").read_text())
    sender.port = second.mllp_port
    goes_on.set()
    second.start()
    until(lambda: len(sender.acknowledged) >= 250 + 2 * WINDOW + 200, "the successor took nothing")
    until(lambda: metric(second, "journal_held") == 1, "the successor did not see that another is before it")
    assert metric(second, "journal_waiting") >= 200
    before = len(raws_of(first))
    assert before <= 250 + 2 * WINDOW, "the successor emitted before its turn"
    first.start()  # its disk is back: it empties its journal and goes
    first.drained()
    assert before <= len(raws_of(first)) <= 250 + 2 * WINDOW, "the successor emitted before its turn"
    assert metric(second, "journal_waiting") >= 200
    assert first.stop() == 0
    sending.join(60)
    until(lambda: metric(second, "journal_waiting") == 0, "the successor never got its turn")
    is_whole(second, senders)
    states = [record.state for record in second.records(INGEST_JOURNALS) if record.sources == (first.source,)]
    assert states.count("drained") == 1
