"""What the flow needs of the world."""

from collections.abc import Sequence
from typing import Protocol

from .domain.message import Answer, Step


class Courier(Protocol):
    """Carries one step at a time to the hospital, beside the loop."""

    def send(self, step: Step, body: bytes, secrets: Sequence[str]) -> None:
        """Hand over; returns at once. `secrets` are words that must not appear in the answer's text."""

    def answers(self) -> Sequence[Answer]:
        """What came back since the last call."""


class Scribe(Protocol):
    """Puts a step into the hospital's words."""

    def write(self, step: Step, sealed: str) -> tuple[bytes, tuple[str, ...]]:
        """The message's bytes, and the words in it that identify the patient."""
