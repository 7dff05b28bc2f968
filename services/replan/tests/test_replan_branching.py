"""Branch and price: parts that hold every plan, bounds that hold in each, and a proof that needs no solver."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from replan_tiny import CORE, case, problem, room

from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.solution import Answer, Branch, Certificate
from orloop_common.messages import to_json
from orloop_replan.adapters.bound import lower_bound
from orloop_replan.adapters.branching import Branching, BranchLimits, Leaf
from orloop_replan.adapters.price_and_fix import FixLimits, Found, solution, solve
from orloop_replan.domain.branches import LEVEL, POSTPONED, ROOM, START, Split, divided, everything
from orloop_replan.domain.certificate import verify
from orloop_replan.domain.certificate_tree import CertificateError, verify_branches
from orloop_replan.domain.kernels import anneal, price_chosen, right_shift_chosen
from orloop_replan.domain.pricing import SCALE
from orloop_replan.domain.search import Stopped
from orloop_replan.domain.slots import Ints, Slots, build
from orloop_replan.generate import generate

ALONE = FixLimits(scout=200, samples=2, starts=0, decodes=50, growth=(), branch=2_000)
"""Next to nothing is known before parts are made."""


def divide(given: PlanProblem, work: int = 60_000, limits: BranchLimits | None = None) -> tuple[Branching, list[Ints]]:
    """The parts of a problem, begun from right-shift, and the plans that turned up."""
    slots = build(given)
    start = right_shift_chosen(slots)
    plans = [start]

    def take(chosen: Ints) -> int:
        plans.append(chosen)
        return min(price_chosen(slots, plan) for plan in plans)

    lower = lower_bound(slots, [start])
    tree = Branching(slots, lower, start, price_chosen(slots, start), take, lambda: False, limits)
    tree.run(work)
    return tree, plans


def answer(slots: Slots, plan: Ints, split: Split) -> bool:
    """What a plan says to a question about a case."""
    place = int(plan[split.of])
    if split.kind == POSTPONED:
        return place < 0
    return bool(
        place >= 0 and (slots.start[place] <= split.at if split.kind == START else slots.room[place] == split.at)
    )


def holding(slots: Slots, plan: Ints, parts: list[Leaf]) -> Iterator[Leaf]:
    """Parts to whose questions about cases the plan gives the part's answers; who is postponed may answer either."""
    for leaf in parts:
        asked = [(split, yes) for split, yes in leaf.part.answers if split.kind != LEVEL]
        if all(answer(slots, plan, s) == yes or (plan[s.of] < 0 and s.kind != POSTPONED) for s, yes in asked):
            yield leaf


@pytest.mark.parametrize(("event", "seed"), [("down", 4), ("overrun", 2), ("staff", 3), ("storm", 2)])
def test_parts_alone_find_and_prove_the_best_plan(event: str, seed: int) -> None:
    given = generate(6, event, seed)
    found, other = solve(given, 1, ALONE), solve(given, 1)
    assert found.proven
    assert found.cost == found.bound == found.certified == other.cost
    assert verify_branches(given, found.certificate, found.branches, found.certified, ()) == found.cost


@pytest.mark.parametrize("work", [1, 4_000, 60_000])
def test_every_plan_lies_in_a_part_and_costs_no_less_than_its_bound(work: int) -> None:
    tree, plans = divide(generate(6, "storm", 2), work)
    slots = tree.slots
    known = [*plans, *anneal(slots, plans[0], 5, 4_000, pool=30).pool]
    assert len(tree.parts) > 1 or work == 1
    for plan in known:
        cost = price_chosen(slots, plan)
        assert tree.bound <= cost
        parts = list(holding(slots, plan, tree.parts))
        assert parts
        if np.isin(plan[plan >= 0], tree.kept).all():
            assert min(leaf.value for leaf in parts) <= SCALE * cost


def test_questions_divide_all_places_of_a_case_and_leave_those_of_others() -> None:
    slots = build(generate(4, "down", 1))
    whole = everything(slots, slots.postpone)
    mine = slots.case == 0
    for split in (Split(START, 0, int(np.median(slots.start[mine]))), Split(ROOM, 0, int(slots.room[mine][0]))):
        yes, no = divided(slots, whole, split)
        assert (yes.left | no.left).all()
        assert ((yes.left & no.left) == ~mine).all()
        assert yes.left[mine].any()
    yes, no = divided(slots, whole, Split(POSTPONED, 0))
    assert (yes.left == ~mine).all()
    assert no.left.all()
    assert no.postpone[0] == -1
    yes, no = divided(slots, whole, Split(LEVEL, 0, 3))
    assert (yes.high[0], no.low[0]) == (3, 4)
    assert yes.left.all()
    assert no.left.all()


def test_the_bound_of_a_relaxed_problem_is_below_the_costs_of_the_tighter_one_however_much_is_divided() -> None:
    given = generate(6, "staff", 3)
    eased = replace(given, teams=tuple(replace(step, count=step.count + 3) for step in given.teams))
    least = min(solve(given, 1).cost, price_chosen(build(given), right_shift_chosen(build(given))))
    for work in (1, 1_000, 60_000):
        assert divide(eased, work)[0].bound <= least


def test_more_work_never_proves_less() -> None:
    given = generate(8, "storm", 3)
    bounds = [divide(given, work)[0].bound for work in (0, 1, 2_000, 8_000)]
    assert bounds == sorted(bounds)
    assert bounds[0] < bounds[-1]


def test_where_more_places_are_worth_it_than_allowed_less_is_proven_and_it_holds() -> None:
    given = generate(8, "storm", 3)
    best_cost = solve(given, 1).cost
    few, _ = divide(given, limits=BranchLimits(places=20))
    assert len(few.kept) <= 20
    assert few.lower.certified <= few.bound <= few.goal < best_cost


def test_a_part_that_nothing_divides_any_more_still_counts_for_the_bound() -> None:
    """Priced once only, a part may look whole before its bound is what it could be."""
    tree, _ = divide(generate(6, "storm", 2), limits=BranchLimits(rounds=1, samples=1))
    assert tree.leaves
    weakest = min(leaf.value for leaf in tree.parts)
    assert min(leaf.value for leaf in tree.leaves) == weakest
    assert tree.bound == max(tree.lower.certified, -(-weakest // SCALE)) < tree.cost


def test_the_same_problem_is_divided_in_the_same_way() -> None:
    given = generate(8, "storm", 3)
    one, two = (solve(given, 3, ALONE) for _ in range(2))
    assert one.branches
    assert to_json(solution(given, one, 1.0)) == to_json(solution(given, two, 1.0))


def test_the_plan_is_handed_over_before_the_rest_of_its_proof() -> None:
    given = generate(8, "storm", 3)
    told: list[Found] = []
    found = solve(given, 1, replace(ALONE, branch=1, least_branch=1, prove=2_000), told=told.append)
    (early,) = told
    assert [stage.name for stage in early.stages] == [stage.name for stage in found.stages][:-1]
    assert found.proven
    assert not early.proven
    assert early.bound <= early.certified <= found.bound == found.cost <= early.cost
    assert verify_branches(given, early.certificate, early.branches, early.certified, ()) == early.certified


def test_dividing_stops_as_soon_as_it_is_told_to() -> None:
    given = generate(8, "storm", 3)
    asked, most = 0, 1 << 60

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked >= most

    solve(given, 1, replace(ALONE, branch=0), stop)
    whole, asked = asked, 0
    solve(given, 1, ALONE, stop)
    assert asked > whole + 20, "is asked again and again while parts are made"
    asked, most = 0, whole + 10
    with pytest.raises(Stopped):
        solve(given, 1, ALONE, stop)
    assert asked <= most + 3


def tight(seed: int) -> PlanProblem:
    """A day on which rooms close before the work is done, and postponements come first."""
    given = generate(10, "storm", seed)
    rooms = tuple(replace(one, closes=one.block_end - timedelta(hours=1)) for one in given.rooms)
    return replace(given, rooms=rooms, weights=replace(given.weights, strict=True))


def test_where_somebody_must_wait_for_another_day_no_bound_counts_on_more_of_that() -> None:
    given = tight(1)
    found = solve(given, 1, FixLimits(growth=(4,), prove=10))
    left = [name for name, place in found.plan.items() if place.room is None]
    assert found.rank == found.ranked > 0
    assert found.certificate.postponements < 0
    free = replace(found.certificate, postponements=0.0)
    assert verify_branches(given, free, (), 0, left) < found.lower.certified
    assert verify_branches(given, found.certificate, (), 0, left) == found.lower.certified
    assert verify_branches(given, found.certificate, found.branches, found.certified, left) == found.certified
    assert found.proven
    assert found.certified == found.cost


def test_the_price_of_postponements_counts_only_where_it_is_known_who_is_postponed() -> None:
    given = tight(1)
    found = solve(given, 1, FixLimits(growth=(4,), branch=0))
    left = [name for name, place in found.plan.items() if place.room is None]
    nobody = verify(given, found.certificate)
    assert nobody == verify(given, replace(found.certificate, postponements=-1000.0))
    assert nobody < verify(given, found.certificate, left)
    with pytest.raises(CertificateError, match="at most 0"):
        verify(given, replace(found.certificate, postponements=1.0), left)
    for price in (-1.0, -20.0, -300.0):
        assert verify(given, replace(found.certificate, postponements=price), left) <= found.cost


# --- the judge ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def proven() -> tuple[PlanProblem, Found]:
    given = generate(8, "storm", 3)
    return given, solve(given, 1, ALONE)


def judged(given: PlanProblem, found: Found, branches: list[Branch], goal: int | None = None) -> int:
    left = [name for name, place in found.plan.items() if place.room is None]
    return verify_branches(given, found.certificate, branches, goal or found.certified, left)


def test_branches_prove_more_than_the_certificate_alone(proven: tuple[PlanProblem, Found]) -> None:
    given, found = proven
    assert len(found.branches) > 1
    assert judged(given, found, []) == found.lower.certified < found.certified
    assert judged(given, found, list(found.branches)) == found.certified == found.cost


def test_a_missing_branch_is_found_out(proven: tuple[PlanProblem, Found]) -> None:
    given, found = proven
    for gone in range(len(found.branches)):
        rest = [branch for k, branch in enumerate(found.branches) if k != gone]
        with pytest.raises(CertificateError, match="hold all plans"):
            judged(given, found, rest)


def test_answers_that_were_turned_or_changed_are_found_out_or_prove_nothing_false(
    proven: tuple[PlanProblem, Found],
) -> None:
    given, found = proven
    one, *others = found.branches
    last = one.answers[-1]
    with pytest.raises(CertificateError, match="hold all plans"):
        judged(given, found, [replace(one, answers=(*one.answers[:-1], replace(last, yes=not last.yes))), *others])
    with pytest.raises(CertificateError, match="that the problem has"):
        judged(given, found, [replace(one, answers=(replace(last, case="nobody", question="start"),)), *others])
    with pytest.raises(CertificateError, match="that the problem has"):
        judged(given, found, [replace(one, answers=(replace(last, measure="delay", level=3, case="x"),)), *others])


def test_no_price_whatever_proves_more_than_a_plan_costs(proven: tuple[PlanProblem, Found]) -> None:
    given, found = proven
    draw = np.random.Generator(np.random.PCG64(2))

    def shaken(prices: Certificate) -> Certificate:
        shake = {name: price + float(draw.integers(-400, 400)) / 4 for name, price in prices.cases.items()}
        some = tuple(replace(p, price=p.price * int(draw.integers(0, 4))) for p in prices.resources)
        return replace(prices, cases=shake, resources=some)

    for goal in (found.cost, found.cost + 1, found.cost + 200):
        assert judged(given, found, list(found.branches), goal) <= found.cost
        branches = [replace(branch, prices=shaken(branch.prices)) for branch in found.branches]
        assert judged(given, found, branches, goal) <= found.cost


def test_only_where_a_level_is_limited_may_its_groups_be_paid_more_than_its_weight() -> None:
    cases = [case(f"c{k}", "1", 10 + k) for k in range(4)]
    given = problem(*cases, rooms=(room("1"),), weights=replace(CORE, fairness=8))
    tree, _ = divide(given)
    rich = Certificate(cases={}, fairness={next(iter(tree.slots.fair_names)): -100.0})
    yes, no = (Branch(answers=(level(3, yes),), prices=prices) for yes, prices in ((True, rich), (False, rich)))
    with pytest.raises(CertificateError, match="at most its weight"):
        verify_branches(given, Certificate(cases={}), [yes, no], 10)
    poor = replace(no, prices=Certificate(cases={}))
    assert verify_branches(given, Certificate(cases={}), [yes, poor], 10) <= price_chosen(
        tree.slots, right_shift_chosen(tree.slots)
    )


def test_a_level_above_none_at_all_costs_nothing_yet_and_the_next_one_its_weight() -> None:
    cases = [case(f"c{k}", "1", 10 + k) for k in range(4)]
    given = problem(*cases, rooms=(room("1"),), weights=replace(CORE, fairness=8))
    nothing = Certificate(cases={})
    rich = replace(nothing, fairness={next(iter(build(given).fair_names)): -100.0})
    for most in (-1, 0, 3):
        below = Branch(answers=(level(most, yes=True),), prices=rich)  # at -1 no plan at all, and worth any price
        above = Branch(answers=(level(most, yes=False),), prices=nothing)
        proves = verify_branches(given, nothing, [below, above], 1_000)
        assert proves == min(verify(given, nothing) + 8 * (most + 1), 1_000 if most < 0 else 0)


def level(most: int, yes: bool) -> Answer:
    return Answer(question="level", yes=yes, measure="delay", level=most)
