"""A case in a room from one start on, and the rules that this keeps or breaks by itself: one function each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import Committed, PlanProblem, ProblemCase, ProblemRoom
from orloop_common.domain.vocabulary import Urgency


@dataclass(frozen=True, slots=True)
class Option:
    """A case in a room from one start on, and the two intervals that follow: its patient's stay, its room's use."""

    case: ProblemCase
    room: ProblemRoom
    start: datetime
    patient: Interval
    occupied: Interval

    @property
    def place(self) -> Place:
        return Place(room=self.room.id, start=self.start)

    @property
    def changed(self) -> bool:
        return self.place != self.case.current

    @property
    def key(self) -> tuple[str, str, datetime]:
        return self.case.id, self.room.id, self.start


def option(case: ProblemCase, room: ProblemRoom, start: datetime) -> Option:
    """The option that puts `case` into `room` at `start`; where nothing changes, the slack counts."""
    unchanged = case.current == Place(room=room.id, start=start)
    out = start + (case.length - case.slack if unchanged else case.length)
    return Option(
        case, room, start, Interval(start=start, end=out), Interval(start=start - case.setup, end=out + case.cleanup)
    )


def room_usable(problem: PlanProblem, one: Option) -> bool:
    """room-usable: no patient in a room while it is down."""
    return not any(one.patient.overlaps(down) for down in one.room.down)


def room_eligible(problem: PlanProblem, one: Option) -> bool:
    """room-eligible: the room takes the service and has what is needed, or the case was put there."""
    put_there = one.room.id in (one.case.current.room, one.case.scheduled.room)
    return put_there or (one.case.service in one.room.services and set(one.case.needs) <= set(one.room.capabilities))


def room_open(problem: PlanProblem, one: Option) -> bool:
    """room-open: in after opening, clean before closing."""
    return one.room.opens <= one.start and one.occupied.end <= one.room.closes


def surgeon_hours(problem: PlanProblem, one: Option) -> bool:
    """surgeon-hours: the surgeon is there for the critical part, and not at a break."""
    bound = critical_part(problem, one)
    for hours in (problem.hours[s] for s in one.case.surgeons if s in problem.hours):
        if hours.until is not None and bound.end > hours.until:
            return False
        if any(bound.overlaps(pause) for pause in hours.breaks):
            return False
    return True


def frozen_window(problem: PlanProblem, one: Option) -> bool:
    """frozen-window: what changes starts after the notice is over; its own notice for the immediate."""
    notice = problem.earliest_start
    if one.case.urgency is Urgency.IMMEDIATE and problem.earliest_emergency is not None:
        notice = problem.earliest_emergency
    return not one.changed or one.start >= notice


def latest_start(problem: PlanProblem, one: Option) -> bool:
    """latest-start: begins by its hard latest start."""
    return one.case.latest is None or one.start <= one.case.latest


def earliest_start(problem: PlanProblem, one: Option) -> bool:
    """earliest-start: what changes waits for the patient, and is not too long before what they were told."""
    case = one.case
    told = case.current.start - problem.max_early if case.current.start else None
    moments = (case.earliest, case.ready, told, problem.now + case.transport)
    return not one.changed or all(one.start >= moment for moment in moments if moment is not None)


def implant_there(problem: PlanProblem, one: Option) -> bool:
    """implant-there: the implant has arrived."""
    return one.case.implant is None or one.start >= one.case.implant.end


def turnover_between(problem: PlanProblem, one: Option) -> bool:
    """turnover-between: time enough after and before committed cases; beside movable ones it is the model's."""
    return not any(
        too_soon(problem, (one.occupied, one.case), (held.occupied, held))
        or too_soon(problem, (held.occupied, held), (one.occupied, one.case))
        for held in problem.committed
        if held.room == one.room.id
    )


FILTERS: Mapping[str, Callable[[PlanProblem, Option], bool]] = {
    "room-usable": room_usable,
    "room-eligible": room_eligible,
    "room-open": room_open,
    "surgeon-hours": surgeon_hours,
    "frozen-window": frozen_window,
    "latest-start": latest_start,
    "earliest-start": earliest_start,
    "implant-there": implant_there,
    "turnover-between": turnover_between,
}


def critical_part(problem: PlanProblem, one: Option) -> Interval:
    """While the surgeon is bound: a grid slot at least."""
    start = one.start + one.case.surgeon_after
    return Interval(start=start, end=max(one.patient.end - one.case.surgeon_before, start + problem.grid))


Use = tuple[Interval, ProblemCase | Committed]


def too_soon(problem: PlanProblem, first: Use, then: Use) -> bool:
    """Whether the second case begins in a room before what its predecessor asks for has passed."""
    (one, before), (two, after) = first, then
    return one.end <= two.start < one.end + extra(problem, before, after)


def extra(problem: PlanProblem, first: ProblemCase | Committed, then: ProblemCase | Committed) -> timedelta:
    """Time between cleanup and setup beyond both."""
    rule, zero = problem.turnover, timedelta(0)
    if rule is None:
        return zero
    total = rule.service_change if first.service and then.service and first.service != then.service else zero
    total += rule.after_contaminated if first.contaminated and not then.contaminated else zero
    return total + (rule.before_latex if then.latex and not first.latex else zero)
