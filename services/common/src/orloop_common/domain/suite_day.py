"""The state of a suite's day: a pure, total, idempotent fold of its log."""

from dataclasses import dataclass, field
from datetime import date, datetime

from immutables import Map

from . import events as e
from .calendar import OperationalCalendar
from .evolving import evolve
from .plan import Place
from .records import CaseRecord, DecisionRecord, Pending, Planned, Refusal, RoomRecord
from .vocabulary import BedUnit

KEPT_DAYS = 7  # tombstones must outlive a late booking (facts: interop)


class Refused(Exception):
    """The event cannot be applied; its text is the reason that is recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteDay:
    """Everything known of a suite, as a fold of its log.

    Keeps three things apart: the hospital's schedule (`cases[..].schedule`), the approved plan
    (`plan`) and the changes the hospital has not echoed yet (`pending`). Only the hospital's own
    word changes the first.
    """

    suite: str
    calendar: OperationalCalendar = OperationalCalendar()
    now: datetime | None = None
    cases: Map[str, CaseRecord] = Map()
    rooms: Map[str, RoomRecord] = Map()
    rosters: Map[str, e.RosterChanged] = Map()
    shortages: Map[str, e.StaffShort] = Map()
    beds: Map[BedUnit, e.BedsChanged] = Map()
    equipment: Map[str, e.EquipmentChanged] = Map()
    implants: Map[str, e.ImplantExpected] = Map()
    blocks: Map[tuple[str, datetime], e.BlockChanged] = Map()
    exceptions: Map[str, e.ExceptionRequested] = Map()
    silent_feeds: Map[str, datetime] = Map()
    disagreements: Map[str, e.SourceDisagreed] = Map()
    mode: e.ModeChanged | None = None
    rules: e.RulesChanged | None = None
    weights: e.WeightsChanged | None = None
    requested: e.ReplanRequested | None = None
    plan: Map[str, Planned] = Map()
    pending: Map[str, Pending] = Map()
    decisions: Map[str, DecisionRecord] = Map()
    refused: Map[str, Refusal] = Map()
    seen: Map[str, date] = field(default=Map(), repr=False)

    def apply(self, event: e.Event) -> "SuiteDay":
        """The day after `event`. Never raises: what cannot be applied is recorded as refused."""
        from .folding import HANDLERS  # late, for the handlers need this class

        if event.id in self.seen:
            return self
        handler = HANDLERS.get(type(event))
        try:
            if event.suite != self.suite:
                raise Refused(f"Expected an event of suite {self.suite}, got one of {event.suite}.")
            if handler is None:
                raise Refused(f"Expected an event type that the fold knows, got {type(event).__name__}.")
            day = handler(self, event)
        except Refused as reason:
            refusal = Refusal(
                event=event.id,
                type=type(event).__name__,
                reason=str(reason),
                case=getattr(event, "case", None),
            )
            day = evolve(self, refused=self.refused.set(event.id, refusal))
        return evolve(day, seen=day.seen.set(event.id, self.calendar.day(event.at)))

    def place(self, case: str) -> Place | None:
        """Where the published plan has the case: the approved place if one is in force, else the hospital's."""
        if case in self.plan:
            return self.plan[case].place
        schedule = self.cases[case].schedule if case in self.cases else None
        return Place(room=schedule.room, start=schedule.start) if schedule else None

    def doubted(self, case: str) -> tuple[str, ...]:
        """Why what is known of the case may be wrong; empty if nothing speaks against it."""
        record = self.cases.get(case)
        doubts = record.doubts if record else ()
        if record and record.contradicted:
            doubts += ("the sender scheduled it again after it had ended",)
        return doubts + tuple(r.reason for _, r in sorted(self.refused.items()) if r.case == case)
