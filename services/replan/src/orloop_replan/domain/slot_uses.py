"""Which limited resources a case holds, from when until when: one name `rule/which` for each."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from orloop_common.domain.plan import Interval
from orloop_common.domain.problem import Capacity, Committed, PlanProblem, ProblemCase

SURGEON = "surgeon-one-place"
TEAMS = "anaesthesia-teams"
RECOVERY = "recovery-beds"
SKILLS = "staff-skills"
EQUIPMENT = "equipment-units"
CLEANING = "cleaning-teams"
UNITS = "unit-beds"


@dataclass(frozen=True, slots=True)
class Use:
    """`amount` of `resource` from `start` until `end`, counted from the start of the stay (committed: from now)."""

    FOREVER: ClassVar[timedelta] = timedelta(days=3)

    resource: str
    start: timedelta
    end: timedelta
    amount: int = 1


def limited(problem: PlanProblem) -> dict[str, tuple[Capacity, ...]]:
    """Steps of capacity of everything that can run out; surgeons who have more than one case to themselves."""
    always = Capacity(start=problem.now - timedelta(days=1), end=problem.now + timedelta(days=3), count=1)
    surgeons = {s for case in problem.cases for s in case.surgeons}
    steps: dict[str, tuple[Capacity, ...]] = {f"{SURGEON}/{surgeon}": (always,) for surgeon in sorted(surgeons)}
    if problem.teams:
        steps[f"{TEAMS}/"] = problem.teams
    if problem.beds:
        steps[f"{RECOVERY}/"] = problem.beds
    if problem.cleaning:
        steps[f"{CLEANING}/"] = problem.cleaning
    for rule, named in ((SKILLS, problem.skills), (EQUIPMENT, problem.equipment), (UNITS, problem.units)):
        for name in sorted(named):
            steps[f"{rule}/{name}"] = named[name]
    return steps


def uses_of(problem: PlanProblem, case: ProblemCase, length: timedelta) -> Iterator[Use]:
    """What a case holds when its patient stays for `length`."""
    zero = timedelta(0)
    bound, released = case.surgeon_after, max(length - case.surgeon_before, case.surgeon_after + problem.grid)
    for surgeon in case.surgeons:
        yield Use(f"{SURGEON}/{surgeon}", bound, released)
    yield Use(f"{TEAMS}/", zero, length)
    if case.recovery:
        yield Use(f"{RECOVERY}/", length, length + case.recovery)
    if case.cleanup:
        yield Use(f"{CLEANING}/", length, length + case.cleanup)
    for skill, count in sorted(Counter(case.skills).items()):
        yield Use(f"{SKILLS}/{skill}", zero, length, count)
    for need in case.equipment:
        yield Use(f"{EQUIPMENT}/{need.kind}", zero, length + need.reprocessing, need.count)
    if case.unit is not None:
        yield Use(f"{UNITS}/{case.unit}", length + case.recovery, Use.FOREVER)


def committed_uses(problem: PlanProblem) -> Iterator[Use]:
    """What committed cases hold, counted from now."""
    for held in problem.committed:
        yield from _committed(problem, held)


def _committed(problem: PlanProblem, held: Committed) -> Iterator[Use]:
    zero = timedelta(0)

    def during(resource: str, interval: Interval, after: timedelta = zero, amount: int = 1) -> Use:
        return Use(resource, interval.start - problem.now, interval.end - problem.now + after, amount)

    for surgeon in held.surgeons:
        yield during(f"{SURGEON}/{surgeon}", held.surgeon or held.patient)
    yield during(f"{TEAMS}/", held.patient)
    if held.recovery is not None:
        yield during(f"{RECOVERY}/", held.recovery)
    if held.occupied.end > held.patient.end:
        yield during(f"{CLEANING}/", Interval(start=held.patient.end, end=held.occupied.end))
    for skill, count in sorted(Counter(held.skills).items()):
        yield during(f"{SKILLS}/{skill}", held.patient, zero, count)
    for need in held.equipment:
        yield during(f"{EQUIPMENT}/{need.kind}", held.patient, need.reprocessing, need.count)
    if held.unit is not None:
        out = held.recovery.end if held.recovery is not None else held.patient.end
        yield during(f"{UNITS}/{held.unit}", Interval(start=out, end=out + Use.FOREVER))
