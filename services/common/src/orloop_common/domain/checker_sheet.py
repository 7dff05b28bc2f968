"""A plan laid out for its judge: who is where from when until when, and whom the judge is asked about."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from .plan import Interval, Place
from .problem import Committed, EquipmentNeed, PlanProblem, ProblemCase, ProblemRoom
from .vocabulary import Urgency
from .wording import clock_time, the, upper_first

Assignments = Mapping[str, Place]
EMERGENCIES = frozenset({Urgency.URGENT, Urgency.IMMEDIATE})


@dataclass(frozen=True, slots=True)
class Broken:
    """A hard rule that a plan breaks: its id, a sentence for a charge nurse, the cases it is about."""

    rule: str
    sentence: str
    cases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """A movable case at a place: the room is taken from `begin` to `clean`, the patient is in it from `start` to `end`.

    `bound` is the part for which the surgeons are bound; `stays` says that the place is the published one.
    """

    case: ProblemCase
    room: str
    begin: datetime
    start: datetime
    end: datetime
    clean: datetime
    bound: Interval
    stays: bool

    @property
    def the(self) -> str:
        return the(self.case.label)

    @property
    def The(self) -> str:
        return upper_first(the(self.case.label))


@dataclass(frozen=True, slots=True)
class Holding:
    """What a placed or committed case uses up; `case` is empty where the judge is not asked about it."""

    case: str
    patient: Interval
    clean: datetime
    recovery: Interval | None
    skills: tuple[str, ...]
    equipment: tuple[EquipmentNeed, ...]
    unit: str | None

    @property
    def to_unit(self) -> datetime:
        """When a patient who goes on to a unit gets there."""
        return self.recovery.end if self.recovery is not None else self.patient.end


@dataclass(frozen=True, slots=True)
class Sheet:
    """A problem, a plan, its placed cases by the problem's order, and those of them that are judged (`asked`)."""

    problem: PlanProblem
    assignments: Assignments
    placed: Sequence[Placed]
    asked: Sequence[Placed]
    rooms: Mapping[str, ProblemRoom]
    held: Sequence[Holding]

    def clock(self, moment: datetime) -> str:
        """A time as the site's clocks show it."""
        return clock_time(moment, self.problem.timezone)

    def others(self) -> Iterator[tuple[Placed, bool]]:
        """Everybody who is placed, and whether the judge is asked about them."""
        asked = {placed.case.id for placed in self.asked}
        for placed in self.placed:
            yield placed, placed.case.id in asked


def lay_out(problem: PlanProblem, assignments: Assignments) -> Sheet:
    """The whole plan, everybody judged."""
    found = []
    for case in problem.cases:
        place = assignments.get(case.id)
        if place is not None and place.room is not None and place.start is not None:
            found.append(put(problem, case, place, place.room, place.start))
    rooms = {room.id: room for room in problem.rooms}
    held = [*map(of_committed, problem.committed), *(of_placed(p, p.case.id) for p in found)]
    return Sheet(problem, assignments, found, found, rooms, held)


def instead(sheet: Sheet, placed: Placed, leaves: str) -> Sheet:
    """The same plan with one case more, the only one judged, and one less."""
    others = [other for other in sheet.placed if other.case.id != leaves]
    held = [replace(h, case="") for h in sheet.held if h.case != leaves]
    held.append(of_placed(placed, placed.case.id))
    place = Place(room=placed.room, start=placed.start)
    return replace(sheet, assignments={placed.case.id: place}, placed=[*others, placed], asked=[placed], held=held)


def put(problem: PlanProblem, case: ProblemCase, place: Place, room: str, start: datetime) -> Placed:
    """A case at a place."""
    stays = place == case.current
    end = start + (case.length - case.slack if stays else case.length)
    bound = start + case.surgeon_after
    return Placed(
        case=case,
        room=room,
        begin=start - case.setup,
        start=start,
        end=end,
        clean=end + case.cleanup,
        bound=Interval(start=bound, end=max(end - case.surgeon_before, bound + problem.grid)),
        stays=stays,
    )


def of_placed(placed: Placed, name: str) -> Holding:
    """What a placed case uses up, under its own name or none."""
    case, end = placed.case, placed.end
    return Holding(
        case=name,
        patient=Interval(start=placed.start, end=end),
        clean=placed.clean,
        recovery=Interval(start=end, end=end + case.recovery) if case.recovery else None,
        skills=case.skills,
        equipment=case.equipment,
        unit=case.unit,
    )


def of_committed(held: Committed) -> Holding:
    """What a committed case uses up."""
    return Holding(
        case="",
        patient=held.patient,
        clean=held.occupied.end,
        recovery=held.recovery,
        skills=held.skills,
        equipment=held.equipment,
        unit=held.unit,
    )
