"""Plans of random problems against the judge; and problems that are no problems, or far too many cases at once."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from replan_tiny import at, case, committed, during, problem, room, there

from orloop_common.domain.checker import check
from orloop_common.domain.cost import floor, price
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.rightshift import right_shift
from orloop_common.domain.soundness import named_errors
from orloop_common.messages import to_json
from orloop_replan import plan, verify
from orloop_replan.adapters.bound import BoundLimits
from orloop_replan.adapters.price_and_fix import FixLimits, solve
from orloop_replan.generate import generate
from orloop_replan.verify_draw import AWKWARD, EASINGS, draw_problem, relax

QUICK = FixLimits(scout=200, decodes=200, samples=10, growth=(6,))


def test_some_random_plans_are_sound_and_their_bounds_hold() -> None:
    total = verify.verify_many(range(8), most_rooms=4)
    assert total.wrong == []
    assert total.problems == 8


@pytest.mark.slow
def test_two_hundred_random_plans_are_sound_and_their_bounds_hold() -> None:
    total = verify.verify_many(range(100, 300))
    assert total.wrong == []
    assert total.counted["strict"] > 50
    assert total.counted["off the grid"] > 10
    assert total.counted["postpones"] > 10


@pytest.mark.parametrize("seed", [2434, 2934])
def test_a_plan_that_leaves_out_an_emergency_is_never_the_end_of_a_search(seed: int) -> None:
    assert verify.verify(seed).wrong == ()


@pytest.mark.parametrize("seed", [321, 1049])
def test_the_extra_time_of_a_turnover_runs_from_the_true_end_of_a_case_that_is_over(seed: int) -> None:
    assert verify.verify(seed).wrong == ()


def test_random_problems_are_problems_and_every_way_to_change_them_occurs() -> None:
    given = generate(5, "storm", 3, "full")
    for change in (*AWKWARD, *EASINGS):
        changed = [change(given, Random(seed)) for seed in range(5)]
        assert any(one != given for one in changed), change.__name__
        assert [error for one in changed for error in named_errors(one)] == []
    for seed in range(20):
        assert draw_problem(seed) == draw_problem(seed)
        assert named_errors(draw_problem(seed)) == named_errors(relax(seed, draw_problem(seed))) == ()


def test_a_planner_that_breaks_a_rule_or_overstates_its_bound_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_good(given: PlanProblem, *_: object) -> object:
        found = solve(given, 1, QUICK)
        return replace(found, bound=found.cost + 1, cost=found.cost)

    monkeypatch.setattr(verify, "solve", too_good)
    assert any("above cost" in wrong for wrong in verify.verify(2).wrong)

    def everybody_at_once(given: PlanProblem, *_: object) -> object:
        found = solve(given, 1, QUICK)
        return replace(found, chosen=found.slots.published)

    monkeypatch.setattr(verify, "solve", everybody_at_once)
    assert any("breaks" in wrong or "costs" in wrong for seed in range(6) for wrong in verify.verify(seed).wrong)


def test_the_command_says_by_its_exit_code_whether_all_was_right(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify.main(["--n", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["wrong"] == []
    monkeypatch.setattr(verify, "draw_problem", lambda *_: replace(problem(case("a", "1", 11)), rooms=()))
    monkeypatch.setattr(verify, "solve", lambda *_: 1 // 0)
    assert verify.main(["--n", "1"]) == 1
    assert "seed 0: ZeroDivisionError" in capsys.readouterr().err


# --- malformed -----------------------------------------------------------------------------------------

HOUR = timedelta(hours=1)
MALFORMED: dict[str, tuple[PlanProblem, str]] = {
    "a negative length": (problem(case("a", "1", 11, -1)), "length of case a"),
    "a negative setup": (problem(case("a", "1", 11, setup=-HOUR)), "setup of case a"),
    "a room that does not exist": (problem(case("a", "9", 11)), "room of case a"),
    "a committed case in a room that does not exist": (
        problem(case("a", "1", 11), committed=(committed("9", 9, 11),)),
        "committed case in-9",
    ),
    "two committed cases in one room": (
        problem(case("a", "1", 13), committed=(committed("1", 9, 11), committed("1", 10, 12, id="other"))),
        "one committed case at a time",
    ),
    "the same case twice": (problem(case("a", "1", 11), case("a", "1", 13)), "'a' twice"),
    "no rooms": (problem(case("a", None, 11), rooms=()), "at least one room"),
    "a room that closes before it opens": (
        problem(case("a", "1", 11), rooms=(room("1", opens=at(19)), room("2"))),
        "room 1",
    ),
    "no grid": (problem(case("a", "1", 11), grid=timedelta(0)), "grid"),
    "fewer than no teams": (problem(case("a", "1", 11), teams=there(-1)), "anaesthesia teams"),
    "a day that is over before now": (problem(case("a", "1", 11), horizon=at(9)), "horizon"),
    "a downtime backwards": (
        problem(case("a", "1", 11), rooms=(room("1", down=(during(13, 11),)), room("2"))),
        "downtime of room 1",
    ),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_no_problem_gets_named_errors(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, named = MALFORMED[what]
    assert any(named in error for error in named_errors(given)), named_errors(given)
    file = tmp_path / "problem.json"
    file.write_bytes(to_json(given))
    assert plan.main(["solve", str(file)]) == 2
    said = capsys.readouterr().err
    assert named in said
    assert "Traceback" not in said


ODD: dict[str, Callable[[], PlanProblem]] = {
    "nobody may move": lambda: problem(committed=(committed("1", 9, 12),)),
    "nothing at all": lambda: problem(),
    "one room, one case": lambda: problem(case("a", "1", 11), rooms=(room("1"),)),
    "all rooms down": lambda: problem(case("a", "1", 11), rooms=(room("1", down=(during(7, 20),)),)),
    "no anaesthesia team left": lambda: problem(case("a", "1", 11), teams=there(1, 7, 10.5)),
    "committed cases that overdraw": lambda: problem(
        case("a", "1", 12), teams=there(1), committed=(committed("1", 9, 11), committed("2", 9, 13))
    ),
    "a case longer than the day": lambda: problem(case("a", "1", 11, 30)),
    "a surgeon twice on a case": lambda: problem(case("a", "1", 11, surgeons=("S", "S"))),
    "published before now": lambda: problem(case("a", "1", 8), case("b", "2", 9)),
    "after the day": lambda: problem(case("a", "1", 17.5), now=at(17.5), earliest_start=at(18)),
}


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_gets_a_correct_plan(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ODD[what]()
    assert named_errors(given) == ()
    found = solve(given, 1, QUICK)
    assert check(given, found.plan) == ()
    assert found.bound <= found.cost == price(given, found.plan).total
    file = tmp_path / "problem.json"
    file.write_bytes(to_json(given))
    assert plan.main(["solve", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost"] <= found.cost


@pytest.mark.slow
def test_five_hundred_cases_get_a_sound_plan() -> None:
    given = many(500)
    assert named_errors(given) == ()
    found = solve(given, 1, replace(QUICK, bound=BoundLimits(iterations=5_000)))
    assert check(given, found.plan) == ()
    assert floor(given) <= found.bound <= found.cost <= price(given, right_shift(given)).total


def many(count: int) -> PlanProblem:
    """So many cases, five a room; ten rooms share a service, and surgeons go from room to room."""
    rooms = [
        room(f"{n:03d}", services=(f"service {n // 10}",), block_end=at(17), closes=at(23)) for n in range(count // 5)
    ]
    cases = [
        case(
            f"{n:03d}-{k}", f"{n:03d}", 10.5 + 1.75 * k, 1.25, surgeons=(f"S{(n + k) % 90}",), service=home.services[0]
        )
        for n, home in enumerate(rooms)
        for k in range(5)
    ]
    grid = timedelta(minutes=5)
    return problem(*cases, rooms=tuple(rooms), grid=grid, teams=there(count // 6, 7, 24), horizon=at(23))
