"""How cheap any plan can be at most: Dantzig-Wolfe over room-days, and the prices that prove it.

Columns are found by pricing each room (`domain.pricing`) at smoothed duals (Wentges 1997); any prices at all
give a bound by Lagrangian duality, so that the best ones seen certify theirs without a solver.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from orloop_replan.domain.pricing import (
    SCALE,
    Arcs,
    Flags,
    Floats,
    Priced,
    arc_costs,
    arcs_of,
    no_windows,
    price_rooms,
    through,
)
from orloop_replan.domain.slots import Ints, Slots
from orloop_replan.domain.windows import crossed

from .master import Master, Prices


@dataclass(frozen=True, slots=True)
class BoundLimits:
    """When to stop: after so many `rounds`, or once master and bound are within `tolerance` of each other.

    All rounds together price about `priced` places at most, ten rounds at least, and the master does about so many
    simplex `iterations`: hundreds of cases are answered, too.
    `smoothing` is how much of the best prices so far goes into the next ones. `windows` is how many times windows of
    surgeons are looked for, each time that master and bound are within `near`.
    """

    rounds: int = 400
    priced: int = 40_000_000
    iterations: int = 200_000
    tolerance: float = 1e-3
    smoothing: float = 0.5
    windows: int = 10
    near: float = 1e-2


@dataclass(frozen=True, eq=False, slots=True)
class Bound:
    """What every plan costs at least, and why.

    `value` is a whole multiple of 1/1024, `certified` the whole number above it. `case_prices` [n],
    `resource_prices` [K, T], `fair_prices` [G] and `window_prices` [W] of `windows` [W, 4] are multiples, too. A
    plan that takes place p costs at least `value + path_costs[p]` [m]. `fractional` lists places and their weights
    in the optimum of the master, `master` its value. `work` is how often rooms were priced. Postponing is priced at
    `postpone` [n], negative where the bound is for plans that do not; the bound is for plans whose postponements weigh
    no more than `allowed` in the tier above, and `tier_price` is the price of that.
    """

    value: float
    certified: int
    case_prices: Floats
    resource_prices: Floats
    fair_prices: Floats
    windows: Ints
    window_prices: Floats
    path_costs: Floats
    fractional: list[tuple[int, float]]
    master: float
    work: int
    postpone: Ints
    arcs: Arcs
    allowed: int = 0
    tier_price: float = 0.0


def lower_bound(
    slots: Slots,
    incumbents: Sequence[Ints],
    limits: BoundLimits | None = None,
    stop: Callable[[], bool] | None = None,
) -> Bound:
    """The bound of a problem, over all its places; `incumbents` [n each] give the first columns."""
    limits = limits or BoundLimits()
    arcs = arcs_of(slots)
    postpone = postponing_prices(slots, incumbents)
    search = _Search(arcs, postpone, incumbents)
    search.run(limits, stop or (lambda: False))
    return search.bound()


def postponing_prices(slots: Slots, incumbents: Sequence[Ints]) -> Ints:
    """The price of postponing each case [n], -1 where no plan that is worth anything postpones it.

    Such are emergencies that fit somewhere, and everybody where postponements are a tier of their own and a
    plan without any is known. A case that every incumbent has to postpone keeps its price.
    """
    price = slots.postpone.copy()
    placed = np.array([[place >= 0 for place in plan] for plan in incumbents], bool).reshape(len(incumbents), slots.n)
    if len(placed):
        price[(slots.must > 0) & placed.any(axis=0)] = -1
        if slots.problem.weights.strict and placed.all(axis=1).any():
            price[:] = -1
    return price


def allowed_postponed(slots: Slots, incumbents: Sequence[Ints]) -> int:
    """What postponements weigh at least in the tier above, as far as is known; 0 where there is no such tier."""
    return min((int(slots.rank[plan < 0].sum()) for plan in incumbents), default=0)


class _Search:
    def __init__(self, arcs: Arcs, postpone: Ints, incumbents: Sequence[Ints]) -> None:
        self.arcs, self.postpone, self.allowed = arcs, postpone, allowed_postponed(arcs.slots, incumbents)
        slots = arcs.slots
        stand_in = 4.0 * float(max(1, slots.postpone.max(initial=0), slots.cost.max(initial=0)))
        self.master = Master(arcs, postpone, stand_in, self.allowed)
        self.master.add([day for plan in incumbents for day in days_of(slots, plan)])
        self.over, self.cost = arcs.over.astype(float), slots.cost.astype(float)
        self.best = -np.inf
        self.prices: Prices | None = None
        self.optimum = -np.inf
        self.work = 0
        self.looked = 0
        self.before = -np.inf

    def run(self, limits: BoundLimits, stop: Callable[[], bool]) -> None:
        rounds = max(10, limits.priced // max(1, self.arcs.slots.places))
        for _ in range(min(limits.rounds, rounds)):
            if stop() or self.master.iterations > limits.iterations:
                return
            self.optimum = self.master.solve()
            exact = self.master.prices()
            days = self._priced(exact if self.prices is None else mixed(self.prices, exact, limits.smoothing), exact)
            if not days and self.best < self.optimum - limits.tolerance * abs(self.optimum):
                days = self._priced(exact, exact)
            apart = (self.optimum - self.best) / max(1.0, abs(self.optimum))
            windows = self._crossed(limits) if apart < limits.near or not days else no_windows()
            if not self.master.add(days) and not len(windows):
                return
            if apart < limits.tolerance and not len(windows):
                return
            self.master.add_windows(windows)

    def _crossed(self, limits: BoundLimits) -> Ints:
        """Windows that are not there yet, as long as the last ones were worth it."""
        worth = self.best - self.before > limits.tolerance * max(1.0, abs(self.best))
        if self.looked >= limits.windows or not worth:
            return no_windows()
        there = {tuple(window) for window in self.master.columns.windows.tolist()}
        found = crossed(self.arcs.slots, self.master.weights())
        new = [window for window in found.tolist() if tuple(window) not in there]
        self.looked, self.before = self.looked + 1, self.best
        return np.array(new, np.int64).reshape(-1, 4)

    def _priced(self, prices: Prices, exact: Prices) -> list[Ints]:
        """Prices every room, keeps the bound if it is better, and hands back days that improve the master."""
        slots = self.arcs.slots
        self.work += 1
        arc = self._reduced(prices)
        priced = price_rooms(self.arcs, arc, self.over)
        value = dual_value(self.arcs, self.postpone, prices, priced.best, 1, self.allowed)
        if value > self.best:
            self.best, self.prices = value, prices
        real = arc if prices is exact else self._reduced(exact)
        days = []
        for r, last in enumerate(priced.last):
            day = priced.until(int(last))
            if len(day) and real[day].sum() + self.over[r, slots.end[day[-1]]] - exact.room[r] < -1e-6:
                days.append(day)
        return days

    def _reduced(self, prices: Prices) -> Any:
        windows = self.master.columns.windows[: len(prices.window)]
        return arc_costs(self.arcs, self.cost, prices.case, prices.resource, prices.fair, windows, prices.window)

    def bound(self) -> Bound:
        """Rounds the best prices and counts their bound again in whole numbers."""
        weights = self.master.weights()
        arcs, slots = self.arcs, self.arcs.slots
        prices = self.prices or _nothing(arcs)
        whole = whole_prices(prices, fair_rounded(arcs, prices.fair))
        paid = np.nonzero(whole.window)[0]
        windows, whole = self.master.columns.windows[paid], replace(whole, window=whole.window[paid])
        over = arcs.over * SCALE
        arc = arc_costs(arcs, slots.cost * SCALE, whole.case, whole.resource, whole.fair, windows, whole.window)
        priced = price_rooms(arcs, arc, over)
        value = int(dual_value(arcs, self.postpone, whole, priced.best, SCALE, self.allowed))
        return Bound(
            value=value / SCALE,
            certified=-(-value // SCALE),
            case_prices=whole.case / SCALE,
            resource_prices=whole.resource / SCALE,
            fair_prices=whole.fair / SCALE,
            windows=windows,
            window_prices=whole.window / SCALE,
            path_costs=through(arcs, arc, over, priced) / SCALE,
            fractional=[(int(p), float(weights[p])) for p in np.nonzero(weights > 1e-6)[0]],
            master=float(self.optimum),
            work=self.work,
            postpone=self.postpone,
            arcs=arcs,
            allowed=self.allowed,
            tier_price=float(whole.postponed) / SCALE,
        )


def dual_value(arcs: Arcs, postpone: Ints, prices: Prices, best: Any, scale: int, allowed: int = 0) -> Any:
    """The Lagrangian bound at given prices, in units of 1 / `scale`; whole if they are.

    Needs the prices of a measure's groups to be worth no more than its weight (`fair_rounded`, or a master's).
    """
    may = postpone >= 0
    value = arcs.base * scale + prices.case.sum() + (prices.resource * arcs.slots.capacity).sum() + best.sum()
    value += prices.window.sum() + allowed * prices.postponed
    leaving = postpone * scale - prices.case - arcs.slots.rank * prices.postponed
    return value + np.minimum(0, leaving[may]).sum()


def whole_prices(prices: Prices, fair: Ints) -> Prices:
    """Prices as whole multiples of 1 / SCALE, those of groups as given."""
    return Prices(
        np.rint(prices.case * SCALE).astype(np.int64),
        np.zeros(0, np.int64),
        fair,
        np.minimum(0, np.rint(prices.resource * SCALE)).astype(np.int64),
        np.minimum(0, np.rint(prices.window * SCALE)).astype(np.int64),
        min(0, round(prices.postponed * SCALE)),
    )


def fair_rounded(arcs: Arcs, prices: Floats, endless: Flags | None = None) -> Ints:
    """Prices of groups as whole multiples of 1 / SCALE, no measure's worth more than its weight.

    Where a level is limited, not `endless` [3], they may be.
    """
    slots = arcs.slots
    whole = np.minimum(0, np.ceil(prices * SCALE - 1e-9)).astype(np.int64)
    for m in range(3) if endless is None else np.nonzero(endless)[0]:
        mine = np.nonzero(slots.fair_measure == m)[0]
        spent, budget = -int((whole[mine] * slots.fair_count[mine]).sum()), int(slots.fair_weight[m]) * SCALE
        for g in mine:
            if spent <= budget:
                break
            less = min(-int(whole[g]), -(-(spent - budget) // int(slots.fair_count[g])))
            whole[g] += less
            spent -= less * int(slots.fair_count[g])
    return whole


def days_of(slots: Slots, chosen: Ints) -> list[Ints]:
    """The room-days of a plan, each in order."""
    taken = np.sort(chosen[chosen >= 0])
    return [taken[slots.room[taken] == r] for r in np.unique(slots.room[taken])]


def mixed(best: Prices, exact: Prices, smoothing: float) -> Prices:
    """Prices between the best so far and those of the last optimum."""

    def mix(a: Any, b: Any) -> Any:
        return smoothing * a + (1 - smoothing) * b

    return replace(
        exact,
        case=mix(best.case, exact.case),
        fair=mix(best.fair, exact.fair),
        resource=mix(best.resource, exact.resource),
        postponed=mix(best.postponed, exact.postponed),
        window=mix(np.concatenate([best.window, np.zeros(len(exact.window) - len(best.window))]), exact.window),
    )


def _nothing(arcs: Arcs) -> Prices:
    slots = arcs.slots
    return Prices(np.zeros(slots.n), np.zeros(0), np.zeros(len(slots.fair_count)), np.zeros(slots.capacity.shape))


__all__ = ["Bound", "BoundLimits", "Priced", "lower_bound"]
