"""Cases: schedules accept only newer versions, what ended stays ended, milestones merge by type."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from orloop_common.domain import events as e
from orloop_common.domain.evolving import evolve
from orloop_common.domain.records import CaseRecord, Recorded
from orloop_common.domain.suite_day import Refused, SuiteDay
from orloop_common.domain.vocabulary import Milestone

from .decisions import hear_echo, hear_end, settle, stop_rest


def case_record(day: SuiteDay, case: str) -> CaseRecord:
    return day.cases.get(case) or CaseRecord(case=case)


def with_case(day: SuiteDay, record: CaseRecord, at: datetime) -> SuiteDay:
    touched = max(record.touched or at, at)
    return evolve(day, cases=day.cases.set(record.case, evolve(record, touched=touched)))


def case_scheduled(day: SuiteDay, event: e.CaseScheduled) -> SuiteDay:
    if event.booked <= timedelta(0):
        raise Refused(f"Expected a booked length above zero, got {event.booked}.")
    record = case_record(day, event.case)
    if record.schedule is not None and not _newer(event, record.schedule):
        return day
    day = with_case(day, evolve(record, schedule=event), event.at)
    return hear_echo(day, event)


def _newer(event: e.CaseScheduled, held: e.CaseScheduled) -> bool:
    """A version may be told once more with what we know by now, such as a merged patient: the later one counts."""
    return (event.version, event.at, event.id) > (held.version, held.at, held.id)


def case_ended(status: str) -> Callable[[SuiteDay, Any], SuiteDay]:
    def end(day: SuiteDay, event: e.CaseCancelled | e.CaseNoShow | e.CaseEnteredInError) -> SuiteDay:
        record = case_record(day, event.case)
        known = record.ended_version
        version = event.version if known is None else max(known, event.version)
        ended = max(status, record.status) if record.status != "scheduled" else status
        day = with_case(day, evolve(record, status=ended, ended_version=version), event.at)
        day = hear_end(day, event.case, status)
        return evolve(day, plan=day.plan.delete(event.case)) if event.case in day.plan else day

    return end


def case_linked(day: SuiteDay, event: e.CaseLinked) -> SuiteDay:
    return with_case(day, evolve(case_record(day, event.case), replaces=event.replaces), event.at)


def case_doubted(day: SuiteDay, event: e.CaseDoubted) -> SuiteDay:
    record = case_record(day, event.case)
    left = {*record.doubts} - {event.reason} if event.withdrawn else {*record.doubts, event.reason}
    return with_case(day, evolve(record, doubts=tuple(sorted(left))), event.at)


def milestone_recorded(day: SuiteDay, event: e.MilestoneRecorded) -> SuiteDay:
    record = case_record(day, event.case)
    new = Recorded(
        at=event.at,
        event=event.id,
        source=event.source,
        confidence=event.confidence,
        recorded=event.recorded or event.at,
        room=event.room,
    )
    held = record.milestones.get(event.milestone)
    if held is not None:
        values = sorted((*held.earlier, evolve(held, earlier=()), new), key=lambda r: (r.recorded, r.event))
        new = evolve(values[-1], earlier=tuple(values[:-1]))
    record = evolve(record, milestones=record.milestones.set(event.milestone, new))
    day = with_case(day, record, event.at)
    if event.milestone is Milestone.PATIENT_IN_ROOM and event.case in day.pending:
        proposal = day.pending[event.case].proposal
        day = stop_rest(settle(day, event.case, "overtaken"), proposal)
    return day


def readiness_changed(day: SuiteDay, event: e.ReadinessChanged) -> SuiteDay:
    record = case_record(day, event.case)
    return with_case(day, evolve(record, readiness=record.readiness.set(event.item, event.status)), event.at)
