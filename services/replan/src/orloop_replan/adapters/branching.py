"""Branch and price (Barnhart et al. 1998): all plans divided into parts until no part can hold a cheaper one.

Each part is bounded by the same master over room-days, over the places that path costs leave; the part with the
lowest bound is divided next. What proves the bound of the whole are the prices of each part: no solver is needed to
verify them (`domain.certificate_tree`). An optimum that is whole is a plan, and often a better one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from heapq import heappop, heappush

import numpy as np

from orloop_replan.domain.branches import ENDLESS, Part, Split, divided, everything, level_value, questions
from orloop_replan.domain.granting import keeping
from orloop_replan.domain.pricing import SCALE, Floats, arc_costs, arcs_of, no_windows, price_rooms
from orloop_replan.domain.slots import Ints, Slots
from orloop_replan.domain.windows import crossed

from .bound import Bound, days_of, dual_value, fair_rounded, mixed, whole_prices
from .master import Master, Prices
from .rounding import rounded

MARGIN = 1e-6
SURE = 0.05
"""A part is given up once its bound is so far above what is needed: rounding the prices costs less."""
NEAR = 0.05
"""Master and bound of a part are as good as one."""
OVERHEAD = 10
ROWS = 200
PLACES_AN_ITERATION = 800
"""Work of a round, in simplex iterations of a master with so many rows: a round by itself; so many places are priced
while one is done."""


@dataclass(frozen=True, slots=True)
class BranchLimits:
    """Work is simplex iterations and what takes as long, some 0.05 ms each.

    Of the `tried` most promising questions the one is asked whose answers cost most in the master as it stands. A part
    is priced `rounds` times at most and looked through for windows once; `samples` plans are drawn from its optimum.
    No more than `parts` are kept. With more than `places` that are worth it, less is to be proven.
    """

    tried: int = 6
    rounds: int = 60
    smoothing: float = 0.5
    samples: int = 3
    parts: int = 400
    places: int = 20_000


@dataclass(frozen=True, eq=False, slots=True)
class Leaf:
    """A part with the prices that bound it: `value` in 1/1024; `weights` [m], `levels`, `postponed`: the optimum."""

    part: Part
    value: int
    prices: Prices
    smooth: Prices
    windows: Ints
    optimum: float
    weights: Floats
    levels: Floats
    postponed: Floats


class Branching:
    """The parts of one problem, the best plan known to cost `cost`, over the places that could be in a cheaper one.

    `take` is handed every plan [n] that turns up, and says what the best plan costs by then.
    """

    def __init__(
        self,
        slots: Slots,
        lower: Bound,
        chosen: Ints,
        cost: int,
        take: Callable[[Ints], int],
        stop: Callable[[], bool],
        limits: BranchLimits | None = None,
        seed: int = 0,
    ) -> None:
        self.slots, self.lower, self.cost, self.seed = slots, lower, cost, seed
        self.take, self.stop = take, stop
        self.limits = limits or BranchLimits()
        self.goal, self.kept = self._worth()
        self.few = keeping(slots, np.isin(np.arange(slots.places), self.kept))
        self.arcs = arcs_of(self.few)
        self.work, self.asked = 0, 0
        self.leaves: list[Leaf] = []
        self._heap: list[tuple[int, int, Leaf]] = []
        self._over, self._cost = self.arcs.over.astype(float), self.few.cost.astype(float)
        self._stand_in = 4.0 * float(max(1, slots.postpone.max(initial=0), slots.cost.max(initial=0)))
        self._master = Master(self.arcs, lower.postpone, self._stand_in, lower.allowed)
        of = np.full(slots.places + 1, -1, np.int64)
        of[self.kept] = np.arange(len(self.kept))
        self._master.add(days_of(self.few, of[chosen]))
        self._master.add_windows(lower.windows)

    def _worth(self) -> tuple[int, Ints]:
        """What is to be proven: that no plan costs less; and the places that a cheaper one could take, not too many."""
        order = np.argsort(self.lower.path_costs, kind="stable")
        sums = self.lower.value + self.lower.path_costs[order] - MARGIN
        goal = self.cost
        if len(order) > self.limits.places:
            goal = max(self.lower.certified, min(goal, int(np.ceil(sums[self.limits.places]))))
        return goal, np.sort(order[: np.searchsorted(sums, goal - 1, side="right")])

    @property
    def bound(self) -> int:
        """What every plan costs at least."""
        if not self._begun:
            return self.lower.certified
        values = [leaf.value for leaf in self.leaves] + [value for value, _, _ in self._heap[:1]]
        return min(self.cost, self.goal, max(self.lower.certified, -(-min(values) // SCALE)))

    @property
    def parts(self) -> list[Leaf]:
        """Every part that has not been divided; together they hold all plans."""
        return [*self.leaves, *(leaf for _, _, leaf in sorted(self._heap, key=lambda entry: entry[1]))]

    @property
    def _begun(self) -> bool:
        return bool(self.leaves or self._heap)

    def run(self, work: int) -> None:
        """Goes on until the bound is the best cost, or so much work has been done in all."""
        if not self._begun:
            if self.goal <= self.lower.certified or work <= 0:
                return
            self._push(self._bounded(everything(self.few, self.lower.postpone), None))
        while self._heap and self.work < work and len(self._heap) + len(self.leaves) < self.limits.parts:
            value, _, leaf = self._heap[0]
            if value > (min(self.cost, self.goal) - 1) * SCALE or self.stop():
                return
            split = self._question(leaf)
            heappop(self._heap)
            if split is None:
                self.leaves.append(leaf)
                continue
            for part in divided(self.few, leaf.part, split):
                self._push(self._bounded(part, leaf.smooth))

    def _push(self, leaf: Leaf) -> None:
        self.asked += 1
        self._plans(leaf)
        heappush(self._heap, (leaf.value, self.asked, leaf))

    def _plans(self, leaf: Leaf) -> None:
        """What the optimum of a part says itself, and what is drawn from it."""
        fractional = [(int(self.kept[p]), float(leaf.weights[p])) for p in np.nonzero(leaf.weights > MARGIN)[0]]
        for plan in rounded(self.slots, fractional, self.seed + self.asked, self.limits.samples):
            self.cost = min(self.cost, self.take(plan))

    # --- one part ----------------------------------------------------------------------------------

    def _bounded(self, part: Part, start: Prices | None) -> Leaf:
        """A part's bound: columns and windows are added to the master that all parts share."""
        master, best, prices, looked = self._master, -np.inf, start, False
        self._begin(part)
        optimum = np.inf
        for _ in range(self.limits.rounds):
            optimum = self._solved()
            exact = master.prices()
            tried = exact if prices is None else mixed(prices, exact, self.limits.smoothing)
            value, days = self._priced(part, tried, exact)
            best, prices = max((best, prices), (value, tried), key=lambda pair: pair[0])
            if not days and value < optimum - NEAR:
                value, days = self._priced(part, exact, exact)
                best, prices = max((best, prices), (value, exact), key=lambda pair: pair[0])
            if best > min(self.cost, self.goal) - 1 + SURE or self.stop():
                break
            near = optimum - best < NEAR or not days
            windows = self._windows() if near and not looked else no_windows()
            looked = looked or near
            new = master.add(days)
            if (not new or near) and not len(windows):
                break
            master.add_windows(windows)
        assert prices is not None
        return self._leaf(part, prices, optimum)

    def _begin(self, part: Part) -> None:
        self._master.restrict(part.left, part.low, np.where(part.high < ENDLESS, part.high, np.inf), part.postpone)

    def _solved(self) -> float:
        before = self._master.iterations
        optimum = self._master.solve()
        self._worked(before)
        return optimum

    def _worked(self, before: int) -> None:
        """Counts iterations since `before`: dearer in a larger master."""
        self.work += OVERHEAD + (self._master.iterations - before) * self._master.rows // ROWS

    def _windows(self) -> Ints:
        there = {tuple(window) for window in self._master.columns.windows.tolist()}
        found = crossed(self.few, self._master.weights())
        return np.array([w for w in found.tolist() if tuple(w) not in there], np.int64).reshape(-1, 4)

    def _priced(self, part: Part, prices: Prices, exact: Prices) -> tuple[float, list[Ints]]:
        """The bound at some prices, and the days that improve the master at its own."""
        self.work += len(self.kept) // PLACES_AN_ITERATION
        arc = self._reduced(part, prices)
        priced = price_rooms(self.arcs, arc, self._over)
        value = dual_value(self.arcs, part.postpone, prices, priced.best, 1, self.lower.allowed)
        real = arc if prices is exact else self._reduced(part, exact)
        days = []
        for r, last in enumerate(priced.last):
            day = priced.until(int(last))
            if len(day) and real[day].sum() + self._over[r, self.few.end[day[-1]]] - exact.room[r] < -MARGIN:
                days.append(day)
        return float(value + level_value(self.few, part, prices.fair, 1)), days

    def _reduced(self, part: Part, prices: Prices) -> Floats:
        windows = self._master.columns.windows[: len(prices.window)]
        arc = arc_costs(self.arcs, self._cost, prices.case, prices.resource, prices.fair, windows, prices.window)
        found: Floats = np.where(part.left, arc, float(ENDLESS))
        return found

    def _leaf(self, part: Part, prices: Prices, optimum: float) -> Leaf:
        """Rounds the prices of a part and counts its bound again in whole numbers."""
        few, columns = self.few, self._master.columns
        whole = whole_prices(prices, fair_rounded(self.arcs, prices.fair, part.high >= ENDLESS))
        paid = np.nonzero(whole.window)[0]
        windows, whole = columns.windows[paid], replace(whole, window=whole.window[paid])
        arc = arc_costs(
            self.arcs, few.cost * SCALE, whole.case, whole.resource, whole.fair, windows, whole.window
        )  # fmt: skip
        priced = price_rooms(self.arcs, np.where(part.left, arc, ENDLESS), self.arcs.over * SCALE)
        value = int(dual_value(self.arcs, part.postpone, whole, priced.best, SCALE, self.lower.allowed))
        value += int(level_value(few, part, whole.fair, SCALE))
        levels, postponed = self._master.levels()
        return Leaf(part, value, whole, prices, windows, optimum, self._master.weights(), levels, postponed)

    def _question(self, leaf: Leaf) -> Split | None:
        """The question whose answers both cost much, by the master as it stands; None if nothing is fractional."""
        asked = questions(self.few, leaf.weights, leaf.levels, leaf.postponed, self.limits.tried)
        if len(asked) < 2:
            return asked[0] if asked else None
        best, most = asked[0], -1.0
        for split in asked:
            gain = 1.0
            for part in divided(self.few, leaf.part, split):
                self._begin(part)
                before = self._master.iterations
                more = self._master.relaxed() - leaf.optimum
                self._worked(before)
                gain *= max(1e-3, min(self.cost - leaf.value / SCALE, more))
            if gain > most * (1 + MARGIN):
                best, most = split, gain
        return best


PER_PLACE = ("case", "mode", "room", "start", "begin", "end", "cost", "least_cost", "delay", "late", "prime")


__all__ = ["BranchLimits", "Branching", "Leaf"]
