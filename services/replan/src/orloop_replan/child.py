"""The warm child: takes jobs on its standard input, answers on its standard output, ends when the input does.

`python -m orloop_replan.child`. Frames are a length of four bytes and that much JSON. Pyomo and HiGHS are
imported, and once used, before the first job, so that a job costs its solve and nothing else.
"""

import os
import queue
import signal
import sys
import threading
from typing import BinaryIO

from orloop_common.messages import from_json, to_json

from .adapters.frames import read, write
from .adapters.highs_engine import HighsEngine
from .domain.solving import solve
from .instances import generate
from .ports import Job, Limits


def main() -> None:
    """Serve until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when this process ends
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a library prints may get between the frames
    limits = from_json(Limits, sys.argv[1]) if len(sys.argv) > 1 else Limits()
    engine = HighsEngine(limits)
    solve(Job(id="warm", problem=generate(1, rooms=2)), engine, limits)
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, jobs), daemon=True).start()
    write(answers, b'"warm"')
    while True:
        write(answers, to_json(solve(jobs.get(), engine, limits)))


def _read(source: BinaryIO, jobs: "queue.SimpleQueue[Job]") -> None:
    """Hand over jobs; at the end of the input the process ends, even in the middle of a solve."""
    while (frame := read(source)) is not None:
        jobs.put(from_json(Job, frame))
    os._exit(0)


if __name__ == "__main__":
    main()
