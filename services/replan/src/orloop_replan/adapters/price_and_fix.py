"""Price and fix: a bound for all places, good plans near it, and the best plan over the places worth looking at.

Right-shift, a short annealing, the bound (`bound`), plans drawn from its fractional optimum and annealed, then
HiGHS over the places with the lowest path costs, more of them while work remains. A place whose path cost is above
the distance from bound to plan cannot be in a better plan: where all others were looked at, the plan is proven.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

import highspy
import numpy as np

from orloop_common.domain.cost import floor, price, tiers
from orloop_common.domain.derived import SolverRecord
from orloop_common.domain.digest import digest
from orloop_common.domain.plan import Assignment, Place
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.solution import Certificate, PlanSolution, Tier

from orloop_replan.domain.kernels import anneal, price_chosen, rank_chosen, right_shift_chosen
from orloop_replan.domain.search import Stopped
from orloop_replan.domain.slots import Ints, Slots, build
from .bound import Bound, BoundLimits, certificate_of, lower_bound
from .restricted import MipLimits, restricted
from .rounding import rounded

MARGIN = 1e-6
WARM, COOL = 8, 3
"""Temperatures at which annealing begins from a good plan, in the unit of cost."""


@dataclass(frozen=True, slots=True)
class FixLimits:
    """How much work each stage may do: never seconds, so that the same problem gives the same plan.

    `scout` are changed plans tried before the bound, `samples` plans drawn from its optimum, of which the best
    `starts` are annealed with `decodes` changed plans each. `growth` is how many places a case each restricted
    model looks at; all of them together may spend `work` times the square of the number of cases.
    """

    scout: int = 20_000
    bound: BoundLimits = field(default_factory=BoundLimits)
    samples: int = 60
    starts: int = 3
    decodes: int = 10_000
    growth: tuple[int, ...] = (4, 8, 16, 32)
    work: int = 1_400
    gap: float = 0.99


@dataclass(frozen=True, slots=True)
class Stage:
    """What was known after a stage, and the CPU seconds until then."""

    name: str
    cost: int
    bound: int
    seconds: float
    note: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Found:
    """A plan and its proof. `cost` is the published one, counted from the plan; `rank` its tier above.

    `bound` is what every plan costs that postpones no more in that tier, `certified` the part of it that
    `certificate` proves. `ranked` is the least that the tier above can be.
    """

    slots: Slots
    chosen: Ints
    cost: int
    bound: int
    certified: int
    proven: bool
    certificate: Certificate
    lower: Bound
    rank: int
    ranked: int
    seed: int
    limits: FixLimits
    stages: tuple[Stage, ...]

    @property
    def plan(self) -> dict[str, Place]:
        return self.slots.plan(self.chosen[self.chosen >= 0])


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
        self.lowest = lower.certified
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
        looked, left = 0, self.limits.work * slots.n**2
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


def solution(problem: PlanProblem, found: Found, seconds: float | None = None) -> PlanSolution:
    """What is handed over: the plan, its terms and its proof, by name."""
    plan, least = found.plan, floor(problem)
    cost = price(problem, plan)
    bounds = {"postponements": found.ranked, "cost": found.bound}
    spent = found.stages[-1].seconds if seconds is None else seconds
    return PlanSolution(
        suite=problem.suite,
        problem_digest=digest(problem),
        plan=tuple(Assignment(case=case, place=place) for case, place in sorted(plan.items())),
        cost=cost.total,
        bound=found.bound,
        floor=least,
        gap=0.0 if found.bound >= cost.total else (cost.total - found.bound) / max(1, cost.total - least),
        certified=found.certified,
        proven=found.proven,
        terms=asdict(cost),
        tiers=tuple(Tier(name=name, cost=value, bound=bounds[name]) for name, value in tiers(problem, plan).items()),
        cpu_seconds=spent,
        solver=SolverRecord(
            path="price_and_fix",
            solver=f"highs {highspy.Highs().version()}",  # type: ignore[no-untyped-call]
            seed=found.seed,
            settings={"growth": ",".join(map(str, found.limits.growth)), "decodes": str(found.limits.decodes)},
            seconds=spent,
        ),
        certificate=found.certificate,
    )
