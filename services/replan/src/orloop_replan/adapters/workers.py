"""Warm child processes: one solves, one stands by. What is no longer wanted is told to stop; if need be it is ended.

Nothing here waits: results are polled. A solve that crashes or takes too long goes to the next engine in the
other child, and then right-shift answers in the parent.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from orloop_common.domain.digest import digest
from orloop_common.runtime.clock import Clock
from orloop_common.runtime.logs import get_logger
from orloop_replan import metrics
from orloop_replan.child import ChildSettings
from orloop_replan.domain.answers import timed
from orloop_replan.domain.solving import in_turn
from orloop_replan.ports import Job, Limits, Solved

from .children import Child, Started

_log = get_logger("workers")
STOPS_WITHIN = 0.7
"""Seconds in which a child that was told to stop has to say that it has; then it is ended."""
LOWEST = 19
SHARES = (0.75, 1.0)
"""By when each engine has to be done, as a share of the guard."""
ENGINES = len(SHARES)
Spawn = Callable[[ChildSettings], Child]


def started(settings: ChildSettings) -> Child:
    """A solver that loads everything itself."""
    return Child(Started(settings))


def low_priority(spawn: Spawn, memory: int = 0) -> Child:
    """A child that gives way to everything else."""
    return spawn(ChildSettings(limits=Limits(), memory=memory, nice=LOWEST))


@dataclass
class ChildWorkers:
    """Solves one job at a time in a child that `spawn` gives; `guard` is in seconds of wall time, `memory` in
    megabytes a child.
    """

    clock: Clock
    limits: Limits = field(default_factory=Limits)
    guard: float = 8.0
    standby: bool = True
    memory: int = 0
    spawn: Spawn = started
    _active: Child | None = None
    _spare: Child | None = None
    _job: Job | None = None
    _begun: float = 0.0

    def __post_init__(self) -> None:
        self._active = self._open()

    def ready(self) -> bool | str:
        """For `/readyz`: a child is warm."""
        return any(c.warm.is_set() for c in self._children()) or "no solver process is warm yet"

    def warm(self) -> bool:
        """Whether every child that is wanted is warm and has nothing to do."""
        children = self._children()
        return len(children) == 1 + self.standby and all(c.warm.is_set() and not c.busy() for c in children)

    def start(self, job: Job) -> None:
        if self._job is not None:
            self.cancel()
        self._begun = self.clock.monotonic()
        self._hand_over(job)

    def cancel(self) -> None:
        if self._job is None:
            return
        self._job = None
        metrics.CANCELLED.inc()
        if self._active is not None:
            self._active.stop(self.clock.monotonic() + STOPS_WITHIN)

    def poll(self) -> Solved | None:
        self._tidy()
        if self._job is None or self._active is None:
            return None
        job, spent = self._job, self.clock.monotonic() - self._begun
        if (solved := self._active.answer()) is not None:
            self._job = None
            metrics.SOLVE_SECONDS.labels(solved.solver.path).observe(spent)
            return timed(solved, spent)
        if not self._active.alive():
            return self._next(job, "The solver's process ended.")
        share = self.guard * (SHARES[min(job.skip, ENGINES - 1)] if self._active.warm.is_set() else 1.0)
        if spent > share:
            self._active.end()
            return self._next(job, f"The solver took longer than {share:g} s.")
        return None

    def close(self) -> None:
        children = self._children()
        for child in children:
            child.end()
        for child in children:
            child.gone(2.0)

    def _next(self, job: Job, note: str) -> Solved | None:
        """The next engine if there is one and time is left, else right-shift."""
        spent = self.clock.monotonic() - self._begun
        _log.warning("engine_given_up", reason=note, engine=job.skip, problem=digest(job.problem)[:12])
        job = replace(job, skip=job.skip + 1, note=f"{job.note} {note}".strip())
        if job.skip < ENGINES and spent < self.guard:
            self._hand_over(job)
            return None
        self._job = None
        metrics.SOLVE_SECONDS.labels("right_shift").observe(spent)
        return timed(in_turn(job, self.limits), spent)

    def _hand_over(self, job: Job) -> None:
        """To a child that is warm and has nothing to do, else to one that soon will be."""
        living = [c for c in self._children() if c.alive()] or [self._open()]
        chosen = min(living, key=lambda c: (c.busy(), not c.warm.is_set()))
        self._active, self._spare = chosen, next((c for c in living if c is not chosen), None)
        self._job = job
        chosen.ask(job)

    def _tidy(self) -> None:
        """End children that were told to stop and have not; open others in the place of those that have ended."""
        now = self.clock.monotonic()
        for child in self._children():
            if child.overdue(now):
                child.end()
        if self._active is not None and self._active.overdue(now) and self._job is not None:
            self._hand_over(self._job)
        if self._spare is not None and not self._spare.alive():
            self._spare = None
        self._refill()

    def _children(self) -> list[Child]:
        return [child for child in (self._active, self._spare) if child is not None]

    def _open(self) -> Child:
        return self.spawn(ChildSettings(limits=self.limits, memory=self.memory))

    def _refill(self) -> None:
        """Another child stands by, as soon as the first one needs the machine no more to become warm."""
        if self.standby and self._spare is None and self._active is not None and self._active.warm.is_set():
            self._spare = self._open()
