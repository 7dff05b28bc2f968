"""One plan through one scenario after another, compiled: rooms, surgeons, teams, recovery and cleaning in turn.

The day is played in order of time. Each room takes its cases in the plan's order, each surgeon too;
nobody starts before the planned start; who waits for something gets it in order of asking.
All times are minutes from now. Facts of cases and rooms are rows of two tables, by the columns below.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]
UNKNOWN = 1 << 40
NEVER = 1 << 60

# Columns of a case (`who`): what holds for every plan, then what this plan says of it. Lists are from/to.
SETUP, CLEANUP, RECOVERY, AFTER, BEFORE, KIND, MUST, NEED, NEED_TO = range(9)
LENGTH, EARLIEST, RANK, RUNNING, EARLIER, EARLIER_TO, SHUT, SHUT_TO = range(9, 17)
COLUMNS = 17
# Columns of a room (`rooms`): its cases in the queue, when it is free, the kind of its last case, ...
QUEUE, QUEUE_TO, FREE, PREVIOUS, BLOCK_END, CLOSES, FRESH = range(7)
ROOM_COLUMNS = 7
# Columns of a need: resource, how many, minutes of reprocessing.
RESOURCE, AMOUNT, REPROCESSING = range(3)

# What is going on, by room (`now`) and by case (`met`).
_POSITION, _PHASE, _WAITS, _FREE, _PREVIOUS = range(5)
_BEGUN, _START, _DONE, _RELEASE, _FORCED = range(5)
_WAITING, _IN_ROOM, _HELD, _OVER = range(4)
_SURGEON, _SHORT = 1, 2
_TIME, _LATER = 20, 1 << 19
"""A room's next event as one number: when, departures first, then by the plan's order."""


@njit(cache=True)
def play(
    who: Ints,
    rooms: Ints,
    queue: Ints,
    earlier: Ints,
    shut: Ints,
    need: Ints,
    capacity: Ints,
    beds: Ints,
    cleaners: Ints,
    extra: Ints,
    grid: int,
    break_in_until: int,
    stay: Ints,
    away: Any,
    late: Ints,
    start: Ints,
    done: Ints,
    free: Ints,
    counted: Ints,
) -> None:
    """Play every scenario: `stay` [S, C], `away` [S, n], `late` [S, R].

    Fills `start`, `done` [S, C] (UNKNOWN for who has none), `free` [S, R] (end of each room's last cleanup) and
    `counted` [S, 4]: minutes of PACU hold, patients without a bed, cases put off, largest break-in gap.
    """
    count, cases, horizon = len(rooms), len(who), max(1, len(beds), len(cleaners), capacity.shape[1])
    now, met = np.zeros((count, 5), np.int64), np.zeros((cases, 5), np.int64)
    key, used = np.zeros(count, np.int64), np.zeros(len(capacity), np.int64)
    capacity, beds, cleaners = capacity.copy(), beds.copy(), cleaners.copy()
    full, all_beds, all_cleaners = capacity.copy(), beds.copy(), cleaners.copy()
    for s in range(len(stay)):
        beds[:] = all_beds
        cleaners[:] = all_cleaners
        used[:] = 0
        if len(need) and need[:, REPROCESSING].max() > 0:
            capacity[:] = full
        for c in range(cases):
            met[c, _BEGUN] = c < away.shape[1] and away[s, c]
            met[c, _START] = met[c, _DONE] = UNKNOWN
            met[c, _RELEASE] = met[c, _FORCED] = 0
        for r in range(count):
            now[r, _POSITION], now[r, _PHASE], now[r, _WAITS] = rooms[r, QUEUE], _WAITING, 0
            now[r, _FREE], now[r, _PREVIOUS] = rooms[r, FREE], rooms[r, PREVIOUS]
            key[r] = _LATER
        clock = last = gap = hold = short = pushed = 0
        for r in range(count):
            if rooms[r, QUEUE] < rooms[r, QUEUE_TO] and who[queue[rooms[r, QUEUE]], RUNNING]:
                _enter(who, need, now, met, key, used, stay[s], grid, r, queue[rooms[r, QUEUE]], 0)
        for r in range(count):
            if now[r, _PHASE] == _WAITING:
                _next(who, rooms, queue, earlier, shut, extra, now, met, key, late[s], r, 0)
        while True:
            r, first = -1, NEVER
            for q in range(count):
                if key[q] < first:
                    r, first = q, key[q]
            if r < 0:
                r = _stuck(who, queue, now)
                if r < 0:
                    break
                c = queue[now[r, _POSITION]]
                if who[c, MUST]:
                    met[c, _FORCED] = 1
                else:
                    pushed += 1
                    met[c, _BEGUN] = 1
                    _call_surgeons(now, key, clock)
                _next(who, rooms, queue, earlier, shut, extra, now, met, key, late[s], r, clock)
                continue
            clock = first >> _TIME
            c = queue[now[r, _POSITION]]
            if now[r, _PHASE] == _WAITING:
                if now[r, _WAITS] == _SURGEON:
                    _next(who, rooms, queue, earlier, shut, extra, now, met, key, late[s], r, clock)
                elif clock + who[c, LENGTH] + who[c, CLEANUP] > rooms[r, CLOSES] and not who[c, MUST]:
                    pushed += 1
                    met[c, _BEGUN] = 1
                    _call_surgeons(now, key, clock)
                    _next(who, rooms, queue, earlier, shut, extra, now, met, key, late[s], r, clock)
                elif _past_shut(who, shut, c, clock) > clock:
                    now[r, _WAITS] = 0
                    key[r] = (_past_shut(who, shut, c, clock) << _TIME) | _LATER | who[c, RANK]
                else:
                    again = _short_until(who, need, capacity, used, met, c, clock)
                    if again == 0:
                        _enter(who, need, now, met, key, used, stay[s], grid, r, c, clock)
                        _call_surgeons(now, key, clock)
                    else:
                        now[r, _WAITS] = _SHORT
                        key[r] = NEVER if again == NEVER else (again << _TIME) | _LATER | who[c, RANK]
                continue
            if now[r, _PHASE] == _IN_ROOM and who[c, RECOVERY] > 0 and len(beds) > 0:
                out = _take(beds, clock, who[c, RECOVERY])
                if out > clock or (clock < len(beds) and out < 0):
                    short += 1
                if out > clock:
                    hold += out - clock
                    now[r, _PHASE], key[r] = _HELD, (out << _TIME) | who[c, RANK]
                    continue
            if clock < break_in_until:
                gap = max(gap, clock - last)
                last = clock
            for k in range(who[c, NEED], who[c, NEED_TO]):
                used[need[k, RESOURCE]] -= need[k, AMOUNT]
                for m in range(clock, min(horizon, clock + need[k, REPROCESSING])):
                    capacity[need[k, RESOURCE], m] -= need[k, AMOUNT]
            begin = clock
            if who[c, CLEANUP] > 0 and len(cleaners) > 0:
                begin = max(clock, _take(cleaners, clock, who[c, CLEANUP]))
            met[c, _DONE] = begin + who[c, CLEANUP]
            now[r, _FREE], now[r, _PREVIOUS] = met[c, _DONE], who[c, KIND]
            now[r, _POSITION] += 1
            _next(who, rooms, queue, earlier, shut, extra, now, met, key, late[s], r, clock)
            for q in range(count):
                if now[q, _PHASE] == _WAITING and now[q, _WAITS] == _SHORT:
                    key[q] = (clock << _TIME) | _LATER | who[queue[now[q, _POSITION]], RANK]
        for c in range(cases):
            start[s, c], done[s, c] = met[c, _START], met[c, _DONE]
        for r in range(count):
            free[s, r] = now[r, _FREE]
        counted[s, 0], counted[s, 1], counted[s, 2] = hold, short, pushed
        counted[s, 3] = max(gap, break_in_until - last)


@njit(cache=True)
def _next(
    who: Ints,
    rooms: Ints,
    queue: Ints,
    earlier: Ints,
    shut: Ints,
    extra: Ints,
    now: Ints,
    met: Ints,
    key: Ints,
    late: Ints,
    r: int,
    clock: int,
) -> None:
    """When the room's next case can start, as far as is known by now."""
    while now[r, _POSITION] < rooms[r, QUEUE_TO] and met[queue[now[r, _POSITION]], _BEGUN]:
        now[r, _POSITION] += 1
    if now[r, _POSITION] >= rooms[r, QUEUE_TO]:
        now[r, _PHASE], key[r] = _OVER, NEVER
        return
    c = queue[now[r, _POSITION]]
    now[r, _PHASE], now[r, _WAITS] = _WAITING, 0
    t = max(clock, who[c, EARLIEST])
    between = 0
    if now[r, _PREVIOUS] >= 0:
        between = extra[now[r, _PREVIOUS], who[c, KIND]]
    elif rooms[r, FRESH]:
        t = max(t, who[c, EARLIEST] + late[r])
    t = max(t, now[r, _FREE] + between + who[c, SETUP])
    for k in range(who[c, EARLIER], who[c, EARLIER_TO]):
        before = earlier[k]
        if not met[before, _BEGUN]:
            now[r, _WAITS], key[r] = _SURGEON, NEVER
            return
        t = max(t, met[before, _RELEASE] - who[c, AFTER])
    key[r] = (_past_shut(who, shut, c, t) << _TIME) | _LATER | who[c, RANK]


@njit(cache=True, forceinline=True)
def _past_shut(who: Ints, shut: Ints, c: int, t: int) -> int:
    """The first moment from `t` on at which the case may start: its room not down, its surgeons not on a break."""
    moved = True
    while moved:
        moved = False
        for k in range(who[c, SHUT], who[c, SHUT_TO]):
            if shut[k, 0] <= t < shut[k, 1]:
                t, moved = shut[k, 1], True
    return t


@njit(cache=True, forceinline=True)
def _short_until(who: Ints, need: Ints, capacity: Ints, used: Ints, met: Ints, c: int, clock: int) -> int:
    """0 if teams, skills and equipment are free; else when there may be more of them (NEVER if that is not known)."""
    short, again = False, NEVER
    at, horizon = min(clock, capacity.shape[1] - 1), capacity.shape[1]
    for k in range(who[c, NEED], who[c, NEED_TO]):
        which = need[k, RESOURCE]
        if met[c, _FORCED] or used[which] + need[k, AMOUNT] <= capacity[which, at]:
            continue
        short = True
        for m in range(at + 1, horizon):
            if capacity[which, m] > capacity[which, m - 1]:
                again = min(again, m)
                break
    return again if short else 0


@njit(cache=True, forceinline=True)
def _take(left: Ints, clock: int, span: int) -> int:
    """Take one from the first moment at which there is one; -1 if there is none any more today."""
    horizon = len(left)
    at = clock
    while at < horizon and left[at] <= 0:
        at += 1
    if at >= horizon:
        return -1
    for m in range(at, min(horizon, at + span)):
        left[m] -= 1
    return at


@njit(cache=True, forceinline=True)
def _enter(
    who: Ints,
    need: Ints,
    now: Ints,
    met: Ints,
    key: Ints,
    used: Ints,
    stay: Ints,
    grid: int,
    r: int,
    c: int,
    clock: int,
) -> None:
    for k in range(who[c, NEED], who[c, NEED_TO]):
        used[need[k, RESOURCE]] += need[k, AMOUNT]
    now[r, _WAITS], now[r, _PHASE] = 0, _IN_ROOM
    met[c, _BEGUN], met[c, _START] = 1, clock
    key[r] = ((clock + stay[c]) << _TIME) | who[c, RANK]
    met[c, _RELEASE] = max(clock + stay[c] - who[c, BEFORE], clock + who[c, AFTER] + grid)


@njit(cache=True, forceinline=True)
def _call_surgeons(now: Ints, key: Ints, clock: int) -> None:
    """Somebody has begun, or will not: rooms that wait for a surgeon look again."""
    for q in range(len(key)):
        if now[q, _PHASE] == _WAITING and now[q, _WAITS] == _SURGEON:
            key[q] = (clock << _TIME) | _LATER


@njit(cache=True)
def _stuck(who: Ints, queue: Ints, now: Ints) -> int:
    """The room whose next case waits in vain, the first by the plan; -1 if everybody is through."""
    found, first = -1, NEVER
    for r in range(len(now)):
        if now[r, _PHASE] == _WAITING and now[r, _WAITS] == _SHORT:
            rank = who[queue[now[r, _POSITION]], RANK]
            if rank < first:
                found, first = r, rank
    return found
