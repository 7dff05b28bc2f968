"""What the twin's flow needs from outside."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from .domain.feed import ChangeDecision, ChangeRequest, HospitalMessage, ManualReport


class BadMessage(Exception):
    """What came is not a message that can be answered by its content; `control` is MSH-10 if known."""

    def __init__(self, text: str, control: str = "", code: str = "AR") -> None:
        super().__init__(text)
        self.control = control
        self.code = code


class LinkLost(Exception):
    """The peer went away, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message of write-back: when it came (seconds from midnight), what was decided and answered."""

    at: int
    control: str
    answer: str
    change: ChangeRequest | None = None
    decision: ChangeDecision | None = None


class Link(Protocol):
    """A way to ingest's MLLP door."""

    async def ask(self, body: bytes) -> bytes:
        """The answer to one message; LinkLost if none comes."""


class Door(Protocol):
    """A way to the manual door."""

    async def report(self, report: ManualReport) -> bool:
        """True once taken, False if refused for good; LinkLost if it is to be tried again."""


class Voice(Protocol):
    """The hospital's HL7."""

    @property
    def midnight(self) -> datetime: ...

    def say(self, said: HospitalMessage) -> bytes: ...

    def answered(self, body: bytes) -> tuple[str, str]:
        """The code and the control id of an acknowledgement; BadMessage if it is none."""

    def read_change(self, body: bytes) -> ChangeRequest:
        """What write-back asks for; BadMessage if that cannot be told."""

    def answer(self, control: str, moment: int, code: str, text: str = "") -> bytes: ...


class Memory(Protocol):
    """What the twin keeps over a kill."""

    @property
    def received(self) -> Sequence[Received]: ...

    @property
    def delivered(self) -> Set[str]: ...

    def receive(self, entry: Received) -> None:
        """Keep a received message for ever; returns once it is on disk."""

    def deliver(self, id: str) -> None: ...

    def answer_to(self, control: str) -> str | None: ...

    def close(self) -> None: ...
