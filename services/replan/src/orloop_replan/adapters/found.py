"""What price and fix is allowed to do, and what it hands over."""

from dataclasses import asdict, dataclass, field

import highspy

from orloop_common.domain.cost import floor, price, tiers
from orloop_common.domain.derived import SolverRecord
from orloop_common.domain.digest import digest
from orloop_common.domain.plan import Assignment, Place
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.solution import Branch, Certificate, PlanSolution, Tier
from orloop_replan.domain.slots import Ints, Slots

from .bound import Bound, BoundLimits
from .branching import BranchLimits


@dataclass(frozen=True, slots=True)
class FixLimits:
    """How much work each stage may do: never seconds, so that the same problem gives the same plan.

    `scout` are changed plans tried before the bound, `samples` plans drawn from its optimum, of which the best
    `starts` are annealed with `decodes` changed plans each. `growth` is how many places a case each restricted
    model looks at; all of them together may spend `work` times the square of the number of cases, and `least_work`
    where that is more. Models after the first are for problems with more places worth it than branching takes.

    Branching may do `branch` times the square of the number of cases, `least_branch` where that is more; then the plan
    could be published, and for the proof so much again as `prove` says.
    """

    scout: int = 20_000
    bound: BoundLimits = field(default_factory=BoundLimits)
    samples: int = 60
    starts: int = 6
    decodes: int = 10_000
    growth: tuple[int, ...] = (4, 8)
    work: int = 850
    least_work: int = 2_000_000
    gap: float = 0.99
    branch: int = 5
    least_branch: int = 4_000
    prove: int = 0
    branching: BranchLimits = field(default_factory=BranchLimits)


PROVING = FixLimits(prove=33)
"""For who wants to know that nothing is cheaper: some three CPU seconds at 20 rooms at most."""


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
    `certificate` and `branches` prove. `ranked` is the least that the tier above can be.
    """

    slots: Slots
    chosen: Ints
    cost: int
    bound: int
    certified: int
    proven: bool
    certificate: Certificate
    branches: tuple[Branch, ...]
    lower: Bound
    rank: int
    ranked: int
    seed: int
    limits: FixLimits
    stages: tuple[Stage, ...]

    @property
    def plan(self) -> dict[str, Place]:
        return self.slots.plan(self.chosen[self.chosen >= 0])


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
        branches=found.branches,
    )
