"""HL7 times and lengths: aware UTC and timedelta, or a quarantine, never a guess."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ..quarantine import Quarantined, Reason

_TIME = re.compile(r"(\d{4}(?:\d{2}(?:\d{2})?)?)(\d{2}(?:\d{2}(?:\d{2})?)?)?(?:(?<=\d{14})\.(\d{1,4}))?([+-]\d{4})?")
_SECONDS = {
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
}
LONGEST = timedelta(hours=24)
_ZERO = timedelta(0)


class Clock(NamedTuple):
    """How times without an offset are read: in `zone`; of two moments, the one at `offset` (MSH-7's) if that is known."""

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
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise Quarantined(Reason.BAD_TIME, field)
    date, wall, fraction, zone = found.groups()
    if len(date) < 8 or (not day_is_enough and (wall is None or len(wall) < 4)):
        raise Quarantined(Reason.BAD_TIME, field)
    wall = (wall or "").ljust(6, "0")
    micro = int(float(f"0.{fraction}") * 1_000_000) if fraction else 0
    try:
        where, told = (_offset(zone), None) if zone else _clock(clock)
        naive = (int(date[:4]), int(date[4:6]), int(date[6:8]), int(wall[:2]), int(wall[2:4]), int(wall[4:6]), micro)
        local = datetime(*naive, tzinfo=where)
        moment = local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Quarantined(Reason.BAD_TIME, field) from None
    if not isinstance(where, ZoneInfo):
        return moment, False
    later = local.replace(fold=1)
    first, second = local.utcoffset(), later.utcoffset()
    if first == second:
        return moment, False
    if moment.astimezone(where).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise Quarantined(Reason.BAD_TIME, field)  # no clock on the wall ever showed it
    if told is None:
        return moment, True
    return (later.astimezone(UTC) if told == second else moment), False


def _clock(clock: tzinfo | Clock) -> tuple[tzinfo, timedelta | None]:
    return clock if isinstance(clock, Clock) else (clock, None)


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name."""
    return ZoneInfo(name)


def clock_of(sent: str, zone: tzinfo) -> Clock:
    """How the times of a message are read whose MSH-7 is `sent`, at a site in `zone`.

    If MSH-7's offset is the one that the site's clocks had at that moment, times are wall times of the site: a booking
    told in winter for a day in summer means the summer's clock. Any other offset is the sender's own clock.
    """
    offset = offset_of(sent)
    if offset is None:
        return Clock(zone)
    here = offset.utcoffset(None)
    try:
        moment = parse_time(sent, zone, "MSH-7")
    except Quarantined:
        return Clock(offset, here)
    return Clock(zone, here) if moment.astimezone(zone).utcoffset() == here else Clock(offset, here)


def offset_of(text: str) -> tzinfo | None:
    """The UTC offset that a timestamp carries, if any."""
    found = _TIME.fullmatch(text.strip())
    try:
        return _offset(found[4]) if found and found[4] else None
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
