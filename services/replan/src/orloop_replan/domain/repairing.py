"""From a plan that takes too many of some places, or swaps cases, to good ones that do not: one case after another
gives way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .granting import keeping
from .kernels import SearchWeights, anneal, decode_from, price_chosen, rank_chosen
from .ordering import Circle, in_order
from .slots import Ints, Slots

MOST = 16
"""So many times somebody gives way before the plan is given up."""
HOT = 4
"""A low temperature: the others stay about where they are, and do not swap anew."""


@dataclass(frozen=True, eq=False, slots=True)
class Barred:
    """At most `at_most` of these places (indices) and of the postponements of these cases may be taken."""

    places: Ints
    at_most: int
    postponed: Ints


def keeps(row: Barred, chosen: Ints) -> bool:
    """Whether a plan [n] takes no more than it may."""
    return int(np.isin(chosen, row.places).sum() + (chosen[row.postponed] < 0).sum()) <= row.at_most


def circle_of(slots: Slots, chosen: Ints) -> Barred | None:
    """What a plan that swaps cases must not do all of: each goes to where the next one is; None if it swaps nobody."""
    order = in_order(slots.problem, slots.plan(chosen[chosen >= 0]))
    if not isinstance(order, Circle):
        return None
    index = {case.id: i for i, case in enumerate(slots.problem.cases)}
    members = [index[case] for case in order.cases]
    places = [_over(slots, i, j) for i, j in zip(members, (*members[1:], members[0]), strict=True)]
    return Barred(np.concatenate(places), len(members) - 1, np.zeros(0, np.int64))


def repaired(
    slots: Slots, chosen: Ints, rows: Sequence[Barred], seed: int, decodes: int, weights: SearchWeights, priced: Slots
) -> Ints | None:
    """The best plan found by annealing that keeps every row and swaps nobody, begun from `chosen` [n]; None if none is.

    Of the cases that break a row each in turn is kept from its places there, and the cheapest way by `priced`, the
    same arrays priced for the goal of `weights`, is gone on with.
    """
    left = np.arange(slots.places)
    for _ in range(MOST):
        row = next((row for row in rows if not keeps(row, chosen)), None) or circle_of(slots, chosen)
        if row is None:
            return chosen
        ways = []
        for case in _breaking(slots, chosen, row):
            fewer = left[~(np.isin(left, row.places) & (slots.case[left] == case))]
            must = [case] if case in row.postponed else []
            plan = _annealed(slots, fewer, must, chosen, seed, decodes, weights)
            if keeps(row, plan):
                ways.append((rank_chosen(slots, plan), price_chosen(priced, plan), case, plan, fewer))
        if not ways:
            return None
        *_, chosen, left = min(ways, key=lambda way: way[:3])
    return None


def _over(slots: Slots, case: int, other: int) -> Ints:
    """The places of a case, moved, that cannot be taken before another one has left its published place."""
    current = slots.problem.cases[other].current
    if current.start is None or current.room not in slots.rooms:
        return np.zeros(0, np.int64)
    start = (current.start - slots.origin) / slots.tick
    begin, end = start - slots.setup[other], start + slots.stay[other] + slots.cleanup[other]
    there = (slots.case == case) & (slots.mode < slots.n) & (slots.room == slots.rooms.index(current.room))
    return np.nonzero(there & (slots.begin < end) & (begin < slots.end))[0]


def _breaking(slots: Slots, chosen: Ints, row: Barred) -> list[int]:
    placed = chosen[np.isin(chosen, row.places) & (chosen >= 0)]
    return sorted({*slots.case[placed].tolist(), *(int(c) for c in row.postponed if chosen[c] < 0)})


def _annealed(
    slots: Slots, left: Ints, must: Sequence[int], chosen: Ints, seed: int, decodes: int, weights: SearchWeights
) -> Ints:
    """The best plan over the places that are left, as places of all of `slots`."""
    keep = np.zeros(slots.places, bool)
    keep[left] = True
    fewer = keeping(slots, keep, must)
    number = np.where(keep, np.cumsum(keep) - 1, -1)
    start = np.where(chosen >= 0, number[chosen], -1)
    found = anneal(fewer, decode_from(fewer, start), seed, decodes, weights=weights, hot=HOT).chosen
    return np.where(found >= 0, left[found], -1)
