"""The warm template of all solvers: `python -m orloop_replan.template FD`, started by `adapters.template`.

Loads, compiles and once uses everything, then forks a solver for each two pipes that come through the socket FD.
It runs on one thread and holds nothing of any hospital: what is forked is a solver that has never seen a job. It ends
when its parent closes the socket; a solver ends with its own pipes.
"""

import ctypes
import gc
import os
import signal
import socket
import sys
import traceback

from orloop_common.messages import from_json
from orloop_common.runtime.logs import get_logger

from .child import ChildSettings, Open, settle_down, warm_first_engine, work
from .ports import Limits

_log = get_logger("solver")
MESSAGE = 65_536
LOOK = 0.5
"""Seconds between two looks, while everything is loaded, whether the parent is still there."""


def run(open_engines: Open, control: socket.socket) -> None:
    """Become warm, then fork until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks that have ended leave nothing behind
    os.dup2(2, 1)
    _warm(open_engines, control)
    while True:
        message, pipes, _, _ = socket.recv_fds(control, MESSAGE, 2)
        if not message:
            return
        if os.fork() == 0:
            _be_solver(open_engines, from_json(ChildSettings, message), control, pipes)
        for pipe in pipes:
            os.close(pipe)


def _warm(open_engines: Open, control: socket.socket) -> None:
    """Load all that solvers use, and leave its pages as they are from here on."""

    def look(*_: object) -> None:
        try:
            gone = control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            gone = False
        if gone:
            os._exit(0)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, LOOK, LOOK)
    limits = Limits()
    warm_first_engine(open_engines(limits, lambda: False)[0], limits)
    from .adapters import resolving  # noqa: F401 - a question's way is loaded, too

    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    gc.collect()
    _trim()
    gc.freeze()  # the collector of a fork writes to no page of these


def _trim() -> None:
    """Give back what was freed; forks would otherwise write into it page by page."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        return  # another C library


def _be_solver(open_engines: Open, settings: ChildSettings, control: socket.socket, pipes: list[int]) -> None:
    """A fork's whole life; never returns."""
    try:
        control.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        jobs, said = pipes
        settle_down(settings)
        work(open_engines, settings, os.fdopen(jobs, "rb"), os.fdopen(said, "wb"))
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        _log.exception("solver_ended", where=[f"{f.filename.rpartition('/')[2]}:{f.lineno}" for f in frames[-3:]])
        raise
    finally:
        os._exit(1)


def main() -> None:
    """Serve with the planner's own engines."""
    from .adapters.engine import open_engines

    run(open_engines, socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
