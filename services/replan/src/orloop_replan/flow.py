"""Re-planning: fold the log, forecasts and our own answers; answer every trigger once, on the newest state."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.decision_rules import check_decision
from orloop_common.domain.derived import CaseForecast, Proposal, Trigger
from orloop_common.domain.digest import digest
from orloop_common.domain.events import Event
from orloop_common.domain.site import Site
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.messages import CASE_FORECASTS, PLAN_PROPOSALS, SUITE_EVENTS
from orloop_common.runtime import Clock, Output, Partition, Record

from . import metrics
from .domain.answers import (
    MINOR,
    ROUTINE,
    Asked,
    forecasts_digest,
    no_change,
    not_worth_it,
    propose,
    rejected_before,
    same_as,
    still_stands,
    without_solving,
)
from .ports import Job, Limits, Solved, Workers
from .watch import Watch, weighty

TOPICS = (SUITE_EVENTS, CASE_FORECASTS, PLAN_PROPOSALS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for more of a burst, and for forecasts of the trigger's state; wall seconds."""

    quiet: float = 0.3
    longest: float = 1.0
    forecasts: float = 0.3
    cancels: int = 3


@dataclass(frozen=True, slots=True)
class _Run:
    """A job that is being solved for a suite, and the triggers that it answers."""

    suite: str
    asked: Asked
    begun: float
    triggers: frozenset[str]


class ReplanFlow:
    """One flow for all suites of the site; one job at a time."""

    def __init__(
        self,
        site: Site,
        suites: Iterable[str],
        workers: Workers,
        clock: Clock,
        rules_digest: str,
        limits: Limits | None = None,
        patience: Patience | None = None,
        seed: int = 1,
    ) -> None:
        self._site, self._suites = site, frozenset(suites)
        self._workers, self._clock = workers, clock
        self._rules_digest, self._limits = rules_digest, limits or Limits()
        self._patience, self._seed = patience or Patience(), seed
        self._watches: dict[str, Watch] = {}
        self._partitions: dict[str, int] = {}
        self._run: _Run | None = None
        self._cancelled = 0

    # --- the loop ------------------------------------------------------------------------------------

    def fold(self, record: Record) -> None:
        if record.suite not in self._suites:
            return
        watch, message, seen = self._watch(record), record.message, self._clock.monotonic()
        trigger: Trigger | None = None
        if record.topic == SUITE_EVENTS and isinstance(message, Event):
            trigger = watch.take_event(message, record.offset, seen)
        elif isinstance(message, CaseForecast):
            trigger = watch.take_forecast(message, seen)
        elif isinstance(message, Proposal):
            watch.take_proposal(message)
        if trigger is not None:
            metrics.TRIGGERS.labels(trigger.type).inc()

    def outputs(self, record: Record) -> Iterable[Output]:
        return ()

    def idle(self) -> Iterator[Output]:
        yield from self._finish()
        for suite in sorted(self._watches):
            watch = self._watches[suite]
            metrics.UNANSWERED.labels(suite).set(len(watch.pending))
            if self._due(watch) and self._may_begin(watch):
                yield from self._begin(watch)

    def revoked(self, partitions: Iterable[Partition]) -> None:
        """Hold nothing of what another planner folds now."""
        gone = {number for topic, number in partitions if topic in TOPICS}
        for suite in [s for s, number in self._partitions.items() if number in gone]:
            del self._watches[suite], self._partitions[suite]
            if self._run is not None and self._run.suite == suite:
                self._workers.cancel()
                self._run = None

    def state(self) -> dict[str, Any]:
        return {
            suite: {
                "digest": digest(watch.day),
                "as_of": watch.as_of,
                "unanswered": len(watch.pending),
                "answers": len(watch.proposals),
            }
            for suite, watch in sorted(self._watches.items())
        }

    def proposals(self, suite: str) -> Mapping[str, Proposal]:
        """The newest answers of a suite, by id."""
        watch = self._watches.get(suite)
        return dict(watch.proposals) if watch else {}

    def suites(self) -> tuple[str, ...]:
        return tuple(sorted(self._watches))

    # --- when ------------------------------------------------------------------------------------------

    def _due(self, watch: Watch) -> bool:
        """A burst has come to rest, and the forecasts of its state are there or were waited for."""
        if not watch.pending or watch.first_seen is None or watch.day.now is None:
            return False
        now, patience = self._clock.monotonic(), self._patience
        quiet, since = now - watch.last_seen, now - watch.first_seen
        if quiet < patience.quiet and since < patience.longest:
            return False
        newest = max(watch.positions.values())
        return watch.newest_forecast >= newest or since >= patience.quiet + patience.forecasts

    def _may_begin(self, watch: Watch) -> bool:
        """Nothing runs; or what runs is for this suite, and something has come that changes its question."""
        run = self._run
        if run is None:
            return True
        if run.suite != watch.layout.id or self._cancelled >= self._patience.cancels:
            return False
        newer = [t for t in watch.pending.values() if t.event not in run.triggers]
        return weighty(newer, ROUTINE)

    # --- answering ---------------------------------------------------------------------------------------

    def _begin(self, watch: Watch) -> Iterator[Output]:
        if self._run is not None:
            self._workers.cancel()
            self._run, self._cancelled = None, self._cancelled + 1
        asked, began = self._ask(watch), watch.first_seen or 0.0
        reason = without_solving(asked.problem, asked.triggers)
        open_proposal = watch.open_proposal()
        if reason is None and open_proposal is not None and not weighty(asked.triggers, MINOR):
            reason = still_stands(open_proposal) if watch.stands(open_proposal, asked.problem, None) else None
        if reason is not None:
            yield self._answer(watch, no_change(asked, reason), began)
            return
        self._run = _Run(watch.layout.id, asked, began, frozenset(t.event for t in asked.triggers))
        self._workers.start(Job(id=asked.id, problem=asked.problem, seed=self._seed))

    def _finish(self) -> Iterator[Output]:
        run = self._run
        if run is None or (solved := self._workers.poll()) is None:
            return
        watch = self._watches[run.suite]
        self._run = None
        if self._overtaken(watch, solved) and self._cancelled < self._patience.cancels:
            self._cancelled += 1  # its triggers still wait: they are asked again, on what holds now
            return
        self._cancelled = 0
        yield self._answer(watch, self._judge(watch, run.asked, solved), run.begun)

    def _overtaken(self, watch: Watch, solved: Solved) -> bool:
        """While it was solved, people decided or the hospital changed a case that it would move."""
        best = solved.alternatives[0] if solved.alternatives else None
        return best is not None and bool(check_decision(watch.day, best.changes))

    def _judge(self, watch: Watch, asked: Asked, solved: Solved) -> Proposal:
        """A proposal, unless nothing material changes, an open one still stands, or it was turned down."""
        reason = not_worth_it(asked.problem, solved, watch.layout)
        if reason is not None:
            return no_change(asked, reason, solved.solver)
        best = solved.alternatives[0]
        open_proposal = watch.open_proposal()
        if open_proposal is not None and watch.stands(open_proposal, asked.problem, best.cost):
            return no_change(asked, still_stands(open_proposal), solved.solver)
        if not weighty(asked.triggers, MINOR):
            for at, proposal in watch.turned_down():
                if same_as(best, proposal.alternatives[0]):
                    return no_change(asked, rejected_before(at, asked.problem), solved.solver)
        return propose(asked, solved, watch.layout)

    def _ask(self, watch: Watch) -> Asked:
        problem, open_proposal = watch.problem(), watch.open_proposal()
        return Asked(
            problem=problem,
            triggers=tuple(watch.pending.values()),
            as_of=watch.as_of,
            rules_digest=self._rules_digest,
            forecasts_digest=forecasts_digest(problem, watch.forecasts),
            forecasts_stale=watch.stale(),
            seed=self._seed,
            limits=self._limits,
            supersedes=open_proposal.id if open_proposal else None,
        )

    def _answer(self, watch: Watch, proposal: Proposal, began: float) -> Output:
        watch.take_proposal(proposal)
        watch.answered.difference_update(t.event for t in proposal.triggers)
        metrics.ANSWERS.labels(proposal.suite, proposal.answer).inc()
        metrics.ANSWER_SECONDS.observe(max(0.0, self._clock.monotonic() - began))
        if proposal.answer == "proposal":
            metrics.ALTERNATIVES.observe(len(proposal.alternatives))
        return Output(
            topic=PLAN_PROPOSALS,
            key=proposal.suite,
            suite=proposal.suite,
            message=proposal,
            id=proposal.id,
            cause=proposal.triggers[-1].event,
            at=proposal.at,
        )

    def _watch(self, record: Record) -> Watch:
        self._partitions[record.suite] = record.partition
        if record.suite not in self._watches:
            layout = self._site.suite(record.suite)
            calendar = OperationalCalendar(self._site.timezone, self._site.day_boundary)
            self._watches[record.suite] = Watch(layout, SuiteDay(suite=record.suite, calendar=calendar))
        return self._watches[record.suite]
