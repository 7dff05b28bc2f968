"""Feeds that fall silent: nothing heard from a source for so long that it is no chance.

What a source usually sends by the hour decides: one that sends nothing at night is not silent at night. Until that is
known, any pause in the suite's operating hours counts.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import Event, FeedReturned, FeedWentSilent
from orloop_common.domain.site import SuiteLayout

SURELY = 5.0  # messages that should have come: none of them comes by chance once in 150 times
Usual = Callable[[str, datetime, datetime], float | None]


@dataclass(frozen=True, slots=True)
class Heard:
    """When a source was last heard, on both clocks."""

    at: datetime
    wall: float


@dataclass
class FeedWatch:
    """Watches the sources of one suite. A feed is silent when both clocks say so.

    Event time may run fast, so a wall-clock floor keeps a restart of the sender from counting as silence.

    Parameters
    ----------
    after, floor
        Silence in event time, and the least silence on the wall clock, before it is told.
    usual
        How many messages a source usually sends in a span; None if that is not known.
    """

    layout: SuiteLayout
    timezone: str
    after: timedelta
    floor: timedelta
    usual: Usual = lambda source, start, end: None
    heard: dict[str, Heard] = field(default_factory=dict)

    def hear(self, source: str, at: datetime, wall: float) -> None:
        """Something came from `source`."""
        self.heard[source] = Heard(at, wall)

    def check(self, source: str, now: datetime, wall: float, silent_since: datetime | None) -> Event | None:
        """What is to be told of a source; `silent_since` is what the log says of it."""
        last = self.heard.setdefault(source, Heard(now, wall))
        suite = self.layout.id
        if silent_since is not None:
            if last.at <= silent_since or now - last.at >= self.after:
                return None
            id = derived_id("FeedReturned", suite, source, silent_since.isoformat())
            return FeedReturned(id=id, suite=suite, at=now, source=source)
        quiet = now - last.at >= self.after and wall - last.wall >= self.floor.total_seconds()
        if not quiet:
            return None
        missed = self.usual(source, last.at, now)
        if missed < SURELY if missed is not None else not self.operates(now):
            return None
        id = derived_id("FeedWentSilent", suite, source, last.at.isoformat())
        return FeedWentSilent(id=id, suite=suite, at=now, source=source, since=last.at)

    def operates(self, now: datetime) -> bool:
        """Between the first block's start and the last room's close, site time."""
        local, rooms = now.astimezone(ZoneInfo(self.timezone)).time(), self.layout.rooms
        return bool(rooms) and min(r.block_start for r in rooms) <= local < max(r.closes for r in rooms)
