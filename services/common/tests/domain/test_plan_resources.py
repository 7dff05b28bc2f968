"""What the log tells of people, beds and things becomes a limit; of what nobody counted nothing is made up."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from orloop_common.domain import events as e
from orloop_common.domain.building import build_problem
from orloop_common.domain.checker import check, with_changes
from orloop_common.domain.derived import CaseForecast
from orloop_common.domain.plan import Interval, Quantiles
from orloop_common.domain.problem import Capacity, PlanProblem
from orloop_common.domain.site import RoomLayout, SuiteLayout
from orloop_common.domain.soundness import named_errors
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import BedUnit, Milestone

DAY = datetime(2026, 3, 2, tzinfo=UTC)
ROOMS = tuple(
    RoomLayout(
        id=name,
        name=f"OR {name}",
        service="urology",
        services=("urology",),
        block_start=time(7, 30),
        block_end=time(15, 30),
        closes=time(19),
    )
    for name in ("3", "5")
)


def at(clock: str) -> datetime:
    hours, minutes = clock.split(":")
    return DAY + timedelta(hours=int(hours), minutes=int(minutes))


def event(kind: Any, clock: str, /, **fields: Any) -> e.Event:
    made: e.Event = kind(**{"id": f"{kind.__name__} {clock} {fields}", "suite": "main", "at": at(clock), **fields})
    return made


def case(name: str, room: str, start: str, **more: Any) -> e.Event:
    fields: dict[str, Any] = {
        "case": name,
        "version": 1,
        "service": "urology",
        "procedures": (e.Procedure(code="X", text=name.capitalize()),),
        "surgeons": (e.Surgeon(id=f"S/{name}"),),
        "room": room,
        "start": at(start),
        "booked": timedelta(hours=1),
    }
    return event(e.CaseScheduled, "07:00", **{**fields, **more})


def milestone(name: str, what: Milestone, clock: str) -> e.Event:
    return event(e.MilestoneRecorded, clock, case=name, milestone=what)


def build(*events: e.Event, forecasts: tuple[CaseForecast, ...] = (), now: str = "10:02") -> PlanProblem:
    day = SuiteDay(suite="main")
    for one in (*events, event(e.ClockTicked, now)):
        day = day.apply(one)
    problem = build_problem(day, {f.case: f for f in forecasts}, SuiteLayout(id="main", name="Main", rooms=ROOMS))
    assert named_errors(problem) == ()
    return problem


def counts(steps: tuple[Capacity, ...]) -> list[tuple[str, int]]:
    return [(f"{step.start:%H:%M}", step.count) for step in steps]


def test_nothing_is_made_up() -> None:
    found = build(case("stone", "3", "11:00", equipment=("C-arm",)))
    assert (found.equipment, found.units, found.cleaning, found.hours, found.skills) == ({}, {}, (), {}, {})
    (stone,) = found.cases
    assert (stone.equipment, stone.unit, stone.implant, stone.duration) == ((), None, None, None)


def test_counted_equipment_limits_what_is_elsewhere_comes_back_reprocessed() -> None:
    counted = event(e.EquipmentChanged, "09:00", kind="C-arm", free=0, in_use=2, reprocessing_until=at("11:30"))
    mine = case("running", "3", "08:30", equipment=("c-arm",)), milestone("running", Milestone.PATIENT_IN_ROOM, "08:35")
    found = build(*mine, case("stone", "5", "11:00", equipment=("C-arm",)), counted)
    assert counts(found.equipment["c-arm"]) == [("10:02", 1), ("11:30", 2)], "one of the two is in room 3"
    assert [need.kind for c in (*found.cases, *found.committed) for need in c.equipment] == ["c-arm", "c-arm"]


def test_an_implant_is_awaited_until_the_end_of_its_window() -> None:
    expected = event(e.ImplantExpected, "09:00", case="hip", implant="stem", start=at("11:00"), end=at("12:00"))
    cup = event(e.ImplantExpected, "09:00", case="hip", implant="cup", start=at("10:00"), end=at("13:00"))
    found = build(case("hip", "3", "11:00"), expected, cup)
    assert found.cases[0].implant == Interval(start=at("11:00"), end=at("13:00"))
    assert [b.rule for b in check(found, with_changes(found, ()))] == ["implant-there"]


def test_units_have_the_beds_that_are_left_for_those_still_to_come() -> None:
    reported = event(
        e.BedsChanged, "09:00", unit=BedUnit.ICU, capacity=4, occupied=2, expected_discharges=(at("14:00"),)
    )
    gone = case("gone", "3", "08:00", bed=BedUnit.ICU), milestone("gone", Milestone.PATIENT_OUT_OF_ROOM, "09:30")
    found = build(*gone, case("bypass", "5", "11:00", bed=BedUnit.ICU), reported)
    assert counts(found.units["icu"]) == [("10:02", 1), ("14:00", 2)]
    assert [(c.unit, c.recovery) for c in found.cases] == [("icu", timedelta(0))]
    assert [c.unit for c in found.committed if c.id == "gone"] in ([], [None]), "counted among the unit's own"


def test_cleaning_teams_and_surgeons_come_from_their_rosters() -> None:
    shift = {"shift_start": at("07:00"), "shift_end": at("15:00")}
    crew = event(
        e.RosterChanged,
        "06:00",
        role="cleaning",
        entries=(
            e.RosterEntry(team="A", role="cleaning", **shift, break_start=at("12:00"), break_end=at("12:30")),
            e.RosterEntry(team="B", role="cleaning", shift_start=at("11:00"), shift_end=at("19:00")),
        ),
    )
    surgeons = event(
        e.RosterChanged,
        "06:01",
        role="surgeon",
        entries=(
            e.RosterEntry(team="S/stone", role="surgeon", shift_start=at("11:00"), shift_end=at("16:00")),
            e.RosterEntry(team="S/other", role="surgeon", **shift, break_start=at("12:00"), break_end=at("12:30")),
        ),
    )
    found = build(case("stone", "3", "10:45"), crew, surgeons)
    assert counts(found.cleaning) == [("10:02", 1), ("11:00", 2), ("12:00", 1), ("12:30", 2), ("15:00", 1)]
    assert found.hours["S/stone"].until == at("16:00")
    assert found.hours["S/stone"].breaks == (Interval(start=at("10:02"), end=at("11:00")),)
    assert found.hours["S/other"].breaks == (Interval(start=at("12:00"), end=at("12:30")),)
    assert [b.rule for b in check(found, with_changes(found, ()))] == ["surgeon-hours"]


def test_forecasts_keep_their_spread_and_what_is_left_counts_from_now() -> None:
    def spread(middle: int) -> Quantiles:
        return Quantiles(**{f"p{q}": timedelta(minutes=middle + q - 50) for q in (50, 80, 95)})

    forecasts = tuple(
        CaseForecast(
            suite="main", as_of=1, at=at("09:52"), case=name, stage="x", model="m", duration=spread(90), remaining=left
        )
        for name, left in (("running", spread(30)), ("stone", None))
    )
    running = case("running", "3", "08:30"), milestone("running", Milestone.PATIENT_IN_ROOM, "08:35")
    found = build(*running, case("stone", "5", "11:00"), forecasts=forecasts)
    assert found.cases[0].duration == spread(90)
    assert found.committed[0].remaining == spread(20)
    assert found.committed[0].service == "urology"
