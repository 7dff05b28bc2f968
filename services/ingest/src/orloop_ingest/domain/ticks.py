"""Ticks of event time: on a fixed grid, missed ones skipped, never backwards."""

from datetime import UTC, datetime, timedelta

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import ClockTicked

GRID = timedelta(seconds=30)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def tick_time(now: datetime) -> datetime:
    """The newest grid point that the clock has reached."""
    return _EPOCH + (now - _EPOCH) // GRID * GRID


def next_tick(suite: str, now: datetime, last: datetime | None) -> ClockTicked | None:
    """The tick that is due, if the clock has reached one after `last`; its id is the suite's and the time's."""
    at = tick_time(now)
    if last is not None and at <= last:
        return None
    return ClockTicked(id=derived_id("ClockTicked", suite, at.isoformat()), suite=suite, at=at)
