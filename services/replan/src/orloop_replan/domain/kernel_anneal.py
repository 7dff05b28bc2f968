# mypy: disable-error-code="no-any-return,arg-type,return-value,assignment,call-arg,untyped-decorator,call-overload"
"""Compiled: simulated annealing over orders, rooms and wanted starts, in whole numbers.

The accept test compares with a threshold that is drawn before the decode, so that a decode can stop early.
"""

from typing import Any

import numpy as np

from .kernel_decode import VALUE_BITS, compiled, decode, drop, inlined, keep
from .kernel_pack import Packed
from .kernel_state import FIELDS, MODE, ROOM, TICK, VALUE, State
from .kernel_whole import Whole, whole_rest

DECODER = 111052131
"""Of the source of `kernel_decode`, which numba compiles into this: it looks for changes in this file alone."""
WHOLE = 3713015633
"""Of the source of `kernel_whole`, for the same reason."""
_POSTPONED = 1 << 40
_HALF = np.uint64(32)
_MULTIPLIER = np.uint64(2685821657736338717)


@inlined
def _excess(g: Packed, s: State, i: int) -> int:
    """What a case costs in the accepted plan above the least that it can cost; most where it is postponed."""
    return _POSTPONED if s.kept[i, ROOM] < 0 else (s.kept[i, VALUE] >> VALUE_BITS) - g.floor[i]


@inlined
def _draw(seed: Any, below: int) -> int:
    """A whole number from 0 up to, not including, `below` (xorshift64*)."""
    x = seed[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    seed[0] = x
    high = (x * _MULTIPLIER) >> _HALF
    return np.int64((high * np.uint64(below)) >> _HALF)


@inlined
def _shift(s: State, q: int, k: int) -> None:
    """The case at position q goes to position k; those between move up."""
    i, step = s.order[q], 1 if k > q else -1
    for z in range(q, k, step):
        s.order[z] = s.order[z + step]
        s.position[s.order[z]] = z
    s.order[k] = i
    s.position[i] = k


@inlined
def _swap(s: State, i: int, j: int) -> None:
    """Two cases exchange their positions."""
    a, b = s.position[i], s.position[j]
    s.order[a], s.order[b] = j, i
    s.position[i], s.position[j] = b, a


@inlined
def _apart(s: State, others: Any, near: int, apart: int, penalty: int) -> int:
    """The price of being too close to other plans [., n, 2] of room and tick."""
    price = 0
    for m in range(len(others)):
        different = 0
        for i in range(len(s.order)):
            r = s.place[i, ROOM]
            if r != others[m, i, 0] or (r >= 0 and abs(s.place[i, TICK] - others[m, i, 1]) > near):
                different += 1
        if different < apart:
            price += penalty * (apart - different)
    return price


@inlined
def _same_plan(kept: Any, pooled: Any) -> bool:
    for i in range(len(kept)):
        for f in range(MODE + 1):
            if kept[i, f] != pooled[i, f]:
                return False
    return True


@inlined
def _pooled(s: State, pool: Any, costs: Any, used: int, cost: int) -> int:
    """Put the accepted plan into the pool, in place of the dearest; returns how many are in it."""
    worst = 0
    for x in range(used):
        if costs[x] == cost and _same_plan(s.kept, pool[x]):
            return used
        if costs[x] > costs[worst]:
            worst = x
    if used < len(costs):
        worst, used = used, used + 1
    elif costs[worst] <= cost:
        return used
    costs[worst] = cost
    for i in range(len(s.order)):
        for f in range(FIELDS):
            pool[worst, i, f] = s.kept[i, f]
    return used


@compiled
def anneal(
    g: Packed,
    s: State,
    w: Whole,
    seed: Any,
    decodes: int,
    temperatures: Any,
    logs: Any,
    others: Any,
    near: int,
    apart: int,
    penalty: int,
    best: Any,
    pool: Any,
    costs: Any,
) -> tuple[int, int]:
    """Into `best` [n, FIELDS] the best plan that `decodes` changed orders lead to, into `pool` good ones.

    Best is the lowest rank of what is postponed first, then the lowest search cost. A change is taken if its cost
    is at most the present one's plus temperature x -ln(u). Returns how many are in the pool, and how many cases
    were placed on the way.
    """
    n, endless, pool_size = g.n, np.int64(1) << 60, len(costs)
    now, reached, _ = decode(g, s, 0, n, endless, False)
    now += _apart(s, others, near, apart, penalty) + whole_rest(w, s.place, g.length, g.row, g.step)
    keep(g, s, 0, n)
    ranked = False
    for i in range(n):
        ranked = ranked or g.rank[i] > 0
    best_rank, best_cost, pooled = endless, endless, 0
    spread = max(2, n * 37 // 100)
    look, work = True, 0
    for turn in range(decodes + n):
        if look:  # a new accepted plan
            look = False
            rank, cost = 0, now
            if ranked:
                for i in range(n):
                    if s.kept[i, ROOM] < 0:
                        rank += g.rank[i]
            if rank < best_rank or (rank == best_rank and cost < best_cost):
                best_rank, best_cost = rank, cost
                for i in range(n):
                    for f in range(FIELDS):
                        best[i, f] = s.kept[i, f]
            if pool_size > 0 and cost <= best_cost + best_cost // 20 + 20:
                pooled = _pooled(s, pool, costs, pooled, cost)
        if turn < n:  # first, everybody may come back to when they were told
            i = s.order[turn]
            if s.want[i] < 0 or s.room[i] < 0:
                continue
            limit, kind = now, 78
        else:
            i = _draw(seed, n)
            if _draw(seed, 4) > 0:  # mostly somebody whose place is dear
                for _ in range(3):
                    j = _draw(seed, n)
                    if _excess(g, s, j) > _excess(g, s, i):
                        i = j
            limit = now + (
                (temperatures[(turn - n) * len(temperatures) // decodes] * logs[_draw(seed, len(logs))]) >> 20
            )
            kind = _draw(seed, 100)
        j, q, swapped, shifted = i, s.position[i], False, -1
        room_i, want_i, room_j = s.room[i], s.want[i], s.room[i]
        first, last = q, q
        choices = g.choice_ptr[i + 1] - g.choice_ptr[i]
        if choices == 0:
            continue
        if kind < 30:  # another position in the order, near ones first
            k = q + _draw(seed, spread + 1) + _draw(seed, spread + 1) - spread
            k = max(0, min(n - 1, k))
            if k == q:
                k = _draw(seed, n)
            if k == q:
                continue
            shifted = k
            first, last = min(q, k), max(q, k)
            _shift(s, q, k)
        elif kind < 60:  # another room, the own one more often
            if g.own[i] >= 0 and g.own[i] != room_i and _draw(seed, 10) < 3:
                s.room[i] = g.own[i]
            else:
                s.room[i] = g.choice[g.choice_ptr[i] + _draw(seed, choices)]
            if s.room[i] == room_i:
                continue
        elif kind < 72:  # two cases exchange rooms, and positions half of the time
            j = _draw(seed, n)
            room_j = s.room[j]
            if room_i == room_j or room_i < 0 or room_j < 0:
                continue
            if not (_may(g, i, room_j) and _may(g, j, room_i)):
                continue
            s.room[i], s.room[j] = room_j, room_i
            first, last = min(q, s.position[j]), max(q, s.position[j])
            if _draw(seed, 2) == 0:
                swapped = True
                _swap(s, i, j)
        elif kind < 84:  # another wanted start: told, the earliest, or near the told one
            if turn < n:
                s.want[i] = -1
            else:
                x = _draw(seed, 10)
                if x < 4:
                    s.want[i] = 0
                elif x < 7:
                    s.want[i] = -1
                else:
                    s.want[i] = max(0, g.told[i] + (_draw(seed, 13) - 6) * g.step)
            if s.want[i] == want_i:
                continue
        elif kind < 90:  # postpone, or no longer
            if room_i < 0:
                s.room[i] = g.choice[g.choice_ptr[i] + _draw(seed, choices)]
            elif g.must[i] == 1:
                continue
            else:
                s.room[i] = -1
        else:  # two cases exchange positions
            j = _draw(seed, n)
            room_j = s.room[j]
            if i == j:
                continue
            first, last = min(q, s.position[j]), max(q, s.position[j])
            swapped = True
            _swap(s, i, j)
        cost, reached, same = decode(g, s, first, last, limit, False)
        work += reached - first
        if same:
            keep(g, s, first, reached)
            continue
        if cost >= 0 and len(others) > 0:
            cost += _apart(s, others, near, apart, penalty)
        if 0 <= cost <= limit:
            cost += whole_rest(w, s.place, g.length, g.row, g.step)
        if cost >= 0 and cost <= limit:
            keep(g, s, first, reached)
            now, look = cost, True
        else:
            drop(g, s, first, reached)
            if shifted >= 0:
                _shift(s, shifted, q)
            if swapped:
                _swap(s, i, j)
            if j != i:
                s.room[j] = room_j
            s.room[i], s.want[i] = room_i, want_i
    return pooled, work


@inlined
def _may(g: Packed, i: int, r: int) -> bool:
    may = g.own[i] == r
    for x in range(g.choice_ptr[i], g.choice_ptr[i + 1]):
        may = may or g.choice[x] == r
    return may
