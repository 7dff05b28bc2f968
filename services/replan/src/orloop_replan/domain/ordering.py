"""In which order changes can be carried out one at a time, so that no room ever has two patients in the book.

As `orloop_common.domain.carrying` orders them at the decision, on the hospital's own book.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import PlanProblem, ProblemCase

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Order:
    """The changed cases in their order. Where some swap places, those in `aside` wait outside hours in the book
    until theirs is free.
    """

    cases: tuple[ProblemCase, ...]
    aside: frozenset[str] = frozenset()


def changed(problem: PlanProblem, plan: Mapping[str, Place]) -> list[ProblemCase]:
    """The cases that the plan places otherwise than the published one, by id."""
    return [case for case in problem.cases if plan[case.id] != case.current]


def in_order(problem: PlanProblem, plan: Mapping[str, Place]) -> Order:
    """Each changed case after those that leave the place it goes to."""
    moving = changed(problem, plan)
    held: dict[str | None, list[ProblemCase]] = {}
    for case in moving:
        held.setdefault(case.current.room, []).append(case)
    waits_for = {
        case.id: {
            other.id
            for other in held.get(plan[case.id].room, ())
            if other.id != case.id and _needs_gone(case, plan[case.id], other)
        }
        for case in moving
    }
    ordered: list[ProblemCase] = []
    aside: set[str] = set()
    left = sorted(moving, key=lambda case: (_when(plan[case.id]), case.id))
    while left:
        standing = {case.id for case in left} - aside
        ready = next((case for case in left if not waits_for[case.id] & standing), None)
        if ready is None:
            in_the_way = set().union(*(waits_for[case.id] & standing for case in left))
            aside.add(max(in_the_way, key=lambda case: (plan[case].start or _NEVER, case)))
            continue
        ordered.append(ready)
        left.remove(ready)
    return Order(tuple(ordered), frozenset(aside))


def _needs_gone(case: ProblemCase, target: Place, other: ProblemCase) -> bool:
    """Whether `other` has to leave its published place before `case` can take `target`."""
    there, here = _occupied(case, target), _occupied(other, other.current)
    return target.room == other.current.room and there is not None and here is not None and there.overlaps(here)


def _occupied(case: ProblemCase, place: Place) -> Interval | None:
    if place.start is None:
        return None
    return Interval(start=place.start - case.setup, end=place.start + case.length + case.cleanup)


def _when(place: Place) -> float:
    return place.start.timestamp() if place.start is not None else 0.0
