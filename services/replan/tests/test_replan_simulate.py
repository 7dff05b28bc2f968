"""The simulation: what it plays, against days worked out by hand and against the published cost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from orloop_common.domain.cost import DEFAULT_WEIGHTS, price
from orloop_common.domain.plan import Interval, Place, Quantiles
from orloop_common.domain.problem import (
    Capacity,
    Committed,
    EquipmentNeed,
    PlanProblem,
    ProblemCase,
    ProblemRoom,
    StaffHours,
    Turnover,
)
from orloop_common.domain.vocabulary import Urgency
from orloop_replan.domain.kernels import right_shift_chosen
from orloop_replan.domain.scenarios import draw, fit
from orloop_replan.domain.simulate import Outcome, Simulated, paired, simulate, warm
from orloop_replan.domain.slots import build
from orloop_replan.generate import generate

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NONE = timedelta(0)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def at(after_noon: float) -> datetime:
    return NOON + minutes(after_noon)


def sure(length: timedelta) -> Quantiles:
    return Quantiles(p50=length, p80=length, p95=length)


def a_case(name: str, room: str | None, start: int, length: int = 60, **more: Any) -> ProblemCase:
    here = Place(room=room, start=at(start) if room else None)
    given: dict[str, Any] = {
        "id": name,
        "version": 1,
        "service": "urology",
        "label": name,
        "urgency": Urgency.ELECTIVE,
        "surgeons": (name,),
        "length": minutes(length),
        "length_p80": minutes(length),
        "setup": NONE,
        "cleanup": minutes(20),
        "current": here,
        "scheduled": here,
    }
    return ProblemCase(**(given | more))


def a_room(name: str, *down: Interval) -> ProblemRoom:
    return ProblemRoom(id=name, services=("urology",), opens=at(0), block_end=at(240), closes=at(480), down=down)


def a_day(*cases: ProblemCase, **more: Any) -> PlanProblem:
    """Three rooms from noon on, open until 20:00 with blocks until 16:00; nothing is limited."""
    given: dict[str, Any] = {
        "suite": "main",
        "now": NOON,
        "grid": minutes(5),
        "earliest_start": NOON,
        "horizon": at(480),
        "rooms": tuple(a_room(name) for name in "123"),
        "cases": cases,
        "committed": (),
        "teams": (),
        "beds": (),
        "weights": DEFAULT_WEIGHTS,
    }
    return PlanProblem(**(given | more))


def running(name: str, room: str, until: int, remaining: Quantiles | None = None, **more: Any) -> Committed:
    """In the room since an hour ago, out `until` minutes after noon."""
    given: dict[str, Any] = {
        "id": name,
        "label": name,
        "room": room,
        "occupied": Interval(start=at(-60), end=at(until + 20)),
        "patient": Interval(start=at(-60), end=at(until)),
        "surgeons": (name,),
        "remaining": remaining or sure(minutes(max(until, 1))),
    }
    return Committed(**(given | more))


def as_planned(problem: PlanProblem) -> dict[str, Place]:
    return {case.id: case.current for case in problem.cases}


def lateness(problem: PlanProblem) -> dict[str, int]:
    """Minutes after its planned start at which each case starts as planned, in a day without chance."""
    outcome = simulate(problem, [as_planned(problem)], 2).outcomes[0]
    assert (outcome.delays[0] == outcome.delays[1]).all()
    return {case.id: int(delay) for case, delay in zip(problem.cases, outcome.delays[0], strict=True)}


def without_chance(problem: PlanProblem) -> PlanProblem:
    """The same problem on a day on which everything takes as long as planned."""
    return replace(
        problem,
        cases=tuple(replace(c, duration=sure(c.length), cancellation_risk=0.0, slack=NONE) for c in problem.cases),
        committed=tuple(
            replace(h, remaining=sure(h.patient.end - max(problem.now, h.patient.start))) for h in problem.committed
        ),
        rooms=tuple(replace(room, late_start=None) for room in problem.rooms),
    )


# --- what is played ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["core", "full"])
@pytest.mark.parametrize("event", ["down", "emergency", "staff", "storm"])
def test_a_day_without_chance_costs_what_its_plan_costs(kind: str, event: str) -> None:
    problem = without_chance(generate(10, event, 0, kind))
    slots = build(problem)
    plan = slots.plan(i for i in right_shift_chosen(slots) if i >= 0)
    (outcome,) = simulate(problem, [plan], 2).outcomes
    assert set(outcome.cost) == {price(problem, plan).total}
    assert set(outcome.promises.values()) == {1.0}
    assert not np.concatenate([outcome.hold, outcome.short, outcome.pushed]).any()


def test_the_next_patient_waits_for_the_room_and_never_starts_early() -> None:
    long = running("r", "1", 90)
    assert lateness(a_day(a_case("a", "1", 60), committed=(long,))) == {"a": 50}
    assert lateness(a_day(a_case("a", "1", 200), committed=(long,))) == {"a": 0}


def test_a_full_recovery_holds_the_patient_in_the_room() -> None:
    one = a_case("a", "1", 0, 60, recovery=minutes(120))
    two = a_case("b", "2", 0, 90, recovery=minutes(60))
    after = a_case("c", "2", 120, 30)
    problem = a_day(one, two, after, beds=(Capacity(start=at(0), end=at(900), count=1),))
    (outcome,) = simulate(problem, [as_planned(problem)], 2).outcomes
    assert list(outcome.hold) == [90, 90]  # b is ready at 90, the bed is free at 180
    assert list(outcome.short) == [1, 1]
    assert lateness(problem) == {"a": 0, "b": 0, "c": 80}  # held until 180, clean at 200
    assert Outcome.chance(outcome.short) == 1.0


def test_the_bed_goes_to_who_asks_first() -> None:
    cases = (a_case("a", "1", 0, 100, recovery=minutes(60)), a_case("b", "2", 10, 50, recovery=minutes(60)))
    problem = a_day(*cases, beds=(Capacity(start=at(0), end=at(900), count=1),))
    (outcome,) = simulate(problem, [as_planned(problem)], 2).outcomes
    assert list(outcome.hold) == [20, 20]  # b has it from 60 to 120, a is ready at 100


def test_a_recovery_that_has_closed_holds_nobody_until_the_morning() -> None:
    problem = a_day(a_case("a", "1", 0, 60, recovery=minutes(60)), beds=(Capacity(start=at(0), end=at(30), count=1),))
    (outcome,) = simulate(problem, [as_planned(problem)], 2).outcomes
    assert (list(outcome.hold), list(outcome.short)) == ([0, 0], [1, 1])


def test_a_surgeon_is_waited_for_in_the_critical_part_only() -> None:
    two = [a_case(name, room, start, surgeons=("S",)) for name, room, start in (("a", "1", 0), ("b", "2", 30))]
    assert lateness(a_day(*two)) == {"a": 0, "b": 30}
    flip = [replace(c, surgeon_after=minutes(10), surgeon_before=minutes(15)) for c in two]
    assert lateness(a_day(*flip)) == {"a": 0, "b": 5}  # free at 45, wanted at 40


def test_surgeons_keep_the_order_of_their_cases() -> None:
    held = running("r", "1", 60)
    two = (a_case("a", "1", 0, surgeons=("S",)), a_case("b", "2", 30, surgeons=("S",)))
    assert lateness(a_day(*two, committed=(held,))) == {"a": 80, "b": 110}


def test_nobody_starts_without_a_team_and_the_first_who_waits_gets_it() -> None:
    cases = [a_case(name, name, start) for name, start in (("1", 0), ("2", 10), ("3", 20))]
    short = (Capacity(start=at(0), end=at(90), count=1), Capacity(start=at(90), end=at(900), count=3))
    assert lateness(a_day(*cases, teams=short)) == {"1": 0, "2": 50, "3": 70}


def test_where_no_team_comes_back_a_case_is_put_off_and_an_emergency_is_done() -> None:
    short = (Capacity(start=at(0), end=at(30), count=1),)
    cases = (a_case("a", "1", 60), a_case("b", "2", 60, urgency=Urgency.URGENT))
    problem = a_day(*cases, teams=short)
    assert lateness(problem) == {"a": -1, "b": 0}
    assert list(simulate(problem, [as_planned(problem)], 2).outcomes[0].pushed) == [1, 1]


def test_a_room_that_is_down_and_a_surgeons_break_are_waited_for() -> None:
    down = a_room("1", Interval(start=at(50), end=at(100)))
    assert lateness(a_day(a_case("a", "1", 0), rooms=(down,))) == {"a": 100}
    off = {"a": StaffHours(breaks=(Interval(start=at(40), end=at(70)),))}
    assert lateness(a_day(a_case("a", "1", 30, surgeon_after=minutes(15)), hours=off)) == {"a": 25}


def test_turnover_takes_longer_after_a_contaminated_case() -> None:
    cases = (a_case("a", "1", 0, contaminated=True), a_case("b", "1", 80))
    assert lateness(a_day(*cases)) == {"a": 0, "b": 0}
    assert lateness(a_day(*cases, turnover=Turnover(after_contaminated=minutes(30)))) == {"a": 0, "b": 30}


def test_equipment_is_reprocessed_and_cleaners_are_waited_for() -> None:
    tray = (EquipmentNeed(kind="tray", reprocessing=minutes(45)),)
    cases = (a_case("a", "1", 0, equipment=tray), a_case("b", "2", 60, equipment=tray))
    one = (Capacity(start=at(0), end=at(900), count=1),)
    assert lateness(a_day(*cases, equipment={"tray": one})) == {"a": 0, "b": 45}
    three = (a_case("a", "1", 0), a_case("b", "2", 0), a_case("c", "2", 80))
    assert lateness(a_day(*three, cleaning=one)) == {"a": 0, "b": 0, "c": 20}


def test_the_first_case_of_a_room_may_begin_late() -> None:
    late = Quantiles(p50=minutes(10), p80=minutes(10), p95=minutes(10))
    cases = (a_case("a", "1", 30), a_case("b", "2", 30))
    rooms = tuple(replace(room, late_start=late) for room in a_day().rooms)
    assert lateness(a_day(*cases, rooms=rooms, committed=(running("r", "2", 0),))) == {"a": 10, "b": 0}


def test_what_does_not_fit_before_closing_is_put_off_at_its_price_but_no_emergency() -> None:
    held = running("r", "1", 400)
    elective = a_day(a_case("a", "1", 390), committed=(held,))
    (outcome,) = simulate(elective, [as_planned(elective)], 2).outcomes
    assert list(outcome.pushed) == [1, 1]
    assert (
        list(outcome.cost) == [price(elective, {"a": Place(room=None, start=None)}).total - 4] * 2
    )  # it kept its place
    urgent = a_day(a_case("a", "1", 390, urgency=Urgency.URGENT), committed=(held,))
    assert lateness(urgent) == {"a": 30}


def test_who_is_called_off_frees_the_room() -> None:
    risky = a_case("a", "1", 0, 300, surgeons=("S",), cancellation_risk=0.25)
    problem = a_day(risky, a_case("b", "1", 100, surgeons=("S",)))
    (outcome,) = simulate(problem, [as_planned(problem)], 4000).outcomes
    off = outcome.delays[:, 0] == -1
    assert abs(off.mean() - 0.25) < 0.02
    assert set(outcome.delays[off, 1]) == {0}
    assert set(outcome.delays[~off, 1]) == {220}
    assert outcome.promises["a"] == 1.0
    assert abs(outcome.promises["b"] - 0.25) < 0.02


# --- chance ------------------------------------------------------------------------------------------


def test_stays_follow_the_forecast_and_running_cases_what_is_left_of_them() -> None:
    forecast = Quantiles(p50=minutes(60), p80=minutes(80), p95=minutes(105))
    left = Quantiles(p50=minutes(20), p80=minutes(25), p95=minutes(31))
    problem = a_day(a_case("a", "1", 0, duration=forecast), committed=(running("r", "2", 20, left),))
    stay = draw(problem, 20_000, 1).stay
    for column, quantiles in ((0, forecast), (1, left)):
        for level, expected in ((50, quantiles.p50), (80, quantiles.p80), (95, quantiles.p95)):
            assert abs(np.percentile(stay[:, column], level) / (expected / minutes(1)) - 1) < 0.04
    assert np.abs(np.corrcoef(stay[:, 0], stay[:, 1]) - np.eye(2)).max() < 0.03


def test_the_fit_gives_back_an_exact_lognormal() -> None:
    mean, spread = fit(Quantiles(p50=minutes(60), p80=minutes(60 * 1.3434), p95=minutes(60 * 1.7806)))
    assert mean == pytest.approx(4.0943, abs=1e-3)
    assert spread == pytest.approx(0.3507, abs=1e-3)


def test_a_case_has_the_same_luck_whatever_else_is_planned() -> None:
    problem = generate(6, "down", 1, "full")
    fewer = replace(problem, cases=problem.cases[::2], committed=problem.committed[1:])
    one, two = draw(problem, 50, 7), draw(fewer, 50, 7)
    n, held = len(problem.cases), len(problem.committed)
    here = [*range(0, n, 2), *range(n + 1, n + held)]
    assert (one.stay[:, here] == two.stay).all()
    assert (one.away[:, ::2] == two.away).all()
    assert (draw(problem, 50, 8).stay != one.stay).any()


def test_a_plan_does_not_differ_from_itself_and_differs_by_an_interval_from_others() -> None:
    problem = generate(8, "down", 2)
    slots = build(problem)
    plan = slots.plan(i for i in right_shift_chosen(slots) if i >= 0)
    start, last = max((place.start, name) for name, place in plan.items() if place.start)
    late = {**plan, last: replace(plan[last], start=start + minutes(60))}
    found = simulate(problem, [plan, plan, late], 200, 5)
    same, other = found.difference(0, 1), found.difference(2, 0)
    assert (same.mean, same.low, same.high) == (0.0, 0.0, 0.0)
    assert 0 < other.low < other.mean < other.high
    apart = float(np.std(found.outcomes[2].cost - found.outcomes[0].cost))
    assert apart < float(np.std(found.outcomes[0].cost))  # common random numbers are worth their while


def test_the_same_question_has_the_same_answer() -> None:
    problem = generate(6, "storm", 4, "full")
    plan = as_planned(problem)

    def all_of(found: Simulated) -> list[Any]:
        return [list(getattr(found.outcomes[0], name)) for name in ("cost", "overtime", "hold", "pushed")]

    assert all_of(simulate(problem, [plan], 100, 3)) == all_of(simulate(problem, [plan], 100, 3))
    assert all_of(simulate(problem, [plan], 100, 3)) != all_of(simulate(problem, [plan], 100, 4))


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    draws = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        one = draws.normal(3, 20, 200)
        interval = paired(np.rint(one * 100).astype(np.int64), np.zeros(200, np.int64))
        covered += interval.low <= 300 <= interval.high
    assert 0.92 <= covered / 400 <= 0.98


def test_tails_are_means_of_the_worst() -> None:
    values = np.arange(1, 101)
    assert Outcome.tail(values) == 95.5
    none = np.zeros((100, 0), np.int64)
    outcome = Outcome(values, values, values, values, values, none, {})
    assert (outcome.overtime_at(0.5), outcome.overtime_at(0.9)) == (minutes(50), minutes(90))


def test_an_empty_day_can_be_played_and_too_few_scenarios_cannot() -> None:
    warm()
    with pytest.raises(ValueError, match="Expected at least 2 scenarios, got 1"):
        simulate(a_day(), [{}], 1)
