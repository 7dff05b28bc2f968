"""The reference model against the checker, the published cost, the places of the engine, and the engine."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from replan_tiny import case, committed, problem, room

from orloop_common.domain.checker import PLAN_RULES, check
from orloop_common.domain.cost import price, tiers
from orloop_common.domain.cost import ranks as published_ranks
from orloop_common.domain.problem import PlanProblem
from orloop_replan.adapters import price_and_fix
from orloop_replan.adapters.reference import ROWS, TERMS
from orloop_replan.adapters.reference_solve import COMPLETE, ReferenceLimits, refer, restrict, solve_reference
from orloop_replan.adapters.reference_whole import WHOLE
from orloop_replan.domain.option_costs import ranks
from orloop_replan.domain.options import FILTERS, options
from orloop_replan.domain.slots import build
from orloop_replan.generate import generate
from orloop_replan.plan_files import read_problem

FROZEN = Path(__file__).parents[3] / "contracts" / "instances"


def modelled(made: PlanProblem) -> PlanProblem:
    """Without the terms of whole plans, which take the reference too long on whole days."""
    return replace(made, weights=replace(made.weights, **dict.fromkeys(WHOLE, 0)))


@pytest.mark.contract
def test_every_rule_of_a_plan_is_a_filter_or_a_row_or_follows_from_the_first_tier() -> None:
    assert {*FILTERS, *ROWS, "case-once", "class-order"} == set(PLAN_RULES)


@pytest.mark.contract
def test_every_term_of_the_cost_is_a_term_of_the_model() -> None:
    terms = set(price(problem(), {}).__dataclass_fields__)
    assert {*TERMS, *WHOLE} == terms


@pytest.mark.parametrize("kind", ["core", "full"])
@pytest.mark.parametrize("event", ["down", "storm"])
def test_the_reference_and_the_engine_see_the_same_places(event: str, kind: str) -> None:
    for seed in range(3):
        made = generate(5, event, seed, kind)
        slots = build(made)
        seen = {(made.cases[slots.case[m]].id, slots.place(m).room, slots.place(m).start) for m in range(slots.places)}
        assert {one.key for one in options(made)} == seen
        assert ranks(made) == published_ranks(made)


@pytest.mark.parametrize(("rooms", "event", "kind"), [(2, "down", "core"), (2, "emergency", "full")])
def test_the_reference_and_price_and_fix_agree(rooms: int, event: str, kind: str) -> None:
    agree(modelled(generate(rooms, event, 3, kind)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["core", "full"])
@pytest.mark.parametrize("event", ["down", "overrun", "emergency", "staff", "storm"])
def test_the_reference_and_price_and_fix_agree_on_four_rooms(event: str, kind: str) -> None:
    agree(modelled(generate(4, event, 1, kind)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rtiny-down-001", "rtiny-emergency-001", "rtiny-overrun-001", "rtiny-storm-001"])
def test_on_frozen_problems_price_and_fix_finds_what_the_reference_proves(name: str) -> None:
    frozen = read_problem(FROZEN / f"{name}.json.gz")
    best = agree(frozen)
    assert price_and_fix.solve(frozen, 1).cost == best
    assert json.loads((FROZEN / "best.json").read_text())[name]["cost"] == best


def agree(made: PlanProblem) -> int:
    """The cost of the best plan."""
    referred, found = refer(made), price_and_fix.solve(made, 1)
    assert check(made, found.plan) == ()
    assert referred is not None
    assert check(made, referred.plan) == ()
    assert referred.cost == price(made, referred.plan).total
    assert referred.proven
    if made.weights.strict:
        assert tiers(made, referred.plan)["postponements"] == referred.postponements == found.rank
    if found.proven:
        assert found.cost == referred.cost
    assert found.bound <= referred.cost <= found.cost
    return referred.cost


def test_under_limits_the_second_route_still_answers_soundly() -> None:
    made = modelled(generate(5, "down", 2, "core"))
    every = options(made)
    kept = restrict(made, every, 300)
    assert len(kept) < len(every) / 2
    assert {one.case.id for one in kept} == {one.case.id for one in every}
    plan = solve_reference(made, ReferenceLimits(options=300, nodes=50))
    assert plan is not None
    assert check(made, plan) == ()


def test_restricting_keeps_published_places_and_the_cheapest() -> None:
    made = problem(case("a", "1", 12), grid=timedelta(minutes=5), rooms=(room("1"), room("2")))
    every = options(made)
    kept = restrict(made, every, 20)
    assert len(kept) <= 22
    assert made.cases[0].current in [one.place for one in kept]
    starts = sorted(one.start for one in kept if one.room.id == "1")
    assert starts[0] < made.cases[0].current.start < starts[-1]  # type: ignore[operator]
    assert restrict(made, every, COMPLETE.options) == every


def test_a_day_without_movable_cases_has_an_empty_plan_that_costs_what_committed_cases_do() -> None:
    late = committed("1", 14, 16)
    referred = refer(problem(committed=(late,)))
    assert referred is not None
    assert (referred.plan, referred.cost) == ({}, price(problem(committed=(late,)), {}).total)
    assert referred.cost > 0
