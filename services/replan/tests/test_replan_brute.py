"""Brute force, the reference model and price and fix: three ways to the same best plan."""

from dataclasses import replace
from datetime import timedelta

import pytest
from replan_tiny import BINDING, CORE, at, case, committed, problem, room

from orloop_common.domain.checker import PLAN_RULES, check
from orloop_common.domain.cost import price, tiers
from orloop_common.domain.problem import ExpectedWork, PlanProblem
from orloop_common.domain.vocabulary import Urgency
from orloop_replan.adapters import price_and_fix
from orloop_replan.adapters.reference_solve import refer
from orloop_replan.domain.brute import best
from orloop_replan.domain.certificate_tree import verify_branches
from orloop_replan.generate import generate


def agreed(given: PlanProblem) -> tuple[int, ...] | None:
    """The best plan's tiers, once all three ways have come to them; None if there is no sound plan."""
    tried, referred = best(given), refer(given)
    if tried is None:
        assert referred is None or {b.rule for b in check(given, referred.plan)} == {"emergency-never-postponed"}
        return None
    assert referred is not None
    assert referred.proven
    strict = given.weights.strict
    assert (*([referred.postponements] if strict else []), referred.cost) == tried.key
    assert tuple(tiers(given, referred.plan).values()) == tried.key
    assert check(given, referred.plan) == ()
    found = price_and_fix.solve(given, 1)
    assert check(given, found.plan) == ()
    assert (*([found.rank] if strict else []), found.cost) == tried.key
    assert found.bound <= found.cost
    whole = max(given.weights.surgeon_idle, given.weights.break_in, given.weights.add_on_slack) > 0
    assert found.proven or (strict and found.rank > 0) or whole, "sums over places miss a part of whole plans' terms"
    out = [case for case, place in found.plan.items() if place.room is None]
    proves = verify_branches(given, found.certificate, found.branches, found.certified, out)
    assert proves == found.certified <= found.cost
    return tried.key


@pytest.mark.contract
def test_every_rule_of_a_plan_binds_once() -> None:
    assert set(BINDING) | {"case-once"} == set(PLAN_RULES)


@pytest.mark.parametrize("rule", [rule for rule in BINDING if rule != "class-order"])
def test_all_three_agree_on_what_a_rule_costs(rule: str) -> None:
    bound, free = (agreed(given) for given in BINDING[rule])
    assert bound is not None
    assert free is not None
    assert bound > free


def test_all_three_postpone_the_lower_class_even_if_that_is_dearer() -> None:
    strict, priced = (agreed(given) for given in BINDING["class-order"])
    assert strict is not None
    assert priced is not None
    assert strict[-1] > priced[-1]


def test_where_two_emergencies_need_the_same_hour_there_is_no_plan() -> None:
    both = (case(name, None, 10, 3, urgency=Urgency.URGENT) for name in "ef")
    given = problem(*both, rooms=(room("1", closes=at(14)),))
    assert best(given) is None
    assert refer(given) is None


def test_all_three_agree_on_fairness_wishes_and_continuity() -> None:
    weights = replace(CORE, fairness=8, fairness_late=4, fairness_prime=2, preferred_start=1, preferred_room=2)
    three = (case(name, "1", 13 + k, 1.5) for k, name in enumerate("abc"))
    one, two, last = three
    wish = replace(last, preferred=replace(last.current, room="2"), team_rooms=("2",))
    given = problem(
        one, two, wish, weights=replace(weights, continuity=3), rooms=(room("1", block_end=at(14.5)), room("2"))
    )
    plain = replace(given, weights=CORE)
    with_wishes, without = agreed(given), agreed(plain)
    assert with_wishes is not None
    assert without is not None
    assert with_wishes > without


def with_whole(given: PlanProblem, idle: int = 3, gap: int = 5, slack: int = 4) -> PlanProblem:
    """The same day with a price for the terms that need whole plans, two surgeons, and add-ons to come."""
    work = ExpectedWork(start=at(13), end=at(14), work=timedelta(hours=1.5))
    weights = replace(given.weights, surgeon_idle=idle, break_in=gap, add_on_slack=slack)
    cases = tuple(replace(c, surgeons=("S1", "S2")[k % 2 :][:1]) for k, c in enumerate(given.cases))
    return replace(given, weights=weights, expected=(work,), cases=cases)


@pytest.mark.parametrize("prices", [(9, 0, 0), (0, 9, 0), (0, 0, 9), (3, 5, 4)])
@pytest.mark.parametrize("rule", ["equipment-units", "room-usable", "recovery-beds"])
def test_all_three_agree_on_what_surgeons_waiting_the_break_in_gap_and_add_ons_cost(
    rule: str, prices: tuple[int, int, int]
) -> None:
    given = with_whole(BINDING[rule][0], *prices)
    seen, unseen = agreed(given), price(given, best(replace(given, weights=CORE)).plan).total  # type: ignore[union-attr]
    assert seen is not None
    assert seen[-1] <= unseen


def test_a_plan_that_keeps_a_surgeon_waiting_less_is_preferred_once_that_has_a_price() -> None:
    """Left to itself c keeps its place; for its surgeon it comes early."""
    held = committed("1", 8, 10.5, surgeons=("S",))
    given = problem(case("c", "1", 14, surgeons=("S",)), committed=(held,))
    dear = replace(given, weights=replace(CORE, surgeon_idle=3))
    waits = [price(dear, found.plan).surgeon_idle for one in (given, dear) if (found := best(one))]
    assert agreed(dear) is not None
    assert waits[1] < waits[0]


def test_brute_force_declines_what_takes_too_long() -> None:
    given = generate(4, "down", 1)
    with pytest.raises(ValueError, match=r"Expected at most .* plans to try"):
        best(given)


EVENTS = ("down", "storm", "emergency", "staff", "overrun")


def tiny(seed: int, kind: str) -> PlanProblem:
    """At most four cases of a made-up day, in half-hour steps, with the terms that the model holds."""
    made = generate(2 + seed % 2, EVENTS[seed % 5], seed, kind, "10:00" if seed % 3 else "14:00")
    most = 3 + seed % 2
    cases = made.cases if len(made.cases) <= most else (*made.cases[: most - 1], made.cases[-1])
    return replace(made, cases=cases, grid=timedelta(minutes=30))


@pytest.mark.parametrize("kind", ["core", "full"])
@pytest.mark.parametrize("seed", [2, 5, 8])
def test_all_three_agree_on_small_made_up_days(seed: int, kind: str) -> None:
    agreed(tiny(seed, kind))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["core", "full"])
def test_all_three_agree_on_many_small_made_up_days(kind: str) -> None:
    for seed in range(9, 39):
        agreed(tiny(seed, kind))
