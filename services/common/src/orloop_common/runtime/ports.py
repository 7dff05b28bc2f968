"""The doors of the loop's core: a log to read, a way to send, a codec. Kafka and memory stand behind them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from .records import Partition

Headers = tuple[tuple[str, bytes], ...]
Delivered = Callable[[Exception | None, int], None]  # error or None, offset


class Codec(Protocol):
    """Bytes of a record to a frozen dataclass and back; `orloop_common.messages` is the real one."""

    def decode(self, ce_type: str, dataschema: str, value: bytes) -> Any:
        """The payload; ValueError with a reason if it cannot be read."""

    def encode(self, message: Any) -> bytes: ...

    def ce_type_of(self, message: Any) -> str: ...

    def dataschema_of(self, message: Any) -> str: ...


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record as the broker has it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    received: datetime


class Listener(Protocol):
    """Who is told when partitions come and go; called from within `Log.poll`."""

    def assigned(self, committed: Mapping[Partition, int | None]) -> None:
        """These partitions will now be read from their start; outputs are resumed at the given offsets."""

    def revoked(self, partitions: Collection[Partition], *, lost: bool) -> None:
        """These partitions go away; `lost` means that they are someone else's already."""

    def beat(self) -> None:
        """Waiting for the broker is progress too."""


class Log(Protocol):
    """Partitions read from their start, and the offsets up to which outputs are done."""

    def open(self, listener: Listener) -> None: ...

    def poll(self, limit: int, timeout: float) -> Sequence[RawRecord]: ...

    def positions(self) -> Mapping[Partition, int]:
        """The next offset of every partition of which something is known."""

    def behind(self) -> Mapping[Partition, int]:
        """How many offsets each partition is from its end, -1 if not known yet; empty when caught up."""

    def commit(self, offsets: Mapping[Partition, int], *, wait: bool) -> None: ...

    def close(self) -> None: ...


class Sender(Protocol):
    """Hands bytes to the broker; `done` is called from any thread once acknowledged or refused."""

    def partitions_of(self, topic: str) -> int | None:
        """How many partitions the topic has; None while the broker is away."""

    def produce(
        self, topic: str, partition: int, key: bytes, value: bytes | None, headers: Headers, done: Delivered
    ) -> bool:
        """Queue one record; False when the queue is full."""

    def alive(self) -> bool:
        """Ask the broker whether it is there; waits for two seconds at most."""

    def fatal(self) -> str | None:
        """Why the client cannot go on, if it cannot."""

    def close(self) -> None: ...
