"""The second route: the reference model through Pyomo, one plan and nothing more; loaded when it is needed."""

from collections.abc import Sequence
from importlib import metadata

from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem
from orloop_replan.ports import Cut, Goal, Limits, Plan, Search, Stop, Stopped, never


class SecondRoute:
    """Asked only where the first engine has failed: it is slower, and shares nothing with that but the types."""

    path = "reference"

    def __init__(self, limits: Limits | None = None, stop: Stop = never) -> None:
        self.limits, self._stop = limits or Limits(), stop

    @property
    def name(self) -> str:
        return f"pyomo {metadata.version('pyomo')} highs {metadata.version('highspy')}"

    def search(self, problem: PlanProblem, seed: int, start: Plan | None = None) -> Search:
        return _ReferenceSearch(problem, self._stop)


class _ReferenceSearch:
    def __init__(self, problem: PlanProblem, stop: Stop) -> None:
        self._problem, self._stop = problem, stop

    def best(self, goal: Goal, cuts: Sequence[Cut], start: Plan, others: Sequence[Plan] = ()) -> Plan | None:
        """The plan of lowest cost; it knows of no other goal, and of no cuts."""
        if goal.kind != "lowest_cost" or cuts:
            return None
        if self._stop():
            raise Stopped
        from .reference_solve import solve_reference  # seconds and megabytes that a day without failures never needs

        return solve_reference(self._problem, stop=self._stop)

    def places(self, case: str) -> Sequence[Place]:
        return ()

    def spent(self) -> int:
        return 0

    def proof(self) -> None:
        return None
