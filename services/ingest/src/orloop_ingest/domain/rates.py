"""How many messages a source usually sends in each hour, learned from what was heard; weekends apart."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

HOURS = 48  # 0-23 on working days, 24-47 on weekends
LEARNED_FROM = 3  # hours of one kind before their mean counts
_WEIGHT = 0.1  # of the newest hour, once enough were seen
_HOUR = timedelta(hours=1)
_FORGET = timedelta(days=14)  # a longer pause says nothing about usual hours


@dataclass
class HourlyRates:
    """Means and how many hours each stands on; `began` is the hour that is being counted.

    The first hour, which was not heard from its beginning, does not count.
    """

    zone: ZoneInfo
    means: list[float] = field(default_factory=lambda: [0.0] * HOURS)
    seen: list[int] = field(default_factory=lambda: [0] * HOURS)
    began: datetime | None = None
    count: int = 0
    whole: bool = False

    def hear(self, at: datetime) -> None:
        """One message came."""
        self.advance(at)
        self.count += 1

    def advance(self, now: datetime) -> None:
        """Close the hours that are over; one without a message is an hour of zero."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        if self.began is None or hour - self.began > _FORGET:
            self.began, self.count, self.whole = hour, 0, False
        while self.began < hour:
            if self.whole:
                self._learn(self.began, self.count)
            self.began, self.count, self.whole = self.began + _HOUR, 0, True

    def skip(self) -> None:
        """The hour that is being counted says nothing: the feed is known to be silent."""
        self.whole = False

    def expected(self, start: datetime, end: datetime) -> float | None:
        """How many messages a span usually has; None if one of its hours is not known well enough."""
        total, at = 0.0, start
        while at < end:
            until = min(end, at.replace(minute=0, second=0, microsecond=0) + _HOUR)
            kind = self.kind(at)
            if self.seen[kind] < LEARNED_FROM:
                return None
            total += self.means[kind] * ((until - at) / _HOUR)
            at = until
        return total

    def at(self, now: datetime) -> float | None:
        """The usual number in an hour like this one."""
        kind = self.kind(now)
        return self.means[kind] if self.seen[kind] >= LEARNED_FROM else None

    def kind(self, at: datetime) -> int:
        """Which of the 48 hours a moment lies in, by site time."""
        local = at.astimezone(self.zone)
        return local.hour + (24 if local.weekday() >= 5 else 0)

    def _learn(self, hour: datetime, count: int) -> None:
        kind = self.kind(hour)
        self.seen[kind] += 1
        weight = max(1 / self.seen[kind], _WEIGHT)
        self.means[kind] += (count - self.means[kind]) * weight
