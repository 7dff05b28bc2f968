"""The operational day: it begins at a boundary hour of site time, and survives a DST change."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class OperationalCalendar:
    """Maps moments to operational days; an operational day may be 23 or 25 hours long."""

    timezone: str = "UTC"
    boundary: time = time(4, 0)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def day(self, moment: datetime) -> date:
        """The operational day that `moment` (aware) belongs to."""
        local = moment.astimezone(self.zone)
        return local.date() if local.time() >= self.boundary else local.date() - timedelta(days=1)

    def at(self, day: date, wall: time) -> datetime:
        """The moment (UTC) at which site clocks show `wall` within operational `day`."""
        civil = day if wall >= self.boundary else day + timedelta(days=1)
        return datetime.combine(civil, wall, self.zone).astimezone(UTC)
