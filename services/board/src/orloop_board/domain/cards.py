"""The bottom cards: only figures that a topic knows; a card without a source is left out."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from orloop_common.domain.events import BedsChanged, RosterChanged, RosterEntry
from orloop_common.domain.reading import entered, left, todays_cases
from orloop_common.domain.site import RoomLayout
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import BedUnit, Milestone, RoomState, Urgency

from .axis import Scale
from .bars import procedure
from .heard import Heard
from .projection import Stay
from .rooms import down_of, state_of
from .values import AddOn, Cards, Emergency, Point, Recovery, Team
from .wording import URGENCY_WORDS, clock, count, minutes, title

BREAK_IN_UNTIL = time(16, 0)  # GLOSSARY: bim_gap
STEP = timedelta(minutes=10)
NEWS = timedelta(minutes=60)
WORTH_IT = timedelta(minutes=30)  # a shorter free time helps no emergency
_ORDER = {Urgency.IMMEDIATE: 0, Urgency.URGENT: 1, Urgency.EXPEDITED: 2, Urgency.ELECTIVE: 3}


def cards_of(
    heard: Heard, now: datetime, zone: ZoneInfo, scale: Scale, rooms: Sequence[RoomLayout], stays: tuple[Stay, ...]
) -> Cards:
    """Recovery beds, add-ons that wait, where an emergency could go, teams on shift."""
    return Cards(
        recovery=recovery_of(heard.day, now, zone, scale, stays),
        add_ons=add_ons_of(heard.day, now, zone),
        emergency=emergency_of(heard, now, zone, rooms, stays),
        teams=teams_of(heard.day, now, zone),
    )


def recovery_of(day: SuiteDay, now: datetime, zone: ZoneInfo, scale: Scale, stays: tuple[Stay, ...]) -> Recovery | None:
    """Beds as reported, and the curve that expected ends and booked recovery times add up to."""
    reported = day.beds.get(BedUnit.PACU)
    inside = [bed for s in stays if (bed := _in_recovery(s, now)) is not None]
    if reported is None and not inside:
        return None
    moments = [now + STEP * n for n in range(int((scale.end - now) / STEP) + 1)]
    counts = [sum(1 for start, end in inside if start <= m < end) for m in moments]
    peak = max(counts, default=0)
    at = moments[counts.index(peak)] if peak else None
    capacity = reported.capacity if reported else None
    top = max(peak, capacity or 0, 1) * 1.15
    span = (scale.end - now) / STEP or 1.0
    curve = tuple(Point(x=round(100 * n / span, 2), y=round(100 - 100 * c / top, 2)) for n, c in enumerate(counts))
    of = f" of {capacity}" if capacity is not None else ""
    others = [f"{title(u)} {b.occupied} of {b.capacity}" for u, b in sorted(day.beds.items()) if u is not BedUnit.PACU]
    told = [_reported(reported, now, zone)] if reported else []
    return Recovery(
        headline=f"{peak}{of} at {clock(at, zone)}" if at else f"0{of}",
        now=str(counts[0]) if counts and at != now else "",
        detail=" · ".join([*told, *others]),
        beds=count(capacity, "bed") if capacity is not None else "number of beds not reported",
        curve=curve if inside else (),
        limit_y=round(100 - 100 * capacity / top, 2) if capacity else None,
        over=capacity is not None and peak > capacity,
    )


def _reported(beds: BedsChanged, now: datetime, zone: ZoneInfo) -> str:
    """What was said of the beds; how many are in use is said only while it is news."""
    if now - beds.at > NEWS:
        return f"beds as reported at {clock(beds.at, zone)}"
    return f"{beds.occupied} in use, reported at {clock(beds.at, zone)}"


def _in_recovery(stay: Stay, now: datetime) -> tuple[datetime, datetime] | None:
    """When the stay's patient is expected to lie in a recovery bed; None if never, or over."""
    schedule = stay.record.schedule
    if schedule is None or schedule.bed is not BedUnit.PACU or not schedule.recovery:
        return None
    if stay.record.when(Milestone.PACU_OUT) is not None:
        return None
    start = stay.record.when(Milestone.PACU_IN) or stay.end
    end = start + schedule.recovery
    if end <= now:  # overdue: still there as far as anybody has said
        return (start, now + STEP) if stay.record.when(Milestone.PACU_IN) else None
    return start, end


def add_ons_of(day: SuiteDay, now: datetime, zone: ZoneInfo) -> tuple[AddOn, ...]:
    """Add-ons that have not entered a room, the most urgent first."""
    waiting = [
        r for r in todays_cases(day) if r.active and r.schedule and r.schedule.add_on and not (entered(r) or left(r))
    ]
    found = []
    for record in sorted(waiting, key=lambda r: (_ORDER[r.schedule.urgency] if r.schedule else 9, r.case)):
        schedule = record.schedule
        assert schedule is not None
        place = day.place(record.case)
        start = place.start if place else None
        where = f"room {place.room} at {clock(start, zone)}" if place and place.room and start else "no room yet"
        today = day.calendar.day(now)
        by = ""
        if schedule.latest is not None:
            later = day.calendar.day(schedule.latest) > today
            by = "by tomorrow" if later else f"by {clock(schedule.latest, zone)}"
        since = f"since {clock(schedule.waiting_since, zone)}" if schedule.waiting_since else ""
        found.append(
            AddOn(
                case=record.case,
                urgency=URGENCY_WORDS[schedule.urgency],
                title=procedure(record),
                since=since,
                by=by,
                where=where,
            )
        )
    return tuple(found)


def emergency_of(
    heard: Heard, now: datetime, zone: ZoneInfo, rooms: Sequence[RoomLayout], stays: tuple[Stay, ...]
) -> Emergency | None:
    """The room that an emergency could have soonest, and the largest gap between expected case ends."""
    today = heard.day.calendar.day(now)
    free: list[tuple[timedelta, str, str]] = []
    later: list[tuple[datetime, str, str]] = []
    for room in rooms:
        closes = heard.day.calendar.at(today, room.closes)
        state, _ = state_of(heard, room.id, closes)
        if down_of(heard, room.id) or state is RoomState.CLOSED or closes <= now:
            continue
        lane = [s for s in stays if s.room == room.id]
        running = next((s for s in lane if s.status == "running"), None)
        upcoming = next((s for s in lane if s.status == "expected"), None)
        if running is not None:
            later.append((running.end, room.id, "when its running case is over"))
        elif state is RoomState.IDLE:
            until = upcoming.start if upcoming else closes
            what = f"free until {clock(until, zone)}" if upcoming else "nothing planned"
            if until - now >= WORTH_IT:
                free.append((until - now, room.id, what))
    headline = detail = ""
    if free:
        _, room_id, what = max(free, key=lambda f: f[0])
        headline, detail = f"Room {room_id}, at once", f"Clean and empty, {what}"
    elif later:
        at, room_id, what = min(later)
        headline, detail = f"Room {room_id}, about {clock(at, zone)}", what[:1].upper() + what[1:]
    else:
        return None
    gap = break_in_gap(heard.day, now, stays)
    return Emergency(
        headline=headline,
        detail=detail,
        gap=minutes(gap[1] - gap[0]) if gap else "",
        gap_at=f"{clock(gap[0], zone)} to {clock(gap[1], zone)}" if gap else "",
    )


def break_in_gap(day: SuiteDay, now: datetime, stays: tuple[Stay, ...]) -> tuple[datetime, datetime] | None:
    """The largest gap between consecutive expected case ends until 16:00 (GLOSSARY: bim_gap), from now on."""
    until = day.calendar.at(day.calendar.day(now), BREAK_IN_UNTIL)
    ends = sorted(s.end for s in stays if s.status != "done" and now <= s.end <= until)
    marks = [now, *ends]
    return max(pairwise(marks), key=lambda pair: pair[1] - pair[0], default=None)


def teams_of(day: SuiteDay, now: datetime, zone: ZoneInfo) -> tuple[Team, ...]:
    """Teams on shift by role, less those reported missing, and the next change in their number."""
    return tuple(
        team
        for role, roster in sorted(day.rosters.items())
        if role != "surgeon" and (team := _team(day, now, zone, roster))
    )


def _team(day: SuiteDay, now: datetime, zone: ZoneInfo, roster: RosterChanged) -> Team | None:
    entries = roster.entries
    if not entries:
        return None
    here = _present(day, entries, roster.role, now)
    on_shift = sum(1 for e in entries if e.shift_start <= now < e.shift_end)
    short = (t for s in day.shortages.values() if s.role == roster.role for t in (s.start, s.end))
    shifts = (t for e in entries for t in (e.shift_start, e.shift_end))
    changes = sorted({t for t in (*shifts, *short) if t > now})
    coming = next(((t, n) for t in changes if (n := _present(day, entries, roster.role, t)) != here), None)
    text = roster.role.replace("_", " ")
    if coming:
        text += f" until {clock(coming[0], zone)}, then {coming[1]}"
    return Team(number=str(here) if here == on_shift else f"{here} of {on_shift}", text=text)


def _present(day: SuiteDay, entries: tuple[RosterEntry, ...], role: str, moment: datetime) -> int:
    on_shift = sum(1 for e in entries if e.shift_start <= moment < e.shift_end)
    missing = sum(s.missing for s in day.shortages.values() if s.role == role and s.start <= moment < s.end)
    return max(0, on_shift - missing)
