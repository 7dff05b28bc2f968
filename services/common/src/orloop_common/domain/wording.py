"""Words for people: times on the site's clocks, cases by procedure, surgeons by name, counts in English."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from .problem import PlanProblem


def clock_time(moment: datetime, timezone: str) -> str:
    """What site clocks show, as `10:40`."""
    return f"{moment.astimezone(ZoneInfo(timezone)):%H:%M}"


def minutes(span: timedelta) -> str:
    """A length as `35 min` or, from two hours on, `2 h 15 min`."""
    total = round(span.total_seconds() / 60)
    if total < 120:
        return f"{total} min"
    hours, rest = divmod(total, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 case`, `3 cases`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """`3`, `3 and 8`, `3, 6 and 8`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def doctor(problem: PlanProblem, surgeon: str) -> str:
    """A surgeon's display name with title; the staff id where no name is known."""
    name = problem.staff.get(surgeon)
    if name is None:
        return f"Surgeon {surgeon}"
    return name if name.casefold().startswith(("dr ", "dr.", "prof")) else f"Dr {name}"


def the(label: str) -> str:
    """A case within a sentence: `the nephrectomy`; abbreviations keep their capitals."""
    first = label.split(" ", 1)[0]
    return f"the {label}" if first.isupper() and len(first) > 1 else f"the {label[:1].lower()}{label[1:]}"


def upper_first(sentence: str) -> str:
    """A sentence begins with a capital."""
    return sentence[:1].upper() + sentence[1:]
