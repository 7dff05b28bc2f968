"""What is under way for one suite, and which changes have waited too long."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orloop_common.domain.records import Pending
from orloop_common.domain.vocabulary import ChangeAnswer

from .book import SuiteBook
from .message import Step
from .worklist import Line


@dataclass
class UnderWay:
    """Held by one process; gone after a crash, and made again from the log.

    Parameters
    ----------
    sending, withdrawn
        The step that a courier has, and whether we have asked for it back.
    parked
        A step to a stop on the way that was accepted, and when; its echo is awaited.
    told
        Ids of answers on their way to the log, with what they answer.
    waits
        Why the next change waits, for its status.
    published
        What each case's status said last.
    remarks
        What the hospital's inbox says of changes that wait for their echo.
    """

    sending: Step | None = None
    withdrawn: bool = False
    parked: tuple[Step, datetime] | None = None
    told: dict[str, tuple[str, str]] = field(default_factory=dict)
    waits: dict[tuple[str, str], str] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()
    published: dict[str, tuple[object, ...]] = field(default_factory=dict)
    remarks: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Late:
    """A change that is given up, and what it is told as."""

    pending: Pending
    answer: ChangeAnswer
    text: str
    step: Step | None = None


def late(book: SuiteBook, way: UnderWay, within: timedelta) -> Iterator[Late]:
    """An echo that does not come ends the change, and so does a time by which nobody has keyed it in."""
    if not way.told:
        if (found := book.unechoed(within)) is not None:
            yield Late(found[0], ChangeAnswer.UNCONFIRMED, _unconfirmed(found[1]))
        elif (gone := book.expired(within)) is not None:
            text = "Nobody has said that this was keyed in, and its time has passed."
            yield Late(gone, ChangeAnswer.REFUSED, text)
    if way.parked is None:
        return
    step, since = way.parked
    limit = step.route.confirm_within or within
    pending = book.day.pending.get(step.case)
    if book.arrived(step) or pending is None or pending.proposal != step.proposal:
        way.parked = None
    elif book.day.now is not None and book.day.now - since > limit:
        way.parked = None
        yield Late(pending, ChangeAnswer.UNCONFIRMED, _unconfirmed(limit), step)


def _unconfirmed(within: timedelta) -> str:
    minutes = round(within.total_seconds() / 60)
    return f"Accepted, but the hospital's own feed has not shown it within {minutes} minutes."
