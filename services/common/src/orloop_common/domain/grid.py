"""The planning grid: moments and lengths in whole slots, counted from midnight UTC."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def ceil_moment(moment: datetime, grid: timedelta) -> datetime:
    """The first grid point at or after `moment`."""
    return moment + (_EPOCH - moment) % grid


def ceil_span(span: timedelta, grid: timedelta) -> timedelta:
    """The shortest whole number of slots that holds `span`."""
    return grid * slots(span, grid)


def slots(span: timedelta, grid: timedelta) -> int:
    """How many slots `span` takes, begun ones counted; negative for a negative span that fills whole slots."""
    return -(-span // grid)


def slots_past(span: timedelta, grid: timedelta) -> int:
    """As `slots`, zero for what is not past."""
    return max(0, slots(span, grid))
