"""The bench: frozen problems are what they say, peers are judged alike, figures are counted as they are called."""

from statistics import mean

import pytest

from orloop_common.domain.checker import check
from orloop_common.domain.cost import price
from orloop_replan.bench import table, worker
from orloop_replan.bench.greedy import best_insertion
from orloop_replan.bench.peers import PeerError, judged, plan_of
from orloop_replan.bench.sets import INSTANCES, SETS, Known, better, load, names, read_best
from orloop_replan.domain import kernels, slots
from orloop_replan.generate import generate

KNOWN = read_best()
TINY = names("tiny", True, KNOWN) + names("tiny-full", True, KNOWN)


def clash(arrays: slots.Slots, one: int, two: int) -> bool:
    """Whether two places take the same room at once."""
    overlap = arrays.begin[one] < arrays.end[two] and arrays.begin[two] < arrays.end[one]
    return bool(arrays.room[one] == arrays.room[two] and overlap)


def test_every_frozen_problem_has_an_entry_and_every_entry_a_file() -> None:
    files = {path.name.removesuffix(".json.gz") for path in INSTANCES.glob("*.json.gz")}
    assert files == set(KNOWN)
    assert sum(path.stat().st_size for path in INSTANCES.iterdir()) < 2_000_000


@pytest.mark.parametrize("size", ["20", "40"])
def test_a_size_counts_only_if_right_shift_costs_twice_the_best_known(size: str) -> None:
    for full, least in ((False, 15), (True, 60)):
        own = [KNOWN[name] for name in names(size, full, KNOWN)]
        assert len(own) == least
        assert all(SETS[size].least <= known.movable <= SETS[size].most for known in own)
        assert mean(known.right_shift / known.cost for known in own if known.cost) >= 2


def test_no_bound_is_above_a_best_known_cost() -> None:
    assert [name for name, k in KNOWN.items() if k.cost is not None and k.bound is not None and k.bound > k.cost] == []


@pytest.mark.parametrize("name", [*TINY, *(f"r{size}" for size in SETS)])
def test_a_frozen_problem_is_what_its_entry_says(name: str) -> None:
    chosen = name if name in KNOWN else names(name[1:], False, KNOWN)[0]
    known, problem = KNOWN[chosen], load(chosen)
    assert (len(problem.rooms), len(problem.cases)) == (known.rooms, known.movable)
    arrays = slots.build(problem)
    shifted = plan_of(arrays, kernels.right_shift_chosen(arrays).tolist())
    assert check(problem, shifted) == ()
    assert known.cost is None or price(problem, shifted).total >= known.cost


@pytest.mark.parametrize("kind", ["core", "full"])
@pytest.mark.parametrize("event", ["down", "storm"])
def test_the_coordinator_keeps_every_rule_and_beats_right_shift_from_where_it_starts(kind: str, event: str) -> None:
    problem = generate(10, event, 3, kind)
    arrays = slots.build(problem)
    shifted = kernels.right_shift_chosen(arrays)
    for start in (None, shifted):
        plan = plan_of(arrays, best_insertion(arrays, start).tolist())
        assert check(problem, plan) == ()
    own = kernels.price_chosen(arrays, best_insertion(arrays, shifted))
    assert own <= kernels.price_chosen(arrays, shifted)


def test_a_peer_that_breaks_a_rule_or_counts_another_cost_is_refused() -> None:
    name = TINY[0]
    problem = load(name)
    arrays = slots.build(problem)
    chosen = kernels.right_shift_chosen(arrays).tolist()
    cost = kernels.price_chosen(arrays, kernels.right_shift_chosen(arrays))
    fair = {"instance": name, "peer": "somebody", "chosen": chosen}
    assert judged(fair)["cost"] == cost
    assert judged({**fair, "objective": cost})["cost"] == cost
    with pytest.raises(PeerError, match=f"Expected somebody to count {cost}, got 1"):
        judged({**fair, "objective": 1})
    assert judged({**fair, "objective": cost + 2, "status": "FEASIBLE"})["cost"] == cost
    with pytest.raises(PeerError, match=f"Expected somebody to count {cost}, got {cost + 2}"):
        judged({**fair, "objective": cost + 2, "status": "OPTIMAL"})
    with pytest.raises(PeerError, match="from below"):
        judged({**fair, "bound": cost + 1})
    placed = [place for place in chosen if place >= 0]
    onto = next(
        place
        for place in range(arrays.places)
        if any(arrays.case[p] != arrays.case[place] and clash(arrays, p, place) for p in placed)
    )
    with pytest.raises(PeerError, match="sound plan"):
        judged({**fair, "chosen": [onto if arrays.case[onto] == i else place for i, place in enumerate(chosen)]})


def test_the_best_known_learns_only_what_is_better() -> None:
    known = Known(20, "down", 1, "core", "10:00", 40, 1000, cost=500, bound=450, found_by="a", bound_by="a")
    learnt = better(better(known, 510, 440, "b"), 490, 460, "c")
    assert (learnt.cost, learnt.bound, learnt.found_by, learnt.bound_by) == (490, 460, "c", "c")
    assert better(known, 510, 440, "b") == known
    assert better(known, 450, None, "d").proven


def test_quantiles_are_values_that_were_measured() -> None:
    assert table.quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert table.quantile([float(k) for k in range(1, 16)], 0.95) == 15.0
    assert table.quantile([float(k) for k in range(1, 61)], 0.95) == 57.0


def test_the_cost_at_a_moment_is_what_had_been_found_by_then() -> None:
    result = {"curve": [[0.1, 900, 0, "right_shift"], [0.8, 600, 500, "fix 4"], [2.0, 550, 540, "fix 8"]]}
    assert (table.at(result, 0.05), table.at(result, 1.0), table.at(result, 3.0)) == (None, 600, 550)
    assert table.stage_of(result, "fix 4")[1] == 600
    assert table.stage_of(result, "fix 32")[1] == 550
    assert table.gap(600, 500, 100) == pytest.approx(0.2)
    assert table.gap(500, 500, 500) == 0


def test_questions_are_counted_one_by_one_with_those_that_were_answered() -> None:
    name = TINY[0]
    lines = [
        {"instance": name, "peer": "why_not", "why_not_seconds": [0.1, 0.3], "answered": 2},
        {"instance": TINY[1], "peer": "why_not", "why_not_seconds": [1.6], "answered": 0},
    ]
    shown = {row[0]: row[1:] for row in table.rows("tiny", lines, KNOWN)}
    assert shown["why not: wall s to an answer"] == ("3", "0.30", "1.60", "0.67")
    assert shown["why not: with a rule or an interval"] == ("3", "2", "", "67%")


def test_what_is_forbidden_and_what_has_a_price_are_both_answers() -> None:
    said = worker.why_not(load("r20-staff-023"))
    assert len(said["why_not_seconds"]) >= 2
    assert said["answered"] == len(said["why_not_seconds"])
