"""In which order changes can be carried out one at a time, so that no room ever has two patients in the book."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import PlanProblem, ProblemCase


@dataclass(frozen=True, slots=True)
class Circle:
    """Cases that wait for each other's places, each for the next one's: a swap, which no order can carry out."""

    cases: tuple[str, ...]


def changed(problem: PlanProblem, plan: Mapping[str, Place]) -> list[ProblemCase]:
    """The cases that the plan places otherwise than the published one, by id."""
    return [case for case in problem.cases if plan[case.id] != case.current]


def in_order(problem: PlanProblem, plan: Mapping[str, Place]) -> list[ProblemCase] | Circle:
    """The changed cases, each after those that leave the place it goes to; or the circle they form."""
    moving = changed(problem, plan)
    held: dict[str | None, list[ProblemCase]] = {}
    for case in moving:
        held.setdefault(case.current.room, []).append(case)
    waits_for = {
        case.id: {
            other.id
            for other in held.get(plan[case.id].room, ())
            if other.id != case.id and needs_gone(case, plan[case.id], other)
        }
        for case in moving
    }
    ordered: list[ProblemCase] = []
    left = sorted(moving, key=lambda case: (_when(plan[case.id]), case.id))
    while left:
        ready = next((case for case in left if not waits_for[case.id] & {c.id for c in left}), None)
        if ready is None:
            return Circle(_circle(waits_for, [case.id for case in left]))
        ordered.append(ready)
        left.remove(ready)
    return ordered


def needs_gone(case: ProblemCase, target: Place, other: ProblemCase) -> bool:
    """Whether `other` has to leave its published place before `case` can take `target`."""
    there, here = _occupied(case, target), _occupied(other, other.current)
    return target.room == other.current.room and there is not None and here is not None and there.overlaps(here)


def _occupied(case: ProblemCase, place: Place) -> Interval | None:
    if place.start is None:
        return None
    return Interval(start=place.start - case.setup, end=place.start + case.length + case.cleanup)


def _when(place: Place) -> float:
    return place.start.timestamp() if isinstance(place.start, datetime) else 0.0


def _circle(waits_for: Mapping[str, set[str]], stuck: Sequence[str]) -> tuple[str, ...]:
    """One circle among the cases that are stuck, found by following who waits for whom."""
    path = [stuck[0]]
    while True:
        following = min(waits_for[path[-1]] & set(stuck))
        if following in path:
            return tuple(path[path.index(following) :])
        path.append(following)
