"""HL7 times and lengths: aware UTC and timedelta, or a quarantine, never a guess."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from .quarantine import Quarantined, Reason

_TIME = re.compile(
    r"(?P<date>\d{4}(?:\d{2}(?:\d{2})?)?)(?P<time>\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,4})?)?)?)?(?P<zone>[+-]\d{4})?"
)
_SECONDS = {
    **dict.fromkeys(("", "m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
}
LONGEST = timedelta(hours=24)


def parse_time(text: str, default: tzinfo, field: str, *, day_is_enough: bool = False) -> datetime:
    """An HL7 timestamp as aware UTC.

    Parameters
    ----------
    default
        The zone of a time without an offset: the header's, or the site's.
    day_is_enough
        Whether a date alone will do (a waiting list's date); else minutes are required.

    Raises
    ------
    Quarantined
        BAD_TIME if it is malformed, imprecise, or in the gap of a daylight-saving change.
    """
    bad = Quarantined(Reason.BAD_TIME, field)
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise bad
    date, clock, zone = found["date"], found["time"] or "", found["zone"]
    if len(date) < 8 or (len(clock) < 4 and not day_is_enough):
        raise bad
    whole, _, fraction = clock.partition(".")
    try:
        naive = datetime.strptime(f"{date}{whole.ljust(6, '0')}", "%Y%m%d%H%M%S")  # noqa: DTZ007 - made aware below
        where = _offset(zone) if zone else default
    except ValueError:
        raise bad from None
    naive += timedelta(seconds=float(f"0.{fraction or 0}"))
    try:
        moment = naive.replace(tzinfo=where).astimezone(UTC)
    except OverflowError:
        raise bad from None
    if isinstance(where, ZoneInfo) and moment.astimezone(where).replace(tzinfo=None) != naive:
        raise bad  # no clock on the wall ever showed it
    return moment


def offset_of(text: str) -> tzinfo | None:
    """The UTC offset that a timestamp carries, if any."""
    found = _TIME.fullmatch(text.strip())
    try:
        return _offset(found["zone"]) if found and found["zone"] else None
    except ValueError:
        return None


def _offset(zone: str) -> tzinfo:
    hours, minutes = int(zone[1:3]), int(zone[3:5])
    if hours > 14 or minutes > 59:
        raise ValueError(zone)
    sign = -1 if zone[0] == "-" else 1
    return timezone(sign * timedelta(hours=hours, minutes=minutes))


def parse_length(number: str, unit: str, field: str) -> timedelta:
    """A length such as `120` `min`, `1800` `seconds`.

    Raises
    ------
    Quarantined
        BAD_LENGTH if the number or unit cannot be read, or it is negative or over a day.
    """
    try:
        seconds = float(number) * _SECONDS[unit.strip().lower()]
        length = timedelta(seconds=seconds)
    except (ValueError, KeyError, OverflowError):
        raise Quarantined(Reason.BAD_LENGTH, field) from None
    if not timedelta(0) <= length <= LONGEST:
        raise Quarantined(Reason.BAD_LENGTH, field)
    return length


def format_time(moment: datetime) -> str:
    """An HL7 timestamp with its offset, to the second."""
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")
