"""Reads now and then what became of the Tasks that we put into a hospital's inbox, in a thread of its own."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

from orloop_common.runtime.logs import get_logger
from orloop_writeback import metrics
from orloop_writeback.domain.acknowledgement import without
from orloop_writeback.domain.message import Step
from orloop_writeback.domain.tasks import TaskSaid

from .courier import NoAnswer

_log = get_logger("task_watch")


class TaskReader(Protocol):
    """One connection to one hospital system; it belongs to one thread."""

    def task(self, control_id: str) -> tuple[str, str]:
        """The status of our Task and its reason, both empty if it is not there; or `NoAnswer`."""

    def close(self) -> None:
        """Let go of the connection."""


class TaskWatch:
    """`watch` and `said` belong to the loop, `run` to a thread."""

    def __init__(self, reader: TaskReader, every_seconds: float, stop: threading.Event) -> None:
        self._reader, self._every, self._stop = reader, every_seconds, stop
        self._open: Mapping[str, tuple[Step, tuple[str, ...]]] = {}
        self._said: deque[TaskSaid] = deque()
        self._last: dict[str, tuple[str, str]] = {}

    def watch(self, open_ones: Mapping[str, tuple[Step, tuple[str, ...]]]) -> None:
        """By control id all Tasks whose echo is awaited, each with the words that name its patient."""
        self._open = dict(open_ones)

    def said(self) -> Sequence[TaskSaid]:
        """What is new since the last call."""
        return [self._said.popleft() for _ in range(len(self._said))]

    def run(self) -> None:
        """Look until asked to stop."""
        while not self._stop.wait(self._every):
            self.look()
        self._reader.close()

    def look(self) -> None:
        """Read every open Task once; a server that does not answer is asked again the next time."""
        open_ones = self._open
        self._last = {id: told for id, told in self._last.items() if id in open_ones}
        for control_id, (step, secrets) in open_ones.items():
            try:
                status, reason = self._reader.task(control_id)
            except NoAnswer as error:
                metrics.TASKS_READ.labels("unanswered").inc()
                _log.warning("task_not_read", control_id=control_id, reason=str(error))
                return
            metrics.TASKS_READ.labels("read").inc()
            if self._last.get(control_id) != (status, reason):
                self._last[control_id] = status, reason
                _log.info("task_read", control_id=control_id, status=status or "gone")
                self._said.append(TaskSaid(step=step, status=status, reason=without(reason, secrets)))
