"""What the log has said of each case before: only with it can a message that is sent again be told from news."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from immutables import Map

from orloop_common.domain import events as e
from orloop_common.domain.evolving import evolve as replace
from orloop_common.domain.vocabulary import ReadinessItem, ReadinessStatus

KEPT_VERSIONS = 64
KEPT = timedelta(days=7)  # as long as a day keeps a case


@dataclass(frozen=True, slots=True)
class End:
    """The case ended so, told with this version and reason."""

    status: str
    version: int
    reason_code: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Past:
    """One case: its schedules (oldest first), ends, readiness, doubts that stand, and ids of what was flagged."""

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
    """The fold of a suite's log into the past of its cases."""

    cases: Map[str, Past] = Map()
    today: date | None = None

    def of(self, case: str) -> Past:
        return self.cases.get(case, NOTHING)

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
        touched = event.at if new.touched is None else max(new.touched, event.at)
        return replace(self, cases=self.cases.set(case, replace(new, touched=touched)))

    def _tick(self, event: e.ClockTicked) -> "Pasts":
        if self.today == event.at.date():
            return self
        kept = {c: p for c, p in self.cases.items() if _last(p) >= event.at - KEPT}
        return Pasts(Map(kept), event.at.date())


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


def _last(past: Past) -> datetime:
    moments = [past.touched, past.schedules[-1].start if past.schedules else None]
    return max(moment for moment in moments if moment is not None)
