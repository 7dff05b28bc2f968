"""What a flow sees of the log, and what it hands back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from orloop_common.domain.events import Unreadable

Partition = tuple[str, int]  # topic, partition


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the log. `message` is the decoded dataclass, `Unreadable`, or None for a tombstone."""

    topic: str
    partition: int
    offset: int
    key: str | None
    suite: str
    message: Any
    headers: dict[str, str]
    received: datetime

    @property
    def id(self) -> str:
        """The event's id: `ce_id`, or the place in the log where there is none."""
        return self.headers.get("ce_id") or f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Output:
    """A fact to be written: its id is derived from its causes, so that sending it twice is one fact.

    `cause` is the id of the event that led to it; the loop continues that event's trace unless
    `traceparent` names another. `at` is its event time (the clock's now if absent). `message` None
    writes a tombstone for the key.
    """

    topic: str
    key: str
    suite: str
    message: Any
    id: str
    cause: str | None = None
    at: datetime | None = None
    traceparent: str | None = None


class Flow(Protocol):
    """What a service does: fold an event, then say what follows from it.

    A flow may also have `assigned(partitions)` and `revoked(partitions)`; after `revoked` it must hold
    nothing of these partitions any more, because they are folded from their start when they come again.
    """

    def fold(self, record: Record) -> None:
        """Take the record into the state. No IO, never raises for what a record says."""

    def outputs(self, record: Record) -> Iterable[Output]:
        """What follows from a record just folded; asked from the committed offset on."""

    def idle(self) -> Iterable[Output]:
        """What follows from the newest state; asked after each poll once read to the end."""

    def state(self) -> dict[str, Any]:
        """Per suite, at least its digest: shown on `/state`."""


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """What a loop reads and how.

    `group` None reads all partitions without a group and never asks for `outputs` (`idle` may still
    write). `dead_letters` names the topics whose unreadable records this service alone dead-letters.
    `skip_outputs` names topics that are folded but never asked for outputs. `gather_seconds` lets records come
    together after the first of them: for who folds only to remember, and need not be quick.
    """

    topics: Sequence[str]
    group: str | None
    dead_letters: frozenset[str] = frozenset()
    poll_seconds: float = 0.05
    batch: int = 500
    stall_seconds: float = 20.0
    unreadable_limit: int = 200  # in a row
    skip_outputs: frozenset[str] = frozenset()
    gather_seconds: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.topics, str) or not self.topics:
            raise ValueError(f"Expected a list of topics to read, got {self.topics!r}.\nMaybe put it in brackets.")


__all__ = ["Flow", "LoopSettings", "Output", "Partition", "Record", "Unreadable"]
