"""What can run out, for the certificate's judge: how much is left when, and which case holds what for how long.

Written from the rules alone, beside and not after the planner's own arrays. Times are whole microseconds
from `now`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from orloop_common.domain.problem import Capacity, Committed, EquipmentNeed, PlanProblem, ProblemCase

Ints = npt.NDArray[np.int64]
_LONG_AGO, _ALL_DAY, _NEVER_ENDS = -(1 << 60), 1 << 59, 1 << 60


def micros(span: timedelta) -> int:
    """Whole microseconds."""
    return span // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Hold:
    """`amount` of `name` (`rule/which`), from `start` until `end`."""

    name: str
    start: int
    end: int
    amount: int = 1


@dataclass(frozen=True, slots=True)
class Left:
    """What committed cases leave of one resource: `amount` [s] from each of `marks` [s] on, nothing before."""

    marks: Ints
    amount: Ints

    def at(self, moments: Ints) -> Ints:
        """What is left at moments [q], at least nothing."""
        index = np.searchsorted(self.marks, moments, side="right") - 1
        return np.where(index >= 0, np.maximum(0, self.amount[np.maximum(0, index)]), 0)

    def enough(self, start: Ints, end: Ints, amount: int) -> npt.NDArray[np.bool_]:
        """Whether `amount` is left all the while between `start` [q] and `end` [q]."""
        lacking = np.concatenate([[0, 1], 1 + np.cumsum(self.amount < amount)])  # before the first mark nothing is
        low = np.searchsorted(self.marks, start, side="right")
        high = np.searchsorted(self.marks, end, side="left") + 1
        return np.asarray((lacking[np.maximum(low, high)] == lacking[low]) | (end <= start))


def left_over(problem: PlanProblem) -> dict[str, Left]:
    """Every resource that is limited, by name."""
    held: dict[str, list[Hold]] = {}
    for committed in problem.committed:
        for hold in held_by(problem, committed):
            held.setdefault(hold.name, []).append(hold)
    found = {}
    for surgeon in sorted({s for case in problem.cases for s in case.surgeons}):
        name = f"surgeon-one-place/{surgeon}"
        found[name] = _left([(_LONG_AGO, _NEVER_ENDS, 1)], held.get(name, []))
    for name, steps in _limits(problem):
        spans = [(micros(s.start - problem.now), micros(s.end - problem.now), s.count) for s in steps]
        if name.startswith("unit-beds/"):  # the day is over at the horizon, and nobody counts beds any more
            spans.append((micros(problem.horizon - problem.now), _NEVER_ENDS, _NEVER_ENDS))
        found[name] = _left(spans, held.get(name, []))
    return found


def holds_of(problem: PlanProblem, case: ProblemCase, length: timedelta) -> Iterator[Hold]:
    """What a movable case holds, counted from its start, when its patient stays for `length`."""
    stay, after = micros(length), micros(case.surgeon_after)
    released = max(stay - micros(case.surgeon_before), after + micros(problem.grid))
    for surgeon in case.surgeons:
        yield Hold(f"surgeon-one-place/{surgeon}", after, released)
    recovered = stay + micros(case.recovery)
    yield Hold("recovery-beds/", stay, recovered)
    yield from _common(0, stay, stay + micros(case.cleanup), recovered, case.skills, case.equipment, case.unit)


def held_by(problem: PlanProblem, held: Committed) -> Iterator[Hold]:
    """What a committed case holds, counted from now."""

    def at(moment: datetime) -> int:
        return micros(moment - problem.now)

    start, end = at(held.patient.start), at(held.patient.end)
    bound = held.surgeon or held.patient
    for surgeon in held.surgeons:
        yield Hold(f"surgeon-one-place/{surgeon}", at(bound.start), at(bound.end))
    recovered = end
    if held.recovery is not None:
        recovered = at(held.recovery.end)
        yield Hold("recovery-beds/", at(held.recovery.start), recovered)
    yield from _common(start, end, at(held.occupied.end), recovered, held.skills, held.equipment, held.unit)


def _common(
    start: int,
    end: int,
    clean: int,
    recovered: int,
    skills: tuple[str, ...],
    equipment: tuple[EquipmentNeed, ...],
    unit: str | None,
) -> Iterator[Hold]:
    yield Hold("anaesthesia-teams/", start, end)
    yield Hold("cleaning-teams/", end, clean)
    for skill in dict.fromkeys(skills):
        yield Hold(f"staff-skills/{skill}", start, end, skills.count(skill))
    for need in equipment:
        yield Hold(f"equipment-units/{need.kind}", start, end + micros(need.reprocessing), need.count)
    if unit is not None:
        yield Hold(f"unit-beds/{unit}", recovered, _ALL_DAY)


def _limits(problem: PlanProblem) -> Iterator[tuple[str, tuple[Capacity, ...]]]:
    alone = (
        ("anaesthesia-teams", problem.teams),
        ("recovery-beds", problem.beds),
        ("cleaning-teams", problem.cleaning),
    )
    yield from ((f"{rule}/", steps) for rule, steps in alone if steps)
    named = (("staff-skills", problem.skills), ("equipment-units", problem.equipment), ("unit-beds", problem.units))
    yield from ((f"{rule}/{name}", steps) for rule, by_name in named for name, steps in by_name.items() if steps)


def _left(spans: list[tuple[int, int, int]], held: list[Hold]) -> Left:
    holds = [hold for hold in held if hold.end > hold.start]
    marks = sorted({m for span in spans for m in span[:2]} | {m for hold in holds for m in (hold.start, hold.end)})
    amount = [
        next((count for start, end, count in reversed(spans) if start <= mark < end), 0)
        - sum(hold.amount for hold in holds if hold.start <= mark < hold.end)
        for mark in marks
    ]
    return Left(np.array(marks, np.int64), np.array(amount, np.int64))
