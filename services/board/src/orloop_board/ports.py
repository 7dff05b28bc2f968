"""What the web part needs from the rest: the state, the gate, the manual door."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orloop_common.domain.site import SuiteLayout

from .domain.heard import Heard, Pulse


@dataclass(frozen=True, slots=True)
class Said:
    """The outcome of a command, in words for the person who gave it."""

    ok: bool
    text: str


class Source(Protocol):
    """The newest state of every suite; safe to ask from any thread."""

    @property
    def live(self) -> bool:
        """Whether all topics have been read to their end once."""

    @property
    def suites(self) -> tuple[SuiteLayout, ...]:
        """The suites on show, in the order of the site file."""

    def heard(self, suite: str) -> Heard:
        """What is known of a suite."""

    def pulse(self, suite: str) -> Pulse:
        """How fresh it is."""


class Gate(Protocol):
    """Where decisions go. Every call ends within its deadline and never raises for what the gate says."""

    def approve(self, suite: str, proposal: str, alternative: str, key: str) -> Said: ...

    def reject(self, suite: str, proposal: str, code: str, reason: str, key: str) -> Said: ...

    def override(
        self, suite: str, proposal: str, alternative: str, keep: Sequence[str], code: str, reason: str, key: str
    ) -> Said: ...

    def set_mode(self, suite: str, mode: str, reason: str, key: str) -> Said: ...


class Planner(Protocol):
    """Who answers questions about a plan. Every call ends within its deadline and never raises."""

    def why_not(self, proposal: str, alternative: str, case: str, wish: str, value: str) -> Said:
        """What `wish` (leave, room, before, start) would break or cost; `value` is the room, case or time."""


class ManualDoor(Protocol):
    """Where reports go."""

    def room_down(self, suite: str, room: str, cause: str, until: datetime | None, key: str) -> Said: ...

    def room_restored(self, suite: str, room: str, key: str) -> Said: ...

    def replan(self, suite: str, reason: str, key: str) -> Said: ...
