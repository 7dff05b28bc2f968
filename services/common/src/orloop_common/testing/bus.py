"""A broker in memory: the real loop and the real outbox run on it, without a socket."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from orloop_common.runtime.clock import Clock
from orloop_common.runtime.codec import default_codec
from orloop_common.runtime.core import LoopCore
from orloop_common.runtime.outbox import Outbox
from orloop_common.runtime.partition import partition_of
from orloop_common.runtime.ports import Codec, Delivered, Headers, Listener, RawRecord
from orloop_common.runtime.records import Flow, LoopSettings, Output, Partition

from .clock import NINE, ManualClock


@dataclass
class MemoryBus:
    """Topics, partitions and committed offsets, in memory.

    A topic appears with its first record, with as many partitions as `partitions` says (1 by default).
    `refuse` makes the broker refuse what it says an error for; `away` makes it acknowledge nothing.
    """

    partitions: dict[str, int] = field(default_factory=dict)
    codec: Codec = field(default_factory=default_codec)
    clock: Clock = field(default_factory=ManualClock)
    logs: dict[Partition, list[RawRecord]] = field(default_factory=dict)
    committed: dict[tuple[str, Partition], int] = field(default_factory=dict)
    refuse: Callable[[str, bytes | None], Exception | None] = lambda topic, value: None
    away: bool = False
    received: datetime = NINE

    def count(self, topic: str) -> int:
        """How many partitions the topic has."""
        return self.partitions.setdefault(topic, 1)

    def put(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()) -> int:
        """Append raw bytes, as a client that is not ours would; return the offset."""
        log = self.logs.setdefault((topic, partition), [])
        log.append(RawRecord(topic, partition, len(log), key, value, headers, self.received.astimezone(UTC)))
        return len(log) - 1

    def publish(self, *outputs: Output, service: str = "test") -> None:
        """Write records as a service of the mesh would."""
        outbox = self.outbox(service)
        for output in outputs:
            outbox.send(output)
        outbox.flush()

    def outbox(self, service: str = "test", stall_seconds: float = 20.0) -> Outbox:
        """An outbox on this bus."""
        return Outbox(MemorySender(self), self.codec, self.clock, service, stall_seconds=stall_seconds)

    def core(self, flow: Flow, settings: LoopSettings, service: str = "test") -> LoopCore:
        """The real loop over this bus, assigned and ready to `step`; make another one to restart."""
        core = LoopCore(flow, MemoryLog(self, settings), self.outbox(service), self.codec, settings)
        core.open()
        return core

    def run(self, flow: Flow, settings: LoopSettings, service: str = "test", rounds: int = 1000) -> LoopCore:
        """Step until nothing comes any more; return the core."""
        core = self.core(flow, settings, service)
        for _ in range(rounds):
            before = sum(len(log) for log in self.logs.values())
            folded = core.step()
            if core.caught_up and not folded and before == sum(len(log) for log in self.logs.values()):
                return core
        raise TimeoutError(f"Expected the flow to come to rest in {rounds} rounds.\nMaybe it answers itself.")

    def read(self, topic: str) -> list[RawRecord]:
        """All records of a topic, partition by partition."""
        return [r for partition in range(self.count(topic)) for r in self.logs.get((topic, partition), [])]

    def messages(self, topic: str) -> list[Any]:
        """All decoded payloads of a topic, partition by partition."""
        return [self._decode(raw) for raw in self.read(topic)]

    def ids(self, topic: str) -> list[str]:
        """The `ce_id` of every record of a topic, partition by partition."""
        return [dict(raw.headers)["ce_id"].decode() for raw in self.read(topic)]

    def partition_for(self, topic: str, suite: str) -> int:
        """Where the suite's records of this topic lie."""
        return partition_of(suite, self.count(topic))

    def _decode(self, raw: RawRecord) -> Any:
        headers = dict(raw.headers)
        if raw.value is None:
            return None
        return self.codec.decode(headers["ce_type"].decode(), headers["ce_dataschema"].decode(), raw.value)


class MemorySender:
    """The outbox's way to the bus: acknowledges at once, unless the bus is away or refuses."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus

    def partitions_of(self, topic: str) -> int | None:
        return self._bus.count(topic)

    def produce(
        self, topic: str, partition: int, key: bytes, value: bytes | None, headers: Headers, done: Delivered
    ) -> bool:
        if self._bus.away:
            return True  # queued and never acknowledged
        refusal = self._bus.refuse(topic, value)
        if refusal is not None:
            done(refusal, -1)
        else:
            done(None, self._bus.put(topic, partition, key, value, headers))
        return True

    def alive(self) -> bool:
        return not self._bus.away

    def fatal(self) -> str | None:
        return None

    def close(self) -> None:
        pass


class MemoryLog:
    """The loop's log on the bus: one member that holds every partition, until `take_away`."""

    def __init__(self, bus: MemoryBus, settings: LoopSettings) -> None:
        self._bus = bus
        self._settings = settings
        self._listener: Listener | None = None
        self._next: dict[Partition, int] = {}

    def open(self, listener: Listener) -> None:
        self._listener = listener
        self.give([(topic, n) for topic in self._settings.topics for n in range(self._bus.count(topic))])

    def give(self, partitions: Sequence[Partition]) -> None:
        """Assign partitions, as a rebalance would."""
        group = self._settings.group
        held = {p: None if group is None else self._bus.committed.get((group, p)) for p in partitions}
        self._next.update(dict.fromkeys(partitions, 0))
        if self._listener is not None:
            self._listener.assigned(held)

    def take_away(self, partitions: Sequence[Partition], lost: bool = False) -> None:
        """Revoke partitions, as a rebalance would."""
        if self._listener is not None:
            self._listener.revoked(partitions, lost=lost)
        for partition in partitions:
            self._next.pop(partition, None)

    def poll(self, limit: int, timeout: float) -> Sequence[RawRecord]:
        batch: list[RawRecord] = []
        for partition, offset in self._next.items():
            batch += self._bus.logs.get(partition, [])[offset : offset + limit - len(batch)]
        for raw in batch:
            self._next[raw.topic, raw.partition] = raw.offset + 1
        return batch

    def positions(self) -> Mapping[Partition, int]:
        return self._next

    def behind(self) -> Mapping[Partition, int]:
        lags = {p: len(self._bus.logs.get(p, [])) - offset for p, offset in self._next.items()}
        return {p: lag for p, lag in lags.items() if lag > 0}

    def commit(self, offsets: Mapping[Partition, int], *, wait: bool) -> None:
        if self._settings.group is not None:
            for partition, offset in offsets.items():
                self._bus.committed[self._settings.group, partition] = offset

    def close(self) -> None:
        self.take_away(list(self._next))  # as a group member that leaves
