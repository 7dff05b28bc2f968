"""Who may move and who may not: the published plan played forward until the frozen window is over.

A case is committed when its patient is in the room, called for or waiting for the hospital's answer,
when it is in doubt, or when it will begin before the window ends. One that cannot begin by then - its
room is down, its predecessor overruns - may move, whatever its published time. Knock-ons shorter than
the suite's materiality are left to the day: the earlier case counts as that much shorter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from .derived import CaseForecast
from .grid import ceil_moment
from .plan import Interval, Quantiles
from .problem import Committed, ProblemCase, ProblemRoom
from .reading import case_room, entered, is_called, left
from .records import CaseRecord
from .suite_day import SuiteDay
from .vocabulary import Milestone

FAR = timedelta(hours=2)
"""Knock-ons on cases further away than this are too uncertain to plan around unless twice as long."""
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class _Held:
    """A case on its way through the published plan; `why` is empty for one that may move."""

    case: ProblemCase
    room: str
    begins: datetime
    start: datetime
    end: datetime
    ready: datetime
    why: str = ""
    recovers_until: datetime | None = None
    remaining: Quantiles | None = None
    slack: timedelta = timedelta(0)


def classify(
    day: SuiteDay,
    records: Sequence[CaseRecord],
    stated: Mapping[str, ProblemCase],
    forecasts: Mapping[str, CaseForecast],
    rooms: Sequence[ProblemRoom],
    earliest_start: datetime,
    materiality: timedelta,
    grid: timedelta,
) -> tuple[tuple[ProblemCase, ...], tuple[Committed, ...]]:
    """Movable cases and committed ones, both by id."""
    assert day.now is not None
    known = {room.id: room for room in rooms}
    held: list[_Held] = []
    homeless: list[ProblemCase] = []
    waiting: list[tuple[datetime, ProblemCase, CaseRecord]] = []
    for record in records:
        case = stated[record.case]
        if left(record) is not None:
            held += _gone(day, record, case, day.now, grid)
        elif entered(record) is not None:
            held.append(_running(day, record, case, forecasts.get(record.case), day.now, grid))
        elif record.active and case.current.start is None:
            homeless.append(case)
        elif record.active and case.current.start is not None:
            waiting.append((case.current.start, case, record))
    for published, case, record in sorted(waiting, key=lambda w: (w[0], w[1].id)):
        stays = _why_fixed(day, record)
        expected, blockers = _expected(case, published, held, known.get(case.current.room or ""), day.now, grid)
        late = expected - published
        down = _down_at(known.get(case.current.room or ""), published, case.length)
        may = stays in ("", "called" if down else "") and case.current.room in known
        movable = may and expected >= earliest_start and (published >= earliest_start or late >= materiality)
        bearable = materiality if published - day.now < FAR else 2 * materiality
        if movable and timedelta(0) < late < bearable and not down:
            _absorb(blockers, case, published)
            expected = published
        held.append(_planned(case, expected, "" if movable else stays or "notice"))
    movables = [replace(h.case, slack=h.slack) for h in held if not h.why] + homeless
    committed = [_committed(h) for h in held if h.why]
    return tuple(sorted(movables, key=lambda c: c.id)), tuple(sorted(committed, key=lambda c: c.id))


def _why_fixed(day: SuiteDay, record: CaseRecord) -> str:
    if record.case in day.pending:
        return "pending"
    if day.doubted(record.case):
        return "doubted"
    return "called" if is_called(record) else ""


def _gone(day: SuiteDay, record: CaseRecord, case: ProblemCase, now: datetime, grid: timedelta) -> list[_Held]:
    """A patient who has left still counts while the room is being cleaned and the recovery bed is taken."""
    out = left(record)
    room = case_room(day, record)
    if out is None or room is None:
        return []
    came = entered(record) or out - case.length
    begins = record.when(Milestone.PACU_IN) or out
    bed_until = record.when(Milestone.PACU_OUT) or max(begins + case.recovery, now + grid)
    recovers = bed_until if case.recovery and bed_until > now and bed_until > out else None
    ready = _ready_after(day, record, room, out, case.cleanup, now, grid)
    if ready <= now and recovers is None:
        return []
    return [_Held(case, room, came - case.setup, came, max(out, came), max(ready, out), "done", recovers)]


def _ready_after(
    day: SuiteDay,
    record: CaseRecord,
    room: str,
    out: datetime,
    cleanup: timedelta,
    now: datetime,
    grid: timedelta,
) -> datetime:
    """When the room is clean again after a patient left it at `out`."""
    clean = record.when(Milestone.CLEANUP_END)
    if clean is not None:
        return clean
    held = day.rooms.get(room)
    reported = held.cleaning if held is not None else None
    if reported is not None and reported.at >= out:
        if reported.status == "clean":
            return reported.at
        if reported.expected_ready is not None:
            return max(reported.expected_ready, now + grid)
        return max(out + cleanup, now + grid)
    return out + cleanup


def _running(
    day: SuiteDay,
    record: CaseRecord,
    case: ProblemCase,
    forecast: CaseForecast | None,
    now: datetime,
    grid: timedelta,
) -> _Held:
    came = entered(record) or now
    if forecast is not None and forecast.remaining is not None:
        end = forecast.at + forecast.remaining.p50
    else:
        end = came + case.length
    end = max(ceil_moment(end, grid), ceil_moment(now + grid, grid))
    room = case_room(day, record) or "?"
    recovers = end + case.recovery if case.recovery else None
    left_of_it = _remaining(forecast, now) if forecast is not None else None
    return _Held(case, room, came - case.setup, came, end, end + case.cleanup, "in_room", recovers, left_of_it)


def _remaining(forecast: CaseForecast, now: datetime) -> Quantiles | None:
    """What the forecast leaves from now on."""
    left_then, since, none = forecast.remaining, now - forecast.at, timedelta(0)
    if left_then is None:
        return None
    return Quantiles(
        p50=max(none, left_then.p50 - since),
        p80=max(none, left_then.p80 - since),
        p95=max(none, left_then.p95 - since),
    )


def _planned(case: ProblemCase, start: datetime, why: str) -> _Held:
    end = start + case.length
    recovers = end + case.recovery if case.recovery else None
    room = case.current.room or "?"
    return _Held(case, room, start - case.setup, start, end, end + case.cleanup, why, recovers)


def _expected(
    case: ProblemCase,
    published: datetime,
    held: Iterable[_Held],
    room: ProblemRoom | None,
    now: datetime,
    grid: timedelta,
) -> tuple[datetime, list[_Held]]:
    """When the case can begin in its own room, and which earlier cases keep it from beginning in time."""
    before = [h for h in held if h.room == case.current.room or set(h.case.surgeons) & set(case.surgeons)]
    start = max(published, now)
    for other in before:
        if other.room == case.current.room:
            start = max(start, other.ready + case.setup)
        if set(other.case.surgeons) & set(case.surgeons) and other.end > now:
            start = max(start, other.end)
    for down in room.down if room else ():
        if start < down.end and down.start < start + case.length:
            start = down.end
    return (start if start == published else ceil_moment(start, grid)), before


def _down_at(room: ProblemRoom | None, start: datetime, length: timedelta) -> bool:
    return any(down.start < start + length and start < down.end for down in (room.down if room else ()))


def _absorb(blockers: Iterable[_Held], case: ProblemCase, published: datetime) -> None:
    """Let the case begin as published: what runs into it counts as ending in time."""
    for other in blockers:
        room_over = other.ready + case.setup - published if other.room == case.current.room else timedelta(0)
        shared = set(other.case.surgeons) & set(case.surgeons)
        surgeon_over = other.end - published if shared else timedelta(0)
        over = max(room_over, surgeon_over, timedelta(0))
        if not over:
            continue
        if other.why:
            other.ready -= max(room_over, timedelta(0))
            other.end = max(other.start, min(other.end, other.ready, published if shared else _NEVER))
        elif other.start == other.case.current.start:
            other.slack = min(other.slack + over, other.case.length - timedelta(minutes=5))
            other.end -= over
            other.ready -= over


def _committed(held: _Held) -> Committed:
    recovery = None
    if held.recovers_until is not None and held.recovers_until > held.end:
        recovery = Interval(start=held.end, end=held.recovers_until)
    return Committed(
        id=held.case.id,
        label=held.case.label,
        room=held.room,
        occupied=Interval(start=held.begins, end=max(held.ready, held.end)),
        patient=Interval(start=held.start, end=held.end),
        surgeons=held.case.surgeons,
        recovery=recovery,
        why=held.why,
        remaining=held.remaining,
        service=held.case.service,
        equipment=held.case.equipment,
        unit=None if held.why == "done" else held.case.unit,  # whoever is there counts among the unit's own
    )
