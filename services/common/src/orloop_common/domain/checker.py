"""The independent judge of a plan: one function per hard rule, the rule's id in its name.

Shares no code with the planner's model. A plan is judged where it places somebody: what committed
cases do among themselves (an overrun into a full recovery) is not the plan's fault.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .plan import Change, Interval, Place
from .problem import Capacity, PlanProblem, ProblemCase, ProblemRoom
from .vocabulary import Urgency
from .wording import clock_time, count, doctor, listed, the, upper_first

Assignments = Mapping[str, Place]
EMERGENCIES = frozenset({Urgency.URGENT, Urgency.IMMEDIATE})


@dataclass(frozen=True, slots=True)
class Broken:
    """A hard rule that a plan breaks: its id, a sentence for a charge nurse, the cases it is about."""

    rule: str
    sentence: str
    cases: tuple[str, ...]


def check(problem: PlanProblem, assignments: Assignments) -> tuple[Broken, ...]:
    """Every hard rule that the plan breaks, in the catalogue's order; empty if the plan is sound."""
    return tuple(broken for rule in PLAN_RULES.values() for broken in rule(problem, assignments))


def check_changes(problem: PlanProblem, changes: Iterable[Change]) -> tuple[Broken, ...]:
    """What breaks, and involves a changed case, if `changes` are made to the current plan of `problem`."""
    moves = tuple(changes)
    moved = {change.case for change in moves}
    return tuple(b for b in check(problem, with_changes(problem, moves)) if moved.intersection(b.cases))


def with_changes(problem: PlanProblem, changes: Iterable[Change]) -> dict[str, Place]:
    """The current plan with some changes made: every movable case has a place."""
    places = {case.id: case.current for case in problem.cases}
    return places | {change.case: change.target for change in changes}


# --- one function per rule -------------------------------------------------------------------------


def case_once(problem: PlanProblem, assignments: Assignments) -> Iterator[Broken]:
    """Every movable case has exactly one place, or is postponed."""
    for case in problem.cases:
        place = assignments.get(case.id)
        if place is None:
            yield Broken("case-once", f"{_The(case)} is missing in the plan.", (case.id,))
        elif (place.room is None) != (place.start is None):
            yield Broken("case-once", f"{_The(case)} has a room or a time, but not both.", (case.id,))
    known = {case.id for case in problem.cases} | {held.id for held in problem.committed}
    for other in sorted(assignments.keys() - known):
        yield Broken("case-once", "The plan places a case that is not among today's open ones.", (other,))


def room_one_patient(problem: PlanProblem, assignments: Assignments) -> Iterator[Broken]:
    """No room holds two cases at once, from the beginning of setup to the end of cleanup."""
    for room in problem.rooms:
        held = [(c.occupied, c.label, c.id, False) for c in problem.committed if c.room == room.id]
        held += [
            (_occupied(case, place, start), case.label, case.id, True)
            for case, place, start in _placed(problem, assignments)
            if place.room == room.id
        ]
        for (one, first, a, _), (two, second, b, _) in _clashes(held):
            when = clock_time(max(one.start, two.start), problem.timezone)
            yield Broken(
                "room-one-patient",
                f"{upper_first(the(first))} and {the(second)} would both have room {room.id} at {when}.",
                (a, b),
            )


def room_usable(problem: PlanProblem, assignments: Assignments) -> Iterator[Broken]:
    """No patient is in a room while it is down."""
    for case, place, start in _placed(problem, assignments):
        room = _room(problem, place)
        for down in room.down if room else ():
            if _stay(case, place, start).overlaps(down):
                until = _until(problem, down)
                yield Broken("room-usable", f"Room {place.room} is down {until}; {_the(case)} needs it.", (case.id,))


def room_eligible(problem: PlanProblem, assignments: Assignments) -> Iterator[Broken]:
    """A case goes only to rooms that take its service and have what it needs, or stays where it was put."""
    for case, place, _ in _placed(problem, assignments):
        if place.room in (case.current.room, case.scheduled.room):
            continue
        room = _room(problem, place)
        if room is None:
            yield Broken("room-eligible", f"There is no room {place.room} in this suite.", (case.id,))
        elif case.service not in room.services:
            yield Broken("room-eligible", f"Room {room.id} does not take {case.service}.", (case.id,))
        elif missing := sorted(set(case.needs) - set(room.capabilities)):
            yield Broken("room-eligible", f"Room {room.id} has no {listed(missing)} for {_the(case)}.", (case.id,))


def room_open(problem: PlanProblem, assignments: Assignments) -> Iterator[Broken]:
    """Patients enter after the room opens, and it is clean again before it closes."""
    for case, place, start in _placed(problem, assignments):
        room = _room(problem, place)
        if room is None:
            continue
        if start < room.opens:
            opens = clock_time(room.opens, problem.timezone)
            yield Broken("room-open", f"Room {room.id} opens at {opens}, {_the(case)} would start earlier.", (case.id,))
        if _occupied(case, place, start).end > room.closes:
            closes = clock_time(room.closes, problem.timezone)
            yield Broken("room-open", f"Room {room.id} closes at {closes}, before {_the(case)} is done.", (case.id,))


def surgeon_one_place(problem: PlanProblem, assignments: Assignments) -> Iterator[Broken]:
    """A surgeon has one patient at a time."""
    placed = _placed(problem, assignments)
    for surgeon in sorted({s for case, _, _ in placed for s in case.surgeons}):
        held = [(c.patient, c.room, c.id, False) for c in problem.committed if surgeon in c.surgeons]
        held += [
            (_stay(case, place, start), str(place.room), case.id, True)
            for case, place, start in placed
            if surgeon in case.surgeons
        ]
        for (one, first, a, _), (two, second, b, _) in _clashes(held):
            when = clock_time(max(one.start, two.start), problem.timezone)
            where = f"rooms {first} and {second}" if first != second else f"room {first} with two patients"
            yield Broken("surgeon-one-place", f"{doctor(problem, surgeon)} would be in {where} at {when}.", (a, b))


def anaesthesia_teams(problem: PlanProblem, assignments: Assignments) -> Iterator[Broken]:
    """There is an anaesthesia team for every patient in a room."""
    fixed = [c.patient for c in problem.committed]
    placed = [(_stay(case, place, start), case.id) for case, place, start in _placed(problem, assignments)]
    for moment, needed, there, cases in _overloads(problem.teams, fixed, placed):
        when = clock_time(moment, problem.timezone)
        sentence = f"At {when} {count(needed, 'room')} would need an anaesthesia team; there {_are(there, 'team')}."
        yield Broken("anaesthesia-teams", sentence, cases)


def recovery_beds(problem: PlanProblem, assignments: Assignments) -> Iterator[Broken]:
    """There is a recovery bed for every patient who leaves a room and needs one."""
    fixed = [c.recovery for c in problem.committed if c.recovery]
    placed = [
        (Interval(start=out, end=out + case.recovery), case.id)
        for case, place, start in _placed(problem, assignments)
        if case.recovery and (out := _stay(case, place, start).end)
    ]
    for moment, needed, there, cases in _overloads(problem.beds, fixed, placed):
        when = clock_time(moment, problem.timezone)
        sentence = f"At {when} {count(needed, 'patient')} would need a recovery bed; there {_are(there, 'bed')}."
        yield Broken("recovery-beds", sentence, cases)


def frozen_window(problem: PlanProblem, assignments: Assignments) -> Iterator[Broken]:
    """Nothing is moved to before the notice is over, and what is committed stays where it is."""
    for case, place, start in _placed(problem, assignments):
        if place != case.current and start < problem.earliest_start:
            until = clock_time(problem.earliest_start, problem.timezone)
            yield Broken("frozen-window", f"It is too late to move {_the(case)} to before {until}.", (case.id,))
    for held in problem.committed:
        if held.id in assignments:
            why = _WHY.get(held.why, "it is too close to its start")
            yield Broken("frozen-window", f"{upper_first(the(held.label))} can no longer move: {why}.", (held.id,))


def latest_start(problem: PlanProblem, assignments: Assignments) -> Iterator[Broken]:
    """A case with a hard latest start begins by then."""
    for case, _, start in _placed(problem, assignments):
        if case.latest is not None and start > case.latest:
            latest = clock_time(case.latest, problem.timezone)
            yield Broken("latest-start", f"{_The(case)} has to start by {latest}.", (case.id,))


def earliest_start(problem: PlanProblem, assignments: Assignments) -> Iterator[Broken]:
    """No case starts before its patient can be there, nor too long before the time the patient was told."""
    for case, place, start in _placed(problem, assignments):
        if place == case.current:
            continue
        told = case.current.start - problem.max_early if case.current.start else None
        limit = max((moment for moment in (case.earliest, told) if moment), default=None)
        if limit is not None and start < limit:
            earliest = clock_time(limit, problem.timezone)
            yield Broken("earliest-start", f"{_The(case)} cannot start before {earliest}.", (case.id,))


def emergency_never_postponed(problem: PlanProblem, assignments: Assignments) -> Iterator[Broken]:
    """An urgent or immediate case is not left to another day."""
    for case in problem.cases:
        place = assignments.get(case.id)
        if case.urgency in EMERGENCIES and place is not None and place.room is None and place.start is None:
            yield Broken("emergency-never-postponed", f"{_The(case)} is {case.urgency} and has no room.", (case.id,))


PlanRule = Callable[[PlanProblem, Assignments], Iterator[Broken]]
PLAN_RULES: dict[str, PlanRule] = {
    "case-once": case_once,
    "room-one-patient": room_one_patient,
    "room-usable": room_usable,
    "room-eligible": room_eligible,
    "room-open": room_open,
    "surgeon-one-place": surgeon_one_place,
    "anaesthesia-teams": anaesthesia_teams,
    "recovery-beds": recovery_beds,
    "frozen-window": frozen_window,
    "latest-start": latest_start,
    "earliest-start": earliest_start,
    "emergency-never-postponed": emergency_never_postponed,
}


# --- reading a plan --------------------------------------------------------------------------------

_WHY = {
    "in_room": "its patient is in the room",
    "called": "its patient has been called",
    "pending": "the hospital has not answered its last change yet",
    "doubted": "what is known of it may be wrong",
    "done": "it is done",
}
_Held = tuple[Interval, str, str, bool]  # when, where or what, case, movable


def _placed(problem: PlanProblem, assignments: Assignments) -> list[tuple[ProblemCase, Place, datetime]]:
    found = []
    for case in problem.cases:
        place = assignments.get(case.id)
        if place is not None and place.room is not None and place.start is not None:
            found.append((case, place, place.start))
    return found


def _stay(case: ProblemCase, place: Place, start: datetime) -> Interval:
    length = case.length - case.slack if place == case.current else case.length
    return Interval(start=start, end=start + length)


def _occupied(case: ProblemCase, place: Place, start: datetime) -> Interval:
    return Interval(start=start - case.setup, end=_stay(case, place, start).end + case.cleanup)


def _room(problem: PlanProblem, place: Place) -> ProblemRoom | None:
    return next((room for room in problem.rooms if room.id == place.room), None)


def _clashes(held: Sequence[_Held]) -> Iterator[tuple[_Held, _Held]]:
    """Pairs that overlap, at least one of them movable."""
    ordered = sorted(held, key=lambda h: (h[0].start, h[2]))
    for index, one in enumerate(ordered):
        for two in ordered[index + 1 :]:
            if (one[3] or two[3]) and one[2] != two[2] and one[0].overlaps(two[0]):
                yield one, two


def _overloads(
    capacity: Sequence[Capacity], fixed: Sequence[Interval], placed: Sequence[tuple[Interval, str]]
) -> Iterator[tuple[datetime, int, int, tuple[str, ...]]]:
    """When more is needed than there is, and a placed case needs it; each run of such moments once."""
    if not capacity:
        return
    moments = {i.start for i in fixed} | {i.start for i, _ in placed}
    moments |= {c.start for c in capacity} | {c.end for c in capacity}
    told: set[str] = set()
    for moment in sorted(moments):
        here = [case for interval, case in placed if interval.start <= moment < interval.end]
        needed = len(here) + sum(1 for i in fixed if i.start <= moment < i.end)
        there = next((c.count for c in capacity if c.start <= moment < c.end), 0)
        if here and needed > there and not told.issuperset(here):
            told.update(here)
            yield moment, needed, there, tuple(here)


def _until(problem: PlanProblem, down: Interval) -> str:
    last = max(room.closes for room in problem.rooms)
    return "for the rest of the day" if down.end >= last else f"until {clock_time(down.end, problem.timezone)}"


def _are(number: int, noun: str) -> str:
    return "is none" if number == 0 else f"{'is' if number == 1 else 'are'} {count(number, noun)}"


def _the(case: ProblemCase) -> str:
    return the(case.label)


def _The(case: ProblemCase) -> str:
    return upper_first(the(case.label))
