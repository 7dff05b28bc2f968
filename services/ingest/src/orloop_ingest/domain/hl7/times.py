"""HL7 times and lengths: aware UTC and timedelta, or a quarantine, never a guess."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from orloop_ingest.domain.quarantine import Quarantined, Reason

_TIME = re.compile(r"([0-9]{4,8})([0-9]{2}(?:[0-9]{2}(?:[0-9]{2}(?:\.[0-9]{1,4})?)?)?)?([+-][0-9]{4})?")
_SECONDS = {
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
}
LONGEST = timedelta(hours=24)
_ZERO = timedelta(0)


class Clock(NamedTuple):
    """How times without an offset are read: in `zone`; of two moments the one at `offset` (MSH-7's), if known."""

    zone: tzinfo
    offset: timedelta | None = None


def parse_time(text: str, clock: tzinfo | Clock, field: str, *, day_is_enough: bool = False) -> datetime:
    """An HL7 timestamp as aware UTC; of a time that the clock shows twice the first, unless MSH-7 tells.

    Parameters
    ----------
    day_is_enough
        Whether a date alone will do (a waiting list's date); else minutes are required.

    Raises
    ------
    Quarantined
        BAD_TIME if it is malformed, imprecise, or in the gap of a daylight-saving change.
    """
    return read_time(text, clock, field, day_is_enough)[0]


def read_time(text: str, clock: tzinfo | Clock, field: str, day_is_enough: bool = False) -> tuple[datetime, bool]:
    """As `parse_time`, and whether nothing told which of two moments was meant."""
    text = text.strip()
    found = _TIME.fullmatch(text)
    if found is None:
        raise Quarantined(Reason.BAD_TIME, field)
    date, wall, zone = found.groups()
    if len(date) < 8 or (not day_is_enough and (wall is None or len(wall) < 4)):
        raise Quarantined(Reason.BAD_TIME, field)
    try:
        local = datetime.fromisoformat(f"{date}T{text[8:] if wall else '00' + text[8:]}")
        if zone is not None:
            _offset(zone)
            return local.astimezone(UTC), False
        where, told = clock if isinstance(clock, Clock) else (clock, None)
        local = local.replace(tzinfo=where)
        moment = local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Quarantined(Reason.BAD_TIME, field) from None
    if not isinstance(where, ZoneInfo):
        return moment, False
    later = local.replace(fold=1)
    second = later.utcoffset()
    if local.utcoffset() == second:
        return moment, False
    if moment.astimezone(where).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise Quarantined(Reason.BAD_TIME, field)  # no clock on the wall ever showed it
    if told is None:
        return moment, True
    return (later.astimezone(UTC) if told == second else moment), False


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name."""
    return ZoneInfo(name)


def clock_of(sent: str, zone: tzinfo) -> tuple[Clock, datetime | None]:
    """How the times of a message are read whose MSH-7 is `sent`, at a site in `zone`; and when it was sent, if told.

    If MSH-7's offset is the one that the site's clocks had at that moment, times are wall times of the site: a booking
    told in winter for a day in summer means the summer's clock. Any other offset is the sender's own clock.

    Raises
    ------
    Quarantined
        BAD_TIME if MSH-7 is filled and cannot be read.
    """
    if not sent:
        return Clock(zone), None
    moment = parse_time(sent, zone, "MSH-7")
    offset = offset_of(sent)
    if offset is None:
        return Clock(zone), moment
    here = offset.utcoffset(None)
    return Clock(zone if moment.astimezone(zone).utcoffset() == here else offset, here), moment


def offset_of(text: str) -> tzinfo | None:
    """The UTC offset that a timestamp carries, if any."""
    zone = text[-5:]
    try:
        return _offset(zone) if zone[:1] in ("+", "-") else None
    except ValueError:
        return None


@lru_cache(maxsize=128)
def _offset(zone: str) -> tzinfo:
    hours, minutes = int(zone[1:3]), int(zone[3:5])
    if hours > 14 or minutes > 59:
        raise ValueError(zone)
    sign = -1 if zone[0] == "-" else 1
    return timezone(sign * timedelta(hours=hours, minutes=minutes))


def parse_length(number: str, unit: str, field: str, default: int = 60) -> timedelta:
    """A length such as `120` `min`, `1800` `seconds`.

    Parameters
    ----------
    default
        Seconds of the unit that is meant where none is given.

    Raises
    ------
    Quarantined
        BAD_LENGTH if the number or unit cannot be read, or it is negative or over a day.
    """
    unit = unit.strip().lower()
    try:
        length = timedelta(seconds=float(number) * (_SECONDS[unit] if unit else default))
    except (ValueError, KeyError, OverflowError):
        raise Quarantined(Reason.BAD_LENGTH, field) from None
    if not _ZERO <= length <= LONGEST:
        raise Quarantined(Reason.BAD_LENGTH, field)
    return length


def format_time(moment: datetime) -> str:
    """An HL7 timestamp with its offset, to the second."""
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")
