"""The state of a suite's day: a pure, total, idempotent fold of its log."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from immutables import Map

from . import events as e
from .calendar import OperationalCalendar
from .records import CaseRecord, DecisionRecord, Pending, Planned, Recorded, Refusal, RoomRecord
from .plan import Place
from .vocabulary import BedUnit, ChangeAnswer, Milestone, Verdict

KEPT_DAYS = 7  # tombstones must outlive a late booking (facts: interop)


class Refused(Exception):
    """The event cannot be applied; its text is the reason that is recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteDay:
    """Everything known of a suite, as a fold of its log.

    Keeps three things apart: the hospital's schedule (`cases[..].schedule`), the approved plan
    (`plan`) and the changes the hospital has not echoed yet (`pending`). Only the hospital's own
    word changes the first.
    """

    suite: str
    calendar: OperationalCalendar = OperationalCalendar()
    now: datetime | None = None
    cases: Map[str, CaseRecord] = Map()
    rooms: Map[str, RoomRecord] = Map()
    rosters: Map[str, e.RosterChanged] = Map()
    shortages: Map[str, e.StaffShort] = Map()
    beds: Map[BedUnit, e.BedsChanged] = Map()
    equipment: Map[str, e.EquipmentChanged] = Map()
    implants: Map[str, e.ImplantExpected] = Map()
    blocks: Map[str, e.BlockChanged] = Map()
    exceptions: Map[str, e.ExceptionRequested] = Map()
    silent_feeds: Map[str, datetime] = Map()
    disagreements: Map[str, e.SourceDisagreed] = Map()
    mode: e.ModeChanged | None = None
    rules: e.RulesChanged | None = None
    weights: e.WeightsChanged | None = None
    requested: e.ReplanRequested | None = None
    plan: Map[str, Planned] = Map()
    pending: Map[str, Pending] = Map()
    decisions: Map[str, DecisionRecord] = Map()
    refused: Map[str, Refusal] = Map()
    seen: Map[str, date] = field(default=Map(), repr=False)

    def apply(self, event: e.Event) -> "SuiteDay":
        """The day after `event`. Never raises: what cannot be applied is recorded as refused."""
        if event.id in self.seen:
            return self
        handler = _HANDLERS.get(type(event))
        try:
            if event.suite != self.suite:
                raise Refused(f"Expected an event of suite {self.suite}, got one of {event.suite}.")
            if handler is None:
                raise Refused(f"Expected an event type that the fold knows, got {type(event).__name__}.")
            day = handler(self, event)
        except Refused as reason:
            refusal = Refusal(
                event=event.id, type=type(event).__name__, reason=str(reason), case=getattr(event, "case", None)
            )
            day = replace(self, refused=self.refused.set(event.id, refusal))
        return replace(day, seen=day.seen.set(event.id, self.calendar.day(event.at)))

    def place(self, case: str) -> Place | None:
        """Where the published plan has the case: the approved place if one is in force, else the hospital's."""
        if case in self.plan:
            return self.plan[case].place
        schedule = self.cases[case].schedule if case in self.cases else None
        return Place(room=schedule.room, start=schedule.start) if schedule else None

    def doubted(self, case: str) -> tuple[str, ...]:
        """Why what is known of the case may be wrong; empty if nothing speaks against it."""
        record = self.cases.get(case)
        doubts = record.doubts if record else ()
        if record and record.contradicted:
            doubts += ("the sender scheduled it again after it had ended",)
        return doubts + tuple(r.reason for _, r in sorted(self.refused.items()) if r.case == case)


def _case(day: SuiteDay, case: str) -> CaseRecord:
    return day.cases.get(case) or CaseRecord(case=case)


def _with_case(day: SuiteDay, record: CaseRecord, at: datetime) -> SuiteDay:
    touched = max(record.touched or at, at)
    return replace(day, cases=day.cases.set(record.case, replace(record, touched=touched)))


def _scheduled(day: SuiteDay, event: e.CaseScheduled) -> SuiteDay:
    if event.booked <= timedelta(0):
        raise Refused(f"Expected a booked length above zero, got {event.booked}.")
    record = _case(day, event.case)
    if record.schedule is not None and not _newer(event, record.schedule):
        return day
    day = _with_case(day, replace(record, schedule=event), event.at)
    return _echo(day, event)


def _newer(event: e.CaseScheduled, held: e.CaseScheduled) -> bool:
    return (event.version, event.id) > (held.version, held.id)


def _echo(day: SuiteDay, event: e.CaseScheduled) -> SuiteDay:
    """What a new version of the schedule means for the approved plan."""
    told = Place(room=event.room, start=event.start)
    pending = day.pending.get(event.case)
    if pending is None:
        planned = day.plan.get(event.case)
        if planned is not None and planned.place != told:
            return replace(day, plan=day.plan.delete(event.case))
        return day
    if event.version <= pending.change.version or told == pending.change.origin:
        return day
    if told == pending.change.target:
        record = replace(_case(day, event.case), moved=_case(day, event.case).moved + 1)
        day = _with_case(day, record, event.at)
        return _settle(day, event.case, "applied", keep_plan=True)
    return _stop_rest(_settle(day, event.case, "differs"), pending.proposal)


def _settle(day: SuiteDay, case: str, outcome: str, *, keep_plan: bool = False) -> SuiteDay:
    pending = day.pending[case]
    decision = day.decisions[pending.proposal]
    decision = replace(decision, outcomes=decision.outcomes.set(case, outcome))
    plan = day.plan if keep_plan or case not in day.plan else day.plan.delete(case)
    return replace(
        day, pending=day.pending.delete(case), plan=plan, decisions=day.decisions.set(pending.proposal, decision)
    )


def _stop_rest(day: SuiteDay, proposal: str) -> SuiteDay:
    """The first change that goes wrong stops those of its proposal that have not been sent."""
    for case, pending in sorted(day.pending.items()):
        if pending.proposal == proposal and pending.status == "queued":
            day = _settle(day, case, "stopped")
    return day


def _ended(status: str) -> Callable[[SuiteDay, Any], SuiteDay]:
    def end(day: SuiteDay, event: e.CaseCancelled | e.CaseNoShow | e.CaseEnteredInError) -> SuiteDay:
        record = _case(day, event.case)
        known = record.ended_version
        version = event.version if known is None else max(known, event.version)
        ended = max(status, record.status) if record.status != "scheduled" else status
        day = _with_case(day, replace(record, status=ended, ended_version=version), event.at)
        if event.case in day.pending:
            proposal = day.pending[event.case].proposal
            day = _stop_rest(_settle(day, event.case, "overtaken"), proposal)
        return replace(day, plan=day.plan.delete(event.case)) if event.case in day.plan else day

    return end


def _linked(day: SuiteDay, event: e.CaseLinked) -> SuiteDay:
    return _with_case(day, replace(_case(day, event.case), replaces=event.replaces), event.at)


def _doubted(day: SuiteDay, event: e.CaseDoubted) -> SuiteDay:
    record = _case(day, event.case)
    return _with_case(day, replace(record, doubts=tuple(sorted({*record.doubts, event.reason}))), event.at)


def _milestone(day: SuiteDay, event: e.MilestoneRecorded) -> SuiteDay:
    record = _case(day, event.case)
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
        values = sorted((*held.earlier, replace(held, earlier=()), new), key=lambda r: (r.recorded, r.event))
        new = replace(values[-1], earlier=tuple(values[:-1]))
    record = replace(record, milestones=record.milestones.set(event.milestone, new))
    day = _with_case(day, record, event.at)
    if event.milestone is Milestone.PATIENT_IN_ROOM and event.case in day.pending:
        proposal = day.pending[event.case].proposal
        day = _stop_rest(_settle(day, event.case, "overtaken"), proposal)
    return day


def _readiness(day: SuiteDay, event: e.ReadinessChanged) -> SuiteDay:
    record = _case(day, event.case)
    return _with_case(day, replace(record, readiness=record.readiness.set(event.item, event.status)), event.at)


def _room(day: SuiteDay, room: str) -> RoomRecord:
    return day.rooms.get(room) or RoomRecord(room=room)


def _later(event: e.Event, held: e.Event | None) -> bool:
    return held is None or (event.at, event.id) > (held.at, held.id)


def _usability(day: SuiteDay, event: e.RoomWentDown | e.RoomRestored) -> SuiteDay:
    room = _room(day, event.room)
    if not _later(event, room.usability):
        return day
    return replace(day, rooms=day.rooms.set(event.room, replace(room, usability=event)))


def _cleaning(day: SuiteDay, event: e.CleaningStatusChanged) -> SuiteDay:
    room = _room(day, event.room)
    if not _later(event, room.cleaning):
        return day
    return replace(day, rooms=day.rooms.set(event.room, replace(room, cleaning=event)))


def _observed(day: SuiteDay, event: e.RoomStateChanged) -> SuiteDay:
    room = _room(day, event.room)
    if not _later(event, room.observed):
        return day
    return replace(day, rooms=day.rooms.set(event.room, replace(room, observed=event)))


def _newest(attribute: str, key: Callable[[Any], Any]) -> Callable[[SuiteDay, Any], SuiteDay]:
    """Keep, per key, the event with the latest event time."""

    def keep(day: SuiteDay, event: e.Event) -> SuiteDay:
        held: Map[Any, Any] = getattr(day, attribute)
        if not _later(event, held.get(key(event))):
            return day
        changes: dict[str, Any] = {attribute: held.set(key(event), event)}
        return replace(day, **changes)

    return keep


def _last(attribute: str) -> Callable[[SuiteDay, Any], SuiteDay]:
    def keep(day: SuiteDay, event: e.Event) -> SuiteDay:
        changes: dict[str, Any] = {attribute: event}
        return replace(day, **changes) if _later(event, getattr(day, attribute)) else day

    return keep


def _roster(day: SuiteDay, event: e.RosterChanged) -> SuiteDay:
    for entry in event.entries:
        if entry.shift_end <= entry.shift_start:
            raise Refused(f"Expected team {entry.team} to end its shift after it starts.")
    return _newest("rosters", lambda r: r.role)(day, event)


def _short(day: SuiteDay, event: e.StaffShort) -> SuiteDay:
    if event.end <= event.start or event.missing < 0:
        raise Refused("Expected a shortage with an end after its start and zero or more missing teams.")
    return replace(day, shortages=day.shortages.set(event.id, event))


def _beds(day: SuiteDay, event: e.BedsChanged) -> SuiteDay:
    if not 0 <= event.capacity or event.occupied < 0:
        raise Refused(f"Expected bed counts of zero or more, got {event.capacity} and {event.occupied}.")
    return _newest("beds", lambda b: b.unit)(day, event)


def _silent(day: SuiteDay, event: e.FeedWentSilent) -> SuiteDay:
    return replace(day, silent_feeds=day.silent_feeds.set(event.source, event.since))


def _returned(day: SuiteDay, event: e.FeedReturned) -> SuiteDay:
    if event.source not in day.silent_feeds:
        return day
    return replace(day, silent_feeds=day.silent_feeds.delete(event.source))


def _exception_decided(day: SuiteDay, event: e.ExceptionDecided) -> SuiteDay:
    if event.exception not in day.exceptions:
        raise Refused(f"Expected an exception that was requested, got {event.exception}.")
    return replace(day, exceptions=day.exceptions.delete(event.exception))


def _ticked(day: SuiteDay, event: e.ClockTicked) -> SuiteDay:
    if day.now is not None and event.at <= day.now:
        return day
    before, today = (day.calendar.day(day.now) if day.now else None), day.calendar.day(event.at)
    day = replace(day, now=event.at)
    return day if before == today else _forget(day, today)


def _forget(day: SuiteDay, today: date) -> SuiteDay:
    """At the start of an operational day, drop what no event can reach any more."""
    old = today - timedelta(days=1)
    kept_from = today - timedelta(days=KEPT_DAYS)
    cases = {k: c for k, c in day.cases.items() if _last_day(day.calendar, c) >= kept_from}
    decisions = {
        k: d for k, d in day.decisions.items() if not d.settled or day.calendar.day(d.decided.at) >= old
    }
    return replace(
        day,
        seen=Map({k: on for k, on in day.seen.items() if on >= old}),
        cases=Map({k: replace(c, moved=0) for k, c in cases.items()}),
        decisions=Map(decisions),
        plan=Map({k: p for k, p in day.plan.items() if k in cases}),
        refused=Map({k: r for k, r in day.refused.items() if day.seen.get(k, today) >= old}),
        shortages=Map({k: s for k, s in day.shortages.items() if day.calendar.day(s.end) >= old}),
    )


def _last_day(calendar: OperationalCalendar, record: CaseRecord) -> date:
    moments = [m for m in (record.touched, record.schedule.start if record.schedule else None) if m]
    return calendar.day(max(moments)) if moments else date.max


def broken_since(day: SuiteDay, decided: e.PlanDecided) -> tuple[str, ...]:
    """Hard rules that the decision's changes break on the state it was folded into; ids of the catalogue."""
    broken: set[str] = set()
    for change in decided.changes:
        record = day.cases.get(change.case)
        if record is None or not record.active:
            broken.add("case-open")
            continue
        if Milestone.PATIENT_IN_ROOM in record.milestones:
            broken.add("not-started")
        if record.schedule is not None and record.schedule.version != change.version:
            broken.add("version-unchanged")
        if change.case in day.pending:
            broken.add("one-change-at-a-time")
        room = day.rooms.get(change.target.room or "")
        if room and room.down and change.target.start and _down_at(room.down, change.target.start):
            broken.add("room-usable")
    return tuple(sorted(broken))


def _down_at(down: e.RoomWentDown, moment: datetime) -> bool:
    return down.until is None or moment < down.until


def _decided(day: SuiteDay, event: e.PlanDecided) -> SuiteDay:
    if event.proposal in day.decisions:
        return day
    approved = event.verdict in (Verdict.APPROVED, Verdict.OVERRIDDEN)
    if not approved:
        return replace(day, decisions=day.decisions.set(event.proposal, DecisionRecord(decided=event)))
    voided = broken_since(day, event)
    if voided:
        record = DecisionRecord(decided=event, voided=voided)
        return replace(day, decisions=day.decisions.set(event.proposal, record))
    plan, pending = day.plan, day.pending
    for order, change in enumerate(event.changes, start=1):
        plan = plan.set(
            change.case, Planned(place=change.target, length=change.length, proposal=event.proposal)
        )
        pending = pending.set(
            change.case,
            Pending(
                change=change, proposal=event.proposal, order=order, of=len(event.changes), decided=event.at
            ),
        )
    outcomes = Map({change.case: "queued" for change in event.changes})
    record = DecisionRecord(decided=event, outcomes=outcomes)
    return replace(day, plan=plan, pending=pending, decisions=day.decisions.set(event.proposal, record))


def _answered(day: SuiteDay, event: e.ChangeAnswered) -> SuiteDay:
    if event.proposal not in day.decisions:
        raise Refused(f"Expected an answer to a decided proposal, got one to {event.proposal}.")
    pending = day.pending.get(event.case)
    if pending is None or pending.proposal != event.proposal:
        return day  # the echo overtook the answer
    if event.answer is ChangeAnswer.ACKNOWLEDGED:
        decision = day.decisions[event.proposal]
        decision = replace(decision, outcomes=decision.outcomes.set(event.case, "acknowledged"))
        return replace(
            day,
            pending=day.pending.set(event.case, replace(pending, status="acknowledged")),
            decisions=day.decisions.set(event.proposal, decision),
        )
    return _stop_rest(_settle(day, event.case, str(event.answer)), event.proposal)


_HANDLERS: dict[type[e.Event], Callable[[SuiteDay, Any], SuiteDay]] = {
    e.CaseScheduled: _scheduled,
    e.CaseCancelled: _ended("cancelled"),
    e.CaseNoShow: _ended("no_show"),
    e.CaseEnteredInError: _ended("entered_in_error"),
    e.CaseLinked: _linked,
    e.CaseDoubted: _doubted,
    e.MilestoneRecorded: _milestone,
    e.ReadinessChanged: _readiness,
    e.RoomWentDown: _usability,
    e.RoomRestored: _usability,
    e.RoomStateChanged: _observed,
    e.CleaningStatusChanged: _cleaning,
    e.RosterChanged: _roster,
    e.StaffShort: _short,
    e.BedsChanged: _beds,
    e.EquipmentChanged: _newest("equipment", lambda x: (x.kind, x.unit or "")),
    e.ImplantExpected: _newest("implants", lambda x: (x.case, x.implant)),
    e.BlockChanged: _newest("blocks", lambda x: x.room),
    e.ExceptionRequested: _newest("exceptions", lambda x: x.exception),
    e.ExceptionDecided: _exception_decided,
    e.ReplanRequested: _last("requested"),
    e.FeedWentSilent: _silent,
    e.FeedReturned: _returned,
    e.SourceDisagreed: _newest("disagreements", lambda x: x.subject),
    e.ClockTicked: _ticked,
    e.PlanDecided: _decided,
    e.ModeChanged: _last("mode"),
    e.RulesChanged: _last("rules"),
    e.WeightsChanged: _last("weights"),
    e.ChangeAnswered: _answered,
}
