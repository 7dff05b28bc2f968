"""Group commit: one thread writes what the doors hand over, with one sync for all that waits.

What was handed over after a group that the disk refused must not become durable before it, even if the disk has room
again by then: the senders keep their order. So batches carry a generation. A refused group loses its whole generation,
and the doors' thread begins the next one when it is told.
"""

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
    """`put` from the doors' thread; `done(items, last sequence, error)` is called through `call`, in that thread.

    With an error neither these items nor any that were put until this call are in the journal, and of the latter
    nothing more is told.
    """

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
        self._queue: SimpleQueue[tuple[int, Sequence[T]] | None] = SimpleQueue()
        self._generation = 1  # of what is put now: the doors' thread alone minds it
        self._lost = 0  # the newest generation that a refused group has lost: the journal's thread alone minds it
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
        self._queue.put((self._generation, items))

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
            handed = self._queue.get()
            while True:
                if handed is None:
                    over = True
                    break
                generation, batch = handed
                if generation > self._lost:
                    group += batch
                if len(group) >= _MOST:
                    break
                try:
                    handed = self._queue.get_nowait()
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
            self._lost += 1 if group else 0
            metrics.JOURNAL_FAILURES.inc()
            _log.error("journal_not_written", error=failure.strerror, entries=len(group), hint="is the disk full?")
        metrics.COMMIT_SECONDS.observe(self._monotonic() - began)
        if group:
            self._call(self._tell, group, self.journal.last, error)

    def _tell(self, group: Sequence[T], last: int, error: OSError | None) -> None:
        if error is not None:
            self._generation += 1
        self._done(group, last, error)
