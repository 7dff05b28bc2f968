"""How cases and times are named to people."""

from datetime import datetime
from zoneinfo import ZoneInfo

from orloop_common.domain.site import SuiteLayout
from orloop_common.domain.suite_day import SuiteDay


def clock_time(day: SuiteDay, moment: datetime) -> str:
    """The time that the suite's wall clocks show, such as 09:40."""
    return f"{moment.astimezone(ZoneInfo(day.calendar.timezone)):%H:%M}"


def room_name(layout: SuiteLayout, room: str | None) -> str:
    """The room's name as its people say it."""
    found = layout.room(room or "")
    return found.name if found else f"room {room}" if room else "no room"


def case_name(day: SuiteDay, layout: SuiteLayout, case: str) -> str:
    """A case in a person's words: procedure, room, start; never an id that nobody knows."""
    record = day.cases.get(case)
    if record is None or record.schedule is None:
        return "a case that is not on the schedule"
    schedule = record.schedule
    procedure = schedule.procedures[0].text if schedule.procedures else schedule.service
    return f"{procedure} ({room_name(layout, schedule.room)}, {clock_time(day, schedule.start)})"


def listed(words: list[str], most: int = 3) -> str:
    """`a, b and 2 more`."""
    if len(words) > most:
        words = [*words[:most], f"{len(words) - most} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
