"""What people key in: the changes that no interface takes, in the order in which rooms come free."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from orloop_common.domain.carrying import booked_place, next_step, waits_for
from orloop_common.domain.plan import Place
from orloop_common.domain.records import Pending
from orloop_common.domain.suite_day import SuiteDay


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One change to key in, in our words.

    `state` is `now`, `after` (cases in `behind` still hold the target), or `entered` (said to be done, the echo is
    awaited). `first` is where to put the case meanwhile, if changes wait for each other in a ring.
    """

    number: int
    suite: str
    case: str
    proposal: str
    order: int
    of: int
    what: str
    held: Place
    target: Place
    minutes: int
    state: str
    behind: tuple[str, ...] = ()
    first: Place | None = None
    decided: datetime
    pending: Pending


def worklist(day: SuiteDay, by_hand: Callable[[Pending], bool]) -> tuple[Line, ...]:
    """The lines, in the order in which they can be keyed in without two patients in one room at once."""
    left = [p for p in day.pending.values() if by_hand(p)]
    entered = {p.change.case for p in day.pending.values() if p.status == "acknowledged"}
    others = [p.change for p in day.pending.values() if p.change.case not in entered]
    step = next_step(day, [p for p in day.pending.values() if p.status == "queued"], by_hand)
    lines = []
    for number, one in enumerate(_in_order(day, left, entered), start=1):
        behind = waits_for(day, one.change, others)
        ours = step is not None and step[0] is one
        first = step[1] if ours and step is not None and step[1] != one.change.target else None
        state = "entered" if one.status == "acknowledged" else "after" if behind and first is None else "now"
        lines.append(_line(day, one, number, state, behind if state == "after" else (), first))
    return tuple(lines)


def _in_order(day: SuiteDay, left: Collection[Pending], entered: Collection[str]) -> list[Pending]:
    """What was entered first, then what can be entered, then what waits; postponements last in each."""
    others = [p.change for p in left if p.change.case not in entered]

    def key(one: Pending) -> tuple[int, bool, datetime, str, int]:
        rank = 0 if one.status == "acknowledged" else 1 if not waits_for(day, one.change, others) else 2
        return (rank, one.change.target.room is None, one.decided, one.proposal, one.order)

    return sorted(left, key=key)


def _line(day: SuiteDay, one: Pending, number: int, state: str, behind: tuple[str, ...], first: Place | None) -> Line:
    record = day.cases.get(one.change.case)
    schedule = record.schedule if record else None
    length = schedule.booked if schedule else one.change.length
    return Line(
        number=number,
        suite=day.suite,
        case=one.change.case,
        proposal=one.proposal,
        order=one.order,
        of=one.of,
        what=schedule.procedures[0].text if schedule and schedule.procedures else "",
        held=booked_place(day, one.change.case) or one.change.origin,
        target=one.change.target,
        minutes=round(length.total_seconds() / 60),
        state=state,
        behind=behind,
        first=first,
        decided=one.decided,
        pending=one,
    )
