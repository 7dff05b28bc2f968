"""The published cost of days that have been played, compiled."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from .simulate_kernel import UNKNOWN

Ints = npt.NDArray[np.int64]
# Columns of a case: when it was told to start (UNKNOWN if never), prices of a slot of delay and of earliness, and
# of being put off; the room it is in (-1 for none).
TOLD, DELAY, EARLY, POSTPONE, ROOM = range(5)
# Columns of an entry of a surgeon's day: the case, its start and end if it has been, turnover before it.
CASE, BEGAN, ENDED, TURNOVER = range(4)


@njit(cache=True)
def price_days(
    prices: Ints,
    block_end: Ints,
    grid: int,
    overtime: int,
    group_ptr: Ints,
    group: Ints,
    group_measure: Ints,
    group_count: Ints,
    fair_weight: Ints,
    turn_ptr: Ints,
    turn: Ints,
    idle: int,
    break_in: int,
    stay: Ints,
    away: Any,
    start: Ints,
    done: Ints,
    free: Ints,
    gap: Ints,
    cost: Ints,
    late: Ints,
) -> None:
    """Cost [S] and minutes of overtime [S], all rooms together, of what `play` has filled.

    Fairness as in the published cost: the worst group's mean delay, stay past block end, starts past block end.
    """
    totals, worst = np.zeros(len(group_measure), np.int64), np.zeros(3, np.int64)
    for s in range(len(start)):
        total = 0
        totals[:] = 0
        for i in range(len(prices)):
            r = prices[i, ROOM]
            if r < 0 or away[s, i]:
                continue
            if start[s, i] == UNKNOWN:
                total += prices[i, POSTPONE]
                continue
            slots = 0
            if prices[i, TOLD] != UNKNOWN:
                slots = _slots(start[s, i] - prices[i, TOLD], grid)
                total += prices[i, DELAY] * slots
                total += prices[i, EARLY] * _slots(prices[i, TOLD] - start[s, i], grid)
            for k in range(group_ptr[i], group_ptr[i + 1]):
                g = group[k]
                if group_measure[g] == 0:
                    totals[g] += slots
                elif group_measure[g] == 1:
                    totals[g] += _slots(done[s, i] - block_end[r], grid)
                elif start[s, i] > block_end[r]:
                    totals[g] += 10
        worst[:] = 0
        for g in range(len(totals)):
            mean = (totals[g] + group_count[g] - 1) // group_count[g]
            worst[group_measure[g]] = max(worst[group_measure[g]], mean)
        for m in range(3):
            total += fair_weight[m] * worst[m]
        past = 0
        for r in range(len(block_end)):
            past += max(0, free[s, r] - block_end[r])
            total += overtime * _slots(free[s, r] - block_end[r], grid)
        total += break_in * _slots(gap[s], grid)
        if idle:
            total += idle * _slots(_idle(turn_ptr, turn, stay[s], start[s]), grid)
        cost[s] += total
        late[s] = past


@njit(cache=True, forceinline=True)
def _slots(minutes: int, grid: int) -> int:
    """Begun slots of a positive span; 0 else."""
    return (minutes + grid - 1) // grid if minutes > 0 else 0


@njit(cache=True)
def _idle(turn_ptr: Ints, turn: Ints, stay: Ints, start: Ints) -> int:
    """Minutes that surgeons wait between their own cases, beyond the turnover of the next one."""
    total = 0
    for p in range(len(turn_ptr) - 1):
        out = -UNKNOWN
        for k in range(turn_ptr[p], turn_ptr[p + 1]):
            c = turn[k, CASE]
            began, ended = turn[k, BEGAN], turn[k, ENDED]
            if start[c] != UNKNOWN:
                began, ended = start[c], start[c] + stay[c]
            if began == UNKNOWN:
                continue
            if out > -UNKNOWN:
                total += max(0, began - max(out, 0) - turn[k, TURNOVER])
            out = ended
    return total
