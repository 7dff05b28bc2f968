"""What messages show of their sender, for a proposed profile: values by place, and guesses with their counts. Pure."""

import re
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any

from orloop_ingest.domain.quarantine import Quarantined

from .header import Header
from .places import Place, parse_place
from .times import parse_length, parse_time
from .tokens import Message, Segment


@dataclass(frozen=True, slots=True)
class Guess:
    """One line of the proposal: `count` of `of` messages speak for it; `note` says how."""

    key: str
    value: Any
    count: int
    of: int
    note: str = ""


@dataclass
class Evidence:
    """What all messages together show."""

    messages: list[tuple[Header, Message]]
    schedules: list[tuple[Header, Message]]
    parts: dict[str, str] = field(default_factory=dict)
    guesses: list[Guess] = field(default_factory=list)

    def add(self, key: str, value: Any, count: int, of: int, note: str = "") -> None:
        self.guesses.append(Guess(key, value, count, of, note))

    def at(self, path: str) -> Place:
        """A path in the sender's own segments."""
        segment, rest = path[:3], path[3:]
        return parse_place(self.parts.get(segment, segment) + rest)

    def fits(self, message: Message, segment: Segment, place: Place) -> bool:
        """Whether a segment is of the kind that a place asks for."""
        return not place.word or message.text(segment, place.key).upper() == place.word


def values(e: Evidence, path: str, of: list[tuple[Header, Message]] | None = None) -> list[list[str]]:
    """What stands at a place, message by message: every segment of the name, filled ones only."""
    place = e.at(path)
    found = []
    for _, message in e.schedules if of is None else of:
        segments = [s for s in message.all(place.segment) if e.fits(message, s, place)]
        found.append([v for s in segments if (v := text_at(message, s, place))])
    return found


def text_at(message: Message, segment: Segment, place: Place) -> str:
    try:
        return message.text(segment, place.field, place.component, place.sub).strip()
    except Quarantined:
        return ""


def is_time(value: str) -> bool:
    try:
        parse_time(value, UTC, "")
    except Quarantined:
        return False
    return True


def is_length(value: str) -> bool:
    number = re.match(r"\d+(\.\d+)?", value)
    try:
        return number is not None and parse_length(number.group(), "", "") > timedelta(0)
    except Quarantined:
        return False


def own(e: Evidence, path: str) -> list[list[str]]:
    place = parse_place(path)
    kept = [(m, [s for s in m.all(place.segment) if e.fits(m, s, place)]) for _, m in e.schedules]
    return [[v for s in segments if (v := text_at(m, s, place))] for m, segments in kept]
