"""One change as it is said to the hospital, in our words; the adapter of its route puts it into the hospital's."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orloop_common.domain.digest import derived_id
from orloop_common.domain.plan import Place
from orloop_common.domain.records import Pending

from .routes import Route

_LENGTH = 20  # MSH-10 holds 20 characters in 2.5.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change, or its stop on the way, to be sent: everything follows from the log.

    `held` is where the hospital's book has the case now.
    """

    suite: str
    pending: Pending
    place: Place
    booked: timedelta
    held: Place | None = None
    route: Route = field(default_factory=Route)

    @property
    def case(self) -> str:
        return self.pending.change.case

    @property
    def proposal(self) -> str:
        return self.pending.proposal

    @property
    def origin(self) -> Place:
        """Where it leaves from."""
        return self.held or self.pending.change.origin

    @property
    def to_target(self) -> bool:
        """Whether this completes the change; else it waits at its `via` from here on."""
        return self.place == self.pending.change.target

    @property
    def cancels(self) -> bool:
        """Whether the case leaves the day."""
        return self.place.room is None or self.place.start is None

    @property
    def moves_time(self) -> bool:
        return self.place.start != self.origin.start

    @property
    def trigger(self) -> str:
        """S13 rescheduled, S15 cancelled, S14 where a sender wants it for what moves no time."""
        if self.cancels:
            return "S15"
        return "S13" if self.moves_time else self.route.style.room_only

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
    """What came of sending a step.

    `kind` is `accepted`, `refused` with a text, `unanswered` after all tries, or `withdrawn` because it must not be
    sent any more. `tries` says how often it had left by then.
    """

    step: Step
    kind: str
    text: str = ""
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a hospital's system to one message: its code, and what it says about it."""

    accepted: bool
    code: str = ""
    text: str = ""
