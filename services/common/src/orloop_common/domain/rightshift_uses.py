"""What right-shift has used up so far, and from when on a case could begin in a room."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from .grid import ceil_moment
from .plan import Interval, Place
from .problem import Capacity, Committed, PlanProblem, ProblemCase, ProblemRoom
from .vocabulary import Urgency

_NEVER = datetime.max.replace(tzinfo=UTC)
_Span = tuple[str, datetime, datetime, int]
"""What is held, from when until when, and how many of it."""


def earliest(problem: PlanProblem, used: "Used", case: ProblemCase, room: ProblemRoom) -> datetime | None:
    """The first grid moment, not before the time told, at which the case fits into the room; None if there is none."""
    promised = case.current.start or case.scheduled.start
    notice = problem.earliest_start
    if case.urgency is Urgency.IMMEDIATE and problem.earliest_emergency is not None:
        notice = problem.earliest_emergency
    implant = case.implant.end if case.implant else None
    bounds = [notice, room.opens, case.earliest, promised, case.ready, implant, problem.now + case.transport]
    start = ceil_moment(max(b for b in bounds if b is not None), problem.grid)
    last = room.closes - case.length - case.cleanup
    last = min(last, case.latest) if case.latest is not None else last
    while start <= last:
        after = used.blocked_until(case, Place(room=room.id, start=start))
        if after is None:
            return start
        if after >= last + problem.grid:
            return None
        start = max(start + problem.grid, ceil_moment(after, problem.grid))
    return None


@dataclass
class Used:
    """Rooms, and everything else that is limited, as committed cases and those placed so far take it."""

    problem: PlanProblem
    rooms: dict[str, list[tuple[Interval, ProblemCase | Committed]]] = field(default_factory=dict)
    held: dict[str, list[tuple[datetime, datetime, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problem = self.problem
        named = (("skill", problem.skills), ("equipment", problem.equipment), ("unit", problem.units))
        self.limits: dict[str, tuple[Capacity, ...]] = {
            "team": problem.teams,
            "bed": problem.beds,
            "cleaning": problem.cleaning,
            **{f"{kind}/{name}": steps for kind, limits in named for name, steps in limits.items()},
        }
        self.layout = {room.id: room for room in problem.rooms}
        for held in problem.committed:
            self.rooms.setdefault(held.room, []).append((held.occupied, held))
            for span in self._committed(held):
                self._hold(span)

    def take(self, case: ProblemCase, place: Place) -> None:
        """Give the case this place."""
        if place.room is None or place.start is None:
            return
        stay, occupied = _stay(case, place)
        self.rooms.setdefault(place.room, []).append((occupied, case))
        for span in self._spans(case, stay):
            self._hold(span)

    def fits(self, case: ProblemCase, place: Place) -> bool:
        """Whether the published place can be kept as it is."""
        room = self.layout[place.room or ""]
        stay, occupied = _stay(case, place)
        open_then = stay.start >= room.opens and occupied.end <= room.closes
        in_time = case.latest is None or stay.start <= case.latest
        there = case.implant is None or stay.start >= case.implant.end
        return open_then and in_time and there and self.blocked_until(case, place) is None

    def blocked_until(self, case: ProblemCase, place: Place) -> datetime | None:
        """None if the place is free, else a moment before which no later start can be free."""
        stay, occupied = _stay(case, place)
        before = stay.start - occupied.start
        for taken, whose in self.rooms.get(place.room or "", ()):
            ready = taken.end + _extra(self.problem, whose, case)
            if occupied.start < ready and taken.start < occupied.end + _extra(self.problem, case, whose):
                return ready + before
        for down in self.layout[place.room or ""].down:
            if stay.overlaps(down):
                return down.end
        if (away := self._surgeons_away(case, stay)) is not None:
            return away
        for span in self._spans(case, stay):
            if (over := self._over(span)) is not None:
                return over - (span[1] - stay.start)
        return None

    def _surgeons_away(self, case: ProblemCase, stay: Interval) -> datetime | None:
        """None if every surgeon is there, else the moment by which one may be back."""
        bound = _bound(self.problem, case, stay)
        for surgeon in case.surgeons:
            hours = self.problem.hours.get(surgeon)
            if hours is not None and hours.until is not None and bound.end > hours.until:
                return _NEVER
            for pause in hours.breaks if hours else ():
                if pause.overlaps(bound):
                    return pause.end - case.surgeon_after
        return None

    def _hold(self, span: _Span) -> None:
        name, start, end, amount = span
        self.held.setdefault(name, []).append((start, end, amount))

    def _spans(self, case: ProblemCase, stay: Interval) -> Iterator[_Span]:
        bound = _bound(self.problem, case, stay)
        for surgeon in case.surgeons:
            yield f"surgeon/{surgeon}", bound.start, bound.end, 1
        recovered = stay.end + case.recovery
        yield "bed", stay.end, recovered, 1
        yield from self._all(case, stay, stay.end + case.cleanup, recovered)

    def _committed(self, held: Committed) -> Iterator[_Span]:
        bound = held.surgeon or held.patient
        for surgeon in held.surgeons:
            yield f"surgeon/{surgeon}", bound.start, bound.end, 1
        if held.recovery is not None:
            yield "bed", held.recovery.start, held.recovery.end, 1
        recovered = held.recovery.end if held.recovery is not None else held.patient.end
        yield from self._all(held, held.patient, held.occupied.end, recovered)

    def _all(
        self, case: ProblemCase | Committed, stay: Interval, clean: datetime, recovered: datetime
    ) -> Iterator[_Span]:
        yield "team", stay.start, stay.end, 1
        yield "cleaning", stay.end, clean, 1
        for skill in dict.fromkeys(case.skills):
            yield f"skill/{skill}", stay.start, stay.end, case.skills.count(skill)
        for need in case.equipment:
            yield f"equipment/{need.kind}", stay.start, stay.end + need.reprocessing, need.count
        if case.unit is not None:
            yield f"unit/{case.unit}", recovered, self.problem.horizon, 1

    def _over(self, span: _Span) -> datetime | None:
        """Where that would be too many: the moment by which it is over, as far as it is known."""
        name, start, end, amount = span
        surgeon, steps = name.startswith("surgeon/"), self.limits.get(name, ())
        if end <= start or not (steps or surgeon):
            return None
        taken = [t for t in self.held.get(name, ()) if t[0] < end and start < t[1]]
        marks = {start, *(t[0] for t in taken), *(c.start for c in steps), *(c.end for c in steps)}
        for moment in sorted(m for m in marks if start <= m < end):
            here = [t for t in taken if t[0] <= moment < t[1]]
            step = next((c for c in steps if c.start <= moment < c.end), None)
            there = 1 if surgeon else step.count if step else 0
            if sum(t[2] for t in here) + amount > there:
                return min([*(t[1] for t in here), *([step.end] if step else [])], default=end)
        return None


def _stay(case: ProblemCase, place: Place) -> tuple[Interval, Interval]:
    start = place.start
    assert start is not None
    length = case.length - (case.slack if place == case.current else timedelta(0))
    stay = Interval(start=start, end=start + length)
    return stay, Interval(start=start - case.setup, end=stay.end + case.cleanup)


def _bound(problem: PlanProblem, case: ProblemCase, stay: Interval) -> Interval:
    start = stay.start + case.surgeon_after
    return Interval(start=start, end=max(stay.end - case.surgeon_before, start + problem.grid))


def _extra(problem: PlanProblem, first: ProblemCase | Committed, second: ProblemCase | Committed) -> timedelta:
    rule, total = problem.turnover, timedelta(0)
    if rule is None:
        return total
    if first.service and second.service and first.service != second.service:
        total += rule.service_change
    if first.contaminated and not second.contaminated:
        total += rule.after_contaminated
    return total + (rule.before_latex if second.latex and not first.latex else timedelta(0))
