"""Made-up problems: what they promise to whoever solves them."""

from datetime import timedelta

import pytest

from orloop_common.domain.checker import check
from orloop_common.domain.digest import digest
from orloop_common.domain.vocabulary import Urgency
from orloop_replan.domain import slots
from orloop_replan.generate import EVENTS, GeneratorError, generate

EMERGENCIES = (Urgency.URGENT, Urgency.IMMEDIATE)


def test_the_same_arguments_give_the_same_problem() -> None:
    assert digest(generate(10, "storm", 3)) == digest(generate(10, "storm", 3))
    assert digest(generate(10, "storm", 3)) != digest(generate(10, "storm", 4))


@pytest.mark.parametrize("kind", ["core", "full"])
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("seed", [1, 2])
def test_everything_lies_on_the_five_minute_grid(kind: str, event: str, seed: int) -> None:
    problem = generate(10, event, seed, kind)
    assert slots.build(problem).tick == timedelta(minutes=5)


@pytest.mark.parametrize("kind", ["core", "full"])
@pytest.mark.parametrize("event", EVENTS)
def test_placing_nobody_breaks_nothing_but_the_promise_to_emergencies(kind: str, event: str) -> None:
    problem = generate(20, event, 1, kind)
    nobody = slots.build(problem).plan([])
    broken = check(problem, nobody)
    assert {b.rule for b in broken} <= {"emergency-never-postponed"}
    assert len(broken) == sum(case.urgency in EMERGENCIES for case in problem.cases)


@pytest.mark.parametrize("kind", ["core", "full"])
def test_every_emergency_has_a_place_that_keeps_all_rules_by_itself(kind: str) -> None:
    for seed in range(1, 6):
        problem = generate(20, "storm", seed, kind)
        arrays = slots.build(problem)
        placeable = set(arrays.case.tolist())
        assert all(i in placeable for i, case in enumerate(problem.cases) if case.urgency in EMERGENCIES)


def test_nobody_is_published_inside_the_notice_and_may_still_move() -> None:
    for event in EVENTS:
        problem = generate(20, event, 2)
        assert all(c.current.start is None or c.current.start >= problem.earliest_start for c in problem.cases)


def test_a_room_that_goes_down_has_work() -> None:
    problem = generate(20, "down", 1)
    (down,) = [room.id for room in problem.rooms if room.down]
    assert any(case.current.room == down for case in problem.cases)


def test_an_overrun_holds_a_tenth_of_the_rooms_an_hour_longer_on_the_same_morning() -> None:
    calm = {held.id: held.patient.end for held in generate(20, "none", 1).committed if held.why == "in_room"}
    late = {held.id: held.patient.end for held in generate(20, "overrun", 1).committed if held.why == "in_room"}
    longer = [late[name] - end for name, end in calm.items() if late[name] != end]
    assert calm.keys() == late.keys()
    assert len(longer) == 2
    assert all(timedelta(hours=1) <= more <= timedelta(hours=2) for more in longer)


def test_a_staff_shortage_takes_fifteen_percent_of_the_teams_from_now_on() -> None:
    calm, short = generate(20, "none", 1), generate(20, "staff", 1)
    at = [calm.now - timedelta(hours=1), calm.now + timedelta(hours=1)]
    there = [[c.count for c in p.teams for m in at if c.start <= m < c.end] for p in (calm, short)]
    assert there == [[20, 20], [20, 17]]


def test_a_storm_is_everything_at_once() -> None:
    storm = generate(20, "storm", 1)
    assert any(room.down for room in storm.rooms)
    assert sum(case.urgency is Urgency.IMMEDIATE for case in storm.cases) == 1
    assert sum(case.urgency is Urgency.URGENT for case in storm.cases) == 2


def test_the_core_prices_are_those_of_the_study() -> None:
    problem = generate(20, "down", 1)
    assert {case.priority for case in problem.cases} <= {2, 3, 4}
    w = problem.weights
    assert (w.early, w.overtime, w.room_change, w.postpone, w.postpone_per_slot) == (1, 5, 12, 150, 3)
    assert (w.emergency_wait, w.fairness, w.changed, w.moved_again, w.strict) == (10, 8, 0, 0, False)
    assert not any((problem.equipment, problem.skills, problem.units, problem.hours, problem.expected))


def test_the_full_kind_adds_to_the_core_day_and_moves_nothing() -> None:
    core, full = generate(20, "overrun", 5), generate(20, "overrun", 5, "full")
    assert [(c.id, c.current, c.length) for c in full.cases] == [(c.id, c.current, c.length) for c in core.cases]
    assert full.weights.strict
    assert all((full.equipment, full.skills, full.units, full.cleaning, full.hours, full.expected))
    assert {case.site for case in full.cases} >= {"north", "south"}
    assert full.turnover is not None
    extra = full.turnover.service_change + full.turnover.after_contaminated + full.turnover.before_latex
    assert extra < min(case.setup + case.length + case.cleanup for case in full.cases)


def test_now_may_be_another_time() -> None:
    early, late = generate(20, "down", 1, now="08:00"), generate(20, "down", 1, now="13:30")
    assert (early.now.hour, late.now.hour, late.now.minute) == (8, 13, 30)
    assert len(early.cases) > len(late.cases)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0, "down", 1), "Expected 1 to 120 rooms, got 0"),
        ((20, "flood", 1), "Expected one of down, .*, got 'flood'"),
        ((20, "down", 1, "light"), "Expected one of core, full, got 'light'"),
        ((20, "down", 1, "core", "10:02"), "in steps of 5 min, got '10:02'"),
        ((20, "down", 1, "core", "noon"), "Expected HH:MM"),
        ((20, "down", 1, "core", "21:00"), "between 07:30 and 20:00"),
    ],
)
def test_arguments_that_make_no_problem_are_named(arguments: tuple[object, ...], said: str) -> None:
    with pytest.raises(GeneratorError, match=said) as error:
        generate(*arguments)  # type: ignore[arg-type]
    assert "\nMaybe" in str(error.value)
