# mypy: disable-error-code="no-any-return,arg-type,return-value,assignment,call-arg,untyped-decorator,call-overload"
"""Compiled: places cases one after the other, and takes back what a search did not like.

A decode begins at the first position that changed, from a state saved every `STRIDE` positions, and stops as
soon as what is placed already costs too much. Integers only.

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
compiled = njit(cache=True, _nrt=False)
inlined = njit(cache=True, _nrt=False, forceinline=True)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONE = np.uint64(1)
_ZERO = np.uint64(0)


@inlined
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


@inlined
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


@inlined
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


@inlined
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


@inlined
def _copy(from_left: Any, from_full: Any, from_small: Any, left: Any, full: Any, small: Any) -> None:
    for k in range(left.shape[0]):
        for y in range(left.shape[1]):
            left[k, y] = from_left[k, y]
        for y in range(full.shape[1]):
            full[k, y] = from_full[k, y]
    for y in range(len(small)):
        small[y] = from_small[y]


@compiled
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


@compiled
def keep(g: Packed, s: State, first: int, reached: int) -> None:
    """Accept what was decoded from `first` up to `reached`."""
    for p in range(first, reached):
        i = s.order[p]
        for f in range(FIELDS):
            s.kept[i, f] = s.place[i, f]
    for b in range(first // STRIDE + 1, (reached - 1) // STRIDE + 1):
        s.side[b] = 1 - s.side[b]


@compiled
def drop(g: Packed, s: State, first: int, reached: int) -> None:
    """Take back what was decoded from `first` up to `reached`."""
    for p in range(reached - 1, first - 1, -1):
        if s.undo[p, 0] >= 0:
            s.here[s.undo[p, 0], s.undo[p, 1]] = s.undo[p, 2]
        i = s.order[p]
        for f in range(FIELDS):
            s.place[i, f] = s.kept[i, f]
