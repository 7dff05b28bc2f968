"""Price and fix: a bound for all places, good plans near it, and the best plan over the places worth looking at.

Right-shift, a short annealing, the bound (`bound`), plans drawn from its fractional optimum and annealed, then
HiGHS over the places with the lowest path costs, and branch and price over all that are worth it (`branching`). A
place whose path cost is above the distance from bound to plan cannot be in a better plan and is left out.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from orloop_common.domain.cost import floor, price
from orloop_common.domain.problem import PlanProblem
from orloop_replan.domain.kernels import anneal, price_chosen, price_modelled, rank_chosen, right_shift_chosen
from orloop_replan.domain.search import Stopped
from orloop_replan.domain.slots import Ints, Slots, around, build

from .bound import Bound, lower_bound
from .branching import Branching
from .certifying import branches_of, certificate_of
from .found import PROVING, FixLimits, Found, Stage, solution
from .restricted import MipLimits, restricted
from .rounding import rounded

__all__ = ["PROVING", "WARM", "FixLimits", "Found", "Stage", "solution", "solve"]

MARGIN = 1e-6
WARM, COOL = 8, 3
"""Temperatures at which annealing begins from a good plan, in the unit of cost."""
MISSED = 2
"""Dividing is worth half of the work where no bound of models could reach the cost."""
APART = 100
"""Models are stated anew where they miss more than one in so many of the best plan's cost."""


def solve(
    problem: PlanProblem | Slots,
    seed: int = 0,
    limits: FixLimits | None = None,
    stop: Callable[[], bool] | None = None,
    start: Ints | None = None,
    told: Callable[[Found], None] | None = None,
) -> Found:
    """The best plan that the limits allow, and its bound; `start` [n] is a plan to begin from.

    Where the limits allow more work for the proof alone, `told` is handed the plan before that begins.

    Raises
    ------
    Stopped
        As soon as `stop` says so.
    """
    slots = problem if isinstance(problem, Slots) else build(problem)
    return _Solve(slots, seed, limits or FixLimits(), stop or (lambda: False), told or (lambda _: None)).run(start)


class _Solve:
    def __init__(
        self, slots: Slots, seed: int, limits: FixLimits, stop: Callable[[], bool], told: Callable[[Found], None]
    ) -> None:
        self.slots, self.seed, self.limits, self.stop, self.told = slots, seed, limits, stop, told
        self.begun = time.process_time()
        self.stages: list[Stage] = []
        self.chosen = np.full(slots.n, -1, np.int64)
        self.key: tuple[int, int, int] | None = None
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
        self.slots = slots = around(slots, slots.plan(self.chosen[self.chosen >= 0]))
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
            lower = self._nearer(lower)
        self._fix(lower)
        self._polish()
        tree = self._branch(lower, ranked)
        return self._found(lower, tree, ranked)

    def _found(self, lower: Bound, tree: Branching, ranked: int) -> Found:
        slots = self.slots
        return Found(
            slots=slots,
            chosen=self.chosen,
            cost=self.cost,
            bound=min(self.cost, self.lowest),
            certified=tree.bound,
            proven=self._done(),
            certificate=certificate_of(slots, lower),
            branches=branches_of(slots, tree),
            lower=lower,
            rank=rank_chosen(slots, self.chosen),
            ranked=ranked,
            seed=self.seed,
            limits=self.limits,
            stages=tuple(self.stages),
        )

    def _nearer(self, lower: Bound) -> Bound:
        """Where models hold too little of the best plan's cost, they are stated around that plan, and bounded again."""
        apart = self.cost - price_modelled(self.slots, self.chosen)
        if apart * APART <= self.cost:
            return lower
        before = self.slots
        self.slots = around(before, before.plan(self.chosen[self.chosen >= 0]))
        again = lower_bound(self.slots, [self.chosen], self.limits.bound, self.stop)
        self._go_on()
        if again.certified <= lower.certified:
            self.slots = before
            return lower
        self.lowest = max(self.lowest, again.certified)
        self._note("nearer", f"{again.work} rounds")
        return again

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
        nothing = np.zeros(3, np.int64)
        above = replace(slots, cost=none, overtime=0, fair_weight=nothing, postpone=slots.rank)
        above = replace(above, least_cost=none, constant=0, whole_weight=nothing)
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
        slots, costs, limits = self.slots, lower.path_costs, self.limits
        order = np.argsort(costs, kind="stable")
        looked, left = 0, max(limits.least_work, limits.work * slots.n**2)
        for each in limits.growth:
            if self._done():
                return
            dearer = np.inf if self._missing(self.chosen) else self.cost - 1 - lower.value + MARGIN
            worth = int(np.searchsorted(costs[order], dearer, side="right"))
            if looked and limits.branch and worth <= limits.branching.places:
                return
            count = min(each * slots.n, worth)
            if count <= looked or left <= 0:
                return
            looked = count
            mip = MipLimits(work=left, gap=limits.gap, sparing=True)
            found = restricted(slots, order[:count], self.chosen, mip, stop=self.stop)
            self._go_on()
            if not found.work:
                return
            left -= found.work
            if found.chosen is not None:
                self._take(found.chosen)
            if found.proven:
                beyond = lower.value + (costs[order[count]] if count < len(order) else np.inf)
                here = price_modelled(slots, found.chosen) if found.chosen is not None else np.inf
                self.lowest = max(self.lowest, int(min(here, np.ceil(beyond - MARGIN), self.cost)))
            self._note(f"fix {each}", f"{count} places, {'proven' if found.proven else 'stopped'}, work {found.work}")

    def _polish(self) -> None:
        """Where models miss a part of the cost, the best plan of theirs is looked around by what it really costs."""
        if self.cost > self._held(self.chosen):
            for hot in (WARM, COOL):
                seed = self.seed + self.limits.starts + hot
                self._take(anneal(self.slots, self.chosen, seed, 2 * self.limits.decodes, hot=hot).chosen)
            self._note("polish")

    def _branch(self, lower: Bound, ranked: int) -> Branching:
        """Divides what is left, so far as a plan may wait for it; then on for the proof, with a plan handed over."""
        limits, square = self.limits, self.slots.n**2
        held = self._held(self.chosen)  # what models hold of the cost: no division could lift the bound above that
        tree = Branching(self.slots, lower, self.chosen, held, self._kept, self.stop, limits.branching, self.seed)
        work = max(limits.least_branch, limits.branch * square) if limits.branch else 0
        work = work // MISSED if self.cost > held else work
        self._divide("branch", tree, work)
        if limits.prove:
            self.told(self._found(lower, tree, ranked))
            self._divide("prove", tree, work + limits.prove * square)
        return tree

    def _divide(self, name: str, tree: Branching, work: int) -> None:
        if not self._done() or (name == "prove" and tree.bound < self.cost):
            tree.run(work)
            self._go_on()
            self.lowest = max(self.lowest, tree.bound)
        self._note(name, f"{tree.asked} parts, work {tree.work}")

    def _kept(self, chosen: Ints) -> int:
        self._take(chosen)
        return self._held(chosen)

    def _held(self, chosen: Ints) -> int:
        """What models over places hold of a plan's cost; the best plan's cost where this one postpones others."""
        same = rank_chosen(self.slots, chosen) == rank_chosen(self.slots, self.chosen)
        return price_modelled(self.slots, chosen) if same else self.cost

    def _take(self, chosen: Ints) -> None:
        """Keeps a plan if it is better than the best so far: emergencies placed first, fewer postponements next, then
        the published cost.
        """
        slots = self.slots
        missing, rank = self._missing(chosen), rank_chosen(slots, chosen)
        if self.key is not None and (missing, rank, price_chosen(slots, chosen)) >= self.key:
            return
        cost = price(slots.problem, slots.plan(chosen[chosen >= 0])).total
        if self.key is None or (missing, rank, cost) < self.key:
            self.key, self.chosen, self.cost = (missing, rank, cost), chosen, cost

    def _missing(self, chosen: Ints) -> int:
        """How many emergencies a plan leaves out that could have a place: such a plan is no plan yet."""
        return int((chosen[self.slots.must > 0] < 0).sum())

    def _done(self) -> bool:
        return self.cost <= self.lowest and not self._missing(self.chosen)

    def _go_on(self) -> None:
        if self.stop():
            raise Stopped

    def _note(self, name: str, note: str = "") -> None:
        seconds = time.process_time() - self.begun
        self.stages.append(Stage(name, self.cost, min(self.cost, self.lowest), seconds, note))
