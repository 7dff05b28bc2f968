"""What the fold remembers: frozen values only."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from immutables import Map

from .events import (
    CaseScheduled,
    CleaningStatusChanged,
    PlanDecided,
    RoomRestored,
    RoomStateChanged,
    RoomWentDown,
)
from .plan import Change, Place
from .vocabulary import Milestone, ReadinessItem, ReadinessStatus, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A milestone's time in force, and the `earlier` values that corrections have replaced."""

    at: datetime
    event: str
    source: Source
    confidence: float
    recorded: datetime
    room: str | None = None
    earlier: tuple["Recorded", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecord:
    """One case: the hospital's schedule of it, and what has happened to it.

    `status` is scheduled, cancelled, no_show or entered_in_error. A case that ended stays ended: what
    the sender schedules afterwards makes it `contradicted`, and the gate withholds on it.
    """

    case: str
    schedule: CaseScheduled | None = None
    status: str = "scheduled"
    ended_version: int | None = None
    milestones: Map[Milestone, Recorded] = Map()
    readiness: Map[ReadinessItem, ReadinessStatus] = Map()
    doubts: tuple[str, ...] = ()
    replaces: str | None = None
    moved: int = 0
    touched: datetime | None = None

    @property
    def contradicted(self) -> bool:
        return (
            self.ended_version is not None and self.schedule is not None and self.schedule.version > self.ended_version
        )

    @property
    def active(self) -> bool:
        """Scheduled and real: booked, not ended."""
        return self.schedule is not None and self.status == "scheduled"

    def when(self, milestone: Milestone) -> datetime | None:
        recorded = self.milestones.get(milestone)
        return recorded.at if recorded else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRecord:
    """One room: the newest word on whether it can be used, on its cleaning, and what was observed."""

    room: str
    usability: RoomWentDown | RoomRestored | None = None
    cleaning: CleaningStatusChanged | None = None
    observed: RoomStateChanged | None = None

    @property
    def down(self) -> RoomWentDown | None:
        return self.usability if isinstance(self.usability, RoomWentDown) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A case's place in the approved plan."""

    place: Place
    length: timedelta
    proposal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An approved change that the hospital has not echoed: committed until echoed, refused or timed out.

    `status` is queued or acknowledged; `order` its place in the proposal's `of` changes.
    """

    change: Change
    proposal: str
    order: int
    of: int
    decided: datetime
    status: str = "queued"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """What was decided of a proposal and how far it has been carried out.

    `outcomes` says of each changed case: queued, acknowledged, applied, refused, timed_out, unconfirmed, differs,
    overtaken or stopped. `voided` names the hard rules that were broken when the decision was folded.
    """

    decided: PlanDecided
    outcomes: Map[str, str] = Map()
    voided: tuple[str, ...] = ()

    @property
    def in_force(self) -> bool:
        return bool(self.outcomes) and not self.voided

    @property
    def applied(self) -> int:
        return sum(1 for outcome in self.outcomes.values() if outcome == "applied")

    @property
    def settled(self) -> bool:
        return all(outcome not in ("queued", "acknowledged") for outcome in self.outcomes.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An event that the fold could not apply, and why; `case` is then in doubt."""

    event: str
    type: str
    reason: str
    case: str | None = None
