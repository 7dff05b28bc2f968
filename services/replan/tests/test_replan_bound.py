"""The bound: days of rooms against all of them, prices that prove it, and no plan below it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from replan_tiny import CORE, case, problem, room

from orloop_common.domain.problem import PlanProblem, Turnover
from orloop_common.domain.vocabulary import Urgency
from orloop_replan.adapters.bound import BoundLimits, fair_rounded, lower_bound, postponing_prices
from orloop_replan.domain.kernels import anneal, price_chosen, right_shift_chosen
from orloop_replan.domain.pricing import SCALE, Arcs, Floats, arc_costs, arcs_of, price_rooms, through
from orloop_replan.domain.slots import Ints, Slots, build
from orloop_replan.domain.windows import crossed
from orloop_replan.generate import generate


def fair(given: PlanProblem) -> PlanProblem:
    return replace(given, weights=replace(given.weights, fairness=8, fairness_late=5, fairness_prime=20))


def known(slots: Slots, seed: int = 1) -> list[Ints]:
    """Right-shift and what an annealing comes across."""
    start = right_shift_chosen(slots)
    return [start, *anneal(slots, start, seed, 2_000, pool=20).pool]


def three_services() -> PlanProblem:
    """One room, a turnover time between services."""
    cases = tuple(case(f"c{k}", "1", 8 + 2 * k, service=("general", "ent", "eye")[k]) for k in range(3))
    rooms = (room("1", services=("general", "ent", "eye")),)
    hour = Turnover(service_change=timedelta(hours=1), before_latex=timedelta(0))
    return problem(*cases, rooms=rooms, weights=CORE, turnover=hour)


def days(arcs: Arcs, r: int) -> Iterator[list[int]]:
    """Every day of a room in which nobody follows on themselves: the empty one first."""
    slots = arcs.slots

    def longer(day: list[int]) -> Iterator[list[int]]:
        yield day
        for place in range(arcs.ptr[r], arcs.ptr[r + 1]):
            if day:
                last = day[-1]
                extra = arcs.gap[r, arcs.kind[last], arcs.kind[place]]
                if slots.case[place] == slots.case[last] or slots.end[last] + extra > slots.begin[place]:
                    continue
            yield from longer([*day, place])

    return longer([])


@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_the_cheapest_day_of_a_room_is_the_cheapest_of_all_its_days(kind: type) -> None:
    slots = build(three_services())
    arcs = arcs_of(slots)
    assert arcs.gap.max() > 0
    draw = np.random.Generator(np.random.PCG64(3))
    for _ in range(6):
        case_price = draw.integers(0, 40, slots.n).astype(kind)
        resource_price = -draw.integers(0, 3, slots.capacity.shape).astype(kind)
        arc = arc_costs(arcs, slots.cost.astype(kind), case_price, resource_price, np.zeros(0, kind))
        over = arcs.over.astype(kind)
        priced = price_rooms(arcs, arc, over)
        extra = through(arcs, arc, over, priced)
        least = dict.fromkeys(range(slots.places), np.inf)
        best = 0.0
        for day in days(arcs, 0):
            value = float(arc[day].sum() + over[0, slots.end[day[-1]]]) if day else 0.0
            best = min(best, value)
            least.update({place: min(least[place], value) for place in day})
        assert float(priced.best[0]) == pytest.approx(best)
        assert [float(x) for x in extra] == pytest.approx([least[place] - best for place in range(slots.places)])
        found = priced.until(int(priced.last[0]))
        assert arc[found].sum() + (over[0, slots.end[found[-1]]] if len(found) else 0) == pytest.approx(best)


def test_arc_costs_take_off_what_a_place_is_paid() -> None:
    slots = build(fair(generate(5, "storm", 1)))
    arcs = arcs_of(slots)
    draw = np.random.Generator(np.random.PCG64(4))
    cases = draw.integers(0, 50, slots.n)
    resources = -draw.integers(0, 4, slots.capacity.shape)
    groups = -draw.integers(0, 3, len(slots.fair_count))
    found = arc_costs(arcs, slots.cost, cases, resources, groups)
    for place in range(0, slots.places, 97):
        mode, i = slots.mode[place], slots.case[place]
        value = slots.cost[place] - cases[i]
        for u in range(slots.use_ptr[mode], slots.use_ptr[mode + 1]):
            since, until = slots.start[place] + slots.use_from[u], slots.start[place] + slots.use_until[u]
            value -= slots.use_amount[u] * resources[slots.use_resource[u], since:until].sum()
        counted = (slots.delay[place], slots.late[place], 10 * slots.prime[place])
        for g in np.nonzero(slots.fair_member[:, i])[0]:
            value -= groups[g] * counted[slots.fair_measure[g]]
        assert found[place] == value


@pytest.mark.parametrize("event", ["down", "emergency", "storm"])
@pytest.mark.parametrize("kind", ["core", "full"])
def test_no_known_plan_costs_less_than_the_bound_and_the_path_costs_of_its_places(kind: str, event: str) -> None:
    slots = build(fair(generate(6, event, 2, kind=kind)))
    plans = known(slots)
    found = lower_bound(slots, plans[:3])
    assert found.certified <= found.master + 1
    for plan in plans:
        if (plan[found.postpone < 0] < 0).any():
            continue  # the bound is for plans that do not postpone these
        cost = price_chosen(slots, plan)
        assert found.certified <= cost
        assert all(found.value + found.path_costs[place] <= cost for place in plan[plan >= 0])


def test_the_bound_of_a_relaxed_problem_is_below_the_costs_of_the_tighter_one() -> None:
    given = generate(6, "staff", 3)
    eased = replace(
        given,
        teams=tuple(replace(step, count=step.count + 3) for step in given.teams),
        beds=tuple(replace(step, count=step.count + 3) for step in given.beds),
    )
    tight, loose = build(given), build(eased)
    least = min(price_chosen(tight, plan) for plan in known(tight))
    narrow, wide = (lower_bound(slots, known(slots)[:1], BoundLimits(tolerance=1e-6)) for slots in (tight, loose))
    assert wide.certified <= least
    assert wide.value <= narrow.value + 0.1


def test_no_plan_crosses_a_window_and_fractions_of_plans_do() -> None:
    slots = build(fair(generate(12, "overrun", 2)))
    plans = known(slots)
    found = lower_bound(slots, plans[:1])
    assert len(found.windows) > 0
    for plan in plans:
        whole = np.zeros(slots.places)
        whole[plan[plan >= 0]] = 1
        assert len(crossed(slots, whole)) == 0
        for window, paid in zip(found.windows, found.window_prices, strict=True):
            alone = arc_costs(arcs_of(slots), 0.0 * slots.cost, *nothing(slots), window[None], np.array([paid]))
            assert alone[plan[plan >= 0]].sum() <= -paid
    without = lower_bound(slots, plans[:1], BoundLimits(windows=0))
    assert len(without.windows) == 0
    assert without.value < found.value <= min(price_chosen(slots, plan) for plan in plans)


def nothing(slots: Slots) -> tuple[Floats, Floats, Floats]:
    """No prices at all."""
    return np.zeros(slots.n), np.zeros(slots.capacity.shape), np.zeros(len(slots.fair_count))


def test_prices_are_whole_multiples_and_fairness_is_not_worth_more_than_its_weight() -> None:
    slots = build(fair(generate(6, "storm", 4)))
    found = lower_bound(slots, known(slots)[:1])
    for prices in (found.case_prices, found.resource_prices, found.fair_prices, found.window_prices):
        assert (prices * SCALE == np.rint(prices * SCALE)).all()
    assert (found.case_prices >= 0).all()
    assert (found.resource_prices <= 0).all()
    for measure in range(3):
        mine = slots.fair_measure == measure
        assert -(found.fair_prices[mine] * slots.fair_count[mine]).sum() <= slots.fair_weight[measure]


def test_prices_of_groups_that_are_worth_too_much_are_cut() -> None:
    arcs = arcs_of(build(fair(generate(6, "storm", 4))))
    slots = arcs.slots
    whole = fair_rounded(arcs, np.full(len(slots.fair_count), -3.3))
    for measure in range(3):
        mine = slots.fair_measure == measure
        spent = -(whole[mine] * slots.fair_count[mine]).sum()
        assert 0 < spent <= slots.fair_weight[measure] * SCALE


def test_who_never_may_be_postponed_has_no_price_unless_every_plan_postpones_them() -> None:
    urgent = case("a", None, 9, urgency=Urgency.URGENT)
    slots = build(problem(urgent, case("b", "1", 9), weights=CORE))
    placed = right_shift_chosen(slots)
    assert (placed >= 0).all()
    assert postponing_prices(slots, [placed]).tolist() == [-1, slots.postpone[1]]
    nobody = np.full(slots.n, -1, np.int64)
    assert postponing_prices(slots, [nobody]).tolist() == slots.postpone.tolist()
    strict = build(replace(problem(urgent, case("b", "1", 9)), weights=replace(CORE, strict=True)))
    assert postponing_prices(strict, [placed]).tolist() == [-1, -1]


def test_a_bound_that_is_stopped_at_once_holds() -> None:
    slots = build(generate(5, "down", 1))
    plans = known(slots)
    stopped = lower_bound(slots, plans[:1], stop=lambda: True)
    short = lower_bound(slots, plans[:1], BoundLimits(rounds=2))
    assert stopped.work == 0
    assert stopped.certified <= short.certified <= min(price_chosen(slots, plan) for plan in plans)
