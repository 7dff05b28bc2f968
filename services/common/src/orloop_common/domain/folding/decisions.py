"""Decisions, the hospital's answers and its echoes: how the approved plan becomes the hospital's schedule."""

from datetime import datetime

from immutables import Map

from orloop_common.domain import events as e
from orloop_common.domain.evolving import evolve
from orloop_common.domain.plan import Change, Place
from orloop_common.domain.records import DecisionRecord, Pending, Planned
from orloop_common.domain.suite_day import Refused, SuiteDay
from orloop_common.domain.vocabulary import ChangeAnswer, Milestone, Verdict


def hear_echo(day: SuiteDay, event: e.CaseScheduled) -> SuiteDay:
    """What a new version of the schedule means for the approved plan."""
    told = Place(room=event.room, start=event.start)
    pending = day.pending.get(event.case)
    if pending is None:
        planned = day.plan.get(event.case)
        if planned is not None and planned.place != told:
            day = evolve(day, plan=day.plan.delete(event.case))
        return _hear_late(day, event, told)
    if event.version <= pending.change.version or told in (pending.change.origin, pending.change.via):
        return day
    if told == pending.change.target:
        return settle(_moved_once_more(day, event.case), event.case, "applied", keep_plan=True)
    if _is_postponed(day, pending.change, told):
        return settle(day, event.case, "applied")
    return stop_rest(settle(day, event.case, "differs"), pending.proposal)


def hear_end(day: SuiteDay, case: str, status: str) -> SuiteDay:
    """What the end of a case means for its pending change: a cancellation is the echo of a postponement."""
    pending = day.pending.get(case)
    if pending is None:
        return day
    if status == "cancelled" and pending.change.target.room is None:
        return settle(day, case, "applied")
    return stop_rest(settle(day, case, "overtaken"), pending.proposal)


def was_echo(before: SuiteDay, after: SuiteDay, case: str) -> bool:
    """Whether what the hospital said of the case was its own echo of an approved change, in time or late."""
    return any(
        record.outcomes.get(case) == "applied" and before.decisions[proposal].outcomes.get(case) != "applied"
        for proposal, record in after.decisions.items()
        if proposal in before.decisions
    )


def _hear_late(day: SuiteDay, event: e.CaseScheduled, told: Place) -> SuiteDay:
    """An echo after we gave the change up: it was made all the same, and counts."""
    for proposal, decision in day.decisions.items():
        if decision.outcomes.get(event.case) in ("timed_out", "unconfirmed"):
            change = next(c for c in decision.decided.changes if c.case == event.case)
            if event.version > change.version and (told == change.target or _is_postponed(day, change, told)):
                decision = evolve(decision, outcomes=decision.outcomes.set(event.case, "applied"))
                day = evolve(day, decisions=day.decisions.set(proposal, decision))
                return day if change.target.room is None else _moved_once_more(day, event.case)
    return day


def _is_postponed(day: SuiteDay, change: Change, told: Place) -> bool:
    """A postponement is done as people like: booked for a later day, or without a room."""
    if change.target.room is not None or change.origin.start is None or told.start is None:
        return False
    return told.room is None or day.calendar.day(told.start) > day.calendar.day(change.origin.start)


def _moved_once_more(day: SuiteDay, case: str) -> SuiteDay:
    record = day.cases[case]
    return evolve(day, cases=day.cases.set(case, evolve(record, moved=record.moved + 1)))


def settle(day: SuiteDay, case: str, outcome: str, *, keep_plan: bool = False) -> SuiteDay:
    pending = day.pending[case]
    decision = day.decisions[pending.proposal]
    decision = evolve(decision, outcomes=decision.outcomes.set(case, outcome))
    plan = day.plan if keep_plan or case not in day.plan else day.plan.delete(case)
    return evolve(
        day,
        pending=day.pending.delete(case),
        plan=plan,
        decisions=day.decisions.set(pending.proposal, decision),
    )


def stop_rest(day: SuiteDay, proposal: str) -> SuiteDay:
    """The first change that goes wrong stops those of its proposal that have not been sent."""
    for case, pending in sorted(day.pending.items()):
        if pending.proposal == proposal and pending.status == "queued":
            day = settle(day, case, "stopped")
    return day


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


def plan_decided(day: SuiteDay, event: e.PlanDecided) -> SuiteDay:
    if event.proposal in day.decisions:
        return day
    approved = event.verdict in (Verdict.APPROVED, Verdict.OVERRIDDEN)
    if not approved:
        return evolve(day, decisions=day.decisions.set(event.proposal, DecisionRecord(decided=event)))
    voided = broken_since(day, event)
    if voided:
        record = DecisionRecord(decided=event, voided=voided)
        return evolve(day, decisions=day.decisions.set(event.proposal, record))
    plan, pending = day.plan, day.pending
    for order, change in enumerate(event.changes, start=1):
        plan = plan.set(change.case, Planned(place=change.target, length=change.length, proposal=event.proposal))
        pending = pending.set(
            change.case,
            Pending(change=change, proposal=event.proposal, order=order, of=len(event.changes), decided=event.at),
        )
    outcomes = Map({change.case: "queued" for change in event.changes})
    record = DecisionRecord(decided=event, outcomes=outcomes)
    return evolve(day, plan=plan, pending=pending, decisions=day.decisions.set(event.proposal, record))


def change_answered(day: SuiteDay, event: e.ChangeAnswered) -> SuiteDay:
    if event.proposal not in day.decisions:
        raise Refused(f"Expected an answer to a decided proposal, got one to {event.proposal}.")
    pending = day.pending.get(event.case)
    if pending is None or pending.proposal != event.proposal:
        return day  # the echo overtook the answer
    if event.answer is ChangeAnswer.ACKNOWLEDGED:
        decision = day.decisions[event.proposal]
        decision = evolve(decision, outcomes=decision.outcomes.set(event.case, "acknowledged"))
        return evolve(
            day,
            pending=day.pending.set(event.case, evolve(pending, status="acknowledged")),
            decisions=day.decisions.set(event.proposal, decision),
        )
    return stop_rest(settle(day, event.case, str(event.answer)), event.proposal)
