"""Which rule forbids a wish by itself: every place that would grant it is put to the checker."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from orloop_common.domain.checker import Broken, check
from orloop_common.domain.grid import ceil_moment
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import Committed, PlanProblem, ProblemCase
from orloop_common.domain.wording import the

from .clauses import SEVERITY, clause, severest
from .slots import UNPLACED
from .wishes import Wish, case_of

Plan = Mapping[str, Place]
_OF_TIME = ("frozen-window", "earliest-start", "implant-there", "latest-start", "surgeon-hours", "surgeon-one-place")
"""Named first where a time is asked for, whatever the rooms are."""
NAMED = 3
"""So many rooms, or parts of the day, are named one by one."""


def forbidden(problem: PlanProblem, plan: Plan, wish: Wish) -> tuple[tuple[str, ...], str]:
    """The rules that forbid `wish` whatever everybody else does, and a clause for them; empty if none does.

    What everybody else would be in the way of does not count here.
    """
    case = case_of(problem, wish)
    if (begun := _begun(problem, wish)) is not None:
        return ("frozen-window",), f"{the(begun.label)} has begun already"
    found: list[tuple[Place, list[Broken]]] = []
    for place in _granting(problem, plan, case, wish):
        broken = _alone(problem, case, place)
        found.append((place, broken))
        if not broken:
            return (), ""
        if wish.room is not None and any(b.rule == "room-eligible" for b in broken):
            break  # the same at any time
    if not found:
        return (), ""
    common = set.intersection(*({b.rule for b in broken} for _, broken in found))
    if common:
        found = [(place, [b for b in broken if b.rule in common]) for place, broken in found]
        rule = min(common, key=lambda r: (wish.room is None and r not in _OF_TIME, _rank(r)))
        place, broken = found[0]
        return (rule,), _clause(problem, case, place, [b for b in broken if b.rule == rule])
    told: dict[str, str] = {}
    for place, broken in found:
        first = severest(broken)
        assert first is not None
        told.setdefault(first.rule, _clause(problem, case, place, [first]))
    rules = tuple(told)
    return rules, "; otherwise ".join(list(told.values())[:NAMED])


def in_the_way(problem: PlanProblem, plan: Plan, wish: Wish) -> tuple[tuple[str, ...], str]:
    """What would break at the place nearest to the plan's that grants the wish, all others left as they are."""
    case = case_of(problem, wish)
    for place in _granting(problem, plan, case, wish):
        trial = {**plan, case.id: place}
        if _alone(problem, case, place):
            continue
        broken = [b for b in check(problem, trial) if case.id in b.cases]
        if (first := severest(broken)) is not None:
            return (first.rule,), clause(problem, trial, case, first)
    return (), ""


def _granting(problem: PlanProblem, plan: Plan, case: ProblemCase, wish: Wish) -> Iterator[Place]:
    """Places that would grant the wish, those nearest to where the plan has the case first."""
    if wish.leave:
        yield case.current
        return
    near = plan[case.id].start or case.current.start or problem.earliest_start
    home = plan[case.id].room or case.current.room
    takers = [r.id for r in problem.rooms if case.service in r.services or r.id in (home, case.scheduled.room)]
    rooms = [wish.room] if wish.room is not None else sorted(takers, key=lambda r: (r != home, r))
    for start in _starts(problem, plan, wish, near):
        for room in rooms:
            yield Place(room=room, start=start)


def _starts(problem: PlanProblem, plan: Plan, wish: Wish, near: datetime) -> Sequence[datetime]:
    if wish.start is not None:
        return [ceil_moment(wish.start, problem.grid)]
    first, last = ceil_moment(problem.now, problem.grid), problem.horizon
    if wish.before is not None:
        held = next((c.patient.start for c in problem.committed if c.id == wish.before), None)
        theirs = held or plan[wish.before].start
        last = min(last, theirs) if theirs is not None else last
        return [max(first, ceil_moment(last, problem.grid) - problem.grid)]
    starts = []
    while first < last:
        starts.append(first)
        first += problem.grid
    return sorted(starts, key=lambda s: abs(s - near))


def _begun(problem: PlanProblem, wish: Wish) -> Committed | None:
    """The case that another one should come before, if its patient is in the room or has been."""
    begun = (c for c in problem.committed if c.id == wish.before and c.patient.start <= problem.now)
    return next(begun, None)


def _alone(problem: PlanProblem, case: ProblemCase, place: Place) -> list[Broken]:
    """What breaks if nobody else who can move is anywhere."""
    alone = {c.id: UNPLACED for c in problem.cases} | {case.id: place}
    return [b for b in check(problem, alone) if case.id in b.cases and b.rule not in ("class-order", "case-once")]


def _clause(problem: PlanProblem, case: ProblemCase, place: Place, broken: Sequence[Broken]) -> str:
    first = severest(broken)
    assert first is not None
    alone = {c.id: UNPLACED for c in problem.cases} | {case.id: place}
    return clause(problem, alone, case, first)


def _rank(rule: str) -> int:
    return SEVERITY.index(rule) if rule in SEVERITY else len(SEVERITY)
