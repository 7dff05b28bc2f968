"""What the log has said of each case before: only with it can a message that is sent again be told from news."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from immutables import Map

from orloop_common.domain import events as e
from orloop_common.domain.evolving import evolve as replace
from orloop_common.domain.vocabulary import ReadinessItem, ReadinessStatus

KEPT_VERSIONS = 64
KEPT = timedelta(days=7)  # as long as a day keeps a case
REMEMBERED = timedelta(days=400)  # as long as the log keeps an event


@dataclass(frozen=True, slots=True)
class End:
    """The case ended so, told with this version and reason."""

    status: str
    version: int
    reason_code: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Past:
    """One case: its schedules (oldest first), ends, readiness, doubts that stand, and ids of what was flagged.

    `touched` is the last word, or the latest time that the case was ever planned for, if that is later.
    """

    schedules: tuple[e.CaseScheduled, ...] = ()
    ends: tuple[End, ...] = ()
    readiness: frozenset[tuple[ReadinessItem, ReadinessStatus]] = frozenset()
    doubts: tuple[e.CaseDoubted, ...] = ()
    flagged: frozenset[str] = frozenset()
    touched: datetime | None = None


NOTHING = Past()
_ENDS: dict[type[e.Event], str] = {
    e.CaseCancelled: "cancelled",
    e.CaseNoShow: "no_show",
    e.CaseEnteredInError: "entered_in_error",
}


@dataclass(frozen=True, slots=True)
class Pasts:
    """The fold of a suite's log into the past of its cases.

    `over` says of the cases whose past is forgotten until when something was said of them, or planned for them.
    """

    cases: Map[str, Past] = Map()
    today: date | None = None
    over: Map[str, datetime] = Map()

    def of(self, case: str) -> Past:
        return self.cases.get(case, NOTHING)

    def last(self, case: str) -> datetime | None:
        """The last word on a case that was booked or ended, or its planned time if that is later."""
        past = self.of(case)
        told = past.touched if past.schedules or past.ends else None
        over = self.over.get(case)
        return max(told, over) if told is not None and over is not None else told or over

    def apply(self, event: e.Event) -> "Pasts":
        """The past after `event`; telling it twice changes nothing."""
        if isinstance(event, e.ClockTicked):
            return self._tick(event)
        case = getattr(event, "case", None)
        if case is None:
            return self
        held = self.of(case)
        new = _grown(held, event)
        if new is held:
            return self
        moment = max(event.at, event.start) if isinstance(event, e.CaseScheduled) else event.at
        touched = moment if new.touched is None else max(new.touched, moment)
        return replace(self, cases=self.cases.set(case, replace(new, touched=touched)))

    def _tick(self, event: e.ClockTicked) -> "Pasts":
        if self.today == event.at.date():
            return self
        kept = {c: p for c, p in self.cases.items() if p.touched is None or p.touched >= event.at - KEPT}
        over = {c: at for c, at in self.over.items() if at >= event.at - REMEMBERED}
        for case in self.cases:
            if case not in kept and (last := self.last(case)) is not None:
                over[case] = last
        return Pasts(Map(kept), event.at.date(), Map(over))


def _grown(past: Past, event: e.Event) -> Past:
    if isinstance(event, e.CaseScheduled):
        if any(held.id == event.id for held in past.schedules):
            return past
        return replace(past, schedules=(*past.schedules, event)[-KEPT_VERSIONS:])
    if isinstance(event, e.CaseCancelled | e.CaseNoShow | e.CaseEnteredInError):
        end = End(_ENDS[type(event)], event.version, event.reason_code, event.at)
        return past if end in past.ends else replace(past, ends=(*past.ends, end))
    if isinstance(event, e.ReadinessChanged):
        return replace(past, readiness=past.readiness | {(event.item, event.status)})
    if isinstance(event, e.CaseDoubted):
        if event.id in past.flagged:
            return past
        others = tuple(d for d in past.doubts if d.reason != event.reason)
        doubts = others if event.withdrawn else (*others, event)
        return replace(past, doubts=doubts, flagged=past.flagged | {event.id})
    if isinstance(event, e.SourceDisagreed):
        return replace(past, flagged=past.flagged | {event.id})
    return past
