"""Solves the reference model through Pyomo's interface to HiGHS: the parity test, and the second route."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import highspy
import numpy as np
import pyomo.environ as pyo  # type: ignore[import-untyped]
from pyomo.contrib.appsi.solvers import Highs  # type: ignore[import-untyped]

from orloop_common.domain.cost import price
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.rightshift import right_shift
from orloop_replan.domain.option_costs import BY_OPTION
from orloop_replan.domain.options import Option, options
from orloop_replan.domain.search import Stop, Stopped, never

from .master import asked
from .reference import Reference, build
from .restricted import OFF

UNPLACED = Place(room=None, start=None)
INTEGER_GAP = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceLimits:
    """`options` are kept at most (see `restrict`), `nodes` searched at most; `work` as in `MipLimits`, for each tier.

    None is no limit.
    """

    options: int | None = 4000
    nodes: int | None = 2000
    work: int | None = 12_000_000


COMPLETE = ReferenceLimits(options=None, nodes=None, work=None)


@dataclass(frozen=True, slots=True)
class Referred:
    """The model's best plan; `cost` and `postponements` as the model counts them, `proven` over all places."""

    plan: Mapping[str, Place]
    cost: int
    postponements: int
    proven: bool


def solve_reference(
    problem: PlanProblem, limits: ReferenceLimits | None = None, stop: Stop = never
) -> dict[str, Place] | None:
    """The second route when the first fails: the model's plan under limits, or None where it has none.

    Raises
    ------
    Stopped
        Soon after `stop` says so.
    """
    found = refer(problem, limits or ReferenceLimits(), stop)
    return None if found is None else dict(found.plan)


def refer(problem: PlanProblem, limits: ReferenceLimits = COMPLETE, stop: Stop = never) -> Referred | None:
    """The model's best plan; None where no plan keeps every rule, or none was found under the limits."""
    go_on = partial(_go_on, stop)
    if not problem.cases:
        return Referred({}, price(problem, {}).total, 0, True)
    every = options(problem, go_on)
    go_on()
    kept = restrict(problem, every, limits.options)
    reference = build(problem, kept, go_on, whole=limits.options is None)
    complete = len(kept) == len(every)
    tier = 0
    if problem.weights.strict:
        first = _minimise(reference, reference.postponements, limits, stop)
        if first is None:
            return None
        tier, proven = first
        complete &= proven
        reference.model.tier = pyo.Constraint(expr=reference.postponements <= tier)
    second = _minimise(reference, reference.cost, limits, stop)
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
        pair.sort(key=lambda one: (sum(term(problem, one) for term in BY_OPTION.values()), one.start))
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


def _go_on(stop: Stop) -> None:
    if stop():
        raise Stopped


def _minimise(reference: Reference, tier: Any, limits: ReferenceLimits, stop: Stop) -> tuple[int, bool] | None:
    """The least value of a tier and whether it is proven; None where no solution was found.

    Pyomo hands the model over and takes the solution back; how long HiGHS runs is counted here, in work.
    """
    model = reference.model
    if model.component("goal") is not None:
        model.del_component("goal")
    model.goal = pyo.Objective(expr=tier)
    _go_on(stop)
    solver = Highs()
    solver.set_instance(model)
    highs = solver._solver_model
    options = {"mip_abs_gap": INTEGER_GAP, "mip_rel_gap": 0.0, "threads": 1, "random_seed": 0, "output_flag": False}
    if limits.nodes is not None:
        options["mip_max_nodes"] = limits.nodes
    if limits.work is not None:
        options.update(dict.fromkeys(OFF, False))
    for name, value in options.items():
        asked(highs.setOptionValue(name, value), f"option {name}")
    _begin(reference, solver)
    entries, work = highs.getNumNz(), 0

    def enough(event: Any) -> None:
        nonlocal work
        work += entries
        if stop() or (limits.work is not None and work > limits.work):
            event.data_in.user_interrupt = True

    highs.cbMipInterrupt.subscribe(enough)
    asked(highs.run(), "a run")
    _go_on(stop)
    if highs.getInfo().primal_solution_status != 2:
        return None
    solver._sol = highs.getSolution()
    solver.load_vars()
    return round(pyo.value(tier)), highs.getModelStatus() == highspy.HighsModelStatus.kOptimal


def _begin(reference: Reference, solver: Any) -> None:
    """From the solution that the tier above has left, else from right-shift: HiGHS finds what follows from it."""
    x, z = reference.model.x, reference.model.z
    taken = {one.key for one in reference.options if (x[one.key].value or 0) > 0.5}
    if not taken:
        shifted = right_shift(reference.problem)
        taken = {one.key for one in reference.options if shifted[one.case.id] == one.place}
    placed = {key[0] for key in taken}
    column = solver._pyomo_var_to_solver_var_map
    values = {column[id(x[one.key])]: float(one.key in taken) for one in reference.options}
    values |= {column[id(v)]: float(case not in placed) for case, v in z.items() if id(v) in column}
    indices = np.array(sorted(values), np.int32)
    solver._solver_model.setSolution(len(indices), indices, np.array([values[int(i)] for i in indices]))


def _plan(reference: Reference) -> dict[str, Place]:
    plan = {case.id: UNPLACED for case in reference.problem.cases}
    for one in reference.options:
        if (reference.model.x[one.key].value or 0) > 0.5:
            plan[one.case.id] = one.place
    return plan
