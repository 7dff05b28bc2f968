"""When the first engine fails: the reference model answers, then right-shift, and the record says which."""

from collections.abc import Callable, Sequence

import pytest
from replan_tiny import case, committed, problem, room

from orloop_common.domain.checker import check
from orloop_common.domain.cost import price
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.rightshift import right_shift
from orloop_common.domain.vocabulary import Urgency
from orloop_replan.adapters import reference_solve
from orloop_replan.adapters.price_engine import PriceSearch
from orloop_replan.adapters.reference import ROWS
from orloop_replan.adapters.reference_solve import ReferenceLimits, solve_reference
from orloop_replan.adapters.second_route import SecondRoute
from orloop_replan.domain.search import Cut, Engine, Goal, Stopped
from orloop_replan.domain.solving import solve
from orloop_replan.generate import generate
from orloop_replan.ports import Job, Limits, Plan, Search, Solved

LIMITS = Limits(scenarios=0)
MADE = generate(3, "down", 1)


class First:
    """An engine whose searches are what it is told."""

    name, path = "first", "first"

    def __init__(self, search: Callable[[PlanProblem], Search]) -> None:
        self._search = search

    def search(self, problem: PlanProblem, seed: int, start: Plan | None = None) -> Search:
        return self._search(problem)


class Liar(PriceSearch):
    """Puts everybody into one room at once."""

    def best(self, goal: Goal, cuts: Sequence[Cut], start: Plan, others: Sequence[Plan] = ()) -> Plan:
        return {c.id: Place(room="1", start=self.problem.earliest_start) for c in self.problem.cases}


def raises(problem: PlanProblem) -> Search:
    raise ZeroDivisionError


def lies(problem: PlanProblem) -> Search:
    return Liar(problem, 1, LIMITS)


def answer(*engines: Engine, given: PlanProblem = MADE) -> Solved:
    return solve(Job(id="one", problem=given), engines, LIMITS)


def test_where_the_first_engine_raises_the_reference_answers() -> None:
    solved = answer(First(raises), SecondRoute(LIMITS))
    (only,) = solved.alternatives
    plan = {a.case: a.place for a in only.plan}
    assert check(MADE, plan) == ()
    assert only.cost < price(MADE, right_shift(MADE)).total
    assert (solved.solver.path, solved.solver.note) == ("reference", "The solver failed (ZeroDivisionError).")
    assert solved.solver.solver.startswith("pyomo ")


def test_where_the_first_engines_plan_is_unsound_the_reference_answers() -> None:
    solved = answer(First(lies), SecondRoute(LIMITS))
    assert solved.solver.path == "reference"
    assert solved.solver.note.startswith("A plan for lowest_cost was dropped: ")
    assert check(MADE, {a.case: a.place for a in solved.alternatives[0].plan}) == ()


def test_where_the_reference_fails_too_everybody_waits_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(reference_solve, "solve_reference", broken)
    solved = answer(First(raises), SecondRoute(LIMITS))
    assert {a.case: a.place for a in solved.alternatives[0].plan} == right_shift(MADE)
    assert solved.solver.path == "right_shift"
    assert solved.solver.note == "The solver failed (ZeroDivisionError). The solver ran out of memory."


def test_where_no_way_is_left_the_note_names_what_committed_cases_break() -> None:
    """A case that must be done and fits nowhere, and two patients who are in one room already."""
    twice = (committed("1", 9, 11, id="one"), committed("1", 10, 12, id="two"))
    given = problem(case("a", "1", 12, 30, urgency=Urgency.IMMEDIATE), committed=twice, rooms=(room("1"),))
    solved = answer(First(raises), SecondRoute(LIMITS), given=given)
    assert solved.alternatives == ()
    assert solved.solver.path == "right_shift"
    assert solved.solver.note == (
        "The general case in the room and the general case in the room both have room 1 at 10:00. "
        "The solver failed (ZeroDivisionError). "
        "A plan for lowest_cost was dropped: The general case a is immediate and has no room."
    )


LONGER = generate(10, "down", 1)
BUILT = len(LONGER.cases) + 1 + len(ROWS) + 1


@pytest.mark.parametrize("asked", [0, 3, len(LONGER.cases) + 5, BUILT, BUILT + 2])
def test_the_reference_stops_wherever_it_is(asked: int) -> None:
    """While it lists places, while it builds the model, before HiGHS runs, and while it does."""
    heard = 0

    def stop() -> bool:
        nonlocal heard
        heard += 1
        return heard > asked

    with pytest.raises(Stopped):
        solve_reference(LONGER, stop=stop)
    assert asked < heard <= asked + 3


def test_with_next_to_no_work_the_reference_is_no_worse_than_right_shift() -> None:
    given = generate(5, "down", 2)
    plan = solve_reference(given, ReferenceLimits(options=300, work=1))
    assert plan is not None
    assert check(given, plan) == ()
    assert price(given, plan).total <= price(given, right_shift(given)).total
