"""Keeps each assigned partition's folds in step with what Faust delivers, whatever was missed or comes twice.

One rule: an event is folded when its offset is the next one. What lies before has been folded and told;
what lies between is read from the log and folded without being told, because whoever had the partition
meanwhile told it. So the state is the log's, and a kill at any moment costs a repeated record at most.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from orloop_common.messages import SUITE_EVENTS
from orloop_common.runtime.clock import Clock
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.metrics import EVENTS_FOLDED
from orloop_common.runtime.outbox import Outbox
from orloop_common.runtime.partition import partition_of
from orloop_common.runtime.ports import RawRecord
from orloop_common.runtime.records import Output, Record

from . import metrics
from .domain.snapshot import SnapshotUnreadable, fold_version, freeze, thaw
from .flow import FeaturesFlow
from .ports import LogReader

_log = get_logger("follower")
LARGEST = 900_000
"""Bytes of a snapshot; a record of the changelog may hold 1 MB."""


@dataclass(slots=True)
class Place:
    """Where a partition's folds stand."""

    next: int
    snapshot: int
    target: int


@dataclass
class Follower:
    """Blocking and single-threaded; knows nothing of Faust."""

    flow: FeaturesFlow
    log: LogReader
    outbox: Outbox
    read: Callable[[RawRecord], Record]
    clock: Clock
    partitions: int
    snapshot_every: int = 500
    beat: Callable[[], None] = lambda: None
    places: dict[int, Place] = field(default_factory=dict)

    def open(self, partition: int, held: str | None) -> None:
        """Take a partition on: its folds from the table's snapshot and the log, then tell all that is true."""
        end, committed = self.log.end(partition), self.log.committed(partition)
        start = self._restore(partition, held, end)
        self.places[partition] = Place(next=start, snapshot=start, target=end)
        self._refold(partition, committed)
        for suite in self._suites(partition):
            self._send(self.flow.current(suite, self.clock.now()), None)
        self.outbox.flush(self.beat)
        _log.info("partition_opened", partition=partition, snapshot=start, committed=committed, end=end)

    def close_all_but(self, partitions: Iterable[int]) -> None:
        """Other replicas have the rest now."""
        for partition in self.places.keys() - set(partitions):
            del self.places[partition]
            self.flow.forget(self._suites(partition))

    def take(self, raw: RawRecord) -> str | None:
        """Fold one event, send what follows and wait for the broker; a snapshot for the table if one is due."""
        place = self.places[raw.partition]
        if raw.offset < place.next:
            metrics.REDELIVERED.inc()
            return None
        with metrics.EVENT_SECONDS.time():
            self._refold(raw.partition, raw.offset)
            record = self._fold(raw)
            self._send(self.flow.outputs(record), record.headers.get("traceparent"))
            self.outbox.flush(self.beat)
        place.next = raw.offset + 1
        return self._snapshot(raw.partition) if place.next - place.snapshot >= self.snapshot_every else None

    def caught_up(self) -> bool:
        """Whether every partition has reached what was its end when it was opened."""
        return all(place.next >= place.target for place in self.places.values())

    def state(self) -> dict[str, Any]:
        """For `/state`."""
        offsets = {partition: place.next for partition, place in sorted(self.places.items())}
        return {"offsets": {SUITE_EVENTS: offsets}, "suites": self.flow.state()}

    def _suites(self, partition: int) -> list[str]:
        return [suite for suite in self.flow.layouts if partition_of(suite, self.partitions) == partition]

    def _restore(self, partition: int, held: str | None, end: int) -> int:
        if held is None:
            return 0
        try:
            snapshot = json.loads(held)
            if snapshot["fold"] != fold_version() or snapshot["next"] > end:
                _log.info("snapshot_of_another_fold", partition=partition)
                return 0
            days = {suite: (int(as_of), thaw(text)) for suite, (as_of, text) in snapshot["suites"].items()}
        except (SnapshotUnreadable, ValueError, KeyError, TypeError) as error:
            _log.warning("snapshot_unreadable", partition=partition, reason=str(error))
            return 0
        if set(days) != set(self._suites(partition)) or any(d.calendar != self.flow.calendar for _, d in days.values()):
            return 0  # the site file says something else now
        self.flow.restore(days)
        return int(snapshot["next"])

    def _refold(self, partition: int, stop: int) -> None:
        place = self.places[partition]
        if place.next >= stop:
            return
        for raw in self.log.read(partition, place.next, stop):
            self._fold(raw)
            metrics.REFOLDED.inc()
            self.beat()
        place.next = stop

    def _fold(self, raw: RawRecord) -> Record:
        record = self.read(raw)
        self.flow.fold(record)
        EVENTS_FOLDED.labels(raw.topic).inc()
        return record

    def _send(self, outputs: Iterable[Output], parent: str | None) -> None:
        for output in outputs:
            self.outbox.send(output, parent, self.beat)
            metrics.EMITTED.labels(output.topic).inc()

    def _snapshot(self, partition: int) -> str | None:
        place = self.places[partition]
        place.snapshot = place.next
        suites = {suite: self.flow.suites[suite] for suite in self._suites(partition) if suite in self.flow.suites}
        days = {suite: (held.as_of, freeze(held.day)) for suite, held in suites.items()}
        text = json.dumps({"fold": fold_version(), "next": place.next, "suites": days})
        metrics.SNAPSHOT_BYTES.labels(str(partition)).set(len(text))
        if len(text) > LARGEST:
            metrics.SNAPSHOTS.labels("too_large").inc()
            _log.warning("snapshot_too_large", partition=partition, bytes=len(text))
            return None
        metrics.SNAPSHOTS.labels("written").inc()
        return text
