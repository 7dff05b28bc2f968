"""Rooms: state by word and symbol, what comes next, and the lane."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from orloop_common.domain.derived import Alternative
from orloop_common.domain.reading import is_called, last_left, occupant, outstanding, room_state
from orloop_common.domain.site import RoomLayout
from orloop_common.domain.vocabulary import Milestone, RoomState

from .axis import Scale
from .bars import arrivals, procedure, stay_bar
from .heard import Heard
from .projection import Stay
from .values import Bar, RoomView
from .wording import STATE_WORDS, clock, minutes, title

_SYMBOLS: dict[RoomState, str] = {
    RoomState.CLOSED: "closed",
    RoomState.IDLE: "idle",
    RoomState.SETUP: "setup",
    RoomState.OCCUPIED_PREPARATION: "preparation",
    RoomState.PROCEDURE: "procedure",
    RoomState.OCCUPIED_EMERGENCE: "emergence",
    RoomState.CLEANING: "cleaning",
    RoomState.DOWN: "down",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What every room is drawn against."""

    heard: Heard
    now: datetime
    zone: ZoneInfo
    scale: Scale
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """Why and until when a room cannot be used."""

    since: datetime
    cause: str
    until: datetime | None


def room_views(moment: Moment, rooms: Sequence[RoomLayout], stays: dict[str, tuple[Stay, ...]]) -> tuple[RoomView, ...]:
    """All rooms of the suite, in the order of the site file."""
    heard = moment.heard
    coming = arrivals(heard.day, moment.scale, moment.zone, moment.alternatives, heard.forecasts)
    return tuple(_room(moment, room, stays.get(room.id, ()), coming.get(room.id, ())) for room in rooms)


def state_of(heard: Heard, room: str, closes: datetime) -> tuple[RoomState, datetime | None]:
    """The room's state: the published status where it has read further than our own fold, else the fold's."""
    status = heard.rooms.get(room)
    if status is not None and status.as_of > heard.as_of:
        return status.state, status.since
    return room_state(heard.day, room, closes)


def down_of(heard: Heard, room: str) -> Down | None:
    """The newest word on why the room is down, if it is; a patient may still be inside."""
    record = heard.day.rooms.get(room)
    if record is None or record.down is None:
        return None
    return Down(since=record.down.at, cause=record.down.cause, until=record.down.until)


def missing(heard: Heard, stay: Stay) -> tuple[str, ...]:
    """What a waiting patient still needs: the published case state where it has read further, else the fold's."""
    if stay.status != "expected":
        return ()
    status = heard.cases.get(stay.case)
    return status.outstanding if status is not None and status.as_of > heard.as_of else outstanding(stay.record)


def _room(moment: Moment, room: RoomLayout, stays: tuple[Stay, ...], coming: tuple[Bar, ...]) -> RoomView:
    heard, scale, zone, now = moment.heard, moment.scale, moment.zone, moment.now
    calendar = heard.day.calendar
    today = calendar.day(now)
    state, since = state_of(heard, room.id, calendar.at(today, room.closes))
    down = down_of(heard, room.id)
    running = next((s for s in stays if s.status == "running"), None)
    upcoming = next((s for s in stays if s.status == "expected"), None)
    overrun = running is not None and now > running.booked_end
    drawn = (stay_bar(heard.day, s, scale, zone, now, moment.alternatives, missing(heard, s)) for s in stays)
    bars = (*drawn, *coming)
    detail = _detail(moment, room.id, state, since, down, running, upcoming)
    right, right_detail = _right(moment, room.id, state, down, running, upcoming)
    return RoomView(
        id=room.id,
        number=room.id,
        service=title(room.service),
        state="down" if down else str(state),
        symbol="down" if down else "overrun" if overrun else _SYMBOLS[state],
        word="DOWN" if down else "Overrun" if overrun else STATE_WORDS[state],
        detail=detail,
        tone="down" if down else "overrun" if overrun else _tone(state),
        bars=bars,
        block_end_x=scale.x(calendar.at(today, room.block_end)),
        down_x=scale.x(down.since) if down else None,
        down_width=scale.width(down.since, down.until if down.until and down.until > now else scale.end)
        if down
        else 0.0,
        next_line=_next_line(down, running, upcoming),
        right=right,
        right_detail=right_detail,
    )


def _tone(state: RoomState) -> str:
    if state in (RoomState.PROCEDURE, RoomState.OCCUPIED_PREPARATION, RoomState.OCCUPIED_EMERGENCE):
        return "busy"
    if state in (RoomState.CLEANING, RoomState.SETUP):
        return str(state)
    return "quiet"


def _detail(
    moment: Moment,
    room: str,
    state: RoomState,
    since: datetime | None,
    down: Down | None,
    running: Stay | None,
    upcoming: Stay | None,
) -> str:
    """What the state's word is followed by."""
    zone, now = moment.zone, moment.now
    if down:
        at = clock(down.since, zone)
        return f"{at}, patient inside" if occupant(moment.heard.day, room) else f"since {at}"  # as wide as the plate
    if running:
        if now > running.booked_end:
            return f"{minutes(now - running.booked_end)} past booked"
        return f"{minutes(running.end - now)} left" if running.end > now else "due out now"
    if state is RoomState.CLEANING:
        ready = _ready(moment, room)
        return f"ready about {clock(ready, zone)}" if ready and ready > now else _since(since, zone)
    if state is RoomState.SETUP:
        called = upcoming.record.when(Milestone.PATIENT_IN_PREOP) if upcoming else None
        return f"patient called {clock(called, zone)}" if called else _since(since, zone)
    if upcoming and is_called(upcoming.record):
        return f"patient called, expected {clock(upcoming.start, zone)}"
    return f"next {clock(upcoming.start, zone)}" if upcoming else ""


def _since(since: datetime | None, zone: ZoneInfo) -> str:
    return f"since {clock(since, zone)}" if since else ""


def _ready(moment: Moment, room: str) -> datetime | None:
    """When cleaning is expected to be over: as reported, else the last patient's booked clean-up."""
    day = moment.heard.day
    record = day.rooms.get(room)
    before = last_left(day, room)
    gone = before.when(Milestone.PATIENT_OUT_OF_ROOM) if before else None
    reported = record.cleaning if record else None
    if reported and reported.expected_ready and (gone is None or reported.at >= gone):
        return reported.expected_ready
    if before and before.schedule and gone:
        return gone + before.schedule.cleanup
    return None


def _next_line(down: Down | None, running: Stay | None, upcoming: Stay | None) -> str:
    """The phone's second line."""
    if down:
        return down.cause
    if running:
        return procedure(running.record)
    return f"next: {procedure(upcoming.record)}" if upcoming else "nothing more planned"


def _right(
    moment: Moment, room: str, state: RoomState, down: Down | None, running: Stay | None, upcoming: Stay | None
) -> tuple[str, str]:
    """The phone's right side: the next event, and how sure it is."""
    zone = moment.zone
    if down:
        first = moment.alternatives[0] if moment.alternatives else None
        moved = sum(1 for c in first.changes if c.origin.room == room) if first else 0
        until = f"until about {clock(down.until, zone)}" if down.until else ""
        return (f"{moved} to move" if moved else until), (until if moved else "")
    if running:
        sure = f"by {clock(running.p80, zone)} with 80 %" if running.p80 else "by the booked length"
        return f"out {clock(running.end, zone)}", sure
    if state is RoomState.CLEANING:
        ready = _ready(moment, room)
        if ready and ready > moment.now:
            return f"ready {clock(ready, zone)}", ""
    if upcoming:
        late = upcoming.late
        note = f"{minutes(late)} later than planned" if late >= timedelta(minutes=1) else ""
        return clock(upcoming.start, zone), note
    return "", ""
