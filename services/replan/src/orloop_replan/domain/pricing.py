"""The cheapest timed day of each room at given prices, and the cheapest one through every place.

Works on floats and on whole numbers alike: the bound is found with floats and certified with integers, in
which sums are exact in any order.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import pricing_kernels as compiled
from .slots import Ints, Slots

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
SCALE = 1024
"""Prices are whole multiples of 1 / SCALE once they certify anything."""
RESOURCE, CASE, FIRST, LAST = range(4)
"""Columns of windows [W, 4]: of a surgeon (as a resource) and a case, from its first to its last tick."""
TENTHS = 10
"""Fairness counts starts after block end in tenths of a group's cases."""
_HUGE_INT = np.int64(1 << 60)
_HUGE_FLOAT = np.float64(1e18)


@dataclass(frozen=True, eq=False, slots=True)
class Arcs:
    """Places as arcs of one dynamic program per room, `m` of them, `R` rooms, `T` ticks.

    `ptr` [R + 1] cuts the places by room. `pair` [m] names the (mode, start) of a place, `pair_mode` and
    `pair_start` list them: what a place uses of resources does not depend on the room. `coef` [3, m] is what
    fairness counts. `fair_ptr` [n + 1], `fair_of` are the groups of a case. `over` [R, T + 1] is the overtime of a
    room whose last case ends at a tick, beyond what committed cases need (`base`, the sum over rooms).
    `kind` [m] is the turnover class within the room, `kinds` [R] how many there are, `gap` [R, C, C] the ticks
    between two of them. `binding` [K, T] says where a resource could run out.
    """

    slots: Slots
    ptr: Ints
    pair: Ints
    pair_mode: Ints
    pair_start: Ints
    coef: Ints
    fair_ptr: Ints
    fair_of: Ints
    over: Ints
    base: int
    kind: Ints
    kinds: Ints
    gap: Ints
    binding: Flags


def arcs_of(slots: Slots) -> Arcs:
    """The arcs of a problem's places."""
    rooms, last = len(slots.rooms), slots.T
    keys, pair = np.unique(slots.mode * (last + 1) + slots.start, return_inverse=True)
    by_case = [np.nonzero(slots.fair_member[:, i])[0] for i in range(slots.n)]
    ticks = np.maximum(np.arange(last + 1)[None, :], slots.base_end[:, None]) - slots.block_end[:, None]
    ticks[:, 0] = slots.base_end - slots.block_end  # nobody in the room, whose block may have ended long ago
    late = slots.overtime * np.maximum(0, -(-ticks // slots.step))
    kind, kinds, gap = _kinds(slots)
    pair_mode, pair_start = keys // (last + 1), keys % (last + 1)
    return Arcs(
        slots=slots,
        ptr=np.searchsorted(slots.room, np.arange(rooms + 1)).astype(np.int64),
        pair=pair.astype(np.int64),
        pair_mode=pair_mode,
        pair_start=pair_start,
        coef=np.stack([slots.delay, slots.late, TENTHS * slots.prime]).astype(np.int64),
        fair_ptr=np.concatenate([[0], np.cumsum([len(g) for g in by_case])]).astype(np.int64),
        fair_of=np.concatenate([*by_case, np.zeros(0, np.int64)]).astype(np.int64),
        over=(late - late[:, :1]).astype(np.int64),
        base=int(late[:, 0].sum()) + slots.constant,
        kind=kind,
        kinds=kinds,
        gap=gap,
        binding=_could_bind(slots, pair_mode, pair_start),
    )


def _kinds(slots: Slots) -> tuple[Ints, Ints, Ints]:
    """Turnover classes renumbered within each room; classes that behave alike are one."""
    rows = np.concatenate([slots.extra, slots.extra.T], axis=1)
    _, first, alike = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    of_place = alike.reshape(-1)[slots.turnover_class[slots.case]]
    present = [np.unique(of_place[slots.room == r]) for r in range(len(slots.rooms))]
    most = max([1, *(len(p) for p in present)])
    kind, gap = np.zeros(slots.places, np.int64), np.zeros((len(slots.rooms), most, most), np.int64)
    for r, classes in enumerate(present):
        here = slots.room == r
        kind[here] = np.searchsorted(classes, of_place[here])
        gap[r, : len(classes), : len(classes)] = slots.extra[np.ix_(first[classes], first[classes])]
    return kind, np.array([len(p) for p in present], np.int64), gap


def _could_bind(slots: Slots, pair_mode: Ints, pair_start: Ints) -> Flags:
    """Where more could be asked of a resource than there is, if every case asked for it at once."""
    most = np.zeros((len(slots.resources), slots.T), np.int64)
    by_case = np.zeros_like(most)
    order = np.argsort(pair_mode % max(1, slots.n), kind="stable")
    if len(order):
        compiled.demand(
            order, pair_mode, pair_start, slots.n, slots.use_ptr, slots.use_resource, slots.use_from, slots.use_until,
            slots.use_amount, by_case, most,
        )  # fmt: skip
    return most > slots.capacity


def no_windows() -> Ints:
    """An empty list of windows."""
    return np.zeros((0, 4), np.int64)


def arc_costs(
    arcs: Arcs,
    cost: Any,
    case_price: Any,
    resource_price: Any,
    fair_price: Any,
    windows: Ints | None = None,
    window_price: Any = None,
) -> Any:
    """Reduced cost of every place [m] at prices of cases [n], resources [K, T] and groups [G]; dtype as given.

    `windows` [W, 4] with prices [W] are rows of their own: of the window's case, what holds the surgeon at any of its
    ticks; of the surgeon's other cases, what holds the surgeon at all of them; together at most one.
    """
    slots = arcs.slots
    prefix = np.zeros((resource_price.shape[0], slots.T + 1), case_price.dtype)
    np.cumsum(resource_price, axis=1, out=prefix[:, 1:])
    table = np.zeros(len(arcs.pair_mode), case_price.dtype)
    out = np.empty(slots.places, case_price.dtype)
    if windows is None or window_price is None:
        windows, window_price = no_windows(), np.zeros(0, case_price.dtype)
    order = np.argsort(windows[:, RESOURCE], kind="stable")
    window_ptr = np.searchsorted(windows[order, RESOURCE], np.arange(len(slots.resources) + 1))
    compiled.arc_costs(
        arcs.pair, arcs.pair_mode, arcs.pair_start, slots.case, cost, slots.use_ptr, slots.use_resource, slots.use_from,
        slots.use_until, slots.use_amount, case_price, prefix, arcs.fair_ptr, arcs.fair_of, slots.fair_measure,
        arcs.coef, fair_price, window_ptr, windows[order], window_price[order], slots.n, table, out,
    )  # fmt: skip
    return out


@dataclass(frozen=True, eq=False, slots=True)
class Priced:
    """The cheapest day of each room: `best` [R] (0 where empty), its `last` place [R] or -1.

    `before` [m] is what comes before each place on the cheapest way to it, `reach` [m] the price of that way.
    No case follows directly on itself; further apart it may come twice, which keeps this a relaxation.
    """

    best: Any
    last: Ints
    before: Ints
    reach: Any

    def until(self, place: int) -> Ints:
        """The places of the cheapest way that ends with `place`, in order; none for -1."""
        found = []
        while place >= 0:
            found.append(place)
            place = int(self.before[place])
        return np.array(found[::-1], np.int64)


def price_rooms(arcs: Arcs, arc: Any, over: Any) -> Priced:
    """The cheapest day of each room at reduced costs [m] and overtime [R, T + 1] of one dtype."""
    slots, rooms, most = arcs.slots, len(arcs.kinds), arcs.gap.shape[1]
    best, last = np.zeros(rooms, arc.dtype), np.full(rooms, -1, np.int64)
    before, reach = np.full(slots.places, -1, np.int64), np.zeros(slots.places, arc.dtype)
    value, who = np.zeros((most, slots.T + 1, 2), arc.dtype), np.zeros((most, slots.T + 1, 2), np.int64)
    compiled.forward(
        arcs.ptr, slots.case, slots.begin, slots.end, arcs.kind, arcs.kinds, arcs.gap, arc, over, _huge(arc),
        value, who, best, last, before, reach,
    )  # fmt: skip
    return Priced(best, last, before, reach)


def through(arcs: Arcs, arc: Any, over: Any, priced: Priced) -> Any:
    """How much dearer [m] than its room's cheapest day the cheapest one through each place is."""
    slots, most = arcs.slots, arcs.gap.shape[1]
    value, first = np.zeros((most, slots.T + 1, 2), arc.dtype), np.zeros((most, slots.T + 1), np.int64)
    out = np.zeros_like(priced.reach)
    compiled.backward(
        arcs.ptr, slots.case, slots.begin, slots.end, arcs.kind, arcs.kinds, arcs.gap, arc, over, _huge(arc),
        value, first, priced.best, priced.reach, out,
    )  # fmt: skip
    return out


def _huge(arc: Any) -> Any:
    return _HUGE_INT if arc.dtype == np.int64 else _HUGE_FLOAT
