"""A wish as a smaller problem: of the places of a case, only those that grant it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem

from .slots import Ints, Slots
from .wishes import Wish

Flags = npt.NDArray[np.bool_]


def keeping(slots: Slots, keep: Flags, must: Sequence[int] = ()) -> Slots:
    """The same problem with fewer places: `keep` [m]. Postponing a case of `must` is worse than anything else."""
    renumbered = np.where(keep, np.cumsum(keep) - 1, -1)

    def again(index: Ints) -> Ints:
        return np.where(index >= 0, renumbered[index], -1) if len(renumbered) else index

    musts = slots.must.copy()
    musts[list(must)] = 1
    rank = slots.rank.copy()
    rank[list(must)] = slots.rank.sum() + 1
    return replace(
        slots,
        case=slots.case[keep],
        mode=slots.mode[keep],
        room=slots.room[keep],
        start=slots.start[keep],
        begin=slots.begin[keep],
        end=slots.end[keep],
        cost=slots.cost[keep],
        least_cost=slots.least_cost[keep],
        delay=slots.delay[keep],
        late=slots.late[keep],
        prime=slots.prime[keep],
        table=again(slots.table),
        published=again(slots.published),
        must=musts,
        rank=rank,
    )


def wished(slots: Slots, wish: Wish) -> Flags:
    """Which places [m] are left if `wish` (a room, a start, or to be left) is granted: the case's that grant it."""
    case = index_of(slots, wish.case)
    fits = np.ones(slots.places, np.bool_)
    if wish.leave:
        fits &= np.arange(slots.places) == slots.published[case]
    if wish.room is not None:
        fits &= slots.room == slots.rooms.index(wish.room)
    if wish.start is not None:
        first = -((slots.origin - wish.start) // slots.tick)
        fits &= (slots.start >= first) & (slots.start < first + slots.step)
    left: Flags = fits | (slots.case != case)
    return left


def starting(slots: Slots, case: int, low: int, high: int) -> Flags:
    """Which places [m] are left if a case starts in the ticks from `low` up to, not including, `high`."""
    left: Flags = (slots.case != case) | ((slots.start >= low) & (slots.start < high))
    return left


def index_of(slots: Slots, case: str) -> int:
    """A case's number among the movable ones."""
    return next(i for i, c in enumerate(slots.problem.cases) if c.id == case)


def granted(problem: PlanProblem, plan: dict[str, Place], wish: Wish) -> bool:
    """Whether a plan grants a wish."""
    place = plan[wish.case]
    if place.room is None or place.start is None:
        return False
    if wish.leave:
        return place == next(c.current for c in problem.cases if c.id == wish.case)
    if wish.before is not None:
        held = next((c.patient.start for c in problem.committed if c.id == wish.before), None)
        theirs = held or plan[wish.before].start
        return theirs is None or place.start < theirs
    there = wish.room is None or place.room == wish.room
    return there and (wish.start is None or wish.start <= place.start < wish.start + problem.grid)


@dataclass(frozen=True, slots=True)
class Branch:
    """Part of the plans in which one case starts before another: `first` in [low, high), `second` from `after` on."""

    low: int
    high: int
    after: int


def split(branch: Branch, second: int) -> tuple[Branch, Branch]:
    """All plans of a branch that may grant the wish, in two halves; `second` is where the second case was found.

    Both leave out plans in which the first case does not come before it.
    """
    cut = min(max(second, branch.low + 1), branch.high - 1)
    return (
        Branch(branch.low, cut, branch.after),
        Branch(cut, branch.high, max(branch.after, cut + 1)),
    )
