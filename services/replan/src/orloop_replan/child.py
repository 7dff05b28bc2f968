"""The warm child: takes jobs on its standard input, answers on its standard output, ends when the input does.

`python -m orloop_replan.child`. Everything that a job needs is loaded, compiled and once used before the first
one, so that a job costs its solve and nothing else. It may use so much memory and no more: then the
job goes to the next engine.
"""

import contextlib
import os
import queue
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from orloop_common.messages import from_json, to_json
from orloop_common.runtime.logs import get_logger

from .adapters.frames import ANSWER, JOB, STOP, STOPPED, WARM, Frame, read, write
from .domain.solving import solve
from .ports import Engine, Job, Limits, Stop, Stopped
from .warm import warm_up

_log = get_logger("solver")
Open = Callable[[Limits, Stop], Sequence[Engine]]
"""The engines for a job, first choice first: its limits, and how to find out that its answer is no longer wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSettings:
    """What a child is told on its command line: work limits, megabytes of address space, how much it gives way."""

    limits: Limits
    memory: int = 0
    nice: int = 0


class _Inbox:
    """Jobs and what was said about them since; written by the reading thread."""

    def __init__(self, source: BinaryIO) -> None:
        self.jobs: queue.SimpleQueue[tuple[int, Job]] = queue.SimpleQueue()
        self._dropped = -1
        threading.Thread(target=self._listen, args=(source,), daemon=True).start()

    def dropped(self, number: int) -> bool:
        """Whether this job's answer is no longer wanted."""
        return number <= self._dropped

    def _listen(self, source: BinaryIO) -> None:
        """Hand over jobs; at the end of the input the process ends, even in the middle of a solve."""
        while (frame := read(source)) is not None:
            if frame.kind == JOB:
                self.jobs.put((frame.number, from_json(Job, frame.body)))
            elif frame.kind == STOP:
                self._dropped = max(self._dropped, frame.number)
        os._exit(0)


def serve(open_engines: Open, settings: ChildSettings) -> None:
    """Warm up, then work until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when this process ends
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a library prints may get between the frames
    settle_down(settings)
    inbox = _Inbox(sys.stdin.buffer)  # from here on the process ends with its parent
    warm_first_engine(open_engines(settings.limits, lambda: False)[0], settings.limits)
    _work(open_engines, settings, inbox, answers)


def work(open_engines: Open, settings: ChildSettings, jobs: BinaryIO, answers: BinaryIO) -> None:
    """Work in a process that is warm, until the parent closes the pipe."""
    _work(open_engines, settings, _Inbox(jobs), answers)


def _work(open_engines: Open, settings: ChildSettings, inbox: _Inbox, answers: BinaryIO) -> None:
    write(answers, Frame(WARM, os.getpid()))
    while True:
        number, job = inbox.jobs.get()
        write(answers, _answer(number, job, open_engines, settings.limits, inbox))


def settle_down(settings: ChildSettings) -> None:
    """Give way to others, and use no more memory, as the settings say."""
    if settings.nice:
        os.nice(settings.nice)
    if settings.memory:
        bound_memory(settings.memory)


def warm_first_engine(engine: Engine, limits: Limits) -> None:
    """Load and compile what the first engine uses; one that cannot even do this is passed over job by job."""
    for solved in warm_up(engine, limits, _report):
        if solved.solver.path == "right_shift":
            _log.error("engine_does_not_warm_up", note=solved.solver.note)


def _answer(number: int, job: Job, open_engines: Open, limits: Limits, inbox: _Inbox) -> Frame:
    def stop() -> bool:
        return inbox.dropped(number)

    if stop():
        return Frame(STOPPED, number)
    try:
        if job.wish is not None:
            from .adapters.resolving import say

            return Frame(ANSWER, number, to_json(say(job, stop)))
        return Frame(ANSWER, number, to_json(solve(job, open_engines(job.limits or limits, stop), limits, _report)))
    except Stopped:
        return Frame(STOPPED, number)


def _report(error: Exception) -> None:
    """Where it failed, without the values: these are somebody's day."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames[-3:]]
    _log.error("engine_failed", error=type(error).__name__, where=where)


def bound_memory(megabytes: int) -> None:
    """Let this process have so much address space, where the system knows how to keep it to that."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))


def main() -> None:
    """Serve with the planner's own engines."""
    from .adapters.engine import open_engines

    given = from_json(ChildSettings, sys.argv[1]) if len(sys.argv) > 1 else ChildSettings(limits=Limits())
    serve(open_engines, given)


if __name__ == "__main__":
    main()
