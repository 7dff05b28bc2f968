"""A clock that only moves when a test says so."""

from datetime import UTC, datetime, timedelta

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)


class ManualClock:
    """Event and wall time that stand still until `advance` or `set`."""

    def __init__(self, start: datetime = NINE, rate: float = 1.0) -> None:
        self._now = start
        self._wall = start
        self._monotonic = 0.0
        self._rate = rate

    def now(self) -> datetime:
        return self._now

    def wall(self) -> datetime:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    def rate(self) -> float:
        return self._rate

    def advance(self, event_time: timedelta, wall: timedelta | None = None) -> None:
        """Let event time pass, and the wall's share of it (by the rate, unless told)."""
        passed = wall if wall is not None else event_time / self._rate
        self._now += event_time
        self._wall += passed
        self._monotonic += passed.total_seconds()

    def set(self, now: datetime) -> None:
        """Jump to an event time; the wall stands still."""
        self._now = now

    def set_rate(self, rate: float) -> None:
        """Change how much event time a wall second is worth."""
        self._rate = rate
