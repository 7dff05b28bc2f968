"""The engine: Pyomo's model handed to HiGHS, solved in two steps under work limits.

First the relaxation, whose reduced costs say which candidate places are worth keeping; then the small
integer program of these, begun from the best plan known (right-shift at first). One thread, a fixed
seed, no time limit: the same problem gives the same plan on a slow and on a fast day.
"""

from collections.abc import Sequence
from typing import Any

import highspy
import numpy as np
import numpy.typing as npt
import pyomo.environ as pyo  # type: ignore[import-untyped]
import pyomo.version  # type: ignore[import-untyped]

from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.rightshift import right_shift
from orloop_replan.domain.candidates import Timeline, restricted
from orloop_replan.domain.polish import polish
from orloop_replan.domain.search import Stop, Stopped, never
from orloop_replan.ports import Cut, Goal, Limits, Plan, Search

from .pyomo_model import build, prices

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
GAP = 0.01
"""Alternatives after the first are solved to within one percent of their goal."""


class EngineFailed(Exception):
    """HiGHS refused the model: a fault of ours, never of the day."""


class HighsEngine:
    """Builds the model for a problem; each question to it changes the objective and may add cuts."""

    path = "milp"

    def __init__(self, limits: Limits | None = None, stop: Stop = never) -> None:
        self.limits, self._stop = limits or Limits(), stop

    @property
    def name(self) -> str:
        solver = highspy.Highs()  # type: ignore[no-untyped-call]
        return f"pyomo {pyomo.version.version} highs {solver.version()}"

    def search(self, problem: PlanProblem, seed: int, start: Plan | None = None) -> Search:
        return HighsSearch(problem, seed, self.limits, self._stop)


class HighsSearch:
    """One problem in HiGHS."""

    def __init__(self, problem: PlanProblem, seed: int, limits: Limits, stop: Stop = never) -> None:
        self.problem = problem
        self.limits = limits
        self._stop = stop
        start = right_shift(problem)
        self.candidates = restricted(problem, start, limits)
        self._go_on()
        self._polished = polish(Timeline(problem), self.candidates, start, seed, limits.orders)
        self._go_on()
        self.model = build(problem, self.candidates)
        self._index = {(problem.cases[c.case].id, c.place): n for n, c in enumerate(self.candidates)}
        self._variables = list(self.model.component_data_objects(pyo.Var, sort=True))
        self._column = {id(variable): n for n, variable in enumerate(self._variables)}
        self._takes = np.array([self._column[id(v)] for v in self.model.take.values()], dtype=np.int32)
        self._lower = np.array([float(v.lb) for v in self._variables])
        self._upper = np.array([float(v.ub) for v in self._variables])
        self._cuts: dict[Cut, None] = {}
        self._checks = 0
        self._spent = 0
        self._highs = highspy.Highs()  # type: ignore[no-untyped-call]
        options = {
            "output_flag": False,
            "threads": 1,
            "random_seed": seed % 2**31,
            "mip_max_nodes": limits.nodes,
            "mip_allow_restart": False,
            "mip_abs_gap": 0.99,
        }
        for name, value in options.items():
            _asked(self._highs.setOptionValue(name, value), f"option {name}")
        _asked(self._highs.passModel(self._transfer()), "the model")
        self._highs.cbMipInterrupt.subscribe(self._enough)

    def places(self, case: str) -> Sequence[Place]:
        return [c.place for c in self.candidates if self.problem.cases[c.case].id == case]

    def proof(self) -> None:
        return None

    def spent(self) -> int:
        return self._spent

    def best(self, goal: Goal, cuts: Sequence[Cut], start: Plan, others: Sequence[Plan] = ()) -> Plan | None:
        for cut in cuts:
            self._add(cut)
        costs = self._costs(goal)
        columns = np.arange(len(costs), dtype=np.int32)
        _asked(self._highs.changeColsCost(len(costs), columns, costs), "the objective")
        begin = self._better(costs, start, self._polished.plan)
        kept = self._worth_keeping(begin)
        upper = np.where(kept, self._upper, np.minimum(self._upper, self._lower))
        _asked(self._highs.changeColsBounds(len(upper), columns, self._lower, upper), "the bounds")
        self._highs.setOptionValue("mip_rel_gap", 0.0 if goal.kind == "lowest_cost" else GAP)
        self._highs.setSolution(len(begin), columns, begin)
        self._run()
        found = self._highs.getInfo().primal_solution_status == 2
        plan = self._plan(np.array(self._highs.getSolution().col_value)) if found else None
        _asked(self._highs.changeColsBounds(len(upper), columns, self._lower, self._upper), "the bounds")
        return plan

    def _better(self, costs: Floats, *plans: Plan) -> Floats:
        """The cheapest of some plans by this goal, of those that the cuts allow."""
        allowed = [plan for plan in plans if all(_within(cut, plan) for cut in self._cuts)]
        values = [self._values(plan) for plan in allowed or plans]
        return min(values, key=lambda column: float(costs @ column))

    def _worth_keeping(self, begin: Floats) -> Flags:
        """By reduced cost in the relaxation: the cheapest places, and those of the start."""
        self._highs.setOptionValue("solve_relaxation", True)
        self._run()
        self._highs.setOptionValue("solve_relaxation", False)
        kept = np.ones(len(self._variables), dtype=bool)
        if self._highs.getInfo().primal_solution_status != 2:
            return kept
        reduced = np.array(self._highs.getSolution().col_dual)[self._takes]
        keep = max(1, self.limits.kept * len(self.problem.cases))
        order = np.lexsort((np.arange(len(reduced)), np.round(reduced, 6)))
        kept[self._takes] = False
        kept[self._takes[order[:keep]]] = True
        kept[self._takes[sorted(self._polished.places)]] = True
        return kept | (begin > 0.5)

    def _run(self) -> None:
        self._checks = 0
        _asked(self._highs.run(), "a run")
        self._spent += self._checks
        self._go_on()

    def _enough(self, event: Any) -> None:
        """HiGHS asks at fixed points of its work, never by the clock: so many, and the incumbent is it."""
        self._checks += 1
        if self._checks > self.limits.checks or self._stop():
            event.data_in.user_interrupt = True

    def _go_on(self) -> None:
        if self._stop():
            raise Stopped

    def _costs(self, goal: Goal) -> Floats:
        costs = np.zeros(len(self._variables))
        objective = prices(self.model, self.problem, self.candidates, goal)
        for factor, variable in zip(objective.linear_coefs, objective.linear_vars, strict=True):
            costs[self._column[id(variable)]] = factor
        return costs

    def _transfer(self) -> Any:
        """Pyomo's rows, one after the other."""
        lower, upper, starts, indices, values = [], [], [0], [], []
        for row in self.model.component_data_objects(pyo.Constraint, active=True, sort=True):
            body = row.body
            indices += [self._column[id(v)] for v in body.linear_vars]
            values += list(body.linear_coefs)
            starts.append(len(indices))
            lower.append(-highspy.kHighsInf if row.lower is None else float(row.lower))
            upper.append(highspy.kHighsInf if row.upper is None else float(row.upper))
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(self._variables), len(lower)
        lp.col_cost_ = np.zeros(len(self._variables))
        lp.col_lower_, lp.col_upper_ = self._lower, self._upper
        lp.row_lower_, lp.row_upper_ = np.array(lower), np.array(upper)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = np.array(starts, dtype=np.int32)
        lp.a_matrix_.index_ = np.array(indices, dtype=np.int32)
        lp.a_matrix_.value_ = np.array(values, dtype=float)
        whole, part = highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous
        lp.integrality_ = [whole if v.is_binary() else part for v in self._variables]
        return lp

    def _add(self, cut: Cut) -> None:
        if cut in self._cuts:
            return
        self._cuts[cut] = None
        columns = sorted({c for case, place in cut.places if (c := self._column_of(case, place)) is not None})
        ones = np.ones(len(columns))
        added = self._highs.addRow(
            -highspy.kHighsInf, float(cut.at_most), len(columns), np.array(columns, dtype=np.int32), ones
        )
        _asked(added, "a cut")

    def _column_of(self, case: str, place: Place) -> int | None:
        if place.room is None:
            return self._column[id(self.model.postpone[self.model.position[case]])]
        index = self._index.get((case, place))
        return None if index is None else self._column[id(self.model.take[index])]

    def _values(self, plan: Plan) -> Floats:
        """The columns of a plan: places taken, postponements, and the late slots that follow from them."""
        values = self._lower.copy()
        last: dict[str, int] = {}
        for case, place in plan.items():
            column = self._column_of(case, place)
            if column is not None:
                values[column] = 1.0
            index = self._index.get((case, place))
            if index is not None and place.room is not None:
                last[place.room] = max(last.get(place.room, 0), self.candidates[index].occupied[1])
        for (room, slot), variable in self.model.late.items():
            if last.get(room, 0) > self.model.late_from[room, slot]:
                values[self._column[id(variable)]] = 1.0
        return values

    def _plan(self, values: Floats) -> Plan:
        plan = {case.id: Place(room=None, start=None) for case in self.problem.cases}
        for index in np.nonzero(values[self._takes] > 0.5)[0]:
            one = self.candidates[int(index)]
            plan[self.problem.cases[one.case].id] = one.place
        return plan


def _within(cut: Cut, plan: Plan) -> bool:
    return sum(plan[case] == place for case, place in cut.places) <= cut.at_most


def _asked(status: Any, what: str) -> None:
    if status == highspy.HighsStatus.kError:
        raise EngineFailed(f"Expected HiGHS to take {what}, got an error.\nMaybe an index occurs twice.")
