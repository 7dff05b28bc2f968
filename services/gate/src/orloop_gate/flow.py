"""The gate at work: fold the suite's log, proposals and forecasts; decide on the newest state."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from orloop_common.domain import events as e
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.derived import CaseForecast, GateStatus, PlanCurrent, Proposal
from orloop_common.domain.digest import derived_id, digest
from orloop_common.domain.site import Site
from orloop_common.domain.vocabulary import Mode
from orloop_common.messages import AUDIT, GATE_STATUS, PLAN_CURRENT, PLAN_PROPOSALS, SUITE_EVENTS
from orloop_common.runtime import Clock, Output, Partition, Record

from . import metrics
from .desk import Desk
from .domain.decide import Open, Recheck, Withhold, judge
from .domain.projection import Batch, Row, rows_of
from .domain.sight import Limits, Sight
from .domain.status import gate_status, plan_current, same_status
from .domain.stops import suite_stops
from .domain.suite import SuiteView
from .domain.verdicts import expired, withheld
from .ports import Projection

TICK = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """How this gate is set up; `tick_limit` is wall time and grows where event time is slow."""

    mode: Mode = Mode.ADVISORY
    limits: Limits = field(default_factory=Limits)
    tick_limit: timedelta = timedelta(seconds=10)
    missed_ticks: int = 3
    heartbeat: timedelta = timedelta(minutes=5)


@dataclass
class _Published:
    """What was said of a suite last, and what was judged for which state."""

    status: GateStatus | None = None
    plan: PlanCurrent | None = None
    looked: tuple[object, ...] = ()
    judged: Open | Withhold | None = None


class GateFlow:
    """One flow for all suites of the site; `desk` is the way in for people's commands."""

    def __init__(
        self,
        site: Site,
        suites: Iterable[str],
        rules: GateRules,
        clock: Clock,
        recheck: Recheck,
        projection: Projection | None = None,
    ) -> None:
        self._site, self._suites = site, frozenset(suites)
        self._calendar = OperationalCalendar(site.timezone, site.day_boundary)
        self._rules, self._clock, self._recheck, self._projection = rules, clock, recheck, projection
        self.desk = Desk(clock, recheck)
        self._views: dict[str, SuiteView] = {}
        self._published: dict[str, _Published] = {}
        self._places: dict[str, Partition] = {}
        self._rows: dict[Partition, list[Row]] = {}
        self._next: dict[Partition, int] = {}

    # --- the loop ------------------------------------------------------------------------------------

    def fold(self, record: Record) -> None:
        message, place = record.message, (record.topic, record.partition)
        if record.topic == SUITE_EVENTS:
            self._next[place] = record.offset + 1
        if record.suite not in self._suites:
            return
        view = self._view(record.suite)
        if record.topic == SUITE_EVENTS:
            self._places[record.suite] = place
            if isinstance(message, e.Event):
                self._take_event(view, record, message)
        elif isinstance(message, CaseForecast):
            view.take_forecast(message)
        elif isinstance(message, Proposal):
            view.take_proposal(message)

    def outputs(self, record: Record) -> Iterator[Output]:
        """The audit entries that follow from an event, in log order."""
        view = self._views.get(record.suite)
        if view is None or not isinstance(record.message, e.Event):
            return
        for entry in view.entries:
            yield Output(AUDIT, view.suite, view.suite, entry, entry.id, cause=record.id, at=entry.at)

    def idle(self) -> Iterator[Output]:
        sights = {suite: self._sight(view) for suite, view in self._views.items()}
        for event in self.desk.work(self._views, sights):
            yield self._decision(event)
        for suite, view in self._views.items():
            yield from self._decide_alone(view, sights[suite])
            yield from self._tell(view, sights[suite])
        self._project()

    def revoked(self, partitions: Iterable[Partition]) -> None:
        """Hold nothing of what another gate folds now."""
        gone = set(partitions)
        for suite, place in list(self._places.items()):
            if {place, (PLAN_PROPOSALS, place[1])} & gone:
                self._drop(suite)
        for place in gone:
            self._rows.pop(place, None)
            self._next.pop(place, None)

    def state(self) -> dict[str, Any]:
        return {
            suite: {
                "digest": view.digest(),
                "offset": view.offset,
                "mode": str(view.mode),
                "undecided": len(view.undecided),
                "audit_sequence": view.head.sequence,
                "audit_head": view.head.hash,
            }
            for suite, view in sorted(self._views.items())
        }

    # --- inside --------------------------------------------------------------------------------------

    def _view(self, suite: str) -> SuiteView:
        if suite not in self._views:
            layout = self._site.suite(suite)
            self._views[suite] = SuiteView.empty(layout, self._calendar, self._rules.mode, self._rules.limits)
            self._published[suite] = _Published()
        return self._views[suite]

    def _drop(self, suite: str) -> None:
        for held in (self._views, self._published, self._places):
            held.pop(suite, None)
        self.desk.forget(suite)
        self.desk.answer(self._views)

    def _take_event(self, view: SuiteView, record: Record, event: e.Event) -> None:
        view.take_event(event, record.offset, record.received)
        if self._projection is None or not view.entries:
            return
        decision = view.day.decisions.get(event.proposal) if isinstance(event, e.PlanDecided) else None
        rows = rows_of(record.offset, event, view.entries, decision.voided if decision else ())
        self._rows.setdefault((record.topic, record.partition), []).extend(rows)

    def _sight(self, view: SuiteView) -> Sight:
        age = self._clock.wall() - view.ticked if view.ticked else None
        rate = self._clock.rate()
        patience = self._rules.missed_ticks * TICK / rate if rate > 0 else timedelta.max
        return view.sight(age, max(self._rules.tick_limit, patience), self._clock.now())

    def _decide_alone(self, view: SuiteView, sight: Sight) -> Iterator[Output]:
        """What time and facts decide: a proposal expires, is replaced, or will never be shown."""
        at = self._clock.now()
        for proposal in list(view.undecided.values()):
            if self.desk.sent(proposal.id):
                continue
            event = expired(view, proposal, sight.now, at)
            if event is None:
                judged = self._judge(view, sight, proposal)
                if not (isinstance(judged, Withhold) and judged.final):
                    continue
                event = withheld(view, proposal, judged, at)
            self.desk.remember(event)
            yield self._decision(event)

    def _judge(self, view: SuiteView, sight: Sight, proposal: Proposal) -> Open | Withhold:
        published = self._published[view.suite]
        stale = sight.tick_age is None or sight.tick_age > sight.tick_limit
        looked = (proposal.id, view.version, stale)
        if published.judged is None or published.looked != looked:
            published.judged, published.looked = judge(sight, proposal, self._recheck), looked
        return published.judged

    def _decision(self, event: e.PlanDecided | e.ModeChanged) -> Output:
        if isinstance(event, e.PlanDecided):
            metrics.DECISIONS.labels(event.suite, str(event.verdict)).inc()
        cause = event.proposal if isinstance(event, e.PlanDecided) else None
        return Output(SUITE_EVENTS, event.suite, event.suite, event, event.id, cause=cause, at=event.at)

    def _tell(self, view: SuiteView, sight: Sight) -> Iterator[Output]:
        """Status and published plan, when they changed; the status now and then as a sign of life."""
        published, at = self._published[view.suite], self._clock.now()
        newest = view.newest
        waiting = newest if newest is not None and not self.desk.sent(newest.id) else None
        judged = self._judge(view, sight, waiting) if waiting else None
        stops = suite_stops(sight)
        status = gate_status(view, stops, waiting, judged, at)
        if not same_status(published.status, status) or self._silent(published.status, status.at):
            published.status = status
            self._measure(status)
            yield self._derived(GATE_STATUS, view.suite, view.suite, status, status.as_of, status.at)
        plan = plan_current(view) if published.plan is None or published.plan.as_of != view.offset else None
        if plan is not None:
            news = published.plan is None or _places(plan) != _places(published.plan)
            published.plan = plan
            if news:
                yield self._derived(PLAN_CURRENT, f"{view.suite}/{plan.day}", view.suite, plan, plan.as_of, plan.at)

    def _silent(self, status: GateStatus | None, now: datetime) -> bool:
        return status is not None and now - status.at >= self._rules.heartbeat

    def _derived(self, topic: str, key: str, suite: str, message: Any, as_of: int, at: datetime) -> Output:
        return Output(topic, key, suite, message, derived_id(topic, key, str(as_of), digest(message)), at=at)

    def _measure(self, status: GateStatus) -> None:
        for stop in metrics.STOP_IDS:
            held = any(s.id == stop for s in status.stops)
            metrics.STOPPED.labels(status.suite, stop).set(held)
        metrics.OPEN.labels(status.suite).set(1 if status.open_proposal else 0)
        metrics.WITHHELD.labels(status.suite).set(1 if status.withheld else 0)

    def _project(self) -> None:
        if self._projection is None:
            return
        for (topic, partition), offset in self._next.items():
            rows = tuple(self._rows.pop((topic, partition), ()))
            self._projection.offer(Batch(topic, partition, offset, rows))


def _places(plan: PlanCurrent) -> tuple[object, ...]:
    return (plan.day, plan.proposal, plan.assignments)
