"""When each case of today is expected in and out of its room.

What happened is taken from milestones. A running case ends where its forecast says, never before now.
A waiting case starts where the plan has it, or when its room is free and set up, if that is later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from orloop_common.domain.derived import CaseForecast
from orloop_common.domain.plan import Quantiles
from orloop_common.domain.reading import case_room, entered, is_in_room, left, todays_cases
from orloop_common.domain.records import CaseRecord
from orloop_common.domain.suite_day import SuiteDay


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One patient's stay in a room. `status` is done, running or expected; `planned` is the plan's start.

    `end` is P50 while it is not known; `p80` and `p95` are then as the forecast has them, absent without one.
    """

    record: CaseRecord
    room: str
    status: str
    start: datetime
    end: datetime
    planned: datetime
    p80: datetime | None = None
    p95: datetime | None = None

    @property
    def case(self) -> str:
        return self.record.case

    @property
    def booked_end(self) -> datetime:
        """Where the stay would end had it taken the booked length from when it began."""
        assert self.record.schedule is not None
        return self.start + self.record.schedule.booked

    @property
    def late(self) -> timedelta:
        """How much later than planned a waiting case is expected to start."""
        return self.start - self.planned if self.status == "expected" else timedelta(0)


def project(day: SuiteDay, forecasts: Mapping[str, CaseForecast]) -> dict[str, tuple[Stay, ...]]:
    """Today's stays by room, in the order in which they happen."""
    assert day.now is not None
    by_room: dict[str, list[CaseRecord]] = {}
    for record in todays_cases(day):
        room = case_room(day, record)
        gone = record.status != "scheduled" and entered(record) is None
        if record.schedule is not None and room is not None and not gone:
            by_room.setdefault(room, []).append(record)
    return {room: _stays(day, day.now, room, records, forecasts) for room, records in by_room.items()}


def _stays(
    day: SuiteDay, now: datetime, room: str, records: list[CaseRecord], forecasts: Mapping[str, CaseForecast]
) -> tuple[Stay, ...]:
    known = [_known(day, now, room, r, forecasts.get(r.case)) for r in records if entered(r) or left(r)]
    stays = sorted((s for s in known if s), key=lambda s: (s.start, s.case))
    free = max((s.end + _cleanup(s.record) for s in stays), default=None)
    for record in records:
        if entered(record) or left(record):
            continue
        stay = _waiting(day, now, room, record, forecasts.get(record.case), free)
        stays.append(stay)
        free = stay.end + _cleanup(record)
    return tuple(stays)


def _planned(day: SuiteDay, record: CaseRecord) -> datetime:
    assert record.schedule is not None
    place = day.place(record.case)
    return place.start if place and place.start else record.schedule.start


def _cleanup(record: CaseRecord) -> timedelta:
    assert record.schedule is not None
    return record.schedule.cleanup


def _known(day: SuiteDay, now: datetime, room: str, record: CaseRecord, forecast: CaseForecast | None) -> Stay | None:
    """A stay that has begun, or is over."""
    assert record.schedule is not None
    start, end = entered(record), left(record)
    planned = _planned(day, record)
    if end is not None:
        start = start or end - record.schedule.booked
        return Stay(record=record, room=room, status="done", start=start, end=end, planned=planned)
    if start is None or not is_in_room(record):
        return None
    spread = _remaining(start, record, forecast)
    if spread is None:
        expected = max(now, start + record.schedule.booked)
        return Stay(record=record, room=room, status="running", start=start, end=expected, planned=planned)
    p50, p80, p95 = (max(now, moment) for moment in spread)
    return Stay(record=record, room=room, status="running", start=start, end=p50, planned=planned, p80=p80, p95=p95)


def _remaining(
    start: datetime, record: CaseRecord, forecast: CaseForecast | None
) -> tuple[datetime, datetime, datetime] | None:
    if forecast is None:
        return None
    if forecast.remaining is not None:
        return _ends(forecast.at, forecast.remaining)
    return _ends(start, forecast.duration)


def _ends(start: datetime, spread: Quantiles) -> tuple[datetime, datetime, datetime]:
    return start + spread.p50, start + spread.p80, start + spread.p95


def _waiting(
    day: SuiteDay,
    now: datetime,
    room: str,
    record: CaseRecord,
    forecast: CaseForecast | None,
    free: datetime | None,
) -> Stay:
    assert record.schedule is not None
    planned = _planned(day, record)
    start = max(planned, now, free + record.schedule.setup if free else planned)
    if forecast is None:
        end = start + record.schedule.booked
        return Stay(record=record, room=room, status="expected", start=start, end=end, planned=planned)
    p50, p80, p95 = _ends(start, forecast.duration)
    return Stay(record=record, room=room, status="expected", start=start, end=p50, planned=planned, p80=p80, p95=p95)
