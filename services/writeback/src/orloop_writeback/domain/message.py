"""One change as it is said to the hospital, in our words; the adapter puts it into HL7."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from orloop_common.domain.digest import derived_id
from orloop_common.domain.plan import Place
from orloop_common.domain.records import Pending

_LENGTH = 20  # MSH-10 holds 20 characters in 2.5.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change, or its stop on the way, to be sent: everything follows from the log."""

    suite: str
    pending: Pending
    place: Place
    booked: timedelta

    @property
    def case(self) -> str:
        return self.pending.change.case

    @property
    def proposal(self) -> str:
        return self.pending.proposal

    @property
    def to_target(self) -> bool:
        """Whether this completes the change; else it waits at its `via` from here on."""
        return self.place == self.pending.change.target

    @property
    def control_id(self) -> str:
        """MSH-10: the same for the same step, after a crash too, so that the hospital can tell a repetition."""
        step = "target" if self.to_target else "via"
        return "ORL" + derived_id("write-back", self.proposal, self.case, step)[: _LENGTH - 3].upper()

    @property
    def said_at(self) -> datetime:
        """MSH-7: when it was decided, so that a repetition has the same bytes."""
        return self.pending.decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of sending a step: `accepted`, `refused` with a text, or `unanswered` after all tries."""

    step: Step
    kind: str
    text: str = ""
