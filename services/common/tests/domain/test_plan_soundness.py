"""Malformed problems are refused by name; committed work that cannot go is named by the rules that it breaks."""

from dataclasses import replace
from typing import Any

import pytest
from stating import KIDNEY, at, minutes, problem, room, running

from orloop_common.domain.cost import DEFAULT_WEIGHTS
from orloop_common.domain.faults import committed_faults
from orloop_common.domain.plan import Interval, Place, Quantiles
from orloop_common.domain.problem import Capacity, EquipmentNeed, PlanProblem, ProblemCase, StaffHours, Turnover
from orloop_common.domain.soundness import named_errors
from orloop_common.domain.vocabulary import Urgency

HIP = running("hip", "8", "11:00")


def stated(**more: Any) -> PlanProblem:
    return problem(replace(KIDNEY, **more))


def steps(*counts: int) -> tuple[Capacity, ...]:
    return tuple(Capacity(start=at(f"{8 + i}:00"), end=at(f"{9 + i}:00"), count=n) for i, n in enumerate(counts))


def test_nothing_is_wrong_with_a_sound_problem() -> None:
    assert named_errors(problem(KIDNEY, committed=(HIP,), teams=steps(1, 2))) == ()


FAR = Interval(start=at("12:00"), end=at("11:00"))
MALFORMED: dict[str, PlanProblem] = {
    "a length of case nephrectomy of more than 0 min, got -5 min": stated(length=minutes(-5)),
    "cleanup of case nephrectomy of at least 0 min, got -1 min": stated(cleanup=minutes(-1)),
    "published room of case nephrectomy to be one of the suite, got '9'": stated(
        current=Place(room="9", start=at("11:00"))
    ),
    "with a room and a start, or neither": stated(current=Place(room="3", start=None)),
    "a slack of case nephrectomy below its length": stated(slack=minutes(60)),
    "a cancellation risk of case nephrectomy between 0 and 1, got 1.5": stated(cancellation_risk=1.5),
    "the implant window of case nephrectomy to end": stated(implant=FAR),
    "quantiles of case nephrectomy in rising order": stated(
        duration=Quantiles(p50=minutes(60), p80=minutes(50), p95=minutes(70))
    ),
    "to need units that exist": stated(equipment=(EquipmentNeed(kind="C-arm", count=0),)),
    "the room of committed case hip to be one of the suite, got '9'": problem(committed=(replace(HIP, room="9"),)),
    "one committed case at a time in room 8, got hip and knee": problem(
        committed=(HIP, replace(HIP, id="knee", occupied=Interval(start=at("11:10"), end=at("12:00"))))
    ),
    "the patient of case hip in the room while it is taken": problem(
        committed=(replace(HIP, occupied=Interval(start=at("08:00"), end=at("10:30"))),)
    ),
    "a time of committed case hip to end after it starts": problem(committed=(replace(HIP, recovery=FAR),)),
    "each case once, got 'nephrectomy' twice": problem(KIDNEY, KIDNEY),
    "each room once, got '3' twice": problem(rooms=(room("3"), room("3"))),
    "at least one room, got none": problem(rooms=()),
    "room 3 to close after it opens": problem(rooms=(room("3", opens=at("20:00")),)),
    "the block of room 3 to end by": problem(rooms=(room("3", block_end=at("20:00")),)),
    "a downtime of room 3 to end": problem(rooms=(room("3", down=(FAR,)),)),
    "now not to be after the horizon": problem(now=at("19:05"), earliest_start=at("19:30")),
    "an end of the notice from now on": problem(earliest_start=at("09:00")),
    "a grid of more than 0 min": problem(grid=minutes(0)),
    "anaesthesia teams of at least 0, got -1": problem(teams=steps(-1)),
    "unit icu to end after it starts": problem(units={"icu": (Capacity(start=at("9:00"), end=at("9:00"), count=1),)}),
    "one step of recovery beds at a time": problem(beds=(*steps(1), *steps(2))),
    "a weight overtime of at least 0, got -1": problem(weights=replace(DEFAULT_WEIGHTS, overtime=-1)),
    "a weight of delay of elective cases of at least 1, got 0": problem(
        weights=replace(DEFAULT_WEIGHTS, delay=dict.fromkeys(Urgency, 0))
    ),
    "a weight of delay of urgent cases of at least 0, got None": problem(
        weights=replace(DEFAULT_WEIGHTS, delay={Urgency.ELECTIVE: 1, Urgency.EXPEDITED: 1, Urgency.IMMEDIATE: 1})
    ),
    "a break of surgeon O to end": problem(hours={"O": StaffHours(breaks=(FAR,))}),
    "turnover before_latex of at least 0 min": problem(turnover=Turnover(before_latex=minutes(-5))),
}


@pytest.mark.parametrize("told", MALFORMED)
def test_a_malformed_problem_is_refused_by_name(told: str) -> None:
    errors = named_errors(MALFORMED[told])
    assert any(told in error for error in errors), errors
    assert all(error.startswith("Expected ") and ", got " in error for error in errors)


def test_committed_work_that_can_go_has_no_faults() -> None:
    assert (
        committed_faults(problem(KIDNEY, committed=(HIP, running("knee", "3", "11:00")), teams=steps(2, 2, 2, 2))) == ()
    )


def faults(**more: Any) -> list[tuple[str, str]]:
    return [(fault.rule, fault.sentence) for fault in committed_faults(problem(**more))]


def test_a_pair_that_cannot_be_is_named_once() -> None:
    twice = (replace(HIP, surgeons=("O",)), running("knee", "8", "10:30", surgeons=("O",)))
    assert faults(committed=twice) == [("room-one-patient", "The hip and the knee both have room 8 at 10:00.")]
    apart = (twice[0], replace(twice[1], room="3"))
    assert faults(committed=apart) == [("surgeon-one-place", "Dr Okafor is needed in rooms 3 and 8 at 10:00, twice.")]
    over = replace(
        twice[1],
        patient=Interval(start=at("08:15"), end=at("09:30")),
        occupied=Interval(start=at("08:00"), end=at("09:50")),
    )
    assert faults(committed=(twice[0], over)) == [], "that was this morning"


def test_what_runs_short_is_named_by_its_rule() -> None:
    bed = Interval(start=at("11:00"), end=at("12:00"))
    pair = (replace(HIP, recovery=bed), running("knee", "3", "10:30", recovery=bed))
    short = faults(committed=pair, beds=steps(1, 1, 1, 1), teams=steps(1, 1, 1, 2))
    assert short == [
        ("anaesthesia-teams", "At 10:00 2 rooms need an anaesthesia team; there is 1 team."),
        ("recovery-beds", "At 11:00 2 patients need a recovery bed; there is 1 bed."),
    ]
    cleaned = (replace(HIP, unit="icu"), running("knee", "3", "11:05", unit="icu"))
    counted = faults(
        committed=cleaned, cleaning=steps(1, 1, 1, 1), units={"icu": steps(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)}
    )
    assert [rule for rule, _ in counted] == ["cleaning-teams", "unit-beds"]


def test_cases_of_a_problem_with_wrong_lengths_are_all_named() -> None:
    cases: list[ProblemCase] = [replace(KIDNEY, id=name, setup=minutes(-1), length=minutes(0)) for name in "ab"]
    assert len(named_errors(problem(*cases))) == 4
