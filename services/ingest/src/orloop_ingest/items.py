"""An arrival on its way to the broker, and who waits for it."""

import asyncio
from typing import Protocol

from orloop_common.messages import HL7_RAW
from orloop_common.runtime.errors import NotDurable
from orloop_common.runtime.records import Output

from .reception import Arrival, Received


class Watching(Protocol):
    """Who counts answers of the broker."""

    answered: int

    def refused(self, error: Exception, topic: str) -> None:
        """The broker refused a record for good."""


class Item:
    """One arrival on its way to the broker."""

    __slots__ = ("arrival", "done", "first_left", "intake", "offset", "posted", "received", "then", "then_left")

    def __init__(self, intake: Watching, arrival: Arrival, received: Received) -> None:
        self.intake, self.arrival, self.received = intake, arrival, received
        self.first_left, self.then_left = len(received.first), -1
        self.then: tuple[Output, ...] = received.then
        self.posted = 0
        self.offset = 0
        self.done = False

    def raw_done(self, error: Exception | None, offset: int) -> None:
        self.offset = offset
        self.first_done(error, offset)

    def first_done(self, error: Exception | None, offset: int) -> None:
        if error is not None:
            self.intake.refused(error, HL7_RAW)
        self.intake.answered += 1
        self.first_left -= 1

    def then_done(self, error: Exception | None, offset: int) -> None:
        if error is not None:
            self.intake.refused(error, "events")
        self.intake.answered += 1
        self.then_left -= 1


class Waiter:
    """The owner that a call of `take` is."""

    def __init__(self, result: "asyncio.Future[Received]") -> None:
        self.result = result
        self.received: Received | None = None
        self._durable = False

    def durable(self) -> None:
        self._durable = True
        self._settle()

    def mapped(self) -> None:
        self._settle()

    def lost(self) -> None:
        if not self.result.done():
            self.result.set_exception(NotDurable("Expected the journal to take it, got an error of the disk.\n"))

    def _settle(self) -> None:
        if self._durable and self.received is not None and not self.result.done():
            self.result.set_result(self.received)
