"""Every place that a case may have, read from the problem rule by rule: what the reference model chooses from.

Written apart from `slots` on purpose, in moments and intervals instead of ticks, so that agreement of
the two means something. Slower, and meant to be read.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from orloop_common.domain.grid import ceil_moment
from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import Capacity, Committed, EquipmentNeed, PlanProblem, ProblemCase, ProblemRoom
from orloop_common.domain.vocabulary import Urgency

ALWAYS = Interval(start=datetime(2000, 1, 1, tzinfo=UTC), end=datetime(2200, 1, 1, tzinfo=UTC))
ONE = (Capacity(start=ALWAYS.start, end=ALWAYS.end, count=1),)
Hold = tuple[Interval, int]  # when, and how many


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


def options(problem: PlanProblem) -> list[Option]:
    """All options that keep every rule by themselves and beside what is committed."""
    resources = [limited for rule in RESOURCES.values() for limited in rule(problem)]
    found = []
    for case in problem.cases:
        for one in _anywhere(problem, case):
            if all(keeps(problem, one) for keeps in FILTERS.values()) and all(r.leaves(one) for r in resources):
                found.append(one)
    return found


def _anywhere(problem: PlanProblem, case: ProblemCase) -> Iterator[Option]:
    for room in problem.rooms:
        if case.current.room == room.id and case.current.start is not None:
            yield option(case, room, case.current.start)
        start = ceil_moment(max(room.opens, min(problem.now, problem.earliest_start)), problem.grid)
        while start < room.closes:
            if case.current != Place(room=room.id, start=start):
                yield option(case, room, start)
            start += problem.grid


# --- rules that one option keeps or breaks by itself ----------------------------------------------------


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


# --- rules about something of which there is only so much ----------------------------------------------


@dataclass(frozen=True, slots=True)
class Limited:
    """So much of `name` there is over time, so much of it committed cases hold, and what an option would hold."""

    rule: str
    name: str
    steps: tuple[Capacity, ...]
    committed: Sequence[Hold]
    holds: Callable[[Option], Sequence[Hold]]

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
        looks = self.moments() | {interval.start for interval, _ in held}
        return all(
            sum(n for i, n in held if i.start <= m < i.end) <= self.left(m)
            for m in looks
            if any(i.start <= m < i.end for i, _ in held)
        )


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
