"""From a problem to its answer: alternatives, their order, what is dropped, the same bytes."""

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from orloop_common.domain.checker import check, with_changes
from orloop_common.domain.cost import price, who_pays
from orloop_common.domain.derived import Alternative
from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.rightshift import right_shift
from orloop_common.messages import to_json
from orloop_replan.adapters.price_engine import PriceAndFix, PriceSearch
from orloop_replan.domain.alternatives import APART, alternatives, distance, fallback
from orloop_replan.domain.ordering import Order, in_order
from orloop_replan.domain.reasons import reason
from orloop_replan.domain.solving import solve
from orloop_replan.generate import generate
from orloop_replan.ports import Job, Limits, Plan

LIMITS = Limits()
ENGINE = PriceAndFix(LIMITS)


def solved(problem: PlanProblem) -> tuple[Alternative, ...]:
    return solve(Job(id="j", problem=problem), ENGINE, LIMITS).alternatives


def plan_of(alternative: Alternative) -> Plan:
    return {a.case: a.place for a in alternative.plan}


@pytest.mark.parametrize("seed", [1, 2])
def test_alternatives_are_sound_ranked_and_truly_different(seed: int) -> None:
    problem = generate(10, "down", seed)
    found = solved(problem)
    assert 2 <= len(found) <= 3
    assert [a.cost for a in found] == sorted(a.cost for a in found)
    assert len({a.title for a in found}) == len({a.id for a in found}) == len(found)
    for alternative in found:
        plan = plan_of(alternative)
        assert check(problem, plan) == ()
        assert (alternative.cost, alternative.price) == (price(problem, plan).total, who_pays(problem, plan))
        assert all(change.reason and change.rules for change in alternative.changes)
    for one in found:
        others = [other for other in found if other is not one]
        assert all(distance(plan_of(one), plan_of(other)) for other in others)
        if one.kind == "fewest_changes":
            assert all(len(one.changes) < len(other.changes) for other in others)


def test_changes_can_be_made_one_after_the_other_without_two_patients_in_a_room() -> None:
    for seed in range(3):
        problem = generate(6, "down", seed)
        for alternative in solved(problem):
            plan = plan_of(alternative)
            order = in_order(problem, plan)
            assert [change.case for change in alternative.changes] == [case.id for case in order.cases]
            carry_out(problem, plan, order)


def carry_out(problem: PlanProblem, plan: Plan, order: Order) -> None:
    """Who waits aside leaves its place first; then each takes its target, which nobody else who moves still holds."""
    nowhere = Place(room=None, start=None)
    booked = {case.id: nowhere if case.id in order.aside else case.current for case in problem.cases}
    moving = {case.id for case in order.cases}
    for case in order.cases:
        taken = _span(problem, case.id, plan[case.id])
        for other in moving - {case.id}:
            there = _span(problem, other, booked[other])
            if booked[other].room == plan[case.id].room and taken and there is not None:
                assert not there.overlaps(taken)
        booked[case.id] = plan[case.id]
    assert booked == plan


def _span(problem: PlanProblem, name: str, place: Place) -> Interval | None:
    case = next(c for c in problem.cases if c.id == name)
    if place.start is None:
        return None
    return Interval(start=place.start - case.setup, end=place.start + case.length + case.cleanup)


def test_of_cases_that_swap_places_one_waits_aside() -> None:
    problem = generate(6, "none", 1)
    rooms = {case.current.room: case for case in problem.cases}
    one, two, three = list(rooms.values())[:3]
    plan = {**with_changes(problem, ()), one.id: two.current, two.id: three.current, three.id: one.current}
    order = in_order(problem, plan)
    assert {case.id for case in order.cases} == {one.id, two.id, three.id}
    assert len(order.aside) == 1
    carry_out(problem, plan, order)
    assert in_order(problem, {**plan, three.id: Place(room=None, start=None)}).aside == frozenset()


def test_a_plan_that_is_not_worth_naming_otherwise_is_no_other_plan() -> None:
    problem = generate(6, "none", 1)
    plan = with_changes(problem, ())
    case = problem.cases[0]
    assert case.current.start is not None
    shifted = replace(case.current, start=case.current.start + APART - timedelta(minutes=5))
    assert distance(plan, {**plan, case.id: shifted}) == 0
    assert distance(plan, {**plan, case.id: replace(shifted, start=case.current.start + APART)}) == 1


def test_without_time_or_solver_everybody_waits_in_turn() -> None:
    problem = generate(10, "down", 4)
    (only,) = fallback(problem)
    assert (only.kind, only.title) == ("right_shift", "Everybody waits in turn")
    assert plan_of(only) == right_shift(problem)


def test_a_plan_that_the_checker_refuses_does_not_leave() -> None:
    problem = generate(4, "down", 1)

    class Liar(PriceSearch):
        """An engine that puts everybody into one room at once."""

        def best(self, *_: object) -> Plan:
            return {c.id: Place(room="1", start=problem.earliest_start) for c in problem.cases}

    found, note = alternatives(problem, Liar(problem, 1, LIMITS), LIMITS)
    assert found == ()
    assert "was dropped" in note


def test_reasons_name_what_keeps_a_case_from_staying() -> None:
    problem = generate(10, "down", 1)
    best = solved(problem)[0]
    gone = {room.id for room in problem.rooms if room.down}
    told = {change.case: change.reason for change in best.changes}
    for case in problem.cases:
        if case.id in told and case.current.room in gone and plan_of(best)[case.id].room != case.current.room:
            assert told[case.id] == reason(problem, plan_of(best), case)
            assert told[case.id].startswith(f"Room {case.current.room} is down")


SCRIPT = """
from orloop_replan.generate import generate
from orloop_replan.adapters.price_engine import PriceAndFix
from orloop_replan.domain.solving import solve
from orloop_replan.ports import Job, Limits
from orloop_common.messages import to_json
import sys
for seed in {before}:
    solve(Job(id="x", problem=generate(3, "down", seed)), PriceAndFix(), Limits())
answer = solve(Job(id="j", problem=generate(6, "storm", 3)), PriceAndFix(), Limits())
sys.stdout.buffer.write(to_json(answer.alternatives))
"""


@pytest.mark.slow
def test_two_processes_with_different_pasts_give_the_same_bytes() -> None:
    here = to_json(solved(generate(6, "storm", 3)))
    for before in ((), (1, 2)):
        command = [sys.executable, "-c", SCRIPT.format(before=before)]
        there = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
        assert there == here
