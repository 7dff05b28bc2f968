"""Price and fix: a bound for all places, good plans near it, and the best plan over the places worth looking at.

Right-shift, a short annealing, the bound (`bound`), plans drawn from its fractional optimum and annealed, then
HiGHS over the places with the lowest path costs, more of them while work remains. A place whose path cost is above
the distance from bound to plan cannot be in a better plan: where all others were looked at, the plan is proven.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from orloop_common.domain.cost import floor, price
from orloop_common.domain.problem import PlanProblem
from orloop_replan.domain.kernels import anneal, price_chosen, rank_chosen, right_shift_chosen
from orloop_replan.domain.search import Stopped
from orloop_replan.domain.slots import Ints, Slots, build

from .bound import Bound, certificate_of, lower_bound
from .found import THOROUGH, FixLimits, Found, Stage, solution
from .restricted import MipLimits, restricted
from .rounding import rounded

__all__ = ["THOROUGH", "WARM", "FixLimits", "Found", "Stage", "solution", "solve"]

MARGIN = 1e-6
WARM, COOL = 8, 3
"""Temperatures at which annealing begins from a good plan, in the unit of cost."""


def solve(
    problem: PlanProblem | Slots,
    seed: int = 0,
    limits: FixLimits | None = None,
    stop: Callable[[], bool] | None = None,
    start: Ints | None = None,
) -> Found:
    """The best plan that the limits allow, and its bound; `start` [n] is a plan to begin from.

    Raises
    ------
    Stopped
        As soon as `stop` says so.
    """
    slots = problem if isinstance(problem, Slots) else build(problem)
    return _Solve(slots, seed, limits or FixLimits(), stop or (lambda: False)).run(start)


class _Solve:
    def __init__(self, slots: Slots, seed: int, limits: FixLimits, stop: Callable[[], bool]) -> None:
        self.slots, self.seed, self.limits, self.stop = slots, seed, limits, stop
        self.begun = time.process_time()
        self.stages: list[Stage] = []
        self.chosen = np.full(slots.n, -1, np.int64)
        self.key: tuple[int, int] | None = None
        self.cost = 0
        self.lowest = 0

    def run(self, start: Ints | None) -> Found:
        slots, limits = self.slots, self.limits
        self._take(right_shift_chosen(slots))
        if start is not None:
            self._take(start)
        self._note("right_shift")
        first = anneal(slots, self.chosen, self.seed, limits.scout, pool=8)
        for plan in (first.chosen, *first.pool):
            self._take(plan)
        self._note("scout")
        ranked = self._tier_above()
        incumbents = [
            self.chosen,
            *(plan for plan in first.pool if rank_chosen(slots, plan) == rank_chosen(slots, self.chosen)),
        ]
        lower = lower_bound(slots, incumbents, limits.bound, self.stop)
        self._go_on()
        self.lowest = max(lower.certified, floor(slots.problem))
        self._note("bound", f"{lower.work} rounds")
        if not self._done():
            self._round(lower)
        self._fix(lower)
        return Found(
            slots=slots,
            chosen=self.chosen,
            cost=self.cost,
            bound=min(self.cost, self.lowest),
            certified=lower.certified,
            proven=self._done(),
            certificate=certificate_of(slots, lower),
            lower=lower,
            rank=rank_chosen(slots, self.chosen),
            ranked=ranked,
            seed=self.seed,
            limits=limits,
            stages=tuple(self.stages),
        )

    def _round(self, lower: Bound) -> None:
        """Plans near the fractional optimum, and the best of them annealed."""
        slots, limits = self.slots, self.limits
        plans = [self.chosen, *rounded(slots, lower.fractional, self.seed, limits.samples)]
        for plan in plans:
            self._take(plan)
        self._note("rounding")
        plans.sort(key=lambda plan: (rank_chosen(slots, plan), price_chosen(slots, plan)))
        for number, plan in enumerate(plans[: limits.starts]):
            self._go_on()
            self._take(anneal(slots, plan, self.seed + number, limits.decodes, hot=WARM).chosen)
        self._take(anneal(slots, self.chosen, self.seed + limits.starts, 2 * limits.decodes, hot=COOL).chosen)
        self._note("annealing")

    def _tier_above(self) -> int:
        """Postpones as little as possible first, where that is a tier of its own; the least that it can be."""
        slots = self.slots
        rank = rank_chosen(slots, self.chosen)
        if not rank:
            return 0
        none = np.zeros_like(slots.cost)
        above = replace(slots, cost=none, overtime=0, fair_weight=np.zeros(3, np.int64), postpone=slots.rank)
        lower = lower_bound(above, [self.chosen], self.limits.bound, self.stop)
        self._go_on()
        if lower.certified < rank:
            for place in self.limits.growth[:2]:
                kept = np.argsort(lower.path_costs, kind="stable")[: place * slots.n]
                found = restricted(above, kept, self.chosen, MipLimits(gap=self.limits.gap), stop=self.stop)
                self._go_on()
                if found.chosen is not None:
                    self._take(found.chosen)
        self._note("postponements", f"at least {lower.certified}")
        return min(lower.certified, rank_chosen(slots, self.chosen))

    def _fix(self, lower: Bound) -> None:
        """Restricted models over more and more places."""
        slots, costs = self.slots, lower.path_costs
        order = np.argsort(costs, kind="stable")
        looked, left = 0, max(self.limits.least_work, self.limits.work * slots.n**2)
        for each in self.limits.growth:
            if self._done():
                return
            worth = int(np.searchsorted(costs[order], self.cost - 1 - lower.value + MARGIN, side="right"))
            count = min(each * slots.n, worth)
            if count <= looked or left <= 0:
                return
            looked = count
            mip = MipLimits(work=left, gap=self.limits.gap, sparing=True)
            found = restricted(slots, order[:count], self.chosen, mip, stop=self.stop)
            self._go_on()
            if not found.work:
                return
            left -= found.work
            if found.chosen is not None:
                self._take(found.chosen)
            if found.proven:
                beyond = lower.value + (costs[order[count]] if count < len(order) else np.inf)
                here = price_chosen(slots, found.chosen) if found.chosen is not None else np.inf
                self.lowest = max(self.lowest, int(min(here, np.ceil(beyond - MARGIN), self.cost)))
            self._note(f"fix {each}", f"{count} places, {'proven' if found.proven else 'stopped'}, work {found.work}")

    def _take(self, chosen: Ints) -> None:
        """Keeps a plan if it is better than the best so far: fewer postponements first, then the published cost."""
        slots = self.slots
        rank = rank_chosen(slots, chosen)
        if self.key is not None and (rank, price_chosen(slots, chosen)) >= self.key:
            return
        cost = price(slots.problem, slots.plan(chosen[chosen >= 0])).total
        if self.key is None or (rank, cost) < self.key:
            self.key, self.chosen, self.cost = (rank, cost), chosen, cost

    def _done(self) -> bool:
        return self.cost <= self.lowest

    def _go_on(self) -> None:
        if self.stop():
            raise Stopped

    def _note(self, name: str, note: str = "") -> None:
        seconds = time.process_time() - self.begun
        self.stages.append(Stage(name, self.cost, min(self.cost, self.lowest), seconds, note))
