"""What the worker needs from outside."""

from collections.abc import Iterator
from typing import Protocol

from orloop_common.runtime.ports import RawRecord


class LogReader(Protocol):
    """Reads stretches of the suite's log beside the stream; blocking calls, for a thread of their own."""

    def committed(self, partition: int) -> int:
        """The offset at which outputs are resumed; 0 where there is none, or where it lies past the end."""

    def end(self, partition: int) -> int:
        """The next offset to be written."""

    def read(self, partition: int, start: int, stop: int) -> Iterator[RawRecord]:
        """Records from `start` up to, not including, `stop`."""

    def partitions(self) -> int:
        """How many partitions the log has; waits until it is there."""

    def replication(self) -> int:
        """How many copies the broker keeps of it."""
