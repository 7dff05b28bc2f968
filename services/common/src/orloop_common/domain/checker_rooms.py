"""What the judge asks of a plan's rooms; one function per hard rule, the rule's id in its name."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from .checker_sheet import Broken, Placed, Sheet
from .plan import Interval
from .problem import Committed, PlanProblem, ProblemCase
from .wording import listed, minutes, the, upper_first

Held = tuple[Interval, str, str, bool]
"""When, what or where, whose case it is, and whether the judge is asked about it."""


def room_one_patient(sheet: Sheet) -> Iterator[Broken]:
    """No room holds two cases at once, from the beginning of setup to the end of cleanup."""
    taken: dict[str, list[Held]] = {placed.room: [] for placed in sheet.asked if placed.room in sheet.rooms}
    for held in sheet.problem.committed:
        if held.room in taken:
            taken[held.room].append((held.occupied, held.label, held.id, False))
    for placed, asked in sheet.others():
        if placed.room in taken:
            own = Interval(start=placed.begin, end=placed.clean)
            taken[placed.room].append((own, placed.case.label, placed.case.id, asked))
    for room in sheet.rooms:
        for (one, first, a, _), (two, second, b, _) in clashes(taken.get(room, ())):
            when = sheet.clock(max(one.start, two.start))
            sentence = f"{upper_first(the(first))} and {the(second)} would both have room {room} at {when}."
            yield Broken("room-one-patient", sentence, (a, b))


def room_usable(sheet: Sheet) -> Iterator[Broken]:
    """No patient is in a room while it is down."""
    for placed in sheet.asked:
        room = sheet.rooms.get(placed.room)
        for down in room.down if room else ():
            if placed.start < down.end and down.start < placed.end:
                until = _until(sheet, down)
                yield Broken(
                    "room-usable", f"Room {placed.room} is down {until}; {placed.the} needs it.", (placed.case.id,)
                )


def room_eligible(sheet: Sheet) -> Iterator[Broken]:
    """A case goes only to rooms that take its service and have what it needs, or stays where it was put."""
    for placed in sheet.asked:
        case, room = placed.case, sheet.rooms.get(placed.room)
        if placed.room in (case.current.room, case.scheduled.room):
            continue
        if room is None:
            yield Broken("room-eligible", f"There is no room {placed.room} in this suite.", (case.id,))
        elif case.service not in room.services:
            yield Broken("room-eligible", f"Room {room.id} does not take {case.service}.", (case.id,))
        elif missing := sorted(set(case.needs) - set(room.capabilities)):
            yield Broken("room-eligible", f"Room {room.id} has no {listed(missing)} for {placed.the}.", (case.id,))


def room_open(sheet: Sheet) -> Iterator[Broken]:
    """Patients enter after the room opens, and it is clean again before it closes."""
    for placed in sheet.asked:
        room = sheet.rooms.get(placed.room)
        if room is None:
            continue
        if placed.start < room.opens:
            sentence = f"Room {room.id} opens at {sheet.clock(room.opens)}, {placed.the} would start earlier."
            yield Broken("room-open", sentence, (placed.case.id,))
        if placed.clean > room.closes:
            sentence = f"Room {room.id} closes at {sheet.clock(room.closes)}, before {placed.the} is done."
            yield Broken("room-open", sentence, (placed.case.id,))


def turnover_between(sheet: Sheet) -> Iterator[Broken]:
    """Between two cases in a room there is time for what the second needs after the first."""
    if sheet.problem.turnover is None:
        return
    asked = {placed.case.id for placed in sheet.asked}
    rooms: dict[str, list[tuple[datetime, datetime, str, Placed | Committed]]] = {p.room: [] for p in sheet.asked}
    for placed in sheet.placed:
        if placed.room in rooms:
            rooms[placed.room].append((placed.begin, placed.clean, placed.case.id, placed))
    for held in sheet.problem.committed:
        if held.room in rooms:
            rooms[held.room].append((held.occupied.start, held.occupied.end, held.id, held))
    for room, day in rooms.items():
        day.sort(key=lambda entry: entry[:3])
        for (_, clean, first, one), (begin, _, second, two) in itertools.pairwise(day):
            if clean > begin or asked.isdisjoint((first, second)):
                continue  # an overlap is another rule's
            extra, why = between(sheet.problem, _whose(one), _whose(two))
            if clean + extra > begin:
                told = f"{minutes(extra)} between {the(_whose(one).label)} and {the(_whose(two).label)} ({why})"
                sentence = (
                    f"Room {room} needs {told} beyond cleanup and setup; the plan leaves {minutes(begin - clean)}."
                )
                yield Broken("turnover-between", sentence, (first, second))


def between(
    problem: PlanProblem, first: ProblemCase | Committed, second: ProblemCase | Committed
) -> tuple[timedelta, str]:
    """The extra time between two neighbours in a room, and what it is for."""
    rule, zero = problem.turnover, timedelta(0)
    if rule is None:
        return zero, ""
    asked = [
        (rule.service_change, "change of service", _differ(first.service, second.service)),
        (rule.after_contaminated, "after a contaminated case", first.contaminated and not second.contaminated),
        (rule.before_latex, "before a latex allergy", second.latex and not first.latex),
    ]
    extras = [(span, why) for span, why, applies in asked if applies and span > zero]
    return sum((span for span, _ in extras), zero), ", ".join(why for _, why in extras)


def clashes(held: Sequence[Held]) -> Iterator[tuple[Held, Held]]:
    """Pairs that overlap, at least one of them asked about."""
    ordered = sorted(held, key=lambda h: (h[0].start, h[2]))
    for index, one in enumerate(ordered):
        for two in itertools.islice(ordered, index + 1, None):
            if two[0].start >= one[0].end and two[0].start > one[0].start:
                break
            if (one[3] or two[3]) and one[2] != two[2] and one[0].overlaps(two[0]):
                yield one, two


def _whose(entry: Placed | Committed) -> ProblemCase | Committed:
    return entry.case if isinstance(entry, Placed) else entry


def _differ(one: str, two: str) -> bool:
    return bool(one) and bool(two) and one != two


def _until(sheet: Sheet, down: Interval) -> str:
    last = max(room.closes for room in sheet.problem.rooms)
    return "for the rest of the day" if down.end >= last else f"until {sheet.clock(down.end)}"
