"""One suite as the planner sees it: its day, its forecasts, what has been asked and what was answered."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orloop_common.domain.building import build_problem
from orloop_common.domain.checker import check, check_changes, with_changes
from orloop_common.domain.cost import price
from orloop_common.domain.decision_rules import check_decision
from orloop_common.domain.derived import Alternative, CaseForecast, Proposal, Trigger
from orloop_common.domain.digest import derived_id
from orloop_common.domain.drift import without_drift
from orloop_common.domain.events import Event
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.reading import entered, left
from orloop_common.domain.records import CaseRecord
from orloop_common.domain.site import SuiteLayout
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.triggers import triggers_of
from orloop_common.domain.vocabulary import Verdict
from orloop_common.domain.wording import clock_time, minutes, the, upper_first

from .domain.answers import WORTH, left_to_the_day, others, unpack

STALE = timedelta(minutes=10)
"""Forecasts of running cases come every two minutes of event time; older ones than this are said to be old."""
REMEMBERED = 40
FORECAST_AFTER = frozenset(
    {
        "RoomWentDown",
        "RoomRestored",
        "StaffShort",
        "RosterChanged",
        "BedsChanged",
        "EquipmentChanged",
        "CleaningStatusChanged",
        "CaseScheduled",
        "CaseCancelled",
        "CaseNoShow",
        "MilestoneRecorded",
        "ReplanRequested",
    }
)
"""After these the forecasts of those in a room are made again (the features service sees to it)."""


@dataclass
class Watch:
    """What follows from the log alone, except `seen`: the wall's seconds at which waiting triggers came."""

    layout: SuiteLayout
    day: SuiteDay
    as_of: int = 0
    forecasts: dict[str, CaseForecast] = field(default_factory=dict)
    newest_forecast: int = -1
    lengths: dict[str, timedelta] = field(default_factory=dict)
    pending: dict[str, Trigger] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    proposals: OrderedDict[str, Proposal] = field(default_factory=OrderedDict)
    seen: dict[str, float] = field(default_factory=dict)

    # --- folding ---------------------------------------------------------------------------------

    def take_event(self, event: Event, offset: int, seen: float) -> Trigger | None:
        """Fold an event; the trigger that it is, if it is one that still waits for an answer."""
        before, self.day = self.day, self.day.apply(event)
        self.as_of = offset + 1
        return self._ask(triggers_of(before, event, self.day, self.layout), offset + 1, seen)

    def take_forecast(self, forecast: CaseForecast, seen: float) -> Trigger | None:
        """Keep the newest forecast; a trigger if it moves a case's expected end by the materiality."""
        held = self.forecasts.get(forecast.case)
        if held is not None and held.as_of > forecast.as_of:
            return None
        self.forecasts[forecast.case] = forecast
        self.newest_forecast = max(self.newest_forecast, forecast.as_of)
        return self._ask(self._moved(forecast), forecast.as_of, seen)

    def take_proposal(self, proposal: Proposal) -> None:
        """Fold an answer of our own, of this process or of one before it."""
        if proposal.id in self.proposals:
            return
        self.proposals[proposal.id] = proposal
        while len(self.proposals) > REMEMBERED:
            self.proposals.popitem(last=False)
        for trigger in proposal.triggers:
            if self.pending.pop(trigger.event, None) is None:
                self.answered.add(trigger.event)
            self.positions.pop(trigger.event, None)
            self.seen.pop(trigger.event, None)

    def _ask(self, trigger: Trigger | None, position: int, seen: float) -> Trigger | None:
        if trigger is None or trigger.event in self.pending:
            return None
        if trigger.event in self.answered:
            self.answered.discard(trigger.event)
            return None
        self.pending[trigger.event] = trigger
        self.positions[trigger.event] = position
        self.seen[trigger.event] = seen
        return trigger

    def _moved(self, forecast: CaseForecast) -> Trigger | None:
        record = self.day.cases.get(forecast.case)
        if record is None or record.schedule is None or not record.active or left(record) is not None:
            return None
        came = entered(record)
        if came is not None and forecast.remaining is not None:
            length = forecast.at - came + forecast.remaining.p50
        else:
            length = forecast.duration.p50
        held = self.lengths.setdefault(forecast.case, length)
        change = length - held
        if abs(change) < self.layout.materiality:
            return None
        self.lengths[forecast.case] = length
        label = upper_first(the(record.schedule.procedures[0].text if record.schedule.procedures else "case"))
        if came is not None:
            out = clock_time(came + length, self.day.calendar.timezone)
            said = f"{label} is now expected out at {out}, {_by(change)} than thought"
        else:
            said = f"{label} is now expected to take {minutes(length)}, {_by(change)} than thought"
        return Trigger(
            event=derived_id("forecast", forecast.suite, forecast.case, str(forecast.as_of)),
            type="CaseForecast",
            at=forecast.at,
            sentence=said,
            room=record.schedule.room,
            case=forecast.case,
        )

    # --- asking ------------------------------------------------------------------------------------

    def problem(self, *, lead: bool = True) -> PlanProblem:
        """The problem of this moment; with `lead`, people still have time to decide on its answer."""
        spare = self.layout.decide_within if lead else timedelta(0)
        return build_problem(self.day, self.forecasts, self.layout, spare)

    def first_seen(self) -> float | None:
        """When the first trigger came that still waits."""
        return min(self.seen.values(), default=None)

    def last_seen(self) -> float:
        return max(self.seen.values(), default=0.0)

    def awaits_forecasts(self) -> bool:
        """Whether forecasts of the state after the newest triggers are on their way."""
        awaited = [self.positions[t.event] for t in self.pending.values() if t.type in FORECAST_AFTER]
        return bool(awaited) and self.newest_forecast < max(awaited) and bool(self._running())

    def stale(self) -> bool:
        """Whether no running case has a recent forecast."""
        now, running = self.day.now, self._running()
        if now is None or not running:
            return False
        return all((f := self.forecasts.get(r.case)) is None or now - f.at > STALE for r in running)

    def _running(self) -> list[CaseRecord]:
        return [r for r in self.day.cases.values() if r.active and entered(r) and left(r) is None]

    def holds(self, alternative: Alternative, then: PlanProblem) -> bool:
        """Whether what was worked out from `then` keeps every rule of plans and decisions on the newest state."""
        changes = alternative.changes
        if check_decision(self.day, changes):
            return False
        now = without_drift(self.problem(lead=False), then, alternative, self.layout.materiality)
        return _ids(now).issuperset(c.case for c in changes) and not check_changes(now, changes)

    def open_proposal(self) -> Proposal | None:
        """The newest proposal, if it waits for people's decision and is still needed."""
        newest = next((p for p in reversed(self.proposals.values()) if p.answer == "proposal"), None)
        if newest is None or newest.id in self.day.decisions:
            return None
        if any(answer.supersedes == newest.id for answer in self.proposals.values()):
            return None
        if self.day.now is None or newest.decide_by is None or self.day.now > newest.decide_by:
            return None
        return newest

    def stands(self, proposal: Proposal, problem: PlanProblem, best: Alternative | None) -> bool:
        """Whether an open recommendation is still sound, leaves nobody else without a way, and is nearly as good as
        the `best` of `problem`, where that is known.
        """
        changes = proposal.alternatives[0].changes
        now = self.problem(lead=False)
        if proposal.problem:
            then = unpack(proposal.problem)
            now = without_drift(now, then, proposal.alternatives[0], self.layout.materiality)
        movable = {case.id: case for case in now.cases}
        if any(c.case not in movable or movable[c.case].version != c.version for c in changes):
            return False
        if broken := check(now, with_changes(now, changes)):
            ours = {change.case for change in changes}
            if best is None or any(ours.intersection(b.cases) for b in broken):
                return False
            if left_to_the_day(others(best, changes), self.layout) is None:
                return False
        if best is None:
            return True
        open_cost = price(problem, with_changes(problem, [c for c in changes if c.case in _ids(problem)])).total
        return open_cost - best.cost < WORTH

    def turned_down(self) -> list[tuple[datetime, Proposal]]:
        """Proposals that people rejected, newest first, as far as they are remembered."""
        found = []
        for proposal in self.proposals.values():
            decision = self.day.decisions.get(proposal.id)
            if decision is not None and decision.decided.verdict is Verdict.REJECTED and proposal.alternatives:
                found.append((decision.decided.at, proposal))
        return sorted(found, key=lambda f: f[0], reverse=True)


def _ids(problem: PlanProblem) -> set[str]:
    return {case.id for case in problem.cases}


def _by(change: timedelta) -> str:
    return f"{minutes(abs(change))} {'later' if change > timedelta(0) else 'earlier'}"


def weighty(triggers: Iterable[Trigger], minor: frozenset[str]) -> bool:
    """Whether any trigger is more than routine."""
    return any(trigger.type not in minor for trigger in triggers)
