"""One case by two roads: what HL7 and FHIR tell of it meets in one case, whichever comes first."""

import asyncio
import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import fhir_parts as f
import pytest

from orloop_common.domain.events import CaseDoubted, CaseScheduled, MilestoneRecorded, RoomRestored, RoomWentDown
from orloop_common.domain.vocabulary import Milestone, ReadinessItem, ReadinessStatus
from orloop_ingest.adapters.fhir_taking import FhirTaking, Outcome

PROFILE = f.profile(namespace="TWIN", patients={f.PATIENTS: {"assigner": "DEMO", "type": "MR"}})
Say = Callable[..., bytes]


class Both:
    """The HL7 desk of conftest, and the FHIR road into the same ledger."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self.intake = f.FoldingIntake(desk.reception, desk.ledger)
        self.taking = FhirTaking(self.intake, desk.site, desk.clock)

    def fhir(self, resource: dict[str, Any]) -> Outcome:
        return asyncio.run(self.taking.take(PROFILE, resource))

    @property
    def cases(self) -> Any:
        return self.desk.ledger.day("main").cases


@pytest.fixture
def both(desk: Any) -> Both:
    return Both(desk)


@pytest.mark.parametrize("fhir_first", [True, False])
def test_the_same_case_by_hl7_and_fhir_is_one_case(both: Both, siu: Say, fhir_first: bool) -> None:
    roads = [lambda: both.fhir(f.appointment()), lambda: both.desk.tell(siu(header="P|2.5.1"))]
    for road in roads if fhir_first else reversed(roads):
        road()
    assert len(both.cases) == 1
    case = both.desk.case()
    assert case.schedule.start == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert case.schedule.room == "3"


def test_each_road_goes_on_telling_of_a_case_that_both_have_told(both: Both, siu: Say) -> None:
    both.desk.tell(siu())
    both.fhir(f.appointment())
    for hour in (13, 14):
        moved = f.appointment(
            at=f"2026-03-02T{hour - 5:02d}:00:00Z",
            start=f"2026-03-02T{hour}:00:00Z",
            end=f"2026-03-02T{hour + 1}:00:00Z",
        )
        assert both.fhir(moved).problem is None
        assert both.desk.case().schedule.start.hour == hour
    later = siu("S13", version="V2", sent="20260302103000+0000", start="20260302160000+0000", end="20260302170000+0000")
    assert both.desk.tell(later).problem is None
    assert both.desk.case().schedule.start.hour == 16


def test_hl7_and_fhir_give_one_patient_key(both: Both, siu: Say) -> None:
    both.desk.tell(siu())
    key = both.desk.case().schedule.patient_key
    both.fhir(f.appointment("B200"))
    keys = {record.schedule.patient_key for record in both.cases.values()}
    assert len(both.cases) == 2
    assert keys == {key}


def test_milestones_readiness_and_orders_find_the_case_by_reference_visit_or_order(both: Both, siu: Say) -> None:
    both.desk.tell(siu())
    both.fhir(f.appointment())
    for resource in (f.request(), f.encounter(), f.procedure(), f.task()):
        assert both.fhir(resource).problem is None, resource["resourceType"]
    assert len(both.cases) == 1
    case = both.desk.case()
    found = {milestone: held.at for milestone, held in case.milestones.items()}
    assert found[Milestone.PATIENT_IN_ROOM] == datetime(2026, 3, 2, 9, 2, tzinfo=UTC)
    assert found[Milestone.PROCEDURE_END] == datetime(2026, 3, 2, 10, 30, tzinfo=UTC)
    assert case.readiness[ReadinessItem.CONSENT] is ReadinessStatus.DONE
    assert case.schedule.procedures[0].laterality == "left"


def test_a_day_told_again_makes_no_event_whatever_the_order(both: Both) -> None:
    day = [f.appointment(), f.request(), f.encounter(), f.procedure(), f.task(), f.location("C")]
    for resource in day:
        both.fhir(resource)
    before = len(both.intake.events)
    assert before >= 8
    for resource in itertools.chain(day, reversed(day)):
        both.fhir(resource)
    assert len(both.intake.events) == before


def test_a_cancelled_appointment_cancels_the_case_that_hl7_booked(both: Both, siu: Say) -> None:
    both.desk.tell(siu())
    both.fhir(f.appointment(at="2026-03-02T08:00:00Z", status="cancelled"))
    assert both.desk.case().status == "cancelled"


def test_an_older_version_does_not_bring_back_what_was_moved(both: Both) -> None:
    moved = f.appointment(at="2026-03-02T08:00:00Z", start="2026-03-02T13:00:00Z", end="2026-03-02T14:30:00Z")
    both.fhir(f.appointment())
    both.fhir(moved)
    both.fhir(f.appointment(at="2026-03-02T07:30:00Z"))
    record = next(iter(both.cases.values()))
    assert record.schedule.start == datetime(2026, 3, 2, 13, tzinfo=UTC)


def test_a_resource_that_cannot_be_read_doubts_the_case_it_names(both: Both) -> None:
    both.fhir(f.appointment())
    outcome = both.fhir(f.appointment(at="2026-03-02T08:00:00Z", start="soon"))
    assert outcome.problem is not None
    doubts = [event for event in both.intake.events if isinstance(event, CaseDoubted)]
    assert [doubt.case for doubt in doubts] == list(both.cases)
    assert both.fhir(f.appointment("X9", start="soon")).problem is not None
    assert len(both.cases) == 1, "a case that nobody knows is not made by a doubt"


def test_an_unknown_room_still_books_and_doubts(both: Both) -> None:
    resource = f.appointment()
    resource["participant"][2]["actor"]["reference"] = "Location/or-9"
    both.fhir(resource)
    assert [e.room for e in both.intake.events if isinstance(e, CaseScheduled)] == [None]
    assert any(isinstance(e, CaseDoubted) for e in both.intake.events)


def test_a_location_told_with_every_poll_is_an_event_only_when_it_changes(both: Both) -> None:
    for minute, state in enumerate("UUCCCUUOC"):
        both.fhir(f.location(state, at=f"2026-03-02T08:{minute:02d}:00Z"))
    kinds = [type(e) for e in both.intake.events]
    assert kinds == [RoomWentDown, RoomRestored, RoomWentDown]


def test_no_person_s_word_reaches_the_log_in_clear(both: Both, canaries: tuple[str, ...]) -> None:
    for resource in f.all_six():
        both.fhir(resource)
    assert any(isinstance(event, MilestoneRecorded) for event in both.intake.events)
    clear = repr(both.intake.outputs)
    assert not [word for word in (*canaries, "1951-11-23") if word in clear]
