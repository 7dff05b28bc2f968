"""The parts that all plans are divided into, one question at a time, until each part is bounded well enough.

A question has two answers and every plan gives one of them: a case starts until a moment or later, in a room or
elsewhere, is postponed or not; the worst mean of a measure of fairness is at most so many slots or more. All but the
last only take places or the postponement away, so that each part is bounded as the whole is.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .pricing import Flags, Floats
from .slots import Ints, Slots

START, ROOM, POSTPONED, LEVEL = "start", "room", "postponed", "level"
ENDLESS = 1 << 40
"""A level that nothing limits; the price of what a part leaves out."""
HALF_HOUR = 6.0
SEEN = 1e-4


@dataclass(frozen=True, slots=True)
class Split:
    """A question: of a case (of a measure for `level`) and `at`, the last tick, the room, or the highest level."""

    kind: str
    of: int
    at: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """The plans that answer some questions in a certain way: which places [m] are left, levels [3] from `low` to
    `high`, and the price of postponing each case [n], -1 where nobody may.
    """

    left: Flags
    low: Ints
    high: Ints
    postpone: Ints
    answers: tuple[tuple[Split, bool], ...] = ()


def everything(slots: Slots, postpone: Ints) -> Part:
    """All plans."""
    return Part(np.ones(slots.places, bool), np.zeros(3, np.int64), np.full(3, ENDLESS, np.int64), postpone)


def divided(slots: Slots, part: Part, split: Split) -> tuple[Part, Part]:
    """The plans of a part that answer yes, and those that answer no."""
    yes, no = (replace(part, answers=(*part.answers, (split, answer))) for answer in (True, False))
    mine = slots.case == split.of
    if split.kind == LEVEL:
        high, low = part.high.copy(), part.low.copy()
        high[split.of], low[split.of] = min(high[split.of], split.at), max(low[split.of], split.at + 1)
        return replace(yes, high=high), replace(no, low=low)
    if split.kind == POSTPONED:
        postpone = part.postpone.copy()
        postpone[split.of] = -1
        return replace(yes, left=part.left & ~mine), replace(no, postpone=postpone)
    told = slots.start <= split.at if split.kind == START else slots.room == split.at
    return replace(yes, left=part.left & (~mine | told)), replace(no, left=part.left & ~(mine & told))


def level_value(slots: Slots, part: Part, fair: Any, scale: int) -> Any:
    """What levels cost at least beyond what groups are paid at prices [G], in units of 1 / `scale`."""
    value = fair.sum() * 0
    for m in range(3):
        mine = slots.fair_measure == m
        rest = int(slots.fair_weight[m]) * scale + (fair[mine] * slots.fair_count[mine]).sum()
        value += rest * part.low[m] if rest >= 0 else rest * min(part.high[m], ENDLESS)
    return value


def questions(slots: Slots, weights: Floats, levels: Floats, postponed: Floats, most: int) -> list[Split]:
    """What to ask where the optimum of a master is fractional: places in these weights [m], levels [3], and cases
    that are postponed in part [n]. A level alone, else the `most` best, best first.
    """
    for m in np.nonzero(slots.fair_weight > 0)[0].tolist():
        whole = int(np.floor(levels[m] + SEEN))
        if levels[m] - whole > SEEN:
            return [Split(LEVEL, m, whole)]
    found: list[tuple[float, Split]] = []
    for i in np.nonzero((postponed > SEEN) & (postponed < 1 - SEEN))[0].tolist():
        found.append((1.0, Split(POSTPONED, i)))
    taken = np.nonzero(weights > SEEN)[0]
    for i in np.unique(slots.case[taken]).tolist():
        mine = taken[slots.case[taken] == i]
        if len(mine) > 1:
            found += _rooms(i, slots.room[mine], weights[mine])
            found += _starts(i, slots.start[mine], weights[mine])
    found.sort(key=lambda scored: -scored[0])
    return [split for _, split in found[:most]]


def _rooms(i: int, rooms: Ints, weights: Floats) -> list[tuple[float, Split]]:
    shares = [(float(weights[rooms == r].sum()), int(r)) for r in np.unique(rooms)]
    return [(min(x, 1 - x), Split(ROOM, i, r)) for x, r in shares if SEEN < x < 1 - SEEN]


def _starts(i: int, starts: Ints, weights: Floats) -> list[tuple[float, Split]]:
    """Halfway between two neighbouring starts, worth more the further apart what lies before and after is."""
    order = np.argsort(starts, kind="stable")
    at, share = starts[order], weights[order]
    before, moments = np.cumsum(share), np.cumsum(share * at)
    found = []
    for q in np.nonzero(at[1:] > at[:-1])[0].tolist():
        rest = float(before[-1] - before[q])
        lesser = min(float(before[q]), rest)
        if lesser > SEEN:
            apart = (moments[-1] - moments[q]) / rest - moments[q] / before[q]
            middle = int(at[q] + (at[q + 1] - at[q]) // 2)
            found.append((lesser * min(2.0, float(apart) / HALF_HOUR), Split(START, i, middle)))
    return found
