"""What the flow needs of the world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .domain.message import Answer, Step
from .domain.tasks import TaskSaid


class Courier(Protocol):
    """Carries one step of a suite at a time to the hospital, beside the loop."""

    def send(self, step: Step, body: bytes, secrets: Sequence[str]) -> None:
        """Hand over; returns at once. `secrets` are words that must not appear in the answer's text."""

    def withdraw(self, step: Step) -> None:
        """Do not try it again; an answer follows all the same."""

    def answers(self) -> Sequence[Answer]:
        """What came back since the last call."""


class Tasks(Protocol):
    """Looks after the Tasks that wait in hospitals' inboxes."""

    def watch(self, open_ones: Mapping[str, tuple[Step, tuple[str, ...]]]) -> None:
        """By control id all that wait, each with the words that must not appear in what is said of it."""

    def said(self) -> Sequence[TaskSaid]:
        """What is new of them since the last call."""


class Scribe(Protocol):
    """Puts a step into the hospital's words."""

    def write(self, step: Step, sealed: str) -> tuple[bytes, tuple[str, ...]]:
        """The message's bytes, and the words in it that identify the patient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a person said of a line of the worklist; `text` holds nothing of the patient."""

    suite: str
    proposal: str
    case: str
    done: bool
    who: str
    text: str = ""


class Words(Protocol):
    """What people said of the worklist since the last call, and what came of it."""

    def heard(self) -> Sequence[Word]:
        """New words, in order."""

    def settled(self, word: Word, event: str, refused: str = "") -> None:
        """The event that a word became, once it is on the log; or why it became none."""
