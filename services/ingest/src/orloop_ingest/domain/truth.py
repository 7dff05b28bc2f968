"""Sources of truth: who is believed where two sources tell different things; the lower is never silent. Pure."""

from dataclasses import dataclass, replace

from orloop_common.domain.digest import derived_id, digest
from orloop_common.domain.events import Event, RoomRestored, RoomWentDown, RosterChanged, SourceDisagreed
from orloop_common.domain.site import Truth
from orloop_common.domain.suite_day import SuiteDay

PEOPLE = "manual"


@dataclass(frozen=True, slots=True)
class Believed:
    """What goes on the log: the event itself, or in its place that a source of lower rank disagrees."""

    event: Event
    warning: str | None = None


def outranks(ranks: tuple[str, ...], one: str, other: str) -> bool:
    """Whether `one` is believed before `other`; sources that nobody ranks come last and are equals."""
    return _rank(ranks, one) < _rank(ranks, other)


def believe(event: Event, source: str, day: SuiteDay, truth: Truth) -> Believed:
    """Weigh a report of `source` against what a source of higher rank has said; what nobody ranks is believed.

    `reported_by` of the event that is held names its source; a name that the site does not rank is a person's.
    """
    held: RosterChanged | RoomWentDown | RoomRestored | None
    room: str | None
    if isinstance(event, RosterChanged):
        ranking, held, subject, room = truth.staffing, day.rosters.get(event.role), f"roster:{event.role}", None
        words = _teams(held), _teams(event)
    elif isinstance(event, RoomWentDown | RoomRestored):
        record = day.rooms.get(event.room)
        ranking, held, subject, room = (
            truth.rooms,
            record.usability if record else None,
            f"room:{event.room}",
            event.room,
        )
        words = _state(held), _state(event)
    else:
        return Believed(event)
    if held is None or not ranking or _same(held, event):
        return Believed(event)
    above, below = _source(held.reported_by, ranking), _source(source, ranking)
    if not outranks(ranking, above, below):
        return Believed(event)
    disagreed = SourceDisagreed(
        id=derived_id(
            "SourceDisagreed", event.suite, subject, held.id, source, digest(replace(event, id="", at=held.at))
        ),
        suite=event.suite,
        at=event.at,
        subject=subject,
        first=f"{above}: {words[0]}",
        second=f"{below}: {words[1]}",
        room=room,
    )
    return Believed(disagreed, f"{subject}: {above} is believed before {below}, so this was noted and not applied.")


def _source(name: str | None, ranking: tuple[str, ...]) -> str:
    return name if name in ranking and name is not None else PEOPLE


def _same(held: Event, told: Event) -> bool:
    if isinstance(held, RosterChanged) and isinstance(told, RosterChanged):
        return held.entries == told.entries
    return type(held) is type(told)


def _state(event: Event | None) -> str:
    return "down" if isinstance(event, RoomWentDown) else "usable"


def _teams(roster: RosterChanged | None) -> str:
    return f"{len(roster.entries) if roster else 0} teams"


def _rank(ranks: tuple[str, ...], source: str) -> int:
    return ranks.index(source) if source in ranks else len(ranks)
