"""Bars of a room's lane: what happened, what is expected, what each alternative takes away or brings."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from orloop_common.domain.derived import Alternative, CaseForecast
from orloop_common.domain.plan import Change
from orloop_common.domain.records import CaseRecord
from orloop_common.domain.suite_day import SuiteDay

from .axis import Scale
from .projection import Stay
from .values import Bar
from .wording import clock, listing, minutes, shorten

Arrival = tuple[str, datetime, timedelta]  # room, start, length


def procedure(record: CaseRecord) -> str:
    """What is done, in the sender's words; `Case` where nothing is known."""
    schedule = record.schedule
    return schedule.procedures[0].text if schedule and schedule.procedures else "Case"


def surgeon(record: CaseRecord) -> str:
    """The first surgeon's name, or id where no name was sent."""
    schedule = record.schedule
    first = next(iter(schedule.surgeons), None) if schedule else None
    return (first.name or first.id) if first else ""


def leaves(case: str, alternatives: Sequence[Alternative]) -> tuple[int, ...]:
    """The alternatives, counted from 1, that take the case from where it stands."""
    return tuple(n for n, a in enumerate(alternatives, start=1) if any(c.case == case for c in a.changes))


def shifts(case: str, room: str, alternatives: Sequence[Alternative]) -> tuple[int, ...]:
    """The alternatives that move the case within its room."""
    return tuple(
        n
        for n, a in enumerate(alternatives, start=1)
        if any(c.case == case and c.target.room == room for c in a.changes)
    )


def stay_bar(
    day: SuiteDay,
    stay: Stay,
    scale: Scale,
    zone: ZoneInfo,
    now: datetime,
    alternatives: Sequence[Alternative],
    missing: tuple[str, ...] = (),
) -> Bar:
    """The bar of a stay as the published plan and the milestones have it; `missing` is what the patient still needs."""
    pending = day.pending.get(stay.case)
    came_from = pending.change.origin.room if pending else None
    overrun = stay.status == "running" and now > stay.booked_end
    add_on = bool(stay.record.schedule and stay.record.schedule.add_on)
    blocked = stay.status == "expected" and _blocked(day, stay)
    tail_end = stay.p95 if stay.status != "done" else None
    kind = "pending" if pending and stay.status == "expected" else stay.status
    who = f"from {came_from}" if kind == "pending" and came_from not in (None, stay.room) else surgeon(stay.record)
    return Bar(
        case=stay.case,
        kind=kind,
        tone=_tone(overrun, blocked, add_on and stay.status != "done"),
        x=scale.x(stay.start),
        width=scale.width(stay.start, stay.end),
        title=procedure(stay.record),
        short=shorten(procedure(stay.record)),
        who="add-on" if add_on and kind == "expected" and not who else who,
        time=clock(stay.start, zone),
        full=_full(stay, zone, now, overrun, pending is not None)
        + (", but its room is down" if blocked else "")
        + (f", still outstanding: {listing([m.replace('_', ' ') for m in missing])}" if missing else ""),
        done_width=scale.width(stay.start, min(now, stay.end)) if stay.status == "running" else 0.0,
        booked_x=scale.x(stay.booked_end) if overrun else None,
        p80_x=scale.x(stay.p80) if stay.p80 and tail_end else None,
        tail_width=scale.width(stay.end, tail_end) if tail_end else 0.0,
        leaves=leaves(stay.case, alternatives) if stay.status == "expected" else (),
        shifts=shifts(stay.case, stay.room, alternatives) if stay.status == "expected" else (),
    )


def _tone(overrun: bool, blocked: bool, add_on: bool) -> str:
    return "overrun" if overrun else "blocked" if blocked else "add_on" if add_on else "plain"


def _blocked(day: SuiteDay, stay: Stay) -> bool:
    """Whether the stay's room is expected to be down still when the patient should enter."""
    room = day.rooms.get(stay.room)
    down = room.down if room else None
    return down is not None and (down.until is None or stay.start < down.until)


def _full(stay: Stay, zone: ZoneInfo, now: datetime, overrun: bool, pending: bool) -> str:
    """Everything about a stay in one sentence, for the tip and for screen readers."""
    record = stay.record
    parts = [procedure(record)]
    if name := surgeon(record):
        parts.append(name)
    parts.append(f"room {stay.room}")
    if stay.status == "done":
        parts.append(f"{clock(stay.start, zone)} to {clock(stay.end, zone)}, done")
        return ", ".join(parts)
    if stay.status == "running":
        parts.append(f"in the room since {clock(stay.start, zone)}")
        if overrun:
            parts.append(f"{minutes(now - stay.booked_end)} past the booked length")
    else:
        parts.append(f"expected {clock(stay.start, zone)}")
        if stay.late >= timedelta(minutes=1):
            parts.append(f"planned {clock(stay.planned, zone)}")
    ends = f"out about {clock(stay.end, zone)}"
    if stay.p80 and stay.p95:
        ends += f", by {clock(stay.p80, zone)} with 80 %, by {clock(stay.p95, zone)} with 95 %"
    else:
        ends += " by the booked length"
    parts.append(ends)
    if record.schedule and record.schedule.add_on:
        parts.append("add-on")
    if pending:
        parts.append("approved, the hospital has not echoed it yet")
    return ", ".join(parts)


def arrivals(
    day: SuiteDay,
    scale: Scale,
    zone: ZoneInfo,
    alternatives: Sequence[Alternative],
    forecasts: Mapping[str, CaseForecast],
) -> dict[str, tuple[Bar, ...]]:
    """Per room, the bars that alternatives bring; the same place in two alternatives is one bar."""
    found: dict[tuple[str, datetime, str], tuple[Change, list[int]]] = {}
    for number, alternative in enumerate(alternatives, start=1):
        for change in alternative.changes:
            if change.target.room is None or change.target.start is None:
                continue
            key = (change.target.room, change.target.start, change.case)
            found.setdefault(key, (change, []))[1].append(number)
    bars: dict[str, list[Bar]] = {}
    for (room, start, _), (change, numbers) in sorted(found.items(), key=lambda item: item[0]):
        record = day.cases.get(change.case)
        bar = _arrival(change, record, room, start, tuple(numbers), scale, zone, forecasts.get(change.case))
        bars.setdefault(room, []).append(bar)
    return {room: tuple(lane) for room, lane in bars.items()}


def _arrival(
    change: Change,
    record: CaseRecord | None,
    room: str,
    start: datetime,
    numbers: tuple[int, ...],
    scale: Scale,
    zone: ZoneInfo,
    forecast: CaseForecast | None,
) -> Bar:
    end = start + change.length
    name = procedure(record) if record else "Case"
    origin = change.origin
    was = f"from {origin.room}" if origin.room not in (None, room) else ""
    if not was:
        was = f"was {clock(origin.start, zone)}" if origin.start else "add-on"
    tail = start + forecast.duration.p95 if forecast else end
    return Bar(
        case=change.case,
        kind="arriving",
        tone="plain",
        x=scale.x(start),
        width=scale.width(start, end),
        title=name,
        short=shorten(name),
        who=was,
        time=clock(start, zone),
        full=f"{name} would go to room {room} at {clock(start, zone)}, {was}, out about {clock(end, zone)}",
        p80_x=scale.x(start + forecast.duration.p80) if forecast else None,
        tail_width=max(0.0, scale.width(end, tail)),
        arrives=numbers,
    )
