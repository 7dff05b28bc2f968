"""From a plan that takes too many of some places to good ones that do not: one case after another gives way."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .granting import keeping
from .kernels import SearchWeights, anneal, decode_from, price_chosen, rank_chosen
from .slots import Ints, Slots

MOST = 16
"""So many times somebody gives way before the plan is given up."""
HOT = 4
"""A low temperature: the others stay about where they are."""


@dataclass(frozen=True, eq=False, slots=True)
class Barred:
    """At most `at_most` of these places (indices) and of the postponements of these cases may be taken."""

    places: Ints
    at_most: int
    postponed: Ints


def keeps(row: Barred, chosen: Ints) -> bool:
    """Whether a plan [n] takes no more than it may."""
    return int(np.isin(chosen, row.places).sum() + (chosen[row.postponed] < 0).sum()) <= row.at_most


def repaired(
    slots: Slots, chosen: Ints, rows: Sequence[Barred], seed: int, decodes: int, weights: SearchWeights, priced: Slots
) -> Ints | None:
    """The best plan found by annealing that keeps every row, begun from `chosen` [n]; None if none is.

    Of the cases that break a row each in turn is kept from its places there, and the cheapest way by `priced`, the
    same arrays priced for the goal of `weights`, is gone on with.
    """
    left = np.arange(slots.places)
    for _ in range(MOST):
        row = next((row for row in rows if not keeps(row, chosen)), None)
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
