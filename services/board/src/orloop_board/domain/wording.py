"""Words, times and numbers as the board writes them."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from orloop_common.domain.vocabulary import RoomState, Urgency

MINUTE = timedelta(minutes=1)

STATE_WORDS: dict[RoomState, str] = {
    RoomState.CLOSED: "Closed",
    RoomState.IDLE: "Clean and empty",
    RoomState.SETUP: "Setup",
    RoomState.OCCUPIED_PREPARATION: "Preparation",
    RoomState.PROCEDURE: "Procedure",
    RoomState.OCCUPIED_EMERGENCE: "Emergence",
    RoomState.CLEANING: "Cleaning",
    RoomState.DOWN: "DOWN",
}

URGENCY_WORDS: dict[Urgency, str] = {
    Urgency.ELECTIVE: "Elective",
    Urgency.EXPEDITED: "Expedited",
    Urgency.URGENT: "Urgent",
    Urgency.IMMEDIATE: "Immediate",
}

_EMPTY = {"diagnostic", "elective", "open", "partial", "total"}
_ACRONYMS = {"ent": "ENT", "icu": "ICU", "pacu": "PACU"}


def clock(moment: datetime, zone: ZoneInfo) -> str:
    """Hours and minutes on the site's clocks."""
    return f"{moment.astimezone(zone):%H:%M}"


def clock_seconds(moment: datetime, zone: ZoneInfo) -> str:
    """Hours, minutes and seconds on the site's clocks."""
    return f"{moment.astimezone(zone):%H:%M:%S}"


def long_date(day: date) -> str:
    """Weekday, day and month, as `Monday 2 March`."""
    return f"{day:%A} {day.day} {day:%B}"


def whole_minutes(length: timedelta) -> int:
    """Minutes, rounded to the nearest."""
    return round(length / MINUTE)


def minutes(length: timedelta) -> str:
    """A length as people say it: `35 min`."""
    return f"{whole_minutes(length)} min"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: `1 case`, `2 cases`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def title(word: str) -> str:
    """A service, role or unit as a heading: `orthopaedics` -> `Orthopaedics`, `ent` -> `ENT`."""
    return _ACRONYMS.get(word.lower(), word.replace("_", " ")[:1].upper() + word.replace("_", " ")[1:])


def shorten(procedure: str) -> str:
    """The word that carries a procedure's name: `Knee replacement` -> `Knee`, `Removal of metal` -> `Metal`."""
    head = procedure.rsplit(" of ", 1)[-1].split(",")[0].strip()
    words = head.split() or [procedure]
    word = words[1] if len(words) > 1 and words[0].lower() in _EMPTY else words[0]
    return word[:1].upper() + word[1:]


def listing(parts: list[str]) -> str:
    """Parts in one breath: `a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def sentence(text: str) -> str:
    """The text with a capital in front, and no full stop at its end."""
    text = text.strip().rstrip(".")
    return text[:1].upper() + text[1:]
