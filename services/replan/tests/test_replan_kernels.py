"""The compiled kernels against the checker and the published cost; what they promise about repeatability and speed."""

import itertools
import os
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orloop_common.domain.checker import check
from orloop_common.domain.cost import price
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem, Turnover
from orloop_replan.domain import kernel_anneal, kernel_decode, kernel_state, kernel_whole, kernels
from orloop_replan.domain.class_order import feasible_chosen
from orloop_replan.domain.kernel_decode import decode, drop, keep
from orloop_replan.domain.kernel_pack import DELAY_BITS, LATE_BITS, STRICT, Packed, pack
from orloop_replan.domain.kernel_state import MODE, STRIDE, State, begin
from orloop_replan.domain.kernel_tables import logs, temperatures
from orloop_replan.domain.kernels import (
    SearchWeights,
    anneal,
    decode_from,
    price_chosen,
    price_modelled,
    right_shift_chosen,
)
from orloop_replan.domain.slots import Slots, around, build
from orloop_replan.generate import generate

Ints = npt.NDArray[np.int64]
EVENTS = ("down", "overrun", "emergency", "staff", "storm")
UNAVOIDABLE = {"emergency-never-postponed"}
"""An emergency that fits nowhere is left out by every plan."""
MINUTE, ENDLESS = timedelta(minutes=1), 1 << 60


@pytest.fixture(scope="module", autouse=True)
def warmed() -> None:
    kernels.warm()


def plan_of(slots: Slots, chosen: Ints) -> dict[str, Place]:
    return slots.plan(chosen[chosen >= 0])


def broken(slots: Slots, chosen: Ints) -> list[str]:
    return [b.sentence for b in check(slots.problem, plan_of(slots, chosen)) if b.rule not in UNAVOIDABLE]


def moved(slots: Slots, chosen: Ints) -> int:
    """How many cases leave the place that was published for them."""
    plan = plan_of(slots, chosen)
    return sum(plan[c.id] != c.current and c.current.room is not None for c in slots.problem.cases)


def whole(problem: PlanProblem) -> PlanProblem:
    """The same problem with a price for the terms that only whole plans have."""
    return replace(problem, weights=replace(problem.weights, surgeon_idle=3, break_in=2, add_on_slack=1))


def assert_good(slots: Slots, chosen: Ints) -> None:
    assert broken(slots, chosen) == []
    assert price_chosen(slots, chosen) == price(slots.problem, plan_of(slots, chosen)).total
    assert price_modelled(slots, chosen) <= price_chosen(slots, chosen)


@pytest.mark.parametrize("kind", ["core", "full"])
@pytest.mark.parametrize("event", EVENTS)
def test_right_shift_and_annealed_plans_pass_the_checker_at_the_price_they_state(event: str, kind: str) -> None:
    for seed in range(3):
        slots = build(whole(generate(8, event, seed, kind)))
        shifted = right_shift_chosen(slots)
        assert_good(slots, shifted)
        found = anneal(slots, shifted, seed, 2000, pool=5)
        assert_good(slots, found.chosen)
        assert found.cost == price_chosen(slots, found.chosen)
        better = kernels.rank_chosen(slots, found.chosen), found.cost
        assert better <= (kernels.rank_chosen(slots, shifted), price_chosen(slots, shifted))
        for plan in found.pool:
            assert_good(slots, plan)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["core", "full"])
def test_plans_of_large_suites_pass_the_checker(kind: str) -> None:
    for rooms, event, seed in itertools.product((20, 40), EVENTS, range(3)):
        slots = build(whole(generate(rooms, event, seed, kind)))
        for start in (right_shift_chosen(slots), decode_from(slots, np.full(slots.n, -1, np.int64))):
            assert_good(slots, start)
            assert_good(slots, anneal(slots, start, seed, 15_000).chosen)


@given(st.integers(0, 10_000), st.integers(2, 5), st.sampled_from(EVENTS), st.sampled_from(["core", "full"]))
@settings(max_examples=15, deadline=None)
def test_any_wish_is_repaired_into_a_sound_plan(seed: int, rooms: int, event: str, kind: str) -> None:
    slots = build(whole(generate(rooms, event, seed, kind)))
    draw = np.random.default_rng(seed)
    wanted = np.full(slots.n, -1, np.int64)
    for i in range(slots.n):
        own = np.nonzero(slots.case == i)[0]
        if len(own) and draw.random() < 0.9:
            wanted[i] = draw.choice(own)
    assert_good(slots, decode_from(slots, wanted))


@given(st.integers(0, 10_000), st.integers(2, 6), st.sampled_from(EVENTS))
@settings(max_examples=15, deadline=None)
def test_what_models_hold_of_terms_of_whole_plans_is_never_more_than_these_cost(
    seed: int, rooms: int, event: str
) -> None:
    """Term by term, around whatever plan they are stated: who is postponed, comes first or last may be another one."""
    made = whole(generate(rooms, event, seed, "full"))
    term = ("surgeon_idle", "break_in", "add_on_slack")[seed % 3]
    others = {name: 0 for name in ("surgeon_idle", "break_in", "add_on_slack") if name != term}
    slots = build(replace(made, weights=replace(made.weights, **others)))
    draw = np.random.default_rng(seed)
    plans = []
    for _ in range(6):
        wanted = np.array([draw.choice([-1, *np.nonzero(slots.case == i)[0]]) for i in range(slots.n)], np.int64)
        plans.append(decode_from(slots, wanted))
    for one, other in itertools.product(plans, plans):
        stated = around(slots, plan_of(slots, one))
        assert price_modelled(stated, other) <= price_chosen(stated, other) == price_chosen(slots, other)
        assert price_chosen(stated, other) == price(slots.problem, plan_of(slots, other)).total


def test_models_stated_around_a_plan_hold_nearly_all_that_it_costs() -> None:
    held, missed = 0, 0
    for event in EVENTS:
        slots = build(whole(generate(8, event, 1, "full")))
        plan = anneal(slots, right_shift_chosen(slots), 0, 2000).chosen
        stated, cost = around(slots, plan_of(slots, plan)), price(slots.problem, plan_of(slots, plan))
        held += cost.surgeon_idle + cost.break_in + cost.add_on_slack
        missed += price_chosen(stated, plan) - price_modelled(stated, plan)
    assert missed < held / 4


def test_a_plan_that_keeps_every_rule_is_left_as_it_is() -> None:
    slots = build(generate(8, "storm", 1))
    found = anneal(slots, right_shift_chosen(slots), 0, 3000).chosen
    assert decode_from(slots, found).tolist() == found.tolist()


def test_the_same_seed_gives_the_same_plans_and_another_seed_others() -> None:
    slots = build(generate(10, "down", 3))
    start = right_shift_chosen(slots)
    one, two, other = (anneal(slots, start, seed, 1500, pool=6) for seed in (7, 7, 8))
    assert (one.cost, one.work) == (two.cost, two.work)
    assert one.chosen.tobytes() + one.pool.tobytes() == two.chosen.tobytes() + two.pool.tobytes()
    assert other.work != one.work


@pytest.mark.slow
def test_another_process_gives_the_same_bytes() -> None:
    script = (
        "from orloop_replan.domain.kernels import anneal, right_shift_chosen;"
        "from orloop_replan.domain.slots import build; from orloop_replan.generate import generate;"
        "s = build(generate(10, 'storm', 2, 'full'));"
        "print(anneal(s, right_shift_chosen(s), 5, 3000, pool=3).chosen.tobytes().hex())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def tiny(seed: int) -> PlanProblem:
    """Two rooms, four movable cases."""
    problem = generate(3, "down", seed, "full")
    return whole(replace(problem, cases=problem.cases[:4]))


def pruned(slots: Slots, i: int) -> list[int]:
    """Places of a case that are enough to try: the published one, and every sixth other."""
    own = np.nonzero(slots.case == i)[0]
    return [-1, *own[::12].tolist(), *([int(slots.published[i])] if slots.published[i] >= 0 else [])]


@pytest.mark.parametrize("seed", range(4))
def test_feasible_on_arrays_is_what_the_checker_says_for_every_plan_of_a_tiny_suite(seed: int) -> None:
    slots = build(tiny(seed))
    draw = np.random.default_rng(seed)
    plans = list(itertools.product(*(pruned(slots, i) for i in range(slots.n))))
    agreed = {True: 0, False: 0}
    for index in draw.choice(len(plans), min(400, len(plans)), replace=False):
        chosen = np.array(plans[index], np.int64)
        between = {"room-one-patient", "turnover-between", "surgeon-one-place", "anaesthesia-teams", "recovery-beds"}
        between |= {"staff-skills", "equipment-units", "cleaning-teams", "unit-beds"}
        said = not [b for b in check(slots.problem, plan_of(slots, chosen)) if b.rule in between]
        assert feasible_chosen(slots, chosen) == said, plan_of(slots, chosen)
        agreed[said] += 1
    assert agreed[True] > 20


@pytest.mark.parametrize("seed", range(4))
def test_right_shift_of_every_subset_of_a_tiny_suite_is_feasible(seed: int) -> None:
    whole = tiny(seed)
    for size in range(1, len(whole.cases) + 1):
        for cases in itertools.combinations(whole.cases, size):
            slots = build(replace(whole, cases=cases))
            assert_good(slots, right_shift_chosen(slots))


@pytest.mark.parametrize("seed", range(3))
def test_annealing_finds_the_best_plan_of_a_tiny_suite(seed: int) -> None:
    slots = build(tiny(seed))
    found = anneal(slots, right_shift_chosen(slots), 0, 4000)
    draw = np.random.default_rng(seed)
    plans = list(itertools.product(*(pruned(slots, i) for i in range(slots.n))))
    for index in draw.choice(len(plans), min(3000, len(plans)), replace=False):
        chosen = np.array(plans[index], np.int64)
        key = kernels.rank_chosen(slots, chosen), price_chosen(slots, chosen)
        if key < (kernels.rank_chosen(slots, found.chosen), found.cost):
            assert broken(slots, chosen) != []


def test_a_start_published_off_the_grid_stays_possible_to_the_minute() -> None:
    problem = generate(10, "down", 1)
    cases = [
        replace(c, current=replace(c.current, start=c.current.start + 2 * MINUTE)) if c.current.start is not None else c
        for c in problem.cases
    ]
    slots = build(replace(problem, cases=tuple(cases)))
    assert slots.tick == MINUTE
    start = right_shift_chosen(slots)
    for chosen in (start, anneal(slots, start, 0, 2000).chosen):
        assert_good(slots, chosen)
        assert sum(slots.start[chosen[chosen >= 0]] % slots.step != 0) > 3


def test_time_between_unlike_cases_is_kept() -> None:
    turnover = Turnover(service_change=10 * MINUTE, after_contaminated=30 * MINUTE, before_latex=20 * MINUTE)
    slots_free = slots_kept = 0
    for seed in range(4):
        problem = whole(generate(6, "storm", seed, "full"))
        cases = tuple(replace(c, contaminated=k % 3 == 0, latex=k % 4 == 1) for k, c in enumerate(problem.cases))
        slots = build(replace(problem, cases=cases, turnover=turnover))
        assert slots.extra.max() > 0
        for chosen in (right_shift_chosen(slots), anneal(slots, right_shift_chosen(slots), 1, 2000).chosen):
            assert_good(slots, chosen)
            slots_kept += feasible_chosen(slots, chosen)
        without = build(replace(problem, cases=cases, turnover=None))
        slots_free += not feasible_chosen(slots, _same_places(slots, without, right_shift_chosen(without)))
    assert slots_kept == 8
    assert slots_free > 0  # otherwise the rule would have had nothing to do


def _same_places(slots: Slots, others: Slots, chosen: Ints) -> Ints:
    plan = plan_of(others, chosen)
    found = slots.chosen(plan)
    return found if found is not None else np.array([p if p >= 0 else -1 for p in _loose(slots, plan)], np.int64)


def _loose(slots: Slots, plan: dict[str, Place]) -> list[int]:
    one = [slots.chosen({c.id: plan[c.id]}) for c in slots.problem.cases]
    return [int(found[i]) if found is not None else -1 for i, found in enumerate(one)]


def test_emergencies_are_placed_wherever_they_fit() -> None:
    for seed in range(6):
        slots = build(generate(5, "storm", seed))
        must = slots.must > 0
        for start in (right_shift_chosen(slots), np.full(slots.n, -1, np.int64)):
            chosen = anneal(slots, start, seed, 1500).chosen
            assert (chosen[must] >= 0).all()


def test_a_day_too_short_for_everybody_keeps_the_order_of_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    traded = 0
    for seed in range(12):
        problem = whole(generate(8, "down", seed, "full"))
        early = [replace(room, closes=room.closes - timedelta(hours=7)) for room in problem.rooms]
        slots = build(replace(problem, rooms=tuple(early)))
        chosen = right_shift_chosen(slots)
        assert_good(slots, chosen)
        with monkeypatch.context() as patch:
            patch.setattr(kernels, "in_class_order", lambda _, plan: plan)
            careless = right_shift_chosen(slots)
        traded += "class-order" in {b.rule for b in check(slots.problem, plan_of(slots, careless))}
    assert traded > 0


def test_another_way_differs_from_the_first_in_enough_cases() -> None:
    slots = build(generate(10, "down", 1))
    first = anneal(slots, right_shift_chosen(slots), 0, 3000).chosen
    second = anneal(slots, first, 1, 3000, others=(first,), apart=4)
    assert kernels.distance_chosen(slots, first, second.chosen) >= 4
    assert_good(slots, second.chosen)


def test_a_goal_is_reached_at_the_price_of_the_others() -> None:
    slots = build(generate(12, "down", 5))
    start = right_shift_chosen(slots)
    cheap = anneal(slots, start, 0, 4000).chosen

    few = anneal(slots, start, 0, 4000, weights=SearchWeights(changed=60)).chosen
    assert moved(slots, few) < moved(slots, cheap)
    rooms = [int(slots.room[p]) for i, p in enumerate(cheap) if p >= 0 and slots.rooms[slots.room[p]] != _own(slots, i)]
    room = max(sorted(set(rooms)), key=rooms.count)
    free = anneal(slots, start, 0, 4000, weights=SearchWeights(keep_free=room)).chosen
    assert all(slots.room[p] != room or slots.rooms[room] == _own(slots, i) for i, p in enumerate(free) if p >= 0)


def _own(slots: Slots, i: int) -> str | None:
    return slots.problem.cases[i].current.room


def test_a_plan_costs_the_search_what_it_costs_by_the_published_terms() -> None:
    problem = generate(12, "storm", 4, "full")
    rooms = tuple(replace(room, block_end=room.block_end - timedelta(hours=4)) for room in problem.rooms)
    slots = build(replace(problem, rooms=rooms))
    assert (slots.base_end > slots.block_end).any()
    weights = SearchWeights(changed=3, overtime=2)
    for chosen in anneal(slots, right_shift_chosen(slots), 3, 3000, weights=weights, pool=20).pool:
        room, want, order = kernels._encoded(slots, chosen)
        state = begin(pack(slots, weights), order, room, want)
        cost, reached, _ = decode(pack(slots, weights), state, 0, slots.n, 1 << 60, False)
        assert (reached, kernels._chosen(slots, state.place).tolist()) == (slots.n, chosen.tolist())
        published = price_modelled(slots, chosen) - slots.constant
        no_overtime = price_modelled(replace(slots, overtime=0), chosen) - slots.constant
        overtime = (published - no_overtime) // slots.overtime
        harder = STRICT * int(slots.postpone[(chosen < 0) & (slots.rank > 0)].sum())
        assert cost == published + 3 * moved(slots, chosen) + 2 * overtime + harder


def test_a_decode_from_any_position_is_the_decode_from_the_front() -> None:
    """Random changes, kept or dropped at random: the next decode must not notice what was dropped."""
    slots = build(generate(12, "storm", 4, "full"))
    g, draw = pack(slots), np.random.default_rng(1)
    room, want, order = kernels._encoded(slots, right_shift_chosen(slots))
    state = begin(g, order, room, want)
    decode(g, state, 0, slots.n, ENDLESS, False)
    keep(g, state, 0, slots.n)
    for _ in range(300):
        i = int(draw.integers(slots.n))
        before, q = int(state.room[i]), int(state.position[i])
        state.room[i] = draw.choice(np.nonzero(g.row[i] >= 0)[0]) if (g.row[i] >= 0).any() else -1
        limit = ENDLESS if draw.random() < 0.5 else int(draw.integers(1, 6000))
        cost, reached, same = decode(g, state, q, q, limit, False)
        fresh = begin(g, state.order, state.room, state.want)
        whole, _, _ = decode(g, fresh, 0, slots.n, ENDLESS, False)
        if same or (cost >= 0 and draw.random() < 0.5):
            assert same or cost == whole
            keep(g, state, q, reached)
            assert state.kept[:, : MODE + 1].tolist() == fresh.place[:, : MODE + 1].tolist()
        else:
            assert cost in (-1, whole)
            assert (cost < 0) == (whole > limit)
            drop(g, state, q, reached)
            state.room[i] = before


def test_a_change_of_layout_is_seen_by_the_cache_of_compiled_kernels() -> None:
    """numba looks for changes in the kernels' own file: what they take from others must change that file too."""
    constants = DELAY_BITS, LATE_BITS, STRIDE, kernel_state.FIELDS, kernel_state.VALUE, kernel_state.END
    assert zlib.crc32(repr((Packed._fields, State._fields, constants)).encode()) == kernel_decode.LAYOUT
    assert zlib.crc32(Path(kernel_decode.__file__).read_bytes()) == kernel_anneal.DECODER
    assert zlib.crc32(Path(kernel_whole.__file__).read_bytes()) == kernel_anneal.WHOLE


def test_the_tables_of_the_accept_test_are_whole_numbers_that_fall() -> None:
    assert (np.diff(logs()) < 0).all()
    assert logs()[-1] == 0
    assert temperatures(40, 1)[0] == 40 * 1024
    assert temperatures(40, 1)[-1] in (1023, 1024)
    with pytest.raises(ValueError, match="Expected 0 < cold <= hot"):
        temperatures(1, 40)


def test_a_day_without_movable_cases_or_decodes_is_answered() -> None:
    slots = build(replace(generate(3, "none", 1), cases=()))
    assert right_shift_chosen(slots).tolist() == []
    assert anneal(slots, right_shift_chosen(slots), 0, 100).cost == price_chosen(slots, np.zeros(0, np.int64))


@pytest.mark.slow
def test_right_shift_takes_less_than_five_milliseconds_at_forty_rooms() -> None:
    slots = build(generate(40, "storm", 1))
    right_shift_chosen(slots)
    spent = []
    for _ in range(9):
        began = time.process_time()
        right_shift_chosen(slots)
        spent.append(time.process_time() - began)
    assert sorted(spent)[4] < 0.005
