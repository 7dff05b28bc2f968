"""Plans near the fractional optimum of the master: drawn by its weights, then repaired one case after another."""

from collections.abc import Iterator

import numpy as np

from orloop_replan.domain.kernels import decode_from
from orloop_replan.domain.slots import Ints, Slots

WHOLE = 1 << 16


def rounded(slots: Slots, fractional: list[tuple[int, float]], seed: int, samples: int) -> Iterator[Ints]:
    """Plans [n]; the first takes everybody's largest weight, the others draw by weight."""
    draw = np.random.Generator(np.random.PCG64(seed))
    by_case: list[list[int]] = [[] for _ in range(slots.n)]
    shares: list[list[int]] = [[] for _ in range(slots.n)]
    for place, weight in fractional:
        by_case[int(slots.case[place])].append(place)
        shares[int(slots.case[place])].append(round(weight * WHOLE))
    places = [np.array(own, np.int64) for own in by_case]
    sums = [np.cumsum(own) if own else np.zeros(0, np.int64) for own in shares]
    largest = [int(np.argmax(own)) if own else 0 for own in shares]
    for sample in range(samples):
        wanted = np.full(slots.n, -1, np.int64)
        for i in range(slots.n):
            if not len(places[i]):
                continue
            total = int(sums[i][-1])
            if sample == 0:
                taken, at = 2 * total >= WHOLE, largest[i]
            else:
                drawn = int(draw.integers(0, max(WHOLE, total)))
                taken, at = drawn < total, int(np.searchsorted(sums[i], drawn, side="right"))
            if taken or slots.must[i]:
                wanted[i] = places[i][min(at, len(places[i]) - 1)]
        yield decode_from(slots, wanted)
