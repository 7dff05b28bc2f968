"""Solves the reference model through Pyomo's interface to HiGHS: the parity test, and the second route."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyomo.environ as pyo  # type: ignore[import-untyped]
from pyomo.contrib.appsi.base import TerminationCondition  # type: ignore[import-untyped]
from pyomo.contrib.appsi.solvers import Highs  # type: ignore[import-untyped]

from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.rightshift import right_shift
from orloop_replan.domain.option_costs import BY_OPTION, committed_slots
from orloop_replan.domain.options import Option, options

from .reference import Reference, build

UNPLACED = Place(room=None, start=None)
INTEGER_GAP = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceLimits:
    """`options` are kept at most (see `restrict`), `nodes` searched at most; None is no limit."""

    options: int | None = 4000
    nodes: int | None = 2000


COMPLETE = ReferenceLimits(options=None, nodes=None)


@dataclass(frozen=True, slots=True)
class Referred:
    """The model's best plan; `cost` and `postponements` as the model counts them, `proven` over all places."""

    plan: Mapping[str, Place]
    cost: int
    postponements: int
    proven: bool


def solve_reference(problem: PlanProblem, limits: ReferenceLimits | None = None) -> dict[str, Place] | None:
    """The second route when the first fails: the model's plan under limits, or None where it has none."""
    found = refer(problem, limits or ReferenceLimits())
    return None if found is None else dict(found.plan)


def refer(problem: PlanProblem, limits: ReferenceLimits = COMPLETE) -> Referred | None:
    """The model's best plan; None where no plan keeps every rule, or none was found under the limits."""
    if not problem.cases:
        return Referred({}, problem.weights.overtime * sum(committed_slots(problem).values()), 0, True)
    every = options(problem)
    kept = restrict(problem, every, limits.options)
    reference = build(problem, kept)
    complete = len(kept) == len(every)
    tier = 0
    if problem.weights.strict:
        first = _minimise(reference, reference.postponements, limits)
        if first is None:
            return None
        tier, proven = first
        complete &= proven
        reference.model.tier = pyo.Constraint(expr=reference.postponements <= tier)
    second = _minimise(reference, reference.cost, limits)
    if second is None:
        return None
    cost, proven = second
    return Referred(_plan(reference), cost, tier, complete and proven)


def restrict(problem: PlanProblem, every: Sequence[Option], at_most: int | None) -> Sequence[Option]:
    """At most about so many options, the same share for each case in each room: the cheapest, ever thinner.

    Of the options of a case in a room, ordered by what they cost by themselves, the first eight are kept, then
    every second, fourth, eighth ... of what follows; published places and those of right-shift always are.
    """
    if at_most is None or len(every) <= at_most:
        return every
    shifted = right_shift(problem)
    kept = {one.key for one in every if not one.changed or shifted[one.case.id] == one.place}
    pairs = [list(group) for _, group in groupby(every, lambda one: (one.case.id, one.room.id))]
    share = max(2, at_most // len(pairs))
    for pair in pairs:
        pair.sort(key=lambda one: (sum(price(problem, one) for price in BY_OPTION.values()), one.start))
        kept.update(pair[index].key for index in _thinner(len(pair), share))
    return [one for one in every if one.key in kept]


def _thinner(length: int, share: int) -> list[int]:
    """At most `share` indices below `length`: dense at first, then with doubling steps."""
    found: list[int] = []
    step, index = 1, 0
    while index < length and len(found) < share:
        found.append(index)
        if len(found) % 8 == 0:
            step *= 2
        index += step
    return found


def _minimise(reference: Reference, tier: Any, limits: ReferenceLimits) -> tuple[int, bool] | None:
    """The least value of a tier and whether it is proven; None where no solution was found."""
    model = reference.model
    if model.component("goal") is not None:
        model.del_component("goal")
    model.goal = pyo.Objective(expr=tier)
    solver = Highs()
    solver.config.load_solution = False
    solver.highs_options = {"mip_abs_gap": INTEGER_GAP, "mip_rel_gap": 0.0, "threads": 1, "random_seed": 0}
    if limits.nodes is not None:
        solver.highs_options["mip_max_nodes"] = limits.nodes
    found = solver.solve(model)
    if found.best_feasible_objective is None:
        return None
    found.solution_loader.load_vars()
    return round(pyo.value(tier)), found.termination_condition == TerminationCondition.optimal


def _plan(reference: Reference) -> dict[str, Place]:
    plan = {case.id: UNPLACED for case in reference.problem.cases}
    for one in reference.options:
        if (reference.model.x[one.key].value or 0) > 0.5:
            plan[one.case.id] = one.place
    return plan
