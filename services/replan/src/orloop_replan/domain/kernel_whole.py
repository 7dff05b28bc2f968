# mypy: disable-error-code="no-any-return,arg-type,return-value,assignment,call-arg,untyped-decorator,call-overload"
"""Compiled: the terms that only a whole plan has: surgeons' waiting, the break-in gap, missing room for add-ons.

What of them is a sum over places (`orloop_common.domain.cost_least`) is in the places' own cost; the rest is added
once everybody has a place. `_nrt=False` as in `kernel_decode`: nothing here allocates.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from orloop_common.domain.cost_least import break_in_until
from orloop_common.domain.expecting import free_time, likely_free
from orloop_common.domain.plan import Interval
from orloop_common.domain.problem import PlanProblem, ProblemRoom

from .kernel_state import BEGIN, END, MODE, ROOM, TICK
from .slots import Slots

Ints = npt.NDArray[np.int64]
compiled = njit(cache=True, _nrt=False)


class Whole(NamedTuple):
    """What these terms are counted from, in ticks; `turns` and `marks` are scratch."""

    weight: Any  # [3] price of a slot: surgeons' waiting, break-in gap, missing room
    step: int
    now: int
    own_ptr: Any  # [S + 1] movable cases of a surgeon ...
    own: Any  # [.]
    held_ptr: Any  # [S + 1] committed ones ...
    held: Any  # [., 3] patient in, patient out, turnover
    turns: Any  # [., 3]
    ends: Any  # [.] ticks from now to committed ends before 16:00
    marks: Any  # [ticks to 16:00 + 1]
    opens: Any  # [R, T + 1] budgeted ticks that nothing committed takes, up to each
    hours: Any  # [H, 3] from, until, and what add-ons lack if no movable case takes anything, in `unit`s
    tick: int  # units in a tick
    slot: int  # units in a slot
    least: Any  # [rows, starts] what of this is in the cost of a place; rows as in `Packed`
    least_published: Any  # [n] the same of the published place
    constant: int  # what of it is in every plan's cost


@compiled
def whole_cost(w: Whole, place: Any, length: Any) -> int:
    """The price of these terms, of a plan that is `place`d [n, FIELDS]."""
    return (
        w.weight[0] * _slots(_waiting(w, place, length), w.step)
        + w.weight[1] * _slots(_gap(w, place, length), w.step)
        + w.weight[2] * _slots(_missing(w, place), w.slot)
    )


@compiled
def whole_rest(w: Whole, place: Any, length: Any, row: Any, step: int) -> int:
    """What a plan costs by these terms beyond what the costs of its places hold of them; never less than nothing."""
    if w.weight[0] == 0 and w.weight[1] == 0 and w.weight[2] == 0:
        return 0
    held = w.constant
    for i in range(len(place)):
        if place[i, ROOM] >= 0:
            if place[i, MODE] >= len(place):
                held += w.least_published[i]
            else:
                held += w.least[row[i, place[i, ROOM]], place[i, TICK] // step]
    return max(0, whole_cost(w, place, length) - held)


@compiled
def _slots(span: int, slot: int) -> int:
    return (span + slot - 1) // slot


@compiled
def _waiting(w: Whole, place: Any, length: Any) -> int:
    """Ticks that surgeons wait between their own cases, beyond the turnover of the next one."""
    total = 0
    if w.weight[0] == 0:
        return total
    for k in range(len(w.own_ptr) - 1):
        count = 0
        for x in range(w.own_ptr[k], w.own_ptr[k + 1]):
            i = w.own[x]
            if place[i, ROOM] >= 0:
                out = place[i, TICK] + length[place[i, MODE], 1]
                _enter(w, count, place[i, TICK], out, length[i, 0] + length[i, 2])
                count += 1
        for x in range(w.held_ptr[k], w.held_ptr[k + 1]):
            _enter(w, count, w.held[x, 0], w.held[x, 1], w.held[x, 2])
            count += 1
        for q in range(1, count):
            total += max(0, w.turns[q, 0] - max(w.turns[q - 1, 1], w.now) - w.turns[q, 2])
    return total


@compiled
def _enter(w: Whole, count: int, start: int, out: int, turnover: int) -> None:
    """One more entry of a surgeon's day, in order of start and end."""
    q = count
    while q > 0 and (w.turns[q - 1, 0] > start or (w.turns[q - 1, 0] == start and w.turns[q - 1, 1] > out)):
        for f in range(3):
            w.turns[q, f] = w.turns[q - 1, f]
        q -= 1
    w.turns[q, 0], w.turns[q, 1], w.turns[q, 2] = start, out, turnover


@compiled
def _gap(w: Whole, place: Any, length: Any) -> int:
    """The longest span of ticks until 16:00 in which no case ends."""
    last = len(w.marks) - 1
    if w.weight[1] == 0 or last < 1:
        return 0
    for t in range(last + 1):
        w.marks[t] = 0
    for x in range(len(w.ends)):
        w.marks[w.ends[x]] = 1
    for i in range(len(place)):
        if place[i, ROOM] >= 0:
            t = place[i, TICK] + length[place[i, MODE], 1] - w.now
            if 0 < t < last:
                w.marks[t] = 1
    w.marks[last] = 1
    longest = before = 0
    for t in range(1, last + 1):
        if w.marks[t] == 1:
            longest, before = max(longest, t - before), t
    return longest


@compiled
def _missing(w: Whole, place: Any) -> int:
    """Room time that expected add-ons lack, in units."""
    total = 0
    if w.weight[2] == 0:
        return total
    for h in range(len(w.hours)):
        taken = 0
        for i in range(len(place)):
            r = place[i, ROOM]
            a, b = max(place[i, BEGIN], w.hours[h, 0]), min(place[i, END], w.hours[h, 1])
            if r >= 0 and b > a:
                taken += w.opens[r, b] - w.opens[r, a]
        total += max(0, w.hours[h, 2] + taken * w.tick)
    return total


@lru_cache(maxsize=8)
def whole_of(slots: Slots) -> Whole:
    """The arrays of a problem; kept for the last few, so that asking again costs nothing."""
    problem, n = slots.problem, slots.n
    now = (problem.now - slots.origin) // slots.tick
    surgeons = sorted({s for case in problem.cases for s in case.surgeons})
    surgeons += sorted({s for held in problem.committed for s in held.surgeons} - set(surgeons))
    own = [[i for i in range(n) if s in problem.cases[i].surgeons] for s in surgeons]
    held = [[_entry(slots, h) for h in problem.committed if s in h.surgeons] for s in surgeons]
    until = max(0, (break_in_until(problem) - problem.now) // slots.tick)
    ends = [-((problem.now - h.patient.end) // slots.tick) for h in problem.committed]
    return Whole(
        weight=slots.whole_weight,
        step=slots.step,
        now=now,
        own_ptr=_ptr(own),
        own=np.array([i for cases in own for i in cases], np.int64),
        held_ptr=_ptr(held),
        held=np.array([entry for entries in held for entry in entries], np.int64).reshape(-1, 3),
        turns=np.zeros((1 + max((len(a) + len(b) for a, b in zip(own, held, strict=True)), default=0), 3), np.int64),
        ends=np.array([end for end in ends if 0 < end < until], np.int64),
        marks=np.zeros(until + 1, np.int64),
        opens=np.array([_opens(slots, room) for room in problem.rooms], np.int64).reshape(-1, slots.T + 1),
        hours=np.array([*_hours(slots)], np.int64).reshape(-1, 3),
        tick=slots.tick // slots.tick.resolution,
        slot=problem.grid // problem.grid.resolution,
        least=np.zeros((0, 0), np.int64),
        least_published=np.zeros(0, np.int64),
        constant=slots.constant,
    )


def searched(slots: Slots, row: Ints, starts: int, times: int) -> Whole:
    """The arrays for a search that prices the published cost `times`; rows of a case in a room as in `Packed`."""
    w = whole_of(slots)
    least = np.zeros((int(row.max(initial=-1)) + 1, starts), np.int64)
    case, room = np.nonzero(row >= 0)
    places = slots.table[case, room]
    has = slots.published >= 0
    if len(slots.least_cost):
        least[row[case, room]] = np.where(places >= 0, slots.least_cost[places], 0) * times
    published = np.zeros(slots.n, np.int64)
    published[has] = slots.least_cost[slots.published[has]] * times
    constant = slots.constant * times
    return w._replace(weight=w.weight * times, least=least, least_published=published, constant=constant)


def _entry(slots: Slots, held: Any) -> tuple[int, int, int]:
    """Of a committed case: patient in and out, turnover before it."""
    patient, tick = held.patient, slots.tick
    turnover = -((held.occupied.start - patient.start) // tick)
    return (patient.start - slots.origin) // tick, -((slots.origin - patient.end) // tick), turnover


def _opens(slots: Slots, room: ProblemRoom) -> Ints:
    """Up to each tick, how many of the room are budgeted, usable, and not taken by what is committed."""
    free = np.zeros(slots.T, np.int64)

    def span(interval: Interval) -> slice:
        first = (interval.start - slots.origin) // slots.tick
        return slice(max(0, first), max(0, -((slots.origin - interval.end) // slots.tick)))

    if room.opens < room.block_end:
        free[span(Interval(start=room.opens, end=room.block_end))] = 1
    for down in (*room.down, *(h.occupied for h in slots.problem.committed if h.room == room.id)):
        free[span(down)] = 0
    return np.concatenate([[0], np.cumsum(free)])


def _hours(slots: Slots) -> Any:
    problem: PlanProblem = slots.problem
    held: dict[str, list[Interval]] = {}
    for committed in problem.committed:
        held.setdefault(committed.room, []).append(committed.occupied)
    for hour in problem.expected:
        lacks = hour.work - likely_free(problem, hour) - free_time(problem, hour, held)
        at = [(moment - slots.origin) // slots.tick for moment in (hour.start, hour.end)]
        yield (*(min(slots.T, max(0, t)) for t in at), lacks // lacks.resolution)


def _ptr(lists: Any) -> Ints:
    return np.cumsum([0, *(len(entries) for entries in lists)]).astype(np.int64)
