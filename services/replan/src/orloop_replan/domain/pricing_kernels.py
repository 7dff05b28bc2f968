"""Compiled: what places cost at given prices, the dynamic program per room, and what days have in the master.

One module, because numba's cache looks for changes in the file of a kernel alone.
"""

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)
def demand(
    order: Any, mode: Any, start: Any, n: int, ptr: Any, resource: Any, since: Any, until: Any, amount: Any,
    by_case: Any, most: Any,
) -> None:  # fmt: skip
    """Adds to `most` the largest amount that each case could hold at a tick; `by_case` is scratch, zero."""
    last = most.shape[1]
    q = 0
    while q < len(order):
        i = mode[order[q]] % n
        stop = q
        while stop < len(order) and mode[order[stop]] % n == i:
            stop += 1
        for write in range(2):
            for j in range(q, stop):
                p = order[j]
                for u in range(ptr[mode[p]], ptr[mode[p] + 1]):
                    k = resource[u]
                    for t in range(max(0, start[p] + since[u]), min(last, start[p] + until[u])):
                        if write == 0:
                            by_case[k, t] = max(by_case[k, t], amount[u])
                        else:
                            most[k, t] += by_case[k, t]
                            by_case[k, t] = 0
        q = stop


@njit(cache=True, inline="always")
def counts(window: Any, w: int, i: int, a: int, b: int) -> bool:
    """Whether holding a surgeon from tick a until b for case i counts in a window [resource, case, first, last]."""
    if window[w, 1] == i:
        return bool(a <= window[w, 3] and b > window[w, 2])
    return bool(a <= window[w, 2] and b > window[w, 3])


@njit(cache=True)
def arc_costs(
    pair: Any, pair_mode: Any, pair_start: Any, case: Any, cost: Any, ptr: Any, resource: Any, since: Any, until: Any,
    amount: Any, case_price: Any, prefix: Any, fair_ptr: Any, fair_of: Any, measure: Any, coef: Any, fair_price: Any,
    window_ptr: Any, window: Any, window_price: Any, n: int, table: Any, out: Any,
) -> None:  # fmt: skip
    last = prefix.shape[1] - 1
    for j in range(len(pair_mode)):
        mode, start = pair_mode[j], pair_start[j]
        for u in range(ptr[mode], ptr[mode + 1]):
            a, b = min(last, max(0, start + since[u])), min(last, start + until[u])
            if b > a:
                k = resource[u]
                table[j] += amount[u] * (prefix[k, b] - prefix[k, a])
                for w in range(window_ptr[k], window_ptr[k + 1]):
                    if counts(window, w, mode % n, a, b):
                        table[j] += window_price[w]
    for p in range(len(case)):
        i = case[p]
        value = cost[p] - case_price[i] - table[pair[p]]
        for f in range(fair_ptr[i], fair_ptr[i + 1]):
            g = fair_of[f]
            value -= fair_price[g] * coef[measure[g], p]
        out[p] = value


@njit(cache=True)
def forward(
    ptr: Any, case: Any, begin: Any, end: Any, kind: Any, kinds: Any, gap: Any, arc: Any, over: Any, huge: Any,
    value: Any, who: Any, best: Any, last: Any, before: Any, reach: Any,
) -> None:  # fmt: skip
    """`value[c, t]`: the cheapest way that ends by t with class c, and the cheapest that ends with another case."""
    ticks = value.shape[1]
    ahead, source = np.zeros((value.shape[0], 2), arc.dtype), np.zeros((value.shape[0], 2), np.int64)
    zero = over[0, 0] - over[0, 0]
    for r in range(len(kinds)):
        count, q, stop = kinds[r], ptr[r], ptr[r + 1]
        value[:count] = huge
        who[:count] = -1
        for t in range(ticks):
            if q >= stop:
                break
            if t > 0:
                for c in range(count):
                    for z in range(2):
                        if value[c, t - 1, z] < huge:
                            _keep(value[c, t], who[c, t], case, value[c, t - 1, z], who[c, t - 1, z])
            if begin[q] != t:
                continue
            for b in range(count):
                ahead[b], source[b] = zero, -1
                for a in range(count):
                    s = t - gap[r, a, b]
                    if s < 0:
                        continue
                    for z in range(2):
                        if value[a, s, z] < ahead[b, 1]:
                            _keep(ahead[b], source[b], case, value[a, s, z], who[a, s, z])
            while q < stop and begin[q] == t:
                b, e, i = kind[q], end[q], case[q]
                z = 1 if source[b, 0] >= 0 and case[source[b, 0]] == i else 0
                total = ahead[b, z] + arc[q]
                before[q], reach[q] = source[b, z], total
                if total < value[b, e, 1]:
                    _keep(value[b, e], who[b, e], case, total, q)
                total += over[r, e]
                if total < best[r]:
                    best[r], last[r] = total, q
                q += 1


@njit(cache=True, inline="always")
def _keep(value: Any, who: Any, case: Any, total: Any, place: Any) -> None:
    """Keeps the two cheapest ways whose last cases differ."""
    i = case[place]
    if total < value[0]:
        if who[0] < 0 or case[who[0]] != i:
            value[1], who[1] = value[0], who[0]
        value[0], who[0] = total, place
    elif total < value[1] and (who[0] < 0 or case[who[0]] != i):
        value[1], who[1] = total, place


@njit(cache=True)
def backward(
    ptr: Any, case: Any, begin: Any, end: Any, kind: Any, kinds: Any, gap: Any, arc: Any, over: Any, huge: Any,
    value: Any, first: Any, best: Any, reach: Any, out: Any,
) -> None:  # fmt: skip
    """`value[b, t]`: cheapest rests whose first cases differ, of class b, from t on; `first` the cheapest one's."""
    ticks = value.shape[1]
    for r in range(len(kinds)):
        count, q = kinds[r], ptr[r + 1] - 1
        for t in range(ticks - 1, -1, -1):
            for b in range(count):
                if t + 1 < ticks:
                    value[b, t], first[b, t] = value[b, t + 1], first[b, t + 1]
                else:
                    value[b, t], first[b, t] = huge, -1
            while q >= ptr[r] and begin[q] == t:
                a, e, i = kind[q], end[q], case[q]
                rest = over[r, e]
                for b in range(count):
                    s = e + gap[r, a, b]
                    if s < ticks:
                        rest = min(rest, value[b, s, 1 if first[b, s] == i else 0])
                out[q] = reach[q] + rest - best[r]
                total = arc[q] + rest
                if total < value[a, t, 0]:
                    if first[a, t] != i:
                        value[a, t, 1] = value[a, t, 0]
                    value[a, t, 0], first[a, t] = total, i
                elif total < value[a, t, 1] and first[a, t] != i:
                    value[a, t, 1] = total
                q -= 1


@njit(cache=True)
def entries(
    ptr: Any, flat: Any, case: Any, mode: Any, start: Any, room: Any, use_ptr: Any, resource: Any, since: Any,
    until: Any, amount: Any, fair_ptr: Any, fair_of: Any, measure: Any, coef: Any, row_of: Any, window: Any,
    window_row: Any, n: int, rooms: int, only_resources: bool, sums: Any, touched: Any, out_row: Any, out_column: Any,
    out_value: Any,
) -> int:  # fmt: skip
    """Counts the entries, and writes them where there is room for them."""
    last, size, write = row_of.shape[1], 0, len(out_row) > 0
    for column in range(len(ptr) - 1):
        count = 0
        for at in range(ptr[column], ptr[column + 1]):
            p = flat[at]
            i = case[p]
            if not only_resources:
                count = _add(sums, touched, count, i, 1.0)
                for f in range(fair_ptr[i], fair_ptr[i + 1]):
                    g = fair_of[f]
                    if coef[measure[g], p]:
                        count = _add(sums, touched, count, n + rooms + g, float(coef[measure[g], p]))
            for u in range(use_ptr[mode[p]], use_ptr[mode[p] + 1]):
                k = resource[u]
                for t in range(max(0, start[p] + since[u]), min(last, start[p] + until[u])):
                    if row_of[k, t] >= 0:
                        count = _add(sums, touched, count, row_of[k, t], float(amount[u]))
                for w in range(len(window)):
                    if window_row[w] >= 0 and window[w, 0] == k:
                        a, b = max(0, start[p] + since[u]), min(last, start[p] + until[u])
                        if a < b and counts(window, w, i, a, b):
                            count = _add(sums, touched, count, window_row[w], 1.0)
        if not only_resources:
            count = _add(sums, touched, count, n + room[flat[ptr[column]]], 1.0)
        for at in range(count):
            if write:
                out_row[size], out_column[size], out_value[size] = touched[at], column, sums[touched[at]]
            sums[touched[at]] = 0.0
            size += 1
    return size


@njit(cache=True, inline="always")
def _add(sums: Any, touched: Any, count: int, row: Any, value: float) -> int:
    if sums[row] == 0.0:
        touched[count] = row
        count += 1
    sums[row] += value
    return count


@njit(cache=True)
def use(
    taken: Any, weights: Any, mode: Any, start: Any, ptr: Any, resource: Any, since: Any, until: Any, amount: Any,
    change: Any,
) -> None:  # fmt: skip
    last = change.shape[1] - 1
    for p in taken:
        for u in range(ptr[mode[p]], ptr[mode[p] + 1]):
            a, b = min(last, max(0, start[p] + since[u])), min(last, start[p] + until[u])
            if b > a:
                change[resource[u], a] += amount[u] * weights[p]
                change[resource[u], b] -= amount[u] * weights[p]
