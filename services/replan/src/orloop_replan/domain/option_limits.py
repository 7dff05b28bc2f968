"""Rules about something of which there is only so much: one function each, by the catalogue's id."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from orloop_common.domain.plan import Interval
from orloop_common.domain.problem import Capacity, Committed, EquipmentNeed, PlanProblem

from .option_rules import Option, critical_part

ALWAYS = Interval(start=datetime(2000, 1, 1, tzinfo=UTC), end=datetime(2200, 1, 1, tzinfo=UTC))
ONE = (Capacity(start=ALWAYS.start, end=ALWAYS.end, count=1),)
Hold = tuple[Interval, int]  # when, and how many


@dataclass(frozen=True, slots=True)
class Limited:
    """So much of `name` there is over time, so much of it committed cases hold, and what an option would hold."""

    rule: str
    name: str
    steps: tuple[Capacity, ...]
    committed: Sequence[Hold]
    holds: Callable[[Option], Sequence[Hold]]
    edges: tuple[datetime, ...] = field(init=False)
    """When what is left may change, in order."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", tuple(sorted(self.moments())))

    def left(self, moment: datetime) -> int:
        """What committed cases leave; nothing outside of the given steps."""
        there = next((step.count for step in self.steps if step.start <= moment < step.end), 0)
        return max(0, there - sum(amount for held, amount in self.committed if held.start <= moment < held.end))

    def moments(self) -> set[datetime]:
        """When what is left may change."""
        edges = {m for step in self.steps for m in (step.start, step.end)}
        return edges | {m for held, _ in self.committed for m in (held.start, held.end)}

    def leaves(self, one: Option) -> bool:
        """Whether the option fits beside what is committed."""
        held = [hold for hold in self.holds(one) if hold[0].start < hold[0].end]
        if not held:
            return True
        edges = self.edges
        looks = {i.start for i, _ in held}
        for interval, _ in held:
            looks.update(edges[bisect_left(edges, interval.start) : bisect_left(edges, interval.end)])
        return all(sum(n for i, n in held if i.start <= m < i.end) <= self.left(m) for m in looks)


def room_one_patient(problem: PlanProblem) -> Iterator[Limited]:
    """room-one-patient: one case in a room, from setup to cleanup."""
    for room in problem.rooms:
        committed = [(held.occupied, 1) for held in problem.committed if held.room == room.id]
        yield Limited("room-one-patient", room.id, ONE, committed, _occupancy(room.id))


def _occupancy(room: str) -> Callable[[Option], Sequence[Hold]]:
    return lambda one: [(one.occupied, 1)] if one.room.id == room else []


def surgeon_one_place(problem: PlanProblem) -> Iterator[Limited]:
    """surgeon-one-place: a surgeon is bound to one patient at a time, for the critical part."""
    for surgeon in sorted({s for case in problem.cases for s in case.surgeons}):
        committed = [(held.surgeon or held.patient, 1) for held in problem.committed if surgeon in held.surgeons]
        yield Limited("surgeon-one-place", surgeon, ONE, committed, _operating(problem, surgeon))


def _operating(problem: PlanProblem, surgeon: str) -> Callable[[Option], Sequence[Hold]]:
    return lambda one: [(critical_part(problem, one), 1)] if surgeon in one.case.surgeons else []


def anaesthesia_teams(problem: PlanProblem) -> Iterator[Limited]:
    """anaesthesia-teams: one for each patient in a room."""
    if problem.teams:
        committed = [(held.patient, 1) for held in problem.committed]
        yield Limited("anaesthesia-teams", "", problem.teams, committed, lambda one: [(one.patient, 1)])


def recovery_beds(problem: PlanProblem) -> Iterator[Limited]:
    """recovery-beds: one for each patient who has left the room and still recovers."""
    if problem.beds:
        committed = [(held.recovery, 1) for held in problem.committed if held.recovery]
        yield Limited("recovery-beds", "", problem.beds, committed, lambda one: [(_after(one, one.case.recovery), 1)])


def cleaning_teams(problem: PlanProblem) -> Iterator[Limited]:
    """cleaning-teams: one for each room between patient out and the end of cleanup."""
    if problem.cleaning:
        committed = [(Interval(start=c.patient.end, end=c.occupied.end), 1) for c in problem.committed]
        yield Limited(
            "cleaning-teams", "", problem.cleaning, committed, lambda one: [(_after(one, one.case.cleanup), 1)]
        )


def staff_skills(problem: PlanProblem) -> Iterator[Limited]:
    """staff-skills: as many people with a skill as patients in rooms need at once."""
    for skill, steps in sorted(problem.skills.items()):
        committed = [(held.patient, Counter(held.skills)[skill]) for held in problem.committed]
        yield Limited("staff-skills", skill, steps, committed, _skilled(skill))


def _skilled(skill: str) -> Callable[[Option], Sequence[Hold]]:
    return lambda one: [(one.patient, one.case.skills.count(skill))]


def equipment_units(problem: PlanProblem) -> Iterator[Limited]:
    """equipment-units: held from patient in to patient out, then reprocessed."""
    for kind, steps in sorted(problem.equipment.items()):
        committed = [hold for c in problem.committed for hold in _units(c.equipment, kind, c.patient)]
        yield Limited("equipment-units", kind, steps, committed, _equipped(kind))


def _equipped(kind: str) -> Callable[[Option], Sequence[Hold]]:
    return lambda one: list(_units(one.case.equipment, kind, one.patient))


def _units(needs: Sequence[EquipmentNeed], kind: str, patient: Interval) -> Iterator[Hold]:
    for need in needs:
        if need.kind == kind:
            yield replace(patient, end=patient.end + need.reprocessing), need.count


def unit_beds(problem: PlanProblem) -> Iterator[Limited]:
    """unit-beds: a bed of the ward from the end of recovery until the end of the day (the horizon)."""
    for unit, steps in sorted(problem.units.items()):
        committed = [(Interval(start=_leaves(c), end=problem.horizon), 1) for c in problem.committed if c.unit == unit]
        yield Limited("unit-beds", unit, steps, committed, _bedded(unit, problem.horizon))


def _bedded(unit: str, last: datetime) -> Callable[[Option], Sequence[Hold]]:
    def holds(one: Option) -> Sequence[Hold]:
        there = one.patient.end + one.case.recovery
        return [(Interval(start=there, end=last), 1)] if one.case.unit == unit else []

    return holds


def _leaves(held: Committed) -> datetime:
    return held.recovery.end if held.recovery else held.patient.end


def _after(one: Option, span: timedelta) -> Interval:
    return Interval(start=one.patient.end, end=one.patient.end + span)


RESOURCES: Mapping[str, Callable[[PlanProblem], Iterator[Limited]]] = {
    "room-one-patient": room_one_patient,
    "surgeon-one-place": surgeon_one_place,
    "anaesthesia-teams": anaesthesia_teams,
    "recovery-beds": recovery_beds,
    "cleaning-teams": cleaning_teams,
    "staff-skills": staff_skills,
    "equipment-units": equipment_units,
    "unit-beds": unit_beds,
}
