"""The twin at work: in order, until acknowledged, and after a kill as if nothing had happened."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orloop_twin.adapters.hl7 import answered
from orloop_twin.adapters.journal import Journal
from orloop_twin.domain.people import CANARIES, CANARY_MRN
from orloop_twin.domain.scenario import seconds
from orloop_twin.ports import Received

Start = Callable[..., Any]


def play(ward: Any, until: str, wall: float = 3.0) -> None:
    """Set the clock and let the twin speak until nothing waits."""
    ward.clock.seconds = seconds(until) + 1

    async def run() -> None:
        done = asyncio.Event()

        def beat() -> None:
            if ward.twin.waiting == 0 and len(ward.twin.journal.delivered) == ward.said:
                done.set()

        ward.twin.catch_up()
        ward.said = len(ward.twin.journal.delivered) + ward.twin.waiting
        async with asyncio.timeout(wall):
            await ward.twin.play(done.is_set, beat)

    asyncio.run(run())


def hear(ward: Any, case: str, room: str, start: str, control: str = "W1") -> bytes:
    hours, minutes = start.split(":")
    body = (
        f"MSH|^~\\&|ORLOOP|ORLOOP|TWIN|DEMO|20260302101500+0000||SIU^S13^SIU_S12|{control}|P|2.5.1\r"
        f"SCH||{case}||||RESCHEDULED\rTQ1|1||||||20260302{hours}{minutes}00+0000|20260302180000+0000\r"
        f"PID|1||ZXM1^^^DEMO^MR||Zzyxauer^B\rRGS|1\rAIL|1||{room}^^^DEMO\r"
    ).encode()
    answer = asyncio.run(ward.twin.hear(body))
    assert answer is not None
    return bytes(answer)


def third_of_room_3(ward: Any) -> str:
    cases = [c for c in ward.twin.hospital.day.cases if c.first.room == "3"]
    return str(sorted(cases, key=lambda c: c.first.start)[2].id)


def test_the_feed_is_told_in_the_order_of_the_day(ward: Start) -> None:
    here = ward("quiet")
    play(here, "07:00:12")
    sent = [body.split(b"\r")[0].split(b"|")[6] for body in here.ingest.taken]
    assert len(sent) == 12
    assert sent == sorted(sent)
    assert [report.path for report in here.door.taken] == ["roster", "beds"]


def test_an_unanswered_message_is_sent_again_with_the_same_bytes(ward: Start) -> None:
    here = ward("quiet")
    here.ingest.away = 2
    play(here, "07:00:03")
    first, second, third, *rest = here.ingest.taken
    assert first == second == third
    assert len(rest) == 2


def test_a_refused_message_does_not_stop_the_day(ward: Start) -> None:
    here = ward("quiet")
    here.ingest.code = b"AE"
    play(here, "07:00:03")
    assert len(here.ingest.taken) == 3


def test_after_a_kill_only_what_was_not_acknowledged_goes_out_with_the_same_ids_and_bytes(ward: Start) -> None:
    whole = ward("quiet")
    expected = [
        whole.twin.speaker.say(s) for s in whole.twin.hospital.advance(seconds("07:00:14")) if hasattr(s, "form")
    ]
    killed = ward("quiet")
    play(killed, "07:00:06")
    killed.twin.journal.close()
    after = ward("quiet", at=seconds("07:00:13"))
    play(after, "07:00:13")
    assert killed.ingest.taken + after.ingest.taken == expected


def test_a_change_is_on_disk_before_it_is_answered(ward: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    here = ward()
    here.clock.seconds = seconds("09:15")
    case = third_of_room_3(here)
    kept = Journal.receive
    seen: list[tuple[str, str]] = []

    def receive(journal: Journal, entry: Received) -> None:
        assert entry.change is not None
        kept(journal, entry)
        version = here.twin.hospital.state()["cases"][case][3]
        seen.append((json.loads(journal.path.read_text().splitlines()[-1])["control"], version))

    monkeypatch.setattr(Journal, "receive", receive)
    assert answered(hear(here, case, "OR8", "12:00")) == ("AA", "W1")
    assert seen == [("W1", 1)]
    assert here.twin.hospital.state()["cases"][case][3] == 2


def test_a_change_that_cannot_be_kept_is_not_answered(ward: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    here = ward()
    here.clock.seconds = seconds("09:15")

    def full(journal: Journal, entry: Received) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "receive", full)
    with pytest.raises(AssertionError):
        hear(here, third_of_room_3(here), "OR8", "12:00")
    assert here.twin.hospital.state()["cases"][third_of_room_3(here)][3] == 1


def test_a_change_sent_again_gets_the_stored_answer_and_counts_once(ward: Start) -> None:
    here = ward()
    here.clock.seconds = seconds("09:15")
    case = third_of_room_3(here)
    first = hear(here, case, "OR8", "12:00")
    here.clock.seconds = seconds("09:17")
    assert hear(here, case, "OR8", "12:00") == first
    killed = ward(at=seconds("09:20"))
    assert hear(killed, case, "OR8", "12:00") == first
    assert killed.twin.hospital.state()["cases"][case] == ["booked", "8", seconds("12:00"), 2]


def test_a_refusal_is_answered_with_ae_and_its_reason(ward: Start) -> None:
    here = ward()
    here.clock.seconds = seconds("09:15")
    answer = hear(here, "A000", "OR8", "12:00")
    assert answered(answer) == ("AE", "W1")
    assert b"This appointment is not known here" in answer
    assert answered(hear(here, third_of_room_3(here), "OR3", "12:00", "W2")) == ("AE", "W2")


def test_after_a_kill_the_day_goes_on_with_the_changes_that_came(ward: Start) -> None:
    def echo(twin: Any) -> list[bytes]:
        return [
            twin.speaker.say(s) for s in twin.hospital.advance(seconds("09:40")) if getattr(s, "trigger", "") == "S13"
        ]

    here = ward()
    here.clock.seconds = seconds("09:15")
    case = third_of_room_3(here)
    hear(here, case, "OR8", "12:00")
    state_then = here.twin.hospital.state()
    killed = ward(at=seconds("09:15"))
    killed.twin.catch_up()
    assert killed.twin.hospital.state() == state_then
    plain, resumed = echo(here.twin), echo(killed.twin)
    assert len(plain) == 1
    assert plain == resumed


def test_a_torn_last_line_is_dropped_and_a_foreign_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    journal = Journal(path, {"seed": 1})
    journal.deliver("TW1")
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"kind":"delivered","id":"TW2')
    again = Journal(path, {"seed": 1})
    assert again.delivered == {"TW1"}
    again.deliver("TW3")
    again.close()
    last = Journal(path, {"seed": 1})
    last.close()
    assert last.delivered == {"TW1", "TW3"}
    with pytest.raises(ValueError, match="Expected the journal of"):
        Journal(path, {"seed": 2})


def test_no_patient_is_named_in_the_journal(ward: Start) -> None:
    here = ward()
    play(here, "07:00:05")
    here.clock.seconds = seconds("09:15")
    hear(here, third_of_room_3(here), "OR8", "12:00")
    text = here.twin.journal.path.read_text()
    assert not [name for name in (*CANARIES, CANARY_MRN) if name in text]


def test_a_change_of_pace_is_noticed_within_a_tenth_of_a_second(ward: Start) -> None:
    here = ward("quiet")
    for rate in (0.0, 1.0, 5.0, 60.0, 120.0):
        here.clock.speed = rate
        assert 0 < here.twin._pause() <= 0.1
