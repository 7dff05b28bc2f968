"""Windows of a surgeon: rows that a fractional plan breaks although it keeps every tick.

From a first to a last tick, what holds the surgeon for one of the cases at any of these ticks, and for the others at
all of them, can never be two (facets of the time-indexed single machine, Sousa and Wolsey 1992).
"""

from typing import Any

import numpy as np
from numba import njit

from .pricing import Floats
from .slot_uses import SURGEON
from .slots import Ints, Slots

SEEN = 1e-6
CROSSED = 1.02


def crossed(slots: Slots, weights: Floats) -> Ints:
    """The windows [W, 4] that places in these weights [m] cross the most: one for each surgeon and case."""
    surgeons = np.array([name.startswith(f"{SURGEON}/") for name in slots.resources], bool)
    held = []
    for place in np.nonzero(weights > SEEN)[0].tolist():
        mode, start = slots.mode[place], slots.start[place]
        for use in range(slots.use_ptr[mode], slots.use_ptr[mode + 1]):
            k = slots.use_resource[use]
            since, until = start + slots.use_from[use], min(slots.T, start + slots.use_until[use])
            if surgeons[k] and since < until:
                held.append((k, slots.case[place], since, until, place))
    rows = np.array(held, np.int64).reshape(-1, 5)
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    found = np.zeros((len(rows), 4), np.int64)
    return found[: _crossed(rows, weights[rows[:, 4]], CROSSED, found)]


@njit(cache=True)
def _crossed(rows: Any, weight: Any, most: float, found: Any) -> int:
    """`rows` are resource, case, since and until, by resource and case; counts the windows written to `found`."""
    count, begin = 0, 0
    while begin < len(rows):
        end = begin
        while end < len(rows) and rows[end, 0] == rows[begin, 0]:
            end += 1
        at = begin
        while at < end:
            case, best = rows[at, 1], most
            for x in range(2 * begin, 2 * end):
                first = rows[x // 2, 2] if x % 2 == 0 else rows[x // 2, 3] - 1
                for y in range(2 * begin, 2 * end):
                    last = rows[y // 2, 2] if y % 2 == 0 else rows[y // 2, 3] - 1
                    if last < first:
                        continue
                    total = 0.0
                    for z in range(begin, end):
                        if rows[z, 1] == case:
                            total += weight[z] if rows[z, 2] <= last and rows[z, 3] > first else 0.0
                        elif rows[z, 2] <= first and rows[z, 3] > last:
                            total += weight[z]
                    if total > best + SEEN:
                        if best == most:
                            count += 1
                        best = total
                        found[count - 1, 0], found[count - 1, 1] = rows[at, 0], case
                        found[count - 1, 2], found[count - 1, 3] = first, last
            while at < end and rows[at, 1] == case:
                at += 1
        begin = end
    return count
