"""Right-shift, repair, prices and annealing on the arrays of one problem: compiled, integers, and repeatable.

The same arguments give the same plan on every machine. A plan is `chosen` [n]: the index of each case's
place, -1 where it is postponed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from orloop_common.domain.cost import DEFAULT_WEIGHTS
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem, ProblemCase, ProblemRoom
from orloop_common.domain.vocabulary import Urgency

from .class_order import in_class_order
from .kernel_anneal import anneal as anneal_compiled
from .kernel_decode import decode
from .kernel_pack import AS_PUBLISHED, PUBLISHED_COST, Packed, SearchWeights, pack
from .kernel_state import FIELDS, MODE, ROOM, TICK, begin
from .kernel_tables import logs, seeded, temperatures
from .kernel_whole import searched, whole_cost, whole_of
from .slots import Slots, build

__all__ = [
    "Annealed",
    "SearchWeights",
    "anneal",
    "decode_from",
    "distance_chosen",
    "price_chosen",
    "price_modelled",
    "rank_chosen",
    "right_shift_chosen",
    "warm",
]

Ints = npt.NDArray[np.int64]
APART = timedelta(minutes=15)
"""Starts in the same room that are no further from each other are no other plan."""
ENDLESS = 1 << 60
TOO_CLOSE = 200
"""The search's price of each case by which a plan differs too little from another."""


@dataclass(frozen=True, eq=False, slots=True)
class Annealed:
    """The best plan of an annealing at its published cost, and other good ones [k, n], cheapest first.

    `work` is how many cases were placed on the way.
    """

    cost: int
    chosen: Ints
    pool: Ints
    work: int


def right_shift_chosen(slots: Slots) -> Ints:
    """Everybody waits in turn: rooms and order are kept, immediate emergencies first, add-ons last.

    Who no longer fits in the own room takes the earliest place elsewhere, else is postponed; where that leaves
    out somebody who must have a place, all emergencies go first.
    """
    cases = slots.problem.cases
    g = pack(slots)
    immediate = np.array([case.urgency is Urgency.IMMEDIATE for case in cases], bool)
    own = [case.current.room or case.scheduled.room for case in cases]
    index = {room: r for r, room in enumerate(slots.rooms)}
    wanted = np.array([index.get(room or "", -2) for room in own], np.int64)
    told = np.array([_told(slots, case) for case in cases], np.int64)
    placed = np.array([case.current.start is not None for case in cases], bool)
    chosen = np.full(slots.n, -1, np.int64)
    for first in (immediate, immediate | (slots.must > 0)):
        group = np.where(first, 0, np.where(placed, 1, 2))
        order = np.lexsort((np.arange(slots.n), told, group))
        chosen = _decoded(slots, g, order, wanted, np.full(slots.n, AS_PUBLISHED, np.int64))
        if (chosen[slots.must > 0] >= 0).all():
            break
    return in_class_order(slots, chosen)


def decode_from(slots: Slots, wanted: Ints) -> Ints:
    """A plan near `wanted` [n], which may break rules between cases: by wanted start, each in its room from then on.

    Who does not fit there takes the earliest place elsewhere; who is wanted nowhere is postponed, unless it must
    have a place.
    """
    room, want, order = _encoded(slots, wanted)
    return in_class_order(slots, _decoded(slots, pack(slots), order, room, want))


def price_chosen(slots: Slots, chosen: Ints) -> int:
    """The published cost of a plan."""
    modelled = price_modelled(slots, chosen)
    if not slots.whole_weight.any():
        return modelled
    placed = chosen[chosen >= 0]
    place, mode = np.full((slots.n, FIELDS), -1, np.int64), slots.mode[placed]
    columns = (slots.start[placed], slots.room[placed], mode, slots.begin[placed], slots.end[placed])
    place[slots.case[placed], : len(columns)] = np.stack(columns, axis=1)
    length = np.stack([slots.setup, slots.stay, slots.cleanup], axis=1)
    whole = int(whole_cost(whole_of(slots), place, length))
    return modelled + max(0, whole - slots.constant - int(slots.least_cost[placed].sum()))


def price_modelled(slots: Slots, chosen: Ints) -> int:
    """What of a plan's cost models over places hold: never more than `price_chosen`."""
    placed = chosen[chosen >= 0]
    last = slots.base_end.copy()
    np.maximum.at(last, slots.room[placed], slots.end[placed])
    over = np.maximum(0, -((slots.block_end - last) // slots.step))
    total = slots.constant + slots.cost[placed].sum() + slots.postpone[chosen < 0].sum() + slots.overtime * over.sum()
    if len(slots.fair_count):
        counted = np.zeros((3, slots.n), np.int64)
        counted[:, chosen >= 0] = (slots.delay[placed], slots.late[placed], 10 * slots.prime[placed])
        sums = (slots.fair_member * counted[slots.fair_measure]).sum(axis=1)
        worst = np.zeros(3, np.int64)
        np.maximum.at(worst, slots.fair_measure, -(-sums // slots.fair_count))
        total += (worst * slots.fair_weight).sum()
    return int(total)


def rank_chosen(slots: Slots, chosen: Ints) -> int:
    """What a plan costs in the tier above: the weight of who is postponed."""
    return int(slots.rank[chosen < 0].sum())


def distance_chosen(slots: Slots, one: Ints, two: Ints) -> int:
    """In how many cases two plans differ: by room, or by a start more than 15 min away."""
    a, b = _room_and_tick(slots, one), _room_and_tick(slots, two)
    moved = (a[:, 0] >= 0) & (np.abs(a[:, 1] - b[:, 1]) > APART // slots.tick)
    return int(((a[:, 0] != b[:, 0]) | moved).sum())


def anneal(
    slots: Slots,
    start: Ints,
    seed: int,
    decodes: int,
    *,
    weights: SearchWeights = PUBLISHED_COST,
    others: Sequence[Ints] = (),
    apart: int = 0,
    hot: int = 10,
    cold: int = 1,
    pool: int = 0,
) -> Annealed:
    """The best plan that simulated annealing finds from `start`, which should keep every rule.

    `decodes` is how many changed plans are tried, `hot` and `cold` are temperatures in the unit of the search's
    cost. The plan differs from each of `others` in at least `apart` cases, if such a plan was found. `pool` is
    how many good plans are handed over besides.
    """
    if slots.n == 0 or decodes <= 0:
        return Annealed(price_chosen(slots, start), start.copy(), np.zeros((0, slots.n), np.int64), 0)
    g = pack(slots, weights)
    room, want, order = _encoded(slots, start)
    far = np.array([_room_and_tick(slots, other) for other in others], np.int64).reshape(len(others), slots.n, 2)
    levels = temperatures(hot, cold)
    state = begin(g, order, room, want)
    best, pooled, costs = state.kept.copy(), np.zeros((pool, *state.kept.shape), np.int64), np.zeros(pool, np.int64)
    near = APART // slots.tick
    found, work = anneal_compiled(
        g,
        state,
        searched(slots, g.row, g.starts, weights.cost),
        seeded(seed),
        decodes,
        levels,
        logs(),
        far,
        near,
        apart,
        TOO_CLOSE,
        best,
        pooled,
        costs,
    )
    chosen = in_class_order(slots, _chosen(slots, best))
    plans = {tuple(plan): plan for plan in (in_class_order(slots, _chosen(slots, p)) for p in pooled[:found])}
    ranked = sorted(plans.values(), key=lambda p: (rank_chosen(slots, p), price_chosen(slots, p), tuple(p)))
    return Annealed(price_chosen(slots, chosen), chosen, np.array(ranked, np.int64).reshape(len(ranked), slots.n), work)


def warm() -> None:
    """Compile every kernel, or load it from the cache, so that the first emergency need not wait."""
    slots = build(_two_cases())
    chosen = decode_from(slots, right_shift_chosen(slots))
    anneal(slots, chosen, 0, 8, others=(chosen,), apart=1, pool=2)


# --- between the arrays of a plan and those of a decode ----------------------------------------------


def _told(slots: Slots, case: ProblemCase) -> int:
    """By when a case comes in turn: told, else waiting since, else last."""
    moment = case.current.start or case.waiting_since
    return slots.T if moment is None else (moment - slots.origin) // slots.tick


def _encoded(slots: Slots, chosen: Ints) -> tuple[Ints, Ints, Ints]:
    """Wanted room, wanted tick and order that lead to a plan."""
    placed = chosen >= 0
    room, want = np.full(slots.n, -1, np.int64), np.full(slots.n, AS_PUBLISHED, np.int64)
    room[placed] = slots.room[chosen[placed]]
    want[placed] = np.where(slots.mode[chosen[placed]] >= slots.n, AS_PUBLISHED, slots.start[chosen[placed]])
    at = np.full(slots.n, slots.T, np.int64)
    at[placed] = slots.start[chosen[placed]]
    return room, want, np.lexsort((np.arange(slots.n), at))


def _decoded(slots: Slots, g: Packed, order: Ints, room: Ints, want: Ints) -> Ints:
    """The plan that one order leads to; who does not fit in the wanted room goes anywhere."""
    state = begin(g, order, room, want)
    decode(g, state, 0, slots.n, ENDLESS, True)
    return _chosen(slots, state.place)


def _chosen(slots: Slots, places: Any) -> Ints:
    """The indices of decoded places."""
    tick, room, mode = places[:, TICK], places[:, ROOM], places[:, MODE]
    placed = np.nonzero(room >= 0)[0]
    chosen = np.full(slots.n, -1, np.int64)
    chosen[placed] = slots.table[placed, room[placed], tick[placed] // slots.step]
    published = placed[mode[placed] >= slots.n]
    chosen[published] = slots.published[published]
    return chosen


def _room_and_tick(slots: Slots, chosen: Ints) -> Ints:
    found = np.full((slots.n, 2), -1, np.int64)
    placed = chosen >= 0
    found[placed, 0], found[placed, 1] = slots.room[chosen[placed]], slots.start[chosen[placed]]
    return found


def _two_cases() -> PlanProblem:
    """One room and two cases: enough to run every kernel."""
    nine, hour = datetime(2026, 3, 2, 9, tzinfo=UTC), timedelta(hours=1)
    room = ProblemRoom(id="1", services=("a",), opens=nine, block_end=nine + 6 * hour, closes=nine + 9 * hour)
    cases = tuple(
        ProblemCase(
            id=f"c{k}",
            version=1,
            service="a",
            label="Case",
            urgency=Urgency.ELECTIVE,
            surgeons=("s",),
            length=hour,
            length_p80=hour,
            setup=hour / 6,
            cleanup=hour / 6,
            current=Place(room="1", start=nine + (2 + k) * hour),
            scheduled=Place(room="1", start=nine + (2 + k) * hour),
        )
        for k in range(2)
    )
    return PlanProblem(
        suite="warm",
        now=nine,
        grid=hour / 12,
        earliest_start=nine + hour / 2,
        horizon=nine + 9 * hour,
        rooms=(room,),
        cases=cases,
        committed=(),
        teams=(),
        beds=(),
        weights=DEFAULT_WEIGHTS,
    )
