"""What the kernels read: one problem's arrays, laid out for many decodes, and the goal they search for.

Everything here follows from `Slots`; only `SearchWeights` says what is wanted other than the published cost.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .slots import Slots

Ints = npt.NDArray[np.int64]
AS_PUBLISHED = -1
"""A wanted start: the published place where the case is wanted in its own room, else when it was told."""
STRICT = 4
"""Where postponements are a tier of their own, the search prices them so many times more than published."""
MISSING = 1_000_000
"""The search's price of leaving out a case that must have a place."""
DELAY_BITS, LATE_BITS = 14, 12
_WORD = 64


@dataclass(frozen=True, slots=True)
class SearchWeights:
    """What a search minimises: `cost` x published cost + `changed` a case that leaves its published place
    + `overtime` a slot of use past block end; nobody new goes to room `keep_free` (an index, -1 none).
    """

    cost: int = 1
    changed: int = 0
    overtime: int = 0
    keep_free: int = -1


PUBLISHED_COST = SearchWeights()


class Packed(NamedTuple):
    """Arrays of one problem and goal for the kernels; rows of `bits` and `value` are a case in a room."""

    n: int
    rooms: int
    starts: int
    step: int
    horizon: int
    row: Any  # [n, R] row of a case in a room, -1 if it may not go there
    bits: Any  # [rows, words] uint64, a bit for each grid start with a place
    value: Any  # [rows, starts] search cost, delay, late, prime of a place in one number
    value_published: Any  # [n] the same of the published place
    published: Any  # [n] tick of the published place, -1 if there is none
    own: Any  # [n] room of the published place, -1
    told: Any  # [n] tick at which the patient expects to enter, 0 for emergencies
    length: Any  # [2n, 3] ticks of setup, stay, cleanup by mode
    klass: Any  # [n] turnover class
    extra: Any  # [C, C] ticks between classes
    mate_ptr: Any  # [n + 1] cases that can never hold something at once ...
    mate: Any  # [., 9] ... the other case, then from/until by mode of this case, and of the other
    use_ptr: Any  # [2n + 1] counted resources of a mode ...
    use: Any  # [., 4] ... which, from, until, how many
    capacity: Any  # [K, horizon] int16
    span: Any  # [K, 2] ticks between which the resource can run out
    block: Any  # [R] tick of block end
    base_over: Any  # [R] slots past block end by committed cases
    overtime: int  # search price of a slot
    fair_ptr: Any  # [n + 1] groups of a case ...
    fair: Any  # [.] ... their rows
    fair_measure: Any  # [G]
    fair_count: Any  # [G]
    fair_weight: Any  # [3] search price
    postponed: Any  # [n] search price of postponing
    floor: Any  # [n] the least that a case costs
    must: Any  # [n]
    rank: Any  # [n]
    choice_ptr: Any  # [n + 1] rooms of a case ...
    choice: Any  # [.]


@lru_cache(maxsize=4)
def pack(slots: Slots, weights: SearchWeights = PUBLISHED_COST) -> Packed:
    """The arrays of a problem under a goal; kept for the last few, so that asking again costs nothing."""
    n, rooms, starts = slots.table.shape
    open_: Any = slots.table >= 0
    if 0 <= weights.keep_free < rooms:
        open_[:, weights.keep_free, :] = False
    used = open_.any(axis=2)
    row = np.full((n, rooms), -1, np.int64)
    row[used] = np.arange(int(used.sum()))
    changed = _changed(slots)
    place = slots.table[used]
    worth = slots.cost * weights.cost + np.where(slots.mode < n, changed[slots.case], 0) * weights.changed
    assert worth.max(initial=0) < 1 << 34, f"Expected costs below 2**34, got {worth.max()}.\nMaybe a weight is wrong."
    packed = _packed_values(slots, worth)
    value = np.where(open_[used], packed[place] if len(packed) else 0, 0)
    postponed = slots.postpone * weights.cost + changed * weights.changed
    lowest = postponed.copy()
    np.minimum.at(lowest, slots.case, worth)
    postponed = postponed + np.where(slots.rank > 0, STRICT * weights.cost * slots.postpone, 0) + slots.must * MISSING
    has = slots.published >= 0
    published = np.where(has, slots.start[slots.published] if len(slots.start) else 0, -1)
    own = np.where(has, slots.room[slots.published] if len(slots.start) else 0, -1)
    value_published = np.where(has, packed[slots.published] if len(packed) else 0, 0)
    allowed = used.copy()
    allowed[np.nonzero(has)[0], own[has]] = True
    mates, counted = _exclusive(slots)
    spans = _spans(slots, counted)
    counted = [k for k, span in zip(counted, spans, strict=True) if span[0] < span[1]]
    return Packed(
        n=n,
        rooms=rooms,
        starts=starts,
        step=slots.step,
        horizon=slots.T,
        row=row,
        bits=_bits(open_[used]),
        value=value.astype(np.int64),
        value_published=value_published.astype(np.int64),
        published=published.astype(np.int64),
        own=own.astype(np.int64),
        told=_told(slots),
        length=np.stack([slots.setup, slots.stay, slots.cleanup], axis=1),
        klass=slots.turnover_class,
        extra=slots.extra,
        **mates,
        **_counted(slots, counted),
        capacity=np.clip(slots.capacity[counted], -9999, 9999).astype(np.int16).reshape(-1, slots.T),
        span=np.array([s for s in spans if s[0] < s[1]], np.int64).reshape(-1, 2),
        block=slots.block_end,
        base_over=np.maximum(0, -((slots.block_end - slots.base_end) // slots.step)),
        overtime=slots.overtime * weights.cost + weights.overtime,
        **_fairness(slots, weights),
        postponed=postponed,
        floor=lowest,
        must=slots.must,
        rank=slots.rank,
        choice_ptr=np.concatenate([[0], np.cumsum(allowed.sum(axis=1))]).astype(np.int64),
        choice=np.nonzero(allowed)[1].astype(np.int64),
    )


def _changed(slots: Slots) -> Ints:
    """1 for each case that has a published place to leave."""
    return np.array([case.current.room is not None for case in slots.problem.cases], np.int64)


def _packed_values(slots: Slots, worth: Ints) -> Ints:
    """Cost, delay, late and prime of every place in one number, so that one look finds them all."""
    delay, late = np.minimum(slots.delay, (1 << DELAY_BITS) - 1), np.minimum(slots.late, (1 << LATE_BITS) - 1)
    packed: Ints = (((worth << DELAY_BITS | delay) << LATE_BITS | late) << 1) | slots.prime
    return packed


def _bits(open_: npt.NDArray[np.bool_]) -> Any:
    """Rows of booleans as words of 64, the lowest bit first."""
    words = -(-open_.shape[1] // _WORD)
    padded = np.zeros((len(open_), words * _WORD), np.bool_)
    padded[:, : open_.shape[1]] = open_
    return np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def _told(slots: Slots) -> Ints:
    """When each patient expects to enter; the first tick for emergencies and where nothing was told."""
    found = []
    for case in slots.problem.cases:
        moment = case.current.start or case.scheduled.start
        late = case.urgency != "immediate" and moment is not None
        found.append(max(0, (moment - slots.origin) // slots.tick) if late and moment is not None else 0)
    return np.array(found, np.int64)


def _exclusive(slots: Slots) -> tuple[dict[str, Ints], list[int]]:
    """Pairs of cases that exhaust something at once (a surgeon mostly), and the resources that must be counted."""
    n = slots.n
    users: list[list[tuple[int, int]]] = [[] for _ in slots.resources]
    for i in range(n):
        for offset in range(int(slots.use_ptr[i]), int(slots.use_ptr[i + 1])):
            users[int(slots.use_resource[offset])].append((i, offset - int(slots.use_ptr[i])))
    mates: list[list[tuple[int, ...]]] = [[] for _ in range(n)]
    counted = []
    for k, own in enumerate(users):
        if len(own) < 2:
            continue  # what committed cases leave is enough, or the place is not listed
        amounts = sorted(int(slots.use_amount[slots.use_ptr[i] + a]) for i, a in own)
        if len({i for i, _ in own}) < len(own) or sum(amounts[:2]) <= int(slots.capacity[k].max()):
            counted.append(k)
            continue
        for i, a in own:
            mates[i] += [(j, *_held(slots, i, a), *_held(slots, j, b)) for j, b in own if j != i]
    lengths = [0, *(len(m) for m in mates)]
    flat = np.array([m for own in mates for m in own], np.int64).reshape(-1, 9)
    return {"mate_ptr": np.cumsum(lengths).astype(np.int64), "mate": flat}, counted


def _held(slots: Slots, i: int, a: int) -> tuple[int, int, int, int]:
    """From and until of the a-th use of a case: moved, then as published."""
    moved, published = int(slots.use_ptr[i]) + a, int(slots.use_ptr[slots.n + i]) + a
    return tuple(int(x[u]) for u in (moved, published) for x in (slots.use_from, slots.use_until))  # type: ignore[return-value]


def _spans(slots: Slots, counted: list[int]) -> list[tuple[int, int]]:
    """Between which ticks a resource can run out at all, whatever the movable cases do."""
    case_first, case_last = np.full(slots.n, slots.T), np.zeros(slots.n, np.int64)
    np.minimum.at(case_first, slots.case, slots.start)
    np.maximum.at(case_last, slots.case, slots.start)
    found = []
    for k in counted:
        demand = np.zeros(slots.T + 1, np.int64)
        inside, largest = True, 1
        for i in range(slots.n):
            for offset in range(int(slots.use_ptr[i]), int(slots.use_ptr[i + 1])):
                if slots.use_resource[offset] == k and case_first[i] <= case_last[i]:
                    twin = int(slots.use_ptr[slots.n + i]) + offset - int(slots.use_ptr[i])
                    start = min(int(slots.use_from[offset]), int(slots.use_from[twin]))
                    until = max(int(slots.use_until[offset]), int(slots.use_until[twin]))
                    amount = int(slots.use_amount[offset])
                    demand[min(slots.T, int(case_first[i]) + start)] += amount
                    demand[min(slots.T, int(case_last[i]) + until)] -= amount
                    inside = inside and start >= 0 and until <= int(slots.stay[i]) + int(slots.cleanup[i])
                    largest = max(largest, amount)
        most = np.cumsum(demand)[: slots.T]
        if inside:
            most = np.minimum(most, len(slots.rooms) * largest)
        short = np.nonzero((most > slots.capacity[k]) & (most > 0))[0]
        found.append((int(short[0]), int(short[-1]) + 1) if len(short) else (0, 0))
    return found


def _counted(slots: Slots, counted: list[int]) -> dict[str, Ints]:
    """Uses of counted resources by mode."""
    place = {k: index for index, k in enumerate(counted)}
    rows, ptr = [], [0]
    for mode in range(2 * slots.n):
        for u in range(int(slots.use_ptr[mode]), int(slots.use_ptr[mode + 1])):
            if (k := place.get(int(slots.use_resource[u]))) is not None:
                rows.append((k, int(slots.use_from[u]), int(slots.use_until[u]), int(slots.use_amount[u])))
        ptr.append(len(rows))
    return {"use_ptr": np.array(ptr, np.int64), "use": np.array(rows, np.int64).reshape(-1, 4)}


def _fairness(slots: Slots, weights: SearchWeights) -> dict[str, Ints]:
    """The groups of each case."""
    ptr = np.concatenate([[0], np.cumsum(slots.fair_member.sum(axis=0))]).astype(np.int64)
    return {
        "fair_ptr": ptr if len(slots.fair_count) else np.zeros(slots.n + 1, np.int64),
        "fair": np.nonzero(slots.fair_member.T)[1].astype(np.int64),
        "fair_measure": slots.fair_measure.astype(np.int64),
        "fair_count": slots.fair_count.astype(np.int64),
        "fair_weight": slots.fair_weight * weights.cost,
    }
