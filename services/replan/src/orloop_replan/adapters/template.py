"""Solvers that are forked from one warm process: they are there at once, and share what it has loaded.

The template (`orloop_replan.template`) loads and compiles everything once. It is handed two pipes for each solver
that is wanted, and forks. Where processes do not fork well (all but Linux), each solver is started on its own.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from orloop_common.messages import to_json
from orloop_common.runtime.logs import get_logger
from orloop_replan.child import ChildSettings

from .children import Child, Started, environment

_log = get_logger("workers")
COMMAND = (sys.executable, "-m", "orloop_replan.template")


class Forked:
    """A fork of the template: not our own child, so that the end of what it says is its end."""

    def __init__(self, jobs: int, said: int) -> None:
        self.jobs: IO[bytes] = os.fdopen(jobs, "wb")
        self.said: IO[bytes] = os.fdopen(said, "rb")
        self._lock = threading.Lock()
        self._handle = -1
        self._over = self._unwanted = False

    def ended(self) -> bool:
        return self._over

    def kill(self) -> None:
        """By its handle, which never means another process; one that is not there yet ends as soon as it is."""
        with self._lock:
            self._unwanted = True
            if self._handle >= 0:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def named(self, pid: int) -> None:
        with self._lock, contextlib.suppress(OSError):  # it has ended, or there are no handles: closed pipes end it
            self._handle = os.pidfd_open(pid)
        if self._unwanted:
            self.kill()

    def cleared(self) -> None:
        with self._lock:
            self._over = True
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1


class Template:
    """One warm process and its forks; started when the first solver is wanted, and again if it has ended."""

    def __init__(self, data: Path | None = None, command: Sequence[str] = COMMAND) -> None:
        self._data, self._command = data, command
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def open(self, settings: ChildSettings) -> Child:
        """A solver; it says that it is warm as soon as the template is."""
        if sys.platform != "linux":
            return Child(Started(settings, data=self._data))
        theirs_jobs, jobs = os.pipe()
        said, theirs_said = os.pipe()
        try:
            with self._lock:
                self._fork(to_json(settings), [theirs_jobs, theirs_said])
        finally:
            os.close(theirs_jobs)
            os.close(theirs_said)
        return Child(Forked(jobs, said))

    @property
    def pid(self) -> int:
        """The template's own process, 0 before it was wanted."""
        return self._process.pid if self._process is not None else 0

    def close(self) -> None:
        """End the template; its forks end with their pipes."""
        with self._lock:
            if self._control is not None:
                self._control.close()
            if self._process is not None:
                self._process.kill()
                self._process.wait()
            self._process = self._control = None

    def _fork(self, settings: bytes, pipes: Sequence[int]) -> None:
        if self._process is not None and self._process.poll() is None and self._control is not None:
            try:
                socket.send_fds(self._control, [settings], pipes)
                return
            except OSError as error:
                _log.warning("template_is_gone", reason=str(error))
        self._start()
        assert self._control is not None
        socket.send_fds(self._control, [settings], pipes)

    def _start(self) -> None:
        if self._process is not None:
            _log.warning("template_starts_again", code=self._process.poll())
            self._process.kill()
            self._process.wait()
        if self._control is not None:
            self._control.close()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [*self._command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env=environment(self._data),
                pass_fds=[theirs.fileno()],
            )
