"""What the twin says through hl7apy, ingest reads with its own tokenizer: both follow one profile."""

import functools
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

import orloop_twin
from orloop_common.domain.events import Event
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import Milestone
from orloop_common.messages.sitefile import parse_site
from orloop_common.runtime.mllp import Frame
from orloop_common.testing import ManualClock
from orloop_ingest.domain.pseudonyms import Pseudonyms
from orloop_ingest.ledger import Ledger
from orloop_ingest.reception import Received, Reception
from orloop_twin.adapters.data import load_scenario
from orloop_twin.adapters.hl7 import Speaker
from orloop_twin.domain.feed import ChangeRequest, HospitalMessage, ManualReport
from orloop_twin.domain.generator import draw_day
from orloop_twin.domain.hospital import Hospital

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

DAY = date(2026, 3, 2)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
SITE = parse_site((Path(orloop_twin.__file__).parent / "data" / "demo-site.yaml").read_text("utf-8"))
assert SITE.hl7 is not None
PSEUDONYMS = Pseudonyms(b"s" * 32)
SPEAKER = Speaker(MIDNIGHT, SITE.hl7)


@dataclass
class Played:
    """A twin's day, as the twin has it and as ingest's fold has it."""

    hospital: Hospital
    ledger: Ledger
    said: list[HospitalMessage] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)

    @property
    def day(self) -> SuiteDay:
        return self.ledger.day("main")

    def uid(self, case: str) -> str:
        return PSEUDONYMS.case_uid("TWIN", case)


@functools.cache  # hl7apy takes its time: one play serves several tests, none of which changes it
def play(scenario: str, seed: int) -> Played:
    """Play a day minute by minute through ingest's reception; at nine write-back asks for one move."""
    suite = SITE.suites[0]
    script = load_scenario(scenario, suite)
    hospital = Hospital(draw_day(DAY, seed, suite, script), script, suite)
    clock, ledger = ManualClock(MIDNIGHT), Ledger(SITE, ["main"])
    reception = new_reception(ledger, clock)
    played = Played(hospital, ledger)
    for second in range(0, 24 * 3600, 60):
        for said in hospital.advance(second):
            if isinstance(said, ManualReport):
                continue
            clock.set(MIDNIGHT + timedelta(seconds=said.at))
            body = SPEAKER.say(said)
            received = reception.receive(Frame(body))
            for event in received.events:
                ledger.fold(event)
            for record in received.records:
                ledger.fold_record(record)
            reception.settled(received)
            played.said.append(said)
            played.bodies.append(body)
            played.received.append(received)
        if second == 9 * 3600:
            move(hospital)
    return played


def new_reception(ledger: Ledger, clock: ManualClock) -> Reception:
    return Reception(SITE, ledger, PSEUDONYMS, lambda body: b"sealed", clock)


def move(hospital: Hospital) -> None:
    """Ask for the last waiting case an hour later; take whatever the hospital makes of it."""
    cases = hospital.state()["cases"]
    id, (_, room, start, _) = max(((k, v) for k, v in cases.items() if v[0] == "booked"), key=lambda kv: kv[1][2])
    request = ChangeRequest("OL1", id, room, start + 3600)
    hospital.apply(request, hospital.decide(request))


@pytest.mark.parametrize(("scenario", "seed"), [("demo", 7), ("contrary", 7), ("quiet", 1)])
def test_every_message_of_a_twin_day_is_read(scenario: str, seed: int) -> None:
    played = play(scenario, seed)
    assert len(played.said) > 200
    assert [
        (s.form, s.trigger, r.problem) for s, r in zip(played.said, played.received, strict=True) if r.problem
    ] == []
    assert all(b"MSA|AA|" in r.answers[0] for r in played.received)
    assert all(r.events for r in played.received)


@pytest.mark.parametrize("scenario", ["demo", "contrary"])
def test_the_fold_of_what_was_read_is_the_twins_own_truth(scenario: str) -> None:
    played = play(scenario, 7)
    truth = played.hospital.state()["cases"]
    told = {said.case.id: said.booking for said in played.said}
    for id, (stage, *_) in truth.items():
        if id not in told:
            continue  # it would have come after the day was over
        record = played.day.cases[played.uid(id)]
        assert record.schedule is not None
        booking = told[id]
        start = MIDNIGHT + timedelta(seconds=booking.start)
        assert (record.schedule.room, record.schedule.start) == (booking.room, start)
        assert record.schedule.booked == timedelta(seconds=booking.booked)
        assert (record.status == "scheduled") == (stage != "withdrawn")
        assert not played.day.doubted(record.case)
    assert milestones_told(played) == milestones_folded(played)
    assert not played.day.refused


def test_a_day_that_is_told_twice_is_the_same_day() -> None:
    played = play("demo", 7)
    before = played.day
    again = new_reception(played.ledger, ManualClock(MIDNIGHT + timedelta(hours=24)))  # a restart: it remembers nothing
    told: list[Event] = []
    for body in played.bodies:
        told += again.receive(Frame(body)).events
    assert told == []
    assert played.day == before


def test_no_name_or_number_of_a_patient_is_in_what_was_read() -> None:
    played = play("demo", 7)
    text = repr([r.events for r in played.received])
    for said in played.said:
        patient = said.case.patient
        assert patient.family not in text
        assert patient.mrn not in text
        assert patient.born not in text


def milestones_told(played: Played) -> dict[tuple[str, str], datetime]:
    """The last time that the twin gave to each milestone of each case."""
    assert SITE.hl7 is not None
    return {
        (played.uid(said.case.id), SITE.hl7.milestones[o.code]): MIDNIGHT + timedelta(seconds=int(o.value))
        for said in played.said
        for o in said.observations
        if o.code in SITE.hl7.milestones
    }


def milestones_folded(played: Played) -> dict[tuple[str, str], datetime]:
    return {
        (case, str(Milestone(m))): recorded.at
        for case, record in played.day.cases.items()
        for m, recorded in record.milestones.items()
    }
