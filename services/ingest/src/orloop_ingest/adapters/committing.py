"""Group commit: one thread writes what the doors hand over, with one sync for all that waits."""

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from orloop_common.runtime.logs import get_logger
from orloop_ingest import metrics

from .journal import Journal

_log = get_logger("journal")
_MOST = 2000  # entries in one sync
T = TypeVar("T")
Done = Callable[[Sequence[T], int, OSError | None], None]


class Committer(Generic[T]):
    """`put` from the doors' thread; `done(items, last sequence, error)` is called through `call`, in that thread."""

    def __init__(
        self,
        journal: Journal,
        payload: Callable[[T], bytes],
        done: Done[T],
        call: Callable[..., object],
        monotonic: Callable[[], float],
    ) -> None:
        self.journal, self._payload, self._done, self._call = journal, payload, done, call
        self._monotonic = monotonic
        self.drained = journal.drained
        self._lock = threading.Lock()
        self._queue: SimpleQueue[Sequence[T] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def last(self) -> int:
        """The sequence of the newest entry that is synced."""
        return self.journal.last

    @property
    def size(self) -> int:
        """How much disk the journal takes."""
        return self.journal.size

    def read(self, after: int, most: int) -> list[tuple[int, bytes]]:
        """Entries after a sequence, oldest first."""
        return [(entry.sequence, entry.payload) for entry in self.journal.read(after, most)]

    def put(self, items: Sequence[T]) -> None:
        """Items to be durable, in this order; none at all to note how far the broker is."""
        self._queue.put(items)

    def put_aside(self, upto: int) -> int:
        """What was in the journal up to this entry is lost by a person's word; see `Journal.clear`."""
        with self._lock:
            return self.journal.clear(upto)

    def close(self) -> None:
        """Write what waits, and end."""
        self._queue.put(None)
        self._thread.join(5)

    def _run(self) -> None:
        over = False
        while not over:
            group: list[T] = []
            batch = self._queue.get()
            while True:
                if batch is None:
                    over = True
                    break
                group += batch
                if len(group) >= _MOST:
                    break
                try:
                    batch = self._queue.get_nowait()
                except Empty:
                    break
            with self._lock:
                self._commit(group)

    def _commit(self, group: list[T]) -> None:
        began, drained = self._monotonic(), self.drained
        if not group and drained <= self.journal.noted:
            return
        error: OSError | None = None
        try:
            self.journal.write([self._payload(item) for item in group], drained)
        except OSError as failure:
            error = failure
            metrics.JOURNAL_FAILURES.inc()
            _log.error("journal_not_written", error=failure.strerror, entries=len(group), hint="is the disk full?")
        metrics.COMMIT_SECONDS.observe(self._monotonic() - began)
        if group:
            self._call(self._done, group, self.journal.last, error)
