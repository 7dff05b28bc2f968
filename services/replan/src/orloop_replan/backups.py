"""Works out back-ups while nothing else is to be done: in a process of the lowest priority, ended at a trigger.

Kept in memory only. A round is begun once per changed state and no more often than every so many seconds; its
process ends with the round, so that its memory is not missed.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from orloop_common.domain.problem import PlanProblem
from orloop_common.runtime.clock import Clock
from orloop_common.runtime.logs import get_logger

from . import metrics
from .domain.backups import Backup, Contingency, contingencies, state_key
from .ports import Job, Limits, Solver

_log = get_logger("backups")


@dataclass
class _Round:
    """What is still to be worked out for one state of a suite."""

    suite: str
    as_of: int
    left: deque[Contingency]
    solver: Solver
    at: Contingency | None = None


@dataclass
class BackupDesk:
    """Back-ups of all suites; `every` is in wall seconds, `open_solver` starts a process that gives way to others."""

    clock: Clock
    open_solver: Callable[[], Solver]
    limits: Limits = field(default_factory=Limits)
    every: float = 60.0
    seed: int = 1
    _held: dict[str, dict[str, Backup]] = field(default_factory=dict)
    _states: dict[str, str] = field(default_factory=dict)
    _looked: dict[str, float] = field(default_factory=dict)
    _round: _Round | None = None

    def interrupt(self) -> None:
        """Something is to be done: the process ends at once. Its round is begun again when there is time."""
        if self._round is not None:
            self._round.solver.end()
            self._states.pop(self._round.suite, None)
            self._round = None
            metrics.BACKUPS.labels("interrupted").inc()

    def offer(self, suite: str, as_of: int, problem: Callable[[], PlanProblem]) -> None:
        """There is time: go on with what was begun, or begin with this suite if its state is new."""
        if self._round is not None:
            self._go_on(self._round)
            return
        now = self.clock.monotonic()
        if self.every <= 0 or now - self._looked.setdefault(suite, now) < self.every:
            return
        self._looked[suite], stated = now, problem()
        key = state_key(stated)
        if self._states.get(suite) == key or not stated.cases:
            return
        self._states[suite] = key
        self._round = _Round(suite, as_of, deque(contingencies(stated)), self.open_solver())

    def held(self, suite: str) -> Mapping[str, Backup]:
        """The newest back-ups of a suite by key; whether they still hold is the checker's to say."""
        return self._held.get(suite, {})

    def forget(self, suite: str) -> None:
        """Another planner has this suite now."""
        if self._round is not None and self._round.suite == suite:
            self.interrupt()
        for known in (self._held, self._states, self._looked):
            known.pop(suite, None)

    def close(self) -> None:
        self.interrupt()

    def _go_on(self, current: _Round) -> None:
        solver, asked = current.solver, current.at
        if not solver.alive():
            _log.warning("backup_process_ended", suite=current.suite)
            self._round = None
            return
        if asked is not None:
            solved = solver.answer()
            if solved is None:
                return
            current.at = None
            if solved.alternatives:
                backup = Backup(asked.key, asked.sentence, current.as_of, solved.alternatives[0])
                self._held.setdefault(current.suite, {})[asked.key] = backup
                metrics.BACKUPS.labels("found").inc()
        if not current.left:
            solver.end()
            self._round = None
            return
        current.at = current.left.popleft()
        limits = replace(self.limits, alternatives=1, scenarios=0)
        solver.ask(Job(id=current.at.key, problem=current.at.problem, seed=self.seed, limits=limits))
