"""Price and fix: the restricted model against every plan, what its proof says, and the same bytes every time."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from itertools import product

import numpy as np
import pytest
from replan_tiny import CORE, case, problem, room

from orloop_common.domain.checker import check
from orloop_common.domain.cost import floor, price
from orloop_common.domain.problem import PlanProblem, Turnover
from orloop_replan.adapters.price_and_fix import FixLimits, solution, solve
from orloop_replan.adapters.restricted import Cut, MipLimits, restricted
from orloop_replan.adapters.rounding import WHOLE, rounded
from orloop_replan.domain.class_order import feasible_chosen
from orloop_replan.domain.kernels import distance_chosen, price_chosen, rank_chosen, right_shift_chosen
from orloop_replan.domain.search import Stopped
from orloop_replan.domain.slots import Ints, Slots, build
from orloop_replan.generate import generate

SMALL = FixLimits(scout=500, samples=10, starts=2, decodes=500, growth=(4, 8))
SAME = """
from orloop_common.domain.digest import digest
from orloop_replan.adapters.price_and_fix import FixLimits, solve
from orloop_replan.generate import generate
found = solve(generate(8, "storm", 5), 3, FixLimits(growth=(4, 8), work=300))
print(digest((found.plan, found.cost, found.bound, found.certificate, [stage.note for stage in found.stages])))
"""


def every(slots: Slots) -> list[tuple[int, Ints]]:
    """All plans that postpone nobody, with their costs."""
    choices = [np.nonzero(slots.case == i)[0] for i in range(slots.n)]
    plans = [np.array(plan) for plan in product(*choices)]
    return [(price_chosen(slots, plan), plan) for plan in plans if feasible_chosen(slots, plan)]


def turned_over() -> PlanProblem:
    cases = (case("a", "1", 11), case("b", "1", 12.5, service="ent"), case("c", "1", 14))
    rooms = (room("1", services=("general", "ent")),)
    return problem(*cases, rooms=rooms, turnover=Turnover(service_change=timedelta(hours=1)))


def flip_room() -> PlanProblem:
    """Two rooms, one surgeon for everybody, who has to be late: fairness has its price."""
    cases = [case(f"c{k}", str(k % 2 + 1), 11 + k / 2, surgeons=("S",)) for k in range(3)]
    return problem(*cases, weights=replace(CORE, fairness=8, fairness_late=3, fairness_prime=4))


@pytest.mark.parametrize("given", [turned_over(), flip_room()], ids=["turnover", "flip room"])
def test_the_model_over_all_places_finds_the_best_of_all_plans(given: PlanProblem) -> None:
    slots = build(given)
    least = min(cost for cost, _ in every(slots))
    found = restricted(slots, np.arange(slots.places), right_shift_chosen(slots))
    assert found.proven
    assert found.chosen is not None
    assert feasible_chosen(slots, found.chosen)
    assert price_chosen(slots, found.chosen) == least == round(found.bound)
    whole = solve(given)
    assert (whole.cost, whole.bound, whole.proven) == (least, least, True)


def test_the_model_over_some_places_finds_the_best_plan_of_these() -> None:
    slots = build(flip_room())
    start = right_shift_chosen(slots)
    some = np.arange(0, slots.places, 3)
    kept = {*some.tolist(), *start.tolist()}
    least = min(cost for cost, plan in every(slots) if kept.issuperset(plan.tolist()))
    found = restricted(slots, some, start)
    assert found.chosen is not None
    assert price_chosen(slots, found.chosen) == least


def test_cuts_keep_plans_apart_and_postponements_few() -> None:
    slots = build(flip_room())
    best = restricted(slots, np.arange(slots.places), right_shift_chosen(slots)).chosen
    assert best is not None
    apart = restricted(slots, np.arange(slots.places), best, cuts=[Cut(best, slots.n - 2)]).chosen
    assert apart is not None
    assert (apart != best).sum() >= 2
    assert distance_chosen(slots, apart, best) >= 1
    everybody = np.arange(slots.n)
    nobody = restricted(slots, np.zeros(0, np.int64), np.full(slots.n, -1, np.int64), cuts=[Cut(best, 0, everybody)])
    assert nobody.chosen is None
    assert nobody.proven


def test_the_rows_of_a_real_day_hold_in_what_the_model_chooses() -> None:
    for kind in ("core", "full"):
        given = generate(8, "storm", 3, kind=kind)
        slots = build(given)
        found = restricted(slots, np.arange(0, slots.places, 13), right_shift_chosen(slots), MipLimits(work=500_000))
        assert found.chosen is not None
        assert check(given, slots.plan(found.chosen[found.chosen >= 0])) == ()
        assert price_chosen(slots, found.chosen) <= price_chosen(slots, right_shift_chosen(slots))


def test_a_model_that_the_work_would_not_get_beyond_beginning_is_not_begun() -> None:
    slots = build(generate(5, "down", 1))
    start = right_shift_chosen(slots)
    found = restricted(slots, np.arange(slots.places), start, MipLimits(work=1_000, sparing=True))
    assert (found.chosen, found.proven, found.work) == (None, False, 0)


@pytest.mark.parametrize("kind", ["core", "full"])
@pytest.mark.parametrize("event", ["down", "overrun", "emergency", "staff", "storm"])
def test_a_plan_is_sound_and_its_figures_are_the_published_ones(event: str, kind: str) -> None:
    given = generate(8, event, 1, kind=kind)
    found = solve(given, 1, SMALL)
    assert check(given, found.plan) == ()
    assert found.cost == price(given, found.plan).total
    assert floor(given) <= found.bound <= found.cost
    assert found.certified <= found.bound
    assert found.proven == (found.bound == found.cost)
    costs = [stage.cost for stage in found.stages]
    bounds = [stage.bound for stage in found.stages]
    assert costs == sorted(costs, reverse=True)
    assert bounds == sorted(bounds)
    said = solution(given, found)
    assert (said.cost, said.bound, sum(said.terms.values())) == (found.cost, found.bound, found.cost)
    assert said.gap == (0 if found.proven else (found.cost - found.bound) / (found.cost - said.floor))
    assert all(tier.bound <= tier.cost for tier in said.tiers)


def test_more_work_never_makes_the_plan_worse_than_its_start() -> None:
    given = generate(8, "storm", 2)
    slots = build(given)
    good = solve(slots, 1).chosen
    again = solve(slots, 2, FixLimits(scout=0, samples=1, starts=1, decodes=0, growth=()), start=good)
    assert again.cost <= price_chosen(slots, good)


def test_a_proven_plan_is_not_undercut_by_other_seeds_and_more_work() -> None:
    given = generate(6, "overrun", 2)
    found = solve(given, 1)
    assert found.proven
    for seed in range(2, 6):
        assert solve(given, seed, SMALL).cost >= found.cost


def test_the_best_of_few_places_proves_nothing_about_all_the_others() -> None:
    given = generate(8, "storm", 3)
    best = solve(given, 1).cost
    for each in (1, 2, 3):
        found = solve(given, 1, FixLimits(scout=500, samples=1, starts=0, decodes=50, growth=(each,), branch=0))
        assert "proven" in found.stages[-2].note
        assert found.certified <= found.bound <= best < found.cost


def test_where_postponements_come_first_fewer_of_them_outweigh_any_cost() -> None:
    cases = [case(f"c{k}", "1", 11 + 1.5 * k) for k in range(5)]
    tight = room("1", closes=problem().horizon - timedelta(hours=2))
    given = problem(*cases, rooms=(tight,), weights=replace(CORE, postpone=1, postpone_per_slot=0, delay=CORE.delay))
    free = solve(given)
    strict = solve(replace(given, weights=replace(given.weights, strict=True)))
    assert rank_chosen(strict.slots, strict.chosen) == strict.rank == strict.ranked > 0
    assert (strict.chosen < 0).sum() <= (free.chosen < 0).sum()
    assert strict.bound <= strict.cost
    less = restricted(strict.slots, np.arange(strict.slots.places), strict.chosen).chosen
    assert less is not None
    assert rank_chosen(strict.slots, less) <= strict.rank


def test_who_asks_to_stop_is_heard() -> None:
    given = generate(8, "storm", 1)
    for patience in (0, 3, 12):
        asked = 0

        def stop() -> bool:
            nonlocal asked
            asked += 1
            return asked > patience  # noqa: B023

        with pytest.raises(Stopped):
            solve(given, 1, FixLimits(), stop)
        assert asked <= patience + 3


def test_plans_are_drawn_by_their_weights() -> None:
    slots = build(flip_room())
    start = right_shift_chosen(slots)
    sure = [(int(place), 1.0) for place in start]
    assert all((plan == start).all() for plan in rounded(slots, sure, 7, 5))
    halves = [(int(place), 0.5) for i in range(slots.n) for place in np.nonzero(slots.case == i)[0][:2]]
    drawn = {tuple(plan.tolist()) for plan in rounded(slots, halves, 7, 20)}
    assert len(drawn) > 1
    assert WHOLE == 1 << 16


@pytest.mark.slow
def test_two_processes_hand_over_the_same_bytes() -> None:
    seen = set()
    for salt in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": salt}
        done = subprocess.run([sys.executable, "-c", SAME], capture_output=True, text=True, env=environment, check=True)
        seen.add(done.stdout)
    assert len(seen) == 1
