"""Rooms, people, beds, feeds and time: of each thing the newest word counts."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from immutables import Map

from orloop_common.domain import events as e
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.evolving import evolve
from orloop_common.domain.records import CaseRecord, RoomRecord
from orloop_common.domain.suite_day import KEPT_DAYS, Refused, SuiteDay


def _room(day: SuiteDay, room: str) -> RoomRecord:
    return day.rooms.get(room) or RoomRecord(room=room)


def later(event: e.Event, held: e.Event | None) -> bool:
    return held is None or (event.at, event.id) > (held.at, held.id)


def room_usability(day: SuiteDay, event: e.RoomWentDown | e.RoomRestored) -> SuiteDay:
    room = _room(day, event.room)
    if not later(event, room.usability):
        return day
    return evolve(day, rooms=day.rooms.set(event.room, evolve(room, usability=event)))


def cleaning_changed(day: SuiteDay, event: e.CleaningStatusChanged) -> SuiteDay:
    room = _room(day, event.room)
    if not later(event, room.cleaning):
        return day
    return evolve(day, rooms=day.rooms.set(event.room, evolve(room, cleaning=event)))


def room_observed(day: SuiteDay, event: e.RoomStateChanged) -> SuiteDay:
    room = _room(day, event.room)
    if not later(event, room.observed):
        return day
    return evolve(day, rooms=day.rooms.set(event.room, evolve(room, observed=event)))


def newest(attribute: str, key: Callable[[Any], Any]) -> Callable[[SuiteDay, Any], SuiteDay]:
    """Keep, per key, the event with the latest event time."""

    def keep(day: SuiteDay, event: e.Event) -> SuiteDay:
        held: Map[Any, Any] = getattr(day, attribute)
        if not later(event, held.get(key(event))):
            return day
        changes: dict[str, Any] = {attribute: held.set(key(event), event)}
        return evolve(day, **changes)

    return keep


def last_word(attribute: str) -> Callable[[SuiteDay, Any], SuiteDay]:
    def keep(day: SuiteDay, event: e.Event) -> SuiteDay:
        changes: dict[str, Any] = {attribute: event}
        return evolve(day, **changes) if later(event, getattr(day, attribute)) else day

    return keep


def roster_changed(day: SuiteDay, event: e.RosterChanged) -> SuiteDay:
    for entry in event.entries:
        if entry.shift_end <= entry.shift_start:
            raise Refused(f"Expected team {entry.team} to end its shift after it starts.")
    return newest("rosters", lambda r: r.role)(day, event)


def staff_short(day: SuiteDay, event: e.StaffShort) -> SuiteDay:
    if event.end <= event.start or event.missing < 0:
        raise Refused("Expected a shortage with an end after its start and zero or more missing teams.")
    return evolve(day, shortages=day.shortages.set(event.id, event))


def beds_changed(day: SuiteDay, event: e.BedsChanged) -> SuiteDay:
    if not event.capacity >= 0 or event.occupied < 0:
        raise Refused(f"Expected bed counts of zero or more, got {event.capacity} and {event.occupied}.")
    return newest("beds", lambda b: b.unit)(day, event)


def feed_silent(day: SuiteDay, event: e.FeedWentSilent) -> SuiteDay:
    return evolve(day, silent_feeds=day.silent_feeds.set(event.source, event.since))


def feed_returned(day: SuiteDay, event: e.FeedReturned) -> SuiteDay:
    if event.source not in day.silent_feeds:
        return day
    return evolve(day, silent_feeds=day.silent_feeds.delete(event.source))


def exception_decided(day: SuiteDay, event: e.ExceptionDecided) -> SuiteDay:
    if event.exception not in day.exceptions:
        raise Refused(f"Expected an exception that was requested, got {event.exception}.")
    return evolve(day, exceptions=day.exceptions.delete(event.exception))


def clock_ticked(day: SuiteDay, event: e.ClockTicked) -> SuiteDay:
    if day.now is not None and event.at <= day.now:
        return day
    before, today = (day.calendar.day(day.now) if day.now else None), day.calendar.day(event.at)
    day = evolve(day, now=event.at)
    return day if before == today else _forget(day, today)


def _forget(day: SuiteDay, today: date) -> SuiteDay:
    """At the start of an operational day, drop what no event can reach any more."""
    old = today - timedelta(days=1)
    kept_from = today - timedelta(days=KEPT_DAYS)
    cases = {k: c for k, c in day.cases.items() if _last_day(day.calendar, c) >= kept_from}
    decisions = {k: d for k, d in day.decisions.items() if not d.settled or day.calendar.day(d.decided.at) >= old}
    return evolve(
        day,
        seen=Map({k: on for k, on in day.seen.items() if on >= old}),
        cases=Map({k: evolve(c, moved=0) for k, c in cases.items()}),
        decisions=Map(decisions),
        plan=Map({k: p for k, p in day.plan.items() if k in cases}),
        refused=Map({k: r for k, r in day.refused.items() if day.seen.get(k, today) >= old}),
        blocks=Map({k: b for k, b in day.blocks.items() if day.calendar.day(b.end) >= old}),
        shortages=Map({k: s for k, s in day.shortages.items() if day.calendar.day(s.end) >= old}),
    )


def _last_day(calendar: OperationalCalendar, record: CaseRecord) -> date:
    moments = [m for m in (record.touched, record.schedule.start if record.schedule else None) if m]
    return calendar.day(max(moments)) if moments else date.max
