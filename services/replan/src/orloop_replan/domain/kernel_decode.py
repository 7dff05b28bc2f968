# mypy: disable-error-code="no-any-return,arg-type,return-value,assignment,call-arg,untyped-decorator,call-overload"
"""Compiled: places cases one after the other, takes back what a search did not like, and anneals.

One module, because numba's cache looks for changes in the file of the kernel alone. Integers only; the
accept test compares with a threshold that is drawn before the decode, so that a decode stops as soon as
what is placed already costs too much. A decode begins at the first position that changed, from a state
saved every `STRIDE` positions.

`_nrt=False` compiles without reference counts: nothing here allocates, and counting references of the arrays in
`Packed` and `State` at every look would take ten times as long as the work. The types above are Python's, what
numba makes of them are 64-bit integers.
"""

from typing import Any

import numpy as np
from numba import njit
from numba.cpython.unsafe.numbers import leading_zeros, trailing_zeros

from .kernel_pack import DELAY_BITS, LATE_BITS, Packed
from .kernel_state import BEGIN, END, FIELDS, MODE, ROOM, STRIDE, TICK, VALUE, State

LAYOUT = 3537521218
"""Of what `Packed`, `State` and their constants look like: a new number makes numba compile anew (a test compares)."""
VALUE_BITS = DELAY_BITS + LATE_BITS + 1
_compiled = njit(cache=True, _nrt=False)
_inlined = njit(cache=True, _nrt=False, forceinline=True)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_HALF = np.uint64(32)
_POSTPONED = 1 << 40
_MULTIPLIER = np.uint64(2685821657736338717)


@_inlined
def _next(bits: Any, row: int, start: int) -> int:
    """The first set bit of a row at or after `start`, or -1."""
    word = start >> 6
    if word >= bits.shape[1]:
        return -1
    found = bits[row, word] & (_ALL << np.uint64(start & 63))
    while found == _ZERO:
        word += 1
        if word >= bits.shape[1]:
            return -1
        found = bits[row, word]
    return (word << 6) + np.int64(trailing_zeros(found))


@_inlined
def _last(words: Any, k: int, a: int, b: int) -> int:
    """The last set bit of row k in [a, b), or -1."""
    low, high = a >> 6, (b - 1) >> 6
    word = high
    while word >= low:
        found = words[k, word]
        if word == high:
            found &= _ALL >> np.uint64(63 - ((b - 1) & 63))
        if word == low:
            found &= _ALL << np.uint64(a & 63)
        if found != _ZERO:
            return (word << 6) + 63 - np.int64(leading_zeros(found))
        word -= 1
    return -1


@_inlined
def _find(g: Packed, s: State, i: int, mode: int, r: int, at: int, fixed: bool, p: int) -> int:
    """The first tick from grid start `at` on that keeps every rule towards what is placed, or -1.

    With `fixed`, `at` itself is the tick, or -1.
    """
    t, row = at, g.row[i, r]
    if not fixed:
        start = _next(g.bits, row, at) if row >= 0 else -1
        if start < 0:
            return -1
        t = start * g.step
    before, stay = g.length[mode, 0], g.length[mode, 1]
    after = stay + g.length[mode, 2]
    as_published = 2 if mode >= g.n else 0
    while True:
        later = -1
        for x in range(s.small[r]):
            j = s.here[r, x]
            free = s.place[j, END] + g.extra[g.klass[j], g.klass[i]] + before
            if t < free and s.place[j, BEGIN] < t + after + g.extra[g.klass[i], g.klass[j]]:
                later = free
                break
        if later < 0:
            for m in range(g.mate_ptr[i], g.mate_ptr[i + 1]):
                j = g.mate[m, 0]
                if s.position[j] < p and s.place[j, ROOM] >= 0:
                    theirs = 7 if s.place[j, MODE] >= g.n else 5
                    other, since = s.place[j, TICK], g.mate[m, 1 + as_published]
                    until = other + g.mate[m, theirs + 1]
                    if t + since < until and other + g.mate[m, theirs] < t + g.mate[m, 2 + as_published]:
                        later = until - since
                        break
        if later < 0:
            for u in range(g.use_ptr[mode], g.use_ptr[mode + 1]):
                k, since, amount = g.use[u, 0], g.use[u, 1], g.use[u, 3]
                a, b = max(t + since, g.span[k, 0]), min(t + g.use[u, 2], g.span[k, 1])
                if a >= b:
                    continue
                if amount == 1:
                    short = _last(s.full, k, a, b)
                else:
                    short = b - 1
                    while short >= a and s.left[k, short] >= amount:
                        short -= 1
                    short = short if short >= a else -1
                if short >= 0:
                    later = short + 1 - since
                    break
        if later < 0:
            return t
        if fixed:
            return -1
        start = _next(g.bits, row, (later + g.step - 1) // g.step)
        if start < 0:
            return -1
        t = start * g.step


@_inlined
def _take(g: Packed, s: State, i: int, p: int) -> int:
    """Put case i where `place` says; returns what that costs above the least it can cost, fairness apart."""
    r, mode, t = s.place[i, ROOM], s.place[i, MODE], s.place[i, TICK]
    if r < 0:
        s.undo[p, 0] = -1
        return g.postponed[i] - g.floor[i]
    rooms = g.rooms
    x = s.small[r]
    s.undo[p, 0], s.undo[p, 1], s.undo[p, 2] = r, x, s.here[r, x]
    s.here[r, x] = i
    s.small[r] = x + 1
    for u in range(g.use_ptr[mode], g.use_ptr[mode + 1]):
        k, amount = g.use[u, 0], np.int16(g.use[u, 3])
        a, b = max(t + g.use[u, 1], g.span[k, 0]), min(t + g.use[u, 2], g.span[k, 1])
        least = np.int16(1)
        for y in range(a, b):
            now = np.int16(s.left[k, y] - amount)
            s.left[k, y] = now
            least = min(least, now)
        if least <= 0:
            for y in range(a, b):
                if s.left[k, y] <= 0:
                    s.full[k, y >> 6] |= _ONE << np.uint64(y & 63)
    value = s.place[i, VALUE]
    cost = (value >> VALUE_BITS) - g.floor[i]
    past = s.place[i, END] - g.block[r]
    if past > 0:
        over = (past + g.step - 1) // g.step
        if over > s.small[rooms + r]:
            cost += g.overtime * (over - s.small[rooms + r])
            s.small[rooms + r] = over
    groups = len(g.fair_count)
    for x in range(g.fair_ptr[i], g.fair_ptr[i + 1]):
        group = g.fair[x]
        measure = g.fair_measure[group]
        if measure == 0:
            more = (value >> (LATE_BITS + 1)) & ((1 << DELAY_BITS) - 1)
        elif measure == 1:
            more = (value >> 1) & ((1 << LATE_BITS) - 1)
        else:
            more = 10 * (value & 1)
        if more > 0:
            s.small[2 * rooms + group] += more
            mean = (s.small[2 * rooms + group] + g.fair_count[group] - 1) // g.fair_count[group]
            worst = 2 * rooms + groups + measure
            s.small[worst] = max(s.small[worst], mean)
    return cost


@_inlined
def _copy(from_left: Any, from_full: Any, from_small: Any, left: Any, full: Any, small: Any) -> None:
    for k in range(left.shape[0]):
        for y in range(left.shape[1]):
            left[k, y] = from_left[k, y]
        for y in range(full.shape[1]):
            full[k, y] = from_full[k, y]
    for y in range(len(small)):
        small[y] = from_small[y]


@_compiled
def decode(g: Packed, s: State, first: int, last: int, limit: int, anywhere: bool) -> tuple[int, int, bool]:
    """Place everybody from position `first` on; `last` is the last position that changed.

    Returns the cost, the position that was reached, and whether what follows stays as it was accepted;
    the cost is -1 if it would be above `limit`. With `anywhere`, who fits nowhere in the wanted room
    takes the earliest place of all rooms; cases that must have a place always do.
    """
    n, rooms, groups = g.n, g.rooms, len(g.fair_count)
    block = first // STRIDE
    side = s.side[block]
    _copy(s.saved_left[side, block], s.saved_full[side, block], s.saved_small[side, block], s.left, s.full, s.small)
    cost = s.saved_cost[side, block]
    for p in range(block * STRIDE, first):
        cost += _take(g, s, s.order[p], p)
    same = last < n
    for p in range(first, n):
        if p % STRIDE == 0 and p > first:
            b = p // STRIDE
            other = 1 - s.side[b]
            _copy(s.left, s.full, s.small, s.saved_left[other, b], s.saved_full[other, b], s.saved_small[other, b])
            s.saved_cost[other, b] = cost
        i = s.order[p]
        wanted = s.room[i]
        best, best_room, best_mode = -1, -1, i
        choices = g.choice_ptr[i + 1] - g.choice_ptr[i]
        search = wanted >= 0 or g.must[i] == 1
        for option in range(-1, choices):
            if not search or (option >= 0 and (not (anywhere or g.must[i] == 1))):
                break
            r = wanted if option < 0 else g.choice[g.choice_ptr[i] + option]
            if r < 0 or (option >= 0 and r == wanted):
                continue
            want = s.want[i]
            own = g.own[i] == r
            tick = g.told[i] if want < 0 else want
            t, mode, tried = -1, i, False
            # as published; from the wanted tick on; as published if that is earlier; from the first tick on
            for stage in range(4):
                fixed = stage == 0 or stage == 2
                if stage == 0 and not (want < 0 and own):
                    continue
                if stage == 2 and (not own or tried or not (t < 0 or tick <= g.published[i] < t)):
                    continue
                if (stage == 3 and t >= 0) or (stage == 1 and t >= 0):
                    break
                tried = tried or fixed
                at = g.published[i] if fixed else 0 if stage == 3 else (tick + g.step - 1) // g.step
                found = _find(g, s, i, n + i if fixed else i, r, at, fixed, p)
                if found >= 0:
                    t, mode = found, n + i if fixed else i
            if t >= 0 and (best < 0 or t < best):
                best, best_room, best_mode = t, r, mode
            if option < 0 and best >= 0:
                break
        s.place[i, TICK], s.place[i, ROOM], s.place[i, MODE] = best, best_room, best_mode
        if best >= 0:
            s.place[i, BEGIN] = best - g.length[best_mode, 0]
            s.place[i, END] = best + g.length[best_mode, 1] + g.length[best_mode, 2]
            if best_mode >= n:
                s.place[i, VALUE] = g.value_published[i]
            else:
                s.place[i, VALUE] = g.value[g.row[i, best_room], best // g.step]
        cost += _take(g, s, i, p)
        same = same and s.kept[i, ROOM] == best_room and s.kept[i, TICK] == best and s.kept[i, MODE] == best_mode
        if same and p >= last:
            return 0, p + 1, True
        worst = 2 * rooms + groups
        fair = 0
        for m in range(3):
            fair += g.fair_weight[m] * s.small[worst + m]
        if cost + fair > limit:
            return -1, p + 1, False
        if p == n - 1:
            return cost + fair, n, False
    return cost, n, False


@_compiled
def keep(g: Packed, s: State, first: int, reached: int) -> None:
    """Accept what was decoded from `first` up to `reached`."""
    for p in range(first, reached):
        i = s.order[p]
        for f in range(FIELDS):
            s.kept[i, f] = s.place[i, f]
    for b in range(first // STRIDE + 1, (reached - 1) // STRIDE + 1):
        s.side[b] = 1 - s.side[b]


@_compiled
def drop(g: Packed, s: State, first: int, reached: int) -> None:
    """Take back what was decoded from `first` up to `reached`."""
    for p in range(reached - 1, first - 1, -1):
        if s.undo[p, 0] >= 0:
            s.here[s.undo[p, 0], s.undo[p, 1]] = s.undo[p, 2]
        i = s.order[p]
        for f in range(FIELDS):
            s.place[i, f] = s.kept[i, f]


@_inlined
def _excess(g: Packed, s: State, i: int) -> int:
    """What a case costs in the accepted plan above the least that it can cost; most where it is postponed."""
    return _POSTPONED if s.kept[i, ROOM] < 0 else (s.kept[i, VALUE] >> VALUE_BITS) - g.floor[i]


@_inlined
def _draw(seed: Any, below: int) -> int:
    """A whole number from 0 up to, not including, `below` (xorshift64*)."""
    x = seed[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    seed[0] = x
    high = (x * _MULTIPLIER) >> _HALF
    return np.int64((high * np.uint64(below)) >> _HALF)


@_inlined
def _shift(s: State, q: int, k: int) -> None:
    """The case at position q goes to position k; those between move up."""
    i, step = s.order[q], 1 if k > q else -1
    for z in range(q, k, step):
        s.order[z] = s.order[z + step]
        s.position[s.order[z]] = z
    s.order[k] = i
    s.position[i] = k


@_inlined
def _swap(s: State, i: int, j: int) -> None:
    """Two cases exchange their positions."""
    a, b = s.position[i], s.position[j]
    s.order[a], s.order[b] = j, i
    s.position[i], s.position[j] = b, a


@_inlined
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


@_inlined
def _same_plan(kept: Any, pooled: Any) -> bool:
    for i in range(len(kept)):
        for f in range(MODE + 1):
            if kept[i, f] != pooled[i, f]:
                return False
    return True


@_inlined
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


@_compiled
def anneal(
    g: Packed,
    s: State,
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
    now += _apart(s, others, near, apart, penalty)
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


@_inlined
def _may(g: Packed, i: int, r: int) -> bool:
    may = g.own[i] == r
    for x in range(g.choice_ptr[i], g.choice_ptr[i + 1]):
        may = may or g.choice[x] == r
    return may
