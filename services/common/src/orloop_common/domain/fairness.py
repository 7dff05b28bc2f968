"""Fairness between services and between sites: whose patients wait, stay late and start late, on average."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from .grid import slots_past
from .problem import PlanProblem, ProblemCase
from .vocabulary import Urgency

SMALLEST_GROUP = 3
"""Of fewer movable cases a mean says nothing."""


@dataclass(frozen=True, slots=True)
class Sat:
    """A case where a plan has it: in `room` from `start`, which is clean again at `clean`."""

    case: ProblemCase
    room: str
    start: datetime
    clean: datetime


def groups(problem: PlanProblem) -> dict[str, frozenset[str]]:
    """Cases by group, `service/urology` or `site/north`: all groups with three or more movable cases."""
    found: dict[str, set[str]] = {}
    for case in problem.cases:
        for kind, name in (("service", case.service), ("site", case.site)):
            if name:
                found.setdefault(f"{kind}/{name}", set()).add(case.id)
    return {name: frozenset(found[name]) for name in sorted(found) if len(found[name]) >= SMALLEST_GROUP}


def fairness(problem: PlanProblem, sat: Iterable[Sat]) -> int:
    """The price of the worst-off group's means: waiting, stay past block end, starts past block end.

    Waiting and staying are in begun slots, starts in tenths of the group; each mean is rounded up.
    """
    weights = problem.weights
    priced = weights.fairness, weights.fairness_late, weights.fairness_prime
    if not any(priced):
        return 0
    ends = {room.id: room.block_end for room in problem.rooms}
    counted = {one.case.id: _counted(problem, one, ends) for one in sat}
    worst = [0, 0, 0]
    for members in groups(problem).values():
        totals = [sum(counted[case][measure] for case in members if case in counted) for measure in range(3)]
        worst = [max(w, -(-total // len(members))) for w, total in zip(worst, totals, strict=True)]
    return sum(weight * level for weight, level in zip(priced, worst, strict=True))


def since(problem: PlanProblem, case: ProblemCase) -> datetime | None:
    """From when on a patient waits: an immediate case since it was announced, others from the time they were told."""
    told = case.current.start or case.scheduled.start
    if case.urgency is Urgency.IMMEDIATE:
        return case.waiting_since or told or problem.now
    return told


def _counted(problem: PlanProblem, one: Sat, ends: Mapping[str, datetime]) -> tuple[int, int, int]:
    waits, block_end = since(problem, one.case), ends.get(one.room)
    delay = slots_past(one.start - waits, problem.grid) if waits else 0
    if block_end is None:
        return delay, 0, 0
    return delay, slots_past(one.clean - block_end, problem.grid), 10 * (one.start > block_end)
