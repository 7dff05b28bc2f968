"""A solver's process as its parent sees it, started on its own; `template` has those that are forked."""

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

from orloop_common.messages import from_json, to_json
from orloop_common.runtime.logs import get_logger
from orloop_replan.child import ChildSettings
from orloop_replan.ports import Job, Solved

from .frames import ANSWER, JOB, STOP, WARM, Frame, read, write

_log = get_logger("workers")
COMMAND = (sys.executable, "-m", "orloop_replan.child")


class Process(Protocol):
    """Pipes to a process, and how to end it."""

    jobs: IO[bytes]
    said: IO[bytes]

    def ended(self) -> bool: ...

    def kill(self) -> None:
        """End it in the middle of whatever it does."""

    def named(self, pid: int) -> None:
        """It has said who it is."""

    def cleared(self) -> None:
        """It has ended: leave nothing of it behind."""


class Started:
    """A process of its own, which loads everything itself."""

    def __init__(self, settings: ChildSettings, command: Sequence[str] = COMMAND, data: Path | None = None) -> None:
        self._process = subprocess.Popen(
            [*command, to_json(settings).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(data),
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.jobs, self.said = self._process.stdin, self._process.stdout

    def ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        self._process.kill()

    def named(self, pid: int) -> None:
        assert pid == self._process.pid

    def cleared(self) -> None:
        self._process.wait()


def environment(data: Path | None) -> dict[str, str]:
    """What solvers are started with: one thread for linear algebra, and where compiled kernels are kept."""
    return {"OPENBLAS_NUM_THREADS": "1", **os.environ, **kernel_cache(data)}


def kernel_cache(data: Path | None) -> dict[str, str]:
    """Where compiled kernels are kept: beside their source; under `data` where nobody may write there."""
    beside = Path(__file__).parents[1]
    if data is None or "NUMBA_CACHE_DIR" in os.environ or os.access(beside, os.W_OK):
        return {}
    return {"NUMBA_CACHE_DIR": str((data / "kernels").absolute())}


class Child:
    """One solver and what it has said; jobs are numbered, so that no answer is taken for another's."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.pid = 0
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

    def alive(self) -> bool:
        return not self._ended and not self._process.ended()

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
        pipe = self._process.jobs
        while (frame := self._asks.get()) is not None:
            try:
                write(pipe, frame)  # type: ignore[arg-type]
            except (OSError, ValueError) as error:
                _log.warning("child_is_gone", reason=str(error))
                break
        with contextlib.suppress(OSError):
            pipe.close()

    def _listen(self) -> None:
        said = self._process.said
        while (frame := read(said)) is not None:  # type: ignore[arg-type]
            if frame.kind == WARM:
                self.pid = frame.number
                self._process.named(frame.number)
                self.warm.set()
                continue
            if frame.kind == ANSWER:
                self._said.put((frame.number, from_json(Solved, frame.body)))
            self._done = max(self._done, frame.number)
        self._process.cleared()
        self._asks.put(None)
        said.close()
