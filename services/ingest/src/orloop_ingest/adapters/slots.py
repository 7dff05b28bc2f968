"""The place of one message among its connection's answers; the intake tells it what became of it."""

from typing import Protocol

from orloop_common.runtime.mllp import encode_frame
from orloop_ingest.reception import Arrival


class Line(Protocol):
    """The connection that a slot belongs to."""

    def touched(self) -> None:
        """One of its slots became ready."""

    def say(self, frame: bytes) -> None:
        """Send what stands in no order: an application acknowledgement."""

    def give_up(self) -> None:
        """Close unanswered: the sender keeps what was not acknowledged."""


class Slot:
    """What is sent for one message, and when it may be sent."""

    __slots__ = (
        "__weakref__",
        "application",
        "arrival",
        "began",
        "deadline",
        "flushed",
        "frame",
        "is_mapped",
        "line",
        "ready",
    )

    def __init__(self, line: Line, arrival: Arrival, began: float, deadline: float) -> None:
        accept, application = arrival.answers.accept, arrival.answers.application
        self.line, self.arrival, self.began, self.deadline = line, arrival, began, deadline
        self.frame = encode_frame(accept) if accept else b""
        self.application = encode_frame(application) if application else b""
        self.ready = self.is_mapped = arrival.repeated
        self.flushed = False

    def durable(self) -> None:
        self.ready = True
        self.line.touched()

    def mapped(self) -> None:
        self.is_mapped = True
        if self.flushed and self.application:
            self.line.say(self.application)

    def lost(self) -> None:
        self.line.give_up()

    def flush(self) -> bytes:
        """What is due now; the rest follows when it is mapped."""
        self.flushed = True
        return self.frame + self.application if self.is_mapped else self.frame
