"""Places in a plan: who is where, when; and a change from one place to another."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Half-open time from `start` up to, not including, `end`."""

    start: datetime
    end: datetime

    def overlaps(self, other: "Interval") -> bool:
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """A duration forecast; `p50 <= p80 <= p95`."""

    p50: timedelta
    p80: timedelta
    p95: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and when a case's patient enters the room; no room means postponed."""

    room: str | None
    start: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One case's place in a plan."""

    case: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One case leaves `origin` for `target`: what a person approves and the hospital answers.

    `version` is the hospital's version of the case that the change was made for; `reason` is for
    people, `rules` are the catalogue ids that were checked, `length` is the patient's expected stay.
    `via` is where the case waits on its way when others must leave `target` first and wait for it in turn.
    """

    case: str
    version: int
    origin: Place
    target: Place
    length: timedelta
    reason: str = ""
    rules: tuple[str, ...] = ()
    via: Place | None = None
