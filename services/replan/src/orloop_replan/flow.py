"""Re-planning: fold the log, forecasts and our own answers; answer every trigger once, on the newest state."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.derived import CaseForecast, Proposal, Trigger
from orloop_common.domain.digest import digest
from orloop_common.domain.events import Event
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.site import Site
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.messages import CASE_FORECASTS, PLAN_PROPOSALS, SUITE_EVENTS
from orloop_common.runtime import Clock, Output, Partition, Record

from . import metrics
from .domain.answers import (
    ROUTINE,
    Asked,
    forecasts_digest,
)
from .domain.backups import Backup, holds, keys_of, start_from
from .domain.solving import in_turn
from .judging import at_sight, judge
from .ports import Backups, Job, Limits, Solved, Workers
from .watch import Watch, weighty

TOPICS = (SUITE_EVENTS, CASE_FORECASTS, PLAN_PROPOSALS)
LARGE = 60
"""In a storm a suite with more movable cases than this is solved under smaller limits."""
OVERTAKEN = "What happened meanwhile overtook every better plan."
TOO_LATE = "More happened than there was time for a better plan."
SLOW = 1.5
"""After a solve that took so many wall seconds, those of a storm are done under smaller limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for what belongs together; wall seconds.

    A burst has come to rest after `quiet`; a solve starts when `longest` is over, whatever may still come
    (the loop looks every 50 ms, so that it starts within 300 ms of the first trigger). After `cancels` dropped
    solves the next one is finished. Where answers keep being overtaken for `answer`, right-shift answers; and in a
    storm where none has come after `storm`, so that something valid leaves every five seconds.
    """

    quiet: float = 0.15
    longest: float = 0.24
    cancels: int = 2
    answer: float = 3.5
    storm: float = 4.4


@dataclass(frozen=True, slots=True)
class _Run:
    """A job that is being solved for a suite, and the triggers that it answers."""

    suite: str
    asked: Asked
    first_seen: float
    triggers: frozenset[str]
    begun: float = 0.0


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
        backups: Backups | None = None,
    ) -> None:
        self._site, self._suites = site, frozenset(suites)
        self._workers, self._clock = workers, clock
        self._rules_digest, self._limits = rules_digest, limits or Limits()
        self._patience, self._seed = patience or Patience(), seed
        self._backups = backups
        self._watches: dict[str, Watch] = {}
        self._partitions: dict[str, int] = {}
        self._run: _Run | None = None
        self._cancelled = 0
        self._at_once = False
        self._took = 0.0
        self._left = 0.0

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
        for watch in sorted(self._watches.values(), key=lambda w: (w.first_seen() or 0.0, w.layout.id)):
            metrics.UNANSWERED.labels(watch.layout.id).set(len(watch.pending))
            if self._due(watch) and self._may_begin(watch):
                yield from self._begin(watch)
        self._prepare()

    def _prepare(self) -> None:
        """Back-ups, as long as nothing else is to be done."""
        if self._backups is None:
            return
        if self._run is not None or any(watch.pending for watch in self._watches.values()):
            self._backups.interrupt()
            return
        for suite, watch in sorted(self._watches.items()):
            if watch.day.now is not None:
                self._backups.offer(suite, watch.as_of, watch.problem)

    def revoked(self, partitions: Iterable[Partition]) -> None:
        """Hold nothing of what another planner folds now."""
        gone = {number for topic, number in partitions if topic in TOPICS}
        for suite in [s for s, number in self._partitions.items() if number in gone]:
            del self._watches[suite], self._partitions[suite]
            if self._backups is not None:
                self._backups.forget(suite)
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
                "backups": [
                    {
                        "if": backup.sentence,
                        "summary": backup.alternative.summary,
                        "changes": len(backup.alternative.changes),
                        "cost": backup.alternative.cost,
                        "as_of": backup.as_of,
                    }
                    for backup in self.backups(suite)
                ],
            }
            for suite, watch in sorted(self._watches.items())
        }

    def backups(self, suite: str) -> tuple[Backup, ...]:
        """The back-ups of a suite that the checker passes now."""
        watch = self._watches.get(suite)
        held = self._backups.held(suite) if self._backups is not None else {}
        if not held or watch is None or watch.day.now is None:
            return ()
        problem = watch.problem(lead=False)
        return tuple(backup for _, backup in sorted(held.items()) if holds(backup, problem))

    def proposals(self, suite: str) -> Mapping[str, Proposal]:
        """The newest answers of a suite, by id."""
        watch = self._watches.get(suite)
        return dict(watch.proposals) if watch else {}

    def problem(self, suite: str) -> PlanProblem | None:
        """What would be asked of a suite now; None before its first tick."""
        watch = self._watches.get(suite)
        return watch.problem(lead=False) if watch is not None and watch.day.now is not None else None

    def suites(self) -> tuple[str, ...]:
        return tuple(sorted(self._watches))

    # --- when ------------------------------------------------------------------------------------------

    def _due(self, watch: Watch) -> bool:
        """A burst has come to rest, and the forecasts of its state are there; or both were waited for."""
        first = watch.first_seen()
        if first is None or watch.day.now is None:
            return False
        now, patience = self._clock.monotonic(), self._patience
        if self._at_once or now - first >= patience.longest:
            return True
        return now - watch.last_seen() >= patience.quiet and not watch.awaits_forecasts()

    def _may_begin(self, watch: Watch) -> bool:
        """Nothing runs; or what runs is for this suite, and something has come that changes its question."""
        run = self._run
        if run is None:
            return True
        if run.suite != watch.layout.id or self._cancelled >= self._patience.cancels:
            return False
        return self._stormy(run)

    # --- answering ---------------------------------------------------------------------------------------

    def _begin(self, watch: Watch) -> Iterator[Output]:
        if self._run is not None:
            self._workers.cancel()
            self._run, self._cancelled = None, self._cancelled + 1
        self._at_once = False
        asked, seen = self._ask(watch), watch.first_seen() or 0.0
        if (answer := at_sight(watch, asked)) is not None:
            self._cancelled = 0
            yield self._answer(watch, answer, seen)
            return
        events = frozenset(t.event for t in asked.triggers)
        self._run = _Run(watch.layout.id, asked, seen, events, self._clock.monotonic())
        self._workers.start(self._job(asked))

    def _job(self, asked: Asked) -> Job:
        limits = asked.limits if asked.limits != self._limits else None
        return Job(id=asked.id, problem=asked.problem, seed=self._seed, limits=limits, start=asked.start)

    def _finish(self) -> Iterator[Output]:
        run, solved = self._run, self._workers.poll()
        if run is None:
            return
        if solved is None:
            yield from self._too_late(run)
            return
        watch, self._run = self._watches[run.suite], None
        if run.asked.limits == self._limits:
            self._took = self._clock.monotonic() - run.begun
        if self._overtaken(watch, run, solved):
            # its triggers still wait: they are asked again at once, on what holds now, and not dropped again
            self._cancelled, self._at_once = self._patience.cancels, True
            if self._clock.monotonic() - run.first_seen < self._patience.answer:
                return
            asked = self._ask(watch)
            solved = in_turn(self._job(asked), asked.limits, OVERTAKEN)
            run = replace(run, asked=asked)
        self._cancelled, self._at_once = 0, False
        yield self._answer(watch, judge(watch, run.asked, solved), run.first_seen)

    def _too_late(self, run: _Run) -> Iterator[Output]:
        """In a storm something leaves in time: right-shift, or that what is open still stands. The next is finished."""
        if self._cancelled < self._patience.cancels or not self._stormy(run):
            return
        if self._clock.monotonic() - max(run.first_seen, self._left) < self._patience.storm:
            return
        self._workers.cancel()
        watch, self._run = self._watches[run.suite], None
        self._took = max(self._took, SLOW + 1.0)
        asked = self._ask(watch)
        yield self._answer(
            watch, judge(watch, asked, in_turn(self._job(asked), asked.limits, TOO_LATE)), run.first_seen
        )

    def _stormy(self, run: _Run) -> bool:
        """Whether something that changes the question has come since a solve began."""
        newer = [t for t in self._watches[run.suite].pending.values() if t.event not in run.triggers]
        return weighty(newer, ROUTINE)

    def _overtaken(self, watch: Watch, run: _Run, solved: Solved) -> bool:
        """While it was solved, people decided or the hospital changed what its recommendation stands on."""
        best = solved.alternatives[0] if solved.alternatives else None
        if best is None or not best.changes:
            return False
        if watch.as_of == run.asked.as_of:
            return False
        return not watch.holds(best, run.asked.problem)

    def _ask(self, watch: Watch) -> Asked:
        problem, open_proposal = watch.problem(), watch.open_proposal()
        hurry = self._cancelled >= self._patience.cancels and (len(problem.cases) > LARGE or self._took > SLOW)
        triggers = tuple(watch.pending.values())
        held = self._backups.held(watch.layout.id) if self._backups is not None else {}
        backup = next((held[key] for key in keys_of(triggers) if key in held), None)
        return Asked(
            problem=problem,
            triggers=triggers,
            as_of=watch.as_of,
            rules_digest=self._rules_digest,
            forecasts_digest=forecasts_digest(problem, watch.forecasts),
            forecasts_stale=watch.stale() or watch.awaits_forecasts(),
            forecasts_old=watch.stale(),
            seed=self._seed,
            limits=self._limits.hurried() if hurry else self._limits,
            supersedes=open_proposal.id if open_proposal else None,
            start=start_from(backup, problem) if backup is not None else (),
        )

    def _answer(self, watch: Watch, proposal: Proposal, began: float) -> Output:
        self._left = self._clock.monotonic()
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
