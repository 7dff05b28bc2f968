"""Writes the projection beside the loop: a database that is away delays no decision."""

import threading
from collections.abc import Callable

from orloop_common.runtime.errors import FatalError
from orloop_common.runtime.logs import get_logger
from orloop_gate import metrics
from orloop_gate.domain.projection import Batch, Row
from orloop_gate.ports import Store, StoreAway

_log = get_logger("projector")
_FIRST, _LONGEST = 0.5, 15.0
MOST = 200_000


class Projector:
    """`offer` is called by the loop; `run` belongs to a thread of its own, which also opens the store."""

    def __init__(self, open_store: Callable[[], Store], stop: threading.Event) -> None:
        self._open_store, self._stop = open_store, stop
        self._changed = threading.Condition()
        self._rows: dict[tuple[str, int], list[Row]] = {}
        self._next: dict[tuple[str, int], int] = {}
        self._checked: set[tuple[str, int]] = set()
        self._away: str | None = None

    def offer(self, batch: Batch) -> None:
        """Take rows and an offset; returns at once."""
        place = (batch.topic, batch.partition)
        with self._changed:
            if not batch.rows and self._next.get(place, -1) >= batch.next_offset:
                return
            self._rows.setdefault(place, []).extend(batch.rows)
            self._next[place] = batch.next_offset
            waiting = sum(len(rows) for rows in self._rows.values())
            metrics.PROJECTION_BEHIND.set(waiting)
            self._changed.notify_all()
        if waiting > MOST:
            raise FatalError(f"Expected the database to take rows, got {waiting} waiting.\nMaybe it is down or full.")

    def ready(self) -> bool | str:
        """True, or why the projection is behind."""
        return self._away or True

    def run(self) -> None:
        """Write until asked to stop, once more after that, and wait where the database is away."""
        store, pause, migrated = self._open_store(), _FIRST, False
        while True:
            try:
                if not migrated:
                    store.migrate()
                    migrated = True
                self._write_all(store)
                self._away, pause = None, _FIRST
            except StoreAway as error:
                self._away = str(error).split("\n", 1)[0]
                metrics.PROJECTION_FAILURES.inc()
                _log.warning("projection_waits", reason=self._away, again_in_seconds=pause)
                self._stop.wait(pause)
                pause = min(2 * pause, _LONGEST)
            if self._stop.is_set():
                return
            with self._changed:
                self._changed.wait_for(lambda: bool(self._next) or self._stop.is_set(), 0.5)

    def _write_all(self, store: Store) -> None:
        while (batch := self._take()) is not None:
            try:
                self._write(store, batch)
            except BaseException:
                self._put_back(batch)
                raise

    def _write(self, store: Store, batch: Batch) -> None:
        place = (batch.topic, batch.partition)
        if place not in self._checked:
            store.check(batch)
            self._checked.add(place)
        if store.write(batch):
            for row in batch.rows:
                metrics.PROJECTED.labels(row.table).inc()

    def _take(self) -> Batch | None:
        with self._changed:
            for (topic, partition), offset in self._next.items():
                rows = tuple(self._rows.pop((topic, partition), ()))
                del self._next[topic, partition]
                metrics.PROJECTION_BEHIND.set(sum(len(rows) for rows in self._rows.values()))
                return Batch(topic, partition, offset, rows)
        return None

    def _put_back(self, batch: Batch) -> None:
        place = (batch.topic, batch.partition)
        with self._changed:
            self._rows[place] = [*batch.rows, *self._rows.get(place, [])]
            self._next[place] = max(batch.next_offset, self._next.get(place, 0))
