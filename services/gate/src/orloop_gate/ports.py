"""What the gate's flow needs of the world."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from .domain.commands import ChangeMode, Decide, Decided, ModeSet
from .domain.projection import Batch

Command = Decide | ChangeMode
Answer = Decided | ModeSet


@dataclass
class Call:
    """A command on its way to the flow's thread; `until` is a reading of the monotonic clock."""

    command: Command
    until: float
    answer: "Future[Answer]" = field(default_factory=Future)


class Projection(Protocol):
    """Where rows for SQL go; takes them at once and writes them in its own time."""

    def offer(self, batch: Batch) -> None: ...


class StoreAway(Exception):
    """The database cannot be written to now; the text names no credentials."""


class Store(Protocol):
    """A database that keeps rows and the log's offset together; each raises `StoreAway`."""

    def migrate(self) -> None: ...

    def check(self, batch: Batch) -> None: ...

    def write(self, batch: Batch) -> int: ...
