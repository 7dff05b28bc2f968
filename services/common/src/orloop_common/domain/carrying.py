"""In which order changes can be carried out in the hospital's book: never two patients in one room at once.

A change waits for every other one whose case still holds its target. Where changes wait for each other
in a ring (two cases swap places), one of them may wait outside hours, at its `via`, until its target is free.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from .plan import Change, Interval, Place
from .records import Pending
from .site import SuiteLayout
from .suite_day import SuiteDay

_PAUSE = timedelta(minutes=15)
_NEVER = datetime.max.replace(tzinfo=UTC)


def booked_place(day: SuiteDay, case: str) -> Place | None:
    """Where the hospital's own book has the case now."""
    record = day.cases.get(case)
    return Place(room=record.schedule.room, start=record.schedule.start) if record and record.schedule else None


def stay(day: SuiteDay, change: Change) -> timedelta:
    """How long the case holds a room in the book: the longer of booked and expected."""
    record = day.cases.get(change.case)
    return max(change.length, record.schedule.booked) if record and record.schedule else change.length


def waits_for(day: SuiteDay, change: Change, others: Collection[Change]) -> tuple[str, ...]:
    """Cases among `others` that still hold the room and time this change goes to."""
    wanted = _interval(change.target, stay(day, change))
    if wanted is None:
        return ()
    blockers = []
    for other in others:
        held = booked_place(day, other.case)
        taken = _interval(held, stay(day, other)) if held else None
        if other.case != change.case and held and taken and held.room == change.target.room and taken.overlaps(wanted):
            blockers.append(other.case)
    return tuple(sorted(blockers))


def in_order(day: SuiteDay, changes: Sequence[Change], layout: SuiteLayout) -> tuple[Change, ...]:
    """The same changes in an order in which each finds its target free, with a `via` where a ring needs it."""
    left, done = list(changes), list[Change]()
    parked: dict[str, Change] = {}
    while left:
        standing = [c for c in left if c.case not in parked]
        free = next((c for c in _postponed_last(left) if not waits_for(day, c, standing)), None)
        if free is None:
            in_the_way = {case for c in left for case in waits_for(day, c, standing)}
            ring = max((c for c in standing if c.case in in_the_way), key=lambda c: (c.target.start or _NEVER, c.case))
            parked[ring.case] = replace(ring, via=_parking(day, ring, layout, list(parked.values())))
        else:
            left.remove(free)
            done.append(parked.get(free.case, free))
    return tuple(done)


def next_step(
    day: SuiteDay, waiting: Sequence[Pending], sendable: Callable[[Pending], bool] = lambda _: True
) -> tuple[Pending, Place] | None:
    """The change to send next and where to: its target once that is free, else a `via` that opens a ring.

    What is postponed comes last, so that what people have to do by hand holds up as little as possible. What is not
    `sendable` (a person keys it in) is passed over, but still holds its room.
    """
    pending = sorted(waiting, key=lambda p: (p.change.target.room is None, p.decided, p.proposal, p.order))
    changes = [p.change for p in pending]
    ours = [one for one in pending if sendable(one)]
    for one in ours:
        if not waits_for(day, one.change, changes):
            return one, one.change.target
    for one in ours:
        if one.change.via is not None and booked_place(day, one.change.case) != one.change.via:
            return one, one.change.via
    return None


def _postponed_last(changes: Sequence[Change]) -> list[Change]:
    return sorted(changes, key=lambda c: c.target.room is None)


def _interval(place: Place | None, length: timedelta) -> Interval | None:
    if place is None or place.room is None or place.start is None:
        return None
    return Interval(start=place.start, end=place.start + length)


def _parking(day: SuiteDay, change: Change, layout: SuiteLayout, parked: Sequence[Change]) -> Place | None:
    """A time after a room closes at which nobody is booked there; its own room if that can be used."""
    held = booked_place(day, change.case) or change.origin
    wished = [layout.room(held.room or ""), layout.room(change.target.room or ""), *layout.rooms]
    room = next((r for r in wished if r is not None and not _down(day, r.id)), None)
    if room is None or held.start is None:
        return None
    closes = day.calendar.at(day.calendar.day(held.start), room.closes)
    ends = [closes]
    for record in day.cases.values():
        if record.active and record.schedule and record.schedule.room == room.id:
            end = record.schedule.start + record.schedule.booked
            if day.calendar.day(end) == day.calendar.day(closes):
                ends.append(end)
    ends += [p.via.start + stay(day, p) for p in parked if p.via and p.via.start and p.via.room == room.id]
    return Place(room=room.id, start=max(ends) + (_PAUSE if max(ends) > closes else timedelta(0)))


def _down(day: SuiteDay, room: str) -> bool:
    record = day.rooms.get(room)
    return record is not None and record.down is not None
