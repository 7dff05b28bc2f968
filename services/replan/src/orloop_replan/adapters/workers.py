"""Warm child processes: one solves, one stands by. Cancelling ends the one that solves.

Nothing here waits: results are polled, and a wall-clock guard answers with right-shift in the parent.
"""

import contextlib
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass, field

from orloop_common.domain.digest import digest
from orloop_common.messages import from_json, to_json
from orloop_common.runtime.clock import Clock
from orloop_common.runtime.logs import get_logger
from orloop_replan import metrics
from orloop_replan.domain.answers import timed
from orloop_replan.domain.solving import in_turn
from orloop_replan.ports import Job, Limits, Solved

from .frames import read, write

_log = get_logger("workers")


class Child:
    """One child process and what it has said."""

    def __init__(self, limits: Limits) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "orloop_replan.child", to_json(limits).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.warm = threading.Event()
        self.said: queue.SimpleQueue[Solved] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._listen, name="child", daemon=True)
        self._thread.start()

    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, job: Job) -> None:
        """Hand over a job; a child that is gone is noticed by `alive`."""
        pipe = self._process.stdin
        assert pipe is not None
        try:
            write(pipe, to_json(job))  # type: ignore[arg-type]
        except (OSError, ValueError) as error:
            _log.warning("child_is_gone", reason=str(error))

    def end(self) -> None:
        """End at once, in the middle of a solve if need be; does not wait."""
        self._process.kill()

    def gone(self, timeout: float) -> None:
        """Wait until an ended child has been cleared away."""
        self._thread.join(timeout)

    def _listen(self) -> None:
        said, asked = self._process.stdout, self._process.stdin
        assert said is not None
        assert asked is not None
        while (frame := read(said)) is not None:  # type: ignore[arg-type]
            if frame == b'"warm"':
                self.warm.set()
            else:
                self.said.put(from_json(Solved, frame))
        self._process.wait()
        said.close()
        with contextlib.suppress(OSError):
            asked.close()


@dataclass
class ChildWorkers:
    """Solves one job at a time in a child; `guard` is in seconds of wall time."""

    clock: Clock
    limits: Limits = field(default_factory=Limits)
    guard: float = 8.0
    standby: bool = True
    _active: Child | None = None
    _spare: Child | None = None
    _job: Job | None = None
    _begun: float = 0.0

    def __post_init__(self) -> None:
        self._active = Child(self.limits)
        self._refill()

    def ready(self) -> bool | str:
        """For `/readyz`: a child is warm."""
        return (self._active is not None and self._active.warm.is_set()) or "no solver process is warm yet"

    def start(self, job: Job) -> None:
        if self._job is not None:
            self.cancel()
        if self._active is None or not self._active.alive():
            self._replace()
        assert self._active is not None
        self._job, self._begun = job, self.clock.monotonic()
        self._active.ask(job)

    def cancel(self) -> None:
        if self._job is None:
            return
        self._job = None
        metrics.CANCELLED.inc()
        if self._active is not None:
            self._active.end()
        self._replace()

    def poll(self) -> Solved | None:
        if self._job is None or self._active is None:
            return None
        job, spent = self._job, self.clock.monotonic() - self._begun
        while not self._active.said.empty():
            solved = self._active.said.get()
            if solved.id == job.id:
                self._job = None
                metrics.SOLVE_SECONDS.labels(solved.solver.path).observe(spent)
                return timed(solved, spent)
        if not self._active.alive():
            return self._give_up(job, spent, "The solver's process ended.")
        if spent > self.guard:
            self._active.end()
            return self._give_up(job, spent, f"The solver took longer than {self.guard:g} s.")
        return None

    def close(self) -> None:
        children = [child for child in (self._active, self._spare) if child is not None]
        for child in children:
            child.end()
        for child in children:
            child.gone(2.0)

    def _give_up(self, job: Job, spent: float, note: str) -> Solved:
        _log.warning("right_shift_instead", reason=note, problem=digest(job.problem)[:12])
        self._job = None
        self._replace()
        metrics.SOLVE_SECONDS.labels("right_shift").observe(spent)
        return timed(in_turn(job.id, job.problem, job.seed, self.limits, note), spent)

    def _replace(self) -> None:
        self._active = self._spare if self._spare is not None and self._spare.alive() else Child(self.limits)
        self._spare = None
        self._refill()

    def _refill(self) -> None:
        if self.standby and self._spare is None:
            self._spare = Child(self.limits)
