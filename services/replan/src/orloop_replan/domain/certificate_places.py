"""Every place that a case could take by itself, and its cost, enumerated from the rules for the certificate's judge.

Nothing here is shared with the planner's own arrays. Times are whole microseconds from `now`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from orloop_common.domain.cost_least import Least, Role, least
from orloop_common.domain.grid import ceil_moment
from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import Committed, PlanProblem, ProblemCase, ProblemRoom
from orloop_common.domain.vocabulary import Urgency

from .certificate_limits import Hold, Ints, Left, holds_of, micros

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True)
class Option:
    """A case in a room, moved or as published, at starts [q]: `cost`, `delay`, `late` and `prime` by start.

    The room is taken from `begin` to `end`; `overtime` is the price of ending the room's day there, beyond what
    committed cases need. `holds` are counted from the start.
    """

    case: int
    room: int
    start: Ints
    begin: Ints
    end: Ints
    cost: Ints
    delay: Ints
    late: Ints
    prime: Ints
    overtime: Ints
    holds: tuple[Hold, ...]


def options(problem: PlanProblem, left: dict[str, Left], around: Mapping[str, Place] | None = None) -> Iterator[Option]:
    """All places that keep every rule by themselves, beside committed cases."""
    bounds = least(problem, around)
    for i, case in enumerate(problem.cases):
        for published in (False, True):
            length = case.length - (case.slack if published else timedelta(0))
            holds = tuple(h for h in holds_of(problem, case, length) if h.name in left and h.end > h.start)
            starts = _published(problem, case) if published else _moved(problem, case)
            for hold in holds:
                starts = starts[left[hold.name].enough(starts + hold.start, starts + hold.end, hold.amount)]
            for r, room in enumerate(problem.rooms):
                if _goes(case, room, published):
                    here = starts[_fits(problem, case, room, starts, micros(length))]
                    if not published and case.current.room == room.id and case.current.start is not None:
                        here = here[here != micros(case.current.start - problem.now)]  # that is the published place
                    if len(here):
                        yield _priced(problem, bounds, case, i, r, here, length, holds, published)


def extra_between(problem: PlanProblem, first: ProblemCase | Committed, second: ProblemCase | Committed) -> int:
    """Extra time between two neighbours in a room."""
    rule, total = problem.turnover, timedelta(0)
    if rule is None:
        return 0
    if first.service and second.service and first.service != second.service:
        total += rule.service_change
    if first.contaminated and not second.contaminated:
        total += rule.after_contaminated
    if second.latex and not first.latex:
        total += rule.before_latex
    return micros(total)


def committed_overtime(problem: PlanProblem) -> int:
    """The price of what committed cases need past block ends."""
    return sum(_past(_committed_end(problem, room), problem, room) for room in problem.rooms)


def _published(problem: PlanProblem, case: ProblemCase) -> Ints:
    start = case.current.start
    if start is None or (case.latest and start > case.latest) or (case.implant and start < case.implant.end):
        return np.zeros(0, np.int64)
    return np.array([micros(start - problem.now)], np.int64)


def _moved(problem: PlanProblem, case: ProblemCase) -> Ints:
    """Grid points that notice, patient, ward and implant allow."""
    notice = problem.earliest_start
    if case.urgency is Urgency.IMMEDIATE and problem.earliest_emergency is not None:
        notice = problem.earliest_emergency
    bounds = [notice, problem.now + case.transport]
    bounds += [case.current.start - problem.max_early] if case.current.start else []
    bounds += [case.implant.end] if case.implant else []
    bounds += [moment for moment in (case.earliest, case.ready) if moment]
    first = ceil_moment(max(bounds), problem.grid)
    last = max(room.closes for room in problem.rooms)
    last = last if case.latest is None else min(last, case.latest)
    step = micros(problem.grid)
    return np.arange(micros(first - problem.now), micros(last - problem.now) + 1, step, dtype=np.int64)


def _goes(case: ProblemCase, room: ProblemRoom, published: bool) -> bool:
    if published:
        return room.id == case.current.room
    put_there = room.id in (case.current.room, case.scheduled.room)
    return put_there or (case.service in room.services and set(case.needs) <= set(room.capabilities))


def _fits(problem: PlanProblem, case: ProblemCase, room: ProblemRoom, start: Ints, stay: int) -> Flags:
    def at(moment: datetime) -> int:
        return micros(moment - problem.now)

    def beside(interval: Interval, since: Ints, until: Ints) -> Flags:
        return np.asarray((until <= at(interval.start)) | (since >= at(interval.end)))

    begin, clean = start - micros(case.setup), start + stay + micros(case.cleanup)
    fits = (start >= at(room.opens)) & (clean <= at(room.closes))
    for down in room.down:
        fits &= beside(down, start, start + stay)
    for held in problem.committed:
        if held.room == room.id:
            before = clean + extra_between(problem, case, held) <= at(held.occupied.start)
            fits &= before | (begin >= at(held.occupied.end) + extra_between(problem, held, case))
    after = micros(case.surgeon_after)
    bound, released = start + after, start + max(stay - micros(case.surgeon_before), after + micros(problem.grid))
    for surgeon in case.surgeons:
        hours = problem.hours.get(surgeon)
        if hours is not None and hours.until is not None:
            fits &= released <= at(hours.until)
        for pause in hours.breaks if hours else ():
            fits &= beside(pause, bound, released)
    return fits


def _priced(
    problem: PlanProblem,
    bounds: Least,
    case: ProblemCase,
    i: int,
    r: int,
    start: Ints,
    length: timedelta,
    holds: tuple[Hold, ...],
    published: bool,
) -> Option:
    weights, room, grid = problem.weights, problem.rooms[r], micros(problem.grid)

    def after(moment: datetime) -> Ints:
        """Begun slots from `moment` on."""
        return np.asarray(np.maximum(0, -(-(start - micros(moment - problem.now)) // grid)))

    def ahead(moment: datetime) -> Ints:
        return np.asarray(np.maximum(0, -(-(micros(moment - problem.now) - start) // grid)))

    told = case.current.start or case.scheduled.start
    delay = cost = np.zeros(len(start), np.int64)
    if case.urgency is Urgency.IMMEDIATE:
        delay = after(case.waiting_since or told or problem.now)
        cost = weights.emergency_wait * delay
    elif told is not None:
        delay = after(told)
        rate = weights.delay[case.urgency] if case.priority is None else case.priority
        cost = rate * delay + weights.early * ahead(told)
    if case.current.room is not None:
        cost = cost + (0 if published else weights.changed + weights.moved_again * case.moved_today)
        cost = cost + (0 if room.id == case.current.room else weights.room_change)
    wish = case.preferred
    if wish is not None and wish.start is not None:
        cost = cost + weights.preferred_start * (after(wish.start) + ahead(wish.start))
    if wish is not None and wish.room is not None and wish.room != room.id:
        cost = cost + weights.preferred_room
    if case.team_rooms and room.id not in case.team_rooms:
        cost = cost + weights.continuity
    end = start + micros(length + case.cleanup)
    cost = cost + _at_least(problem, bounds, case, room, start, end)
    block_end = micros(room.block_end - problem.now)
    committed = _committed_end(problem, room)
    past = np.maximum(committed, end) - block_end
    overtime = weights.overtime * np.maximum(0, -(-past // grid)) - _past(committed, problem, room)
    return Option(
        case=i,
        room=r,
        start=start,
        begin=start - micros(case.setup),
        end=end,
        cost=cost,
        delay=delay,
        late=np.maximum(0, -(-(end - block_end) // grid)),
        prime=(start > block_end).astype(np.int64),
        overtime=overtime,
        holds=holds,
    )


def _at_least(
    problem: PlanProblem, bounds: Least, case: ProblemCase, room: ProblemRoom, start: Ints, end: Ints
) -> Ints:
    """What waiting surgeons and missing room for add-ons cost at the least: full slots, by start."""
    weights, grid = problem.weights, micros(problem.grid)
    waiting = taken = np.zeros(len(start), np.int64)
    out, turn = end - micros(case.cleanup), start - micros(case.setup + case.cleanup)
    for wait in bounds.waits.get(case.id, ()):
        for span in wait.spans:
            first, last = micros(span.start - problem.now), micros(span.end - problem.now)
            if wait.role is Role.LAST:
                waiting = waiting + np.clip(turn, first, last) - first
            elif wait.role is Role.FIRST:
                waiting = waiting + last - np.clip(out, first, last)
            else:
                waiting = waiting + np.clip(turn, first, last) - np.clip(out, first, last)
    begin = start - micros(case.setup)
    for free in bounds.wanted.get(room.id, ()):
        last, first = micros(free.end - problem.now), micros(free.start - problem.now)
        taken = taken + np.maximum(0, np.minimum(end, last) - np.maximum(begin, first))
    return np.asarray(weights.surgeon_idle * (waiting // grid) + weights.add_on_slack * (taken // grid))


def _committed_end(problem: PlanProblem, room: ProblemRoom) -> int:
    """When committed cases leave the room for good; its block end if that is later."""
    ends = [held.occupied.end for held in problem.committed if held.room == room.id]
    return micros(max([room.block_end, *ends]) - problem.now)


def _past(end: int, problem: PlanProblem, room: ProblemRoom) -> int:
    return problem.weights.overtime * max(0, -(-(end - micros(room.block_end - problem.now)) // micros(problem.grid)))
