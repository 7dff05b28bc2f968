"""The hours of the day from left to right."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.site import SuiteLayout

from .projection import Stay
from .values import Axis, Tick
from .wording import clock

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps moments to per cent of the axis."""

    start: datetime
    end: datetime

    def x(self, moment: datetime) -> float:
        """Where a moment lies, held inside the axis."""
        share = (moment - self.start) / (self.end - self.start)
        return round(100 * min(1.0, max(0.0, share)), 3)

    def width(self, start: datetime, end: datetime) -> float:
        """How wide an interval is, as far as it lies inside the axis."""
        return round(self.x(end) - self.x(start), 3)


def scale_of(now: datetime, calendar: OperationalCalendar, layout: SuiteLayout, stays: tuple[Stay, ...]) -> Scale:
    """From the hour in which work begins to the hour in which it most likely is over."""
    today = calendar.day(now)
    opens = [calendar.at(today, room.block_start) for room in layout.rooms]
    closes = [calendar.at(today, room.block_end) for room in layout.rooms]
    starts = [*opens, *(s.start for s in stays)] or [now]
    ends = [*closes, *(s.p95 or s.end for s in stays)] or [now]
    first = min(starts) - timedelta(minutes=15)
    last = max(*ends, now) + timedelta(minutes=15)
    return Scale(_floor(first), _floor(last - timedelta(seconds=1)) + HOUR)


def _floor(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def axis_of(scale: Scale, now: datetime, zone: ZoneInfo) -> Axis:
    """The axis as it is drawn: a label at every full hour but the last."""
    hours = []
    moment = scale.start
    while moment < scale.end:
        hours.append(Tick(label=f"{moment.astimezone(zone):%H}", x=scale.x(moment)))
        moment += HOUR
    return Axis(start=clock(scale.start, zone), end=clock(scale.end, zone), hours=tuple(hours), now=scale.x(now))
