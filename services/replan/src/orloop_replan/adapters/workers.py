"""Warm child processes: one solves, one stands by. What is no longer wanted is told to stop; if need be it is ended.

Nothing here waits: results are polled. A solve that crashes or takes too long goes to the next engine in the
other child, and then right-shift answers in the parent.
"""

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from orloop_common.domain.digest import digest
from orloop_common.messages import from_json, to_json
from orloop_common.runtime.clock import Clock
from orloop_common.runtime.logs import get_logger
from orloop_replan import metrics
from orloop_replan.child import ChildSettings
from orloop_replan.domain.answers import timed
from orloop_replan.domain.solving import in_turn
from orloop_replan.ports import Job, Limits, Solved

from .frames import ANSWER, JOB, STOP, WARM, Frame, read, write

_log = get_logger("workers")
COMMAND = (sys.executable, "-m", "orloop_replan.child")
STOPS_WITHIN = 0.7
"""Seconds in which a child that was told to stop has to say that it has; then it is ended."""
LOWEST = 19
SHARES = (0.75, 1.0)
"""By when each engine has to be done, as a share of the guard."""
ENGINES = len(SHARES)


def kernel_cache(data: Path | None) -> dict[str, str]:
    """Where compiled kernels are kept: beside their source; under `data` where nobody may write there."""
    beside = Path(__file__).parents[1]
    if data is None or "NUMBA_CACHE_DIR" in os.environ or os.access(beside, os.W_OK):
        return {}
    return {"NUMBA_CACHE_DIR": str((data / "kernels").absolute())}


class Child:
    """One child process and what it has said; jobs are numbered, so that no answer is taken for another's."""

    def __init__(self, settings: ChildSettings, command: Sequence[str] = COMMAND, data: Path | None = None) -> None:
        self._process = subprocess.Popen(
            [*command, to_json(settings).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **kernel_cache(data)},
        )
        self.warm = threading.Event()
        self._said: queue.SimpleQueue[tuple[int, Solved]] = queue.SimpleQueue()
        self._count = self._done = 0
        self._ended = False
        self._stopping: dict[int, float] = {}
        self._asks: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=body, name="child", daemon=True) for body in (self._listen, self._speak)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        return not self._ended and self._process.poll() is None

    def busy(self) -> bool:
        """Whether it works on something, be it on coming to a stop."""
        return self._done < self._count

    def ask(self, job: Job) -> None:
        """Hand over a job; a child that is gone is noticed by `alive`."""
        self._count += 1
        self._asks.put(Frame(JOB, self._count, to_json(job)))

    def stop(self, by: float) -> None:
        """Tell it that the answer to the newest job is no longer wanted."""
        if self.busy():
            self._stopping.setdefault(self._count, by)
            self._asks.put(Frame(STOP, self._count))

    def overdue(self, now: float) -> bool:
        """Whether it has not stopped by the time that it was given."""
        return any(number > self._done and by < now for number, by in self._stopping.items())

    def answer(self) -> Solved | None:
        """The answer to the newest job, once it is there."""
        while not self._said.empty():
            number, solved = self._said.get()
            if number == self._count and number not in self._stopping:
                return solved
        return None

    def end(self) -> None:
        """End at once, in the middle of a solve if need be; does not wait."""
        self._ended = True
        self._process.kill()
        self._asks.put(None)

    def gone(self, timeout: float) -> None:
        """Wait until an ended child has been cleared away."""
        for thread in self._threads:
            thread.join(timeout)

    def _speak(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        while (frame := self._asks.get()) is not None:
            try:
                write(pipe, frame)  # type: ignore[arg-type]
            except (OSError, ValueError) as error:
                _log.warning("child_is_gone", reason=str(error))
                break
        with contextlib.suppress(OSError):
            pipe.close()

    def _listen(self) -> None:
        said = self._process.stdout
        assert said is not None
        while (frame := read(said)) is not None:  # type: ignore[arg-type]
            if frame.kind == WARM:
                self.warm.set()
            elif frame.kind == ANSWER:
                self._said.put((frame.number, from_json(Solved, frame.body)))
            self._done = max(self._done, frame.number)
        self._process.wait()
        self._asks.put(None)
        said.close()


def low_priority(memory: int = 0, data: Path | None = None) -> Child:
    """A child that gives way to everything else."""
    return Child(ChildSettings(limits=Limits(), memory=memory, nice=LOWEST), data=data)


@dataclass
class ChildWorkers:
    """Solves one job at a time in a child; `guard` is in seconds of wall time, `memory` in megabytes a child."""

    clock: Clock
    limits: Limits = field(default_factory=Limits)
    guard: float = 8.0
    standby: bool = True
    memory: int = 0
    command: Sequence[str] = COMMAND
    data: Path | None = None
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
        return Child(ChildSettings(limits=self.limits, memory=self.memory), self.command, self.data)

    def _refill(self) -> None:
        """Another child stands by, as soon as the first one needs the machine no more to become warm."""
        if self.standby and self._spare is None and self._active is not None and self._active.warm.is_set():
            self._spare = self._open()
