"""The one loop, without a broker: fold everything, send what follows from the committed offset on.

Rules (DESIGN.md): state is refolded, outputs are resumed; an offset is committed only after the
outputs of all records before it were acknowledged, and never goes back.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping

from orloop_common.domain.events import Unreadable

from .logs import get_logger
from .metrics import EVENTS_FOLDED, LAG
from .outbox import Outbox
from .ports import Codec, Log, RawRecord
from .reader import RecordReader
from .records import Flow, LoopSettings, Output, Partition, Record

_log = get_logger("loop")
_NEVER = 2**63 - 1
_TRACES = 20_000


class LoopCore:
    """Runs one flow over one log; `step` is one poll. All methods belong to one thread."""

    def __init__(
        self,
        flow: Flow,
        log: Log,
        outbox: Outbox,
        codec: Codec,
        settings: LoopSettings,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.flow = flow
        self._log = log
        self._outbox = outbox
        self._read = RecordReader(codec, settings.unreadable_limit)
        self._settings = settings
        self._beat = beat
        self._committed: dict[Partition, int] = {}
        self._done: dict[Partition, int] = {}  # next offset of what was folded and answered
        self._traces: OrderedDict[str, str] = OrderedDict()
        self._assigned = False
        self.caught_up = False

    def open(self) -> None:
        """Join the group, or assign all partitions."""
        self._log.open(self)

    def step(self) -> int:
        """Poll once, fold, send, flush, commit; return how many records were folded."""
        raws = self._log.poll(self._settings.batch, self._settings.poll_seconds)
        for raw in raws:
            self._take(raw)
        self._done.update(self._log.positions())  # past gaps too, now that all of the batch is done
        self._settle()
        behind = self._log.behind()
        self.caught_up = self._assigned and not behind
        self._show_lag(behind)
        if self.caught_up:
            self._send(self.flow.idle())
        self._beat()
        return len(raws)

    def close(self) -> None:
        """Flush, commit, leave."""
        self._settle(wait=True)
        self._log.close()

    def offsets(self) -> dict[str, dict[int, int]]:
        """The next offset to fold, per topic and partition."""
        shown: dict[str, dict[int, int]] = {}
        for (topic, partition), offset in sorted(self._done.items()):
            shown.setdefault(topic, {})[partition] = offset
        return shown

    # -- Listener, called by the log within `poll` --------------------------------------------

    def assigned(self, committed: Mapping[Partition, int | None]) -> None:
        """Outputs are resumed at the committed offsets; without a group they are never asked for."""
        never = self._settings.group is None
        for partition, offset in committed.items():
            self._committed[partition] = _NEVER if never else offset or 0
        self._assigned = True
        if (hook := getattr(self.flow, "assigned", None)) is not None:
            hook(list(committed))
        _log.info("partitions_assigned", partitions=[f"{t}/{p}@{o or 0}" for (t, p), o in committed.items()])

    def revoked(self, partitions: Collection[Partition], *, lost: bool) -> None:
        """Finish what was folded, then forget it: another process folds these partitions now."""
        if not lost:
            self._settle(wait=True)
        for partition in partitions:
            self._committed.pop(partition, None)
            self._done.pop(partition, None)
        self._assigned = bool(self._committed)
        self.caught_up = False
        if (hook := getattr(self.flow, "revoked", None)) is not None:
            hook(list(partitions))
        _log.info("partitions_revoked", partitions=[f"{t}/{p}" for t, p in partitions], lost=lost)

    def beat(self) -> None:
        """The log waits for the broker: that is progress too."""
        self._beat()

    # -- inside ---------------------------------------------------------------------------------

    def _take(self, raw: RawRecord) -> None:
        record = self._read(raw)
        self.flow.fold(record)
        EVENTS_FOLDED.labels(raw.topic).inc()
        self._remember_trace(record)
        self._answer(raw, record)
        self._done[raw.topic, raw.partition] = raw.offset + 1

    def _answer(self, raw: RawRecord, record: Record) -> None:
        if raw.offset < self._committed.get((raw.topic, raw.partition), _NEVER):
            return
        if isinstance(record.message, Unreadable) and raw.topic in self._settings.dead_letters:
            self._outbox.dead_letter(raw, record.message, self._beat)
        if raw.topic in self._settings.skip_outputs:
            return
        for output in self.flow.outputs(record):
            self._outbox.send(output, self._parent_of(output) or record.headers.get("traceparent"), self._beat)

    def _send(self, outputs: Iterable[Output]) -> None:
        sent = False
        for output in outputs:
            self._outbox.send(output, self._parent_of(output), self._beat)
            sent = True
        if sent:
            self._outbox.flush(self._beat)

    def _settle(self, wait: bool = False) -> None:
        """Commit what was folded, once everything that follows from it is acknowledged."""
        self._outbox.flush(self._beat)
        ahead = {
            partition: offset
            for partition, offset in self._done.items()
            if offset > self._committed.get(partition, _NEVER)
        }
        if ahead:
            self._log.commit(ahead, wait=wait)
            self._committed.update(ahead)

    def _remember_trace(self, record: Record) -> None:
        if (trace := record.headers.get("traceparent")) is not None:
            self._traces[record.id] = trace
            if len(self._traces) > _TRACES:
                self._traces.popitem(last=False)

    def _parent_of(self, output: Output) -> str | None:
        return None if output.cause is None else self._traces.get(output.cause)

    def _show_lag(self, behind: Mapping[Partition, int]) -> None:
        for topic, partition in self._committed:
            lag = behind.get((topic, partition), 0)
            if lag >= 0:
                LAG.labels(topic, str(partition)).set(lag)
