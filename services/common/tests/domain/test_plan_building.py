"""From the log to the problem: what may move, what is committed, what there is."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orloop_common.domain import events as e
from orloop_common.domain.building import build_problem
from orloop_common.domain.checker import check, with_changes
from orloop_common.domain.derived import CaseForecast
from orloop_common.domain.digest import digest
from orloop_common.domain.expecting import add_on_shortage
from orloop_common.domain.plan import Change, Interval, Place, Quantiles
from orloop_common.domain.problem import Committed, PlanProblem, ProblemCase
from orloop_common.domain.rightshift import right_shift
from orloop_common.domain.site import RoomLayout, SuiteLayout
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.triggers import triggers_of
from orloop_common.domain.vocabulary import BedUnit, ChangeAnswer, Milestone, ReadinessItem, ReadinessStatus, Verdict

DAY = datetime(2026, 3, 2, tzinfo=UTC)
ROOMS = tuple(
    RoomLayout(
        id=name,
        name=f"OR {name}",
        service="urology",
        services=("urology", "general"),
        block_start=time(7, 30),
        block_end=time(15, 30),
        closes=time(19),
        capabilities=("laparoscopy",) if name == "8" else (),
    )
    for name in ("3", "5", "8")
)
LAYOUT = SuiteLayout(id="main", name="Main", rooms=ROOMS)


def at(clock: str) -> datetime:
    hours, minutes = clock.split(":")
    return DAY + timedelta(hours=int(hours), minutes=int(minutes))


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def case(name: str, room: str | None, start: str, length: int = 60, **more: Any) -> e.CaseScheduled:
    fields: dict[str, Any] = {
        "id": f"{name}/{more.get('version', 1)}",
        "suite": "main",
        "at": at("07:00"),
        "case": name,
        "version": 1,
        "service": "urology",
        "procedures": (e.Procedure(code="X", text=name.capitalize()),),
        "surgeons": (e.Surgeon(id=f"S/{name}", name="Marino"), e.Surgeon(id="A1", role="anaesthetist")),
        "room": room,
        "start": at(start),
        "booked": minutes(length),
    }
    return e.CaseScheduled(**{**fields, **more})


def event(kind: Any, clock: str, **fields: Any) -> e.Event:
    made: e.Event = kind(**{"id": f"{kind.__name__} {clock} {fields}", "suite": "main", "at": at(clock), **fields})
    return made


def tick(clock: str) -> e.Event:
    return event(e.ClockTicked, clock)


def entered(name: str, clock: str, room: str | None = None) -> e.Event:
    return event(e.MilestoneRecorded, clock, case=name, milestone=Milestone.PATIENT_IN_ROOM, room=room)


def down(room: str, clock: str, until: str | None = None) -> e.Event:
    return event(e.RoomWentDown, clock, room=room, cause="air handling", until=at(until) if until else None)


def forecast(name: str, p50: float, clock: str = "10:00", remaining: float | None = None) -> CaseForecast:
    def spread(middle: float) -> Quantiles:
        return Quantiles(p50=minutes(middle), p80=minutes(middle + 12), p95=minutes(middle + 30))

    left = spread(remaining) if remaining is not None else None
    return CaseForecast(
        suite="main", as_of=1, at=at(clock), case=name, stage="x", model="m", duration=spread(p50), remaining=left
    )


def fold(*events: e.Event) -> SuiteDay:
    day = SuiteDay(suite="main")
    for one in events:
        day = day.apply(one)
    return day


def build(*events: e.Event, forecasts: tuple[CaseForecast, ...] = (), lead: float = 0) -> PlanProblem:
    return build_problem(fold(*events), {f.case: f for f in forecasts}, LAYOUT, minutes(lead))


def movable(problem: PlanProblem, name: str) -> ProblemCase:
    return next(c for c in problem.cases if c.id == name)


def held(problem: PlanProblem, name: str) -> Committed:
    return next(c for c in problem.committed if c.id == name)


def test_without_a_tick_there_is_no_problem_to_state() -> None:
    with pytest.raises(ValueError, match="Expected a tick in the log of suite main"):
        build(case("stone", "3", "11:00"))


def test_a_case_beyond_the_notice_may_move_and_one_within_may_not() -> None:
    found = build(case("soon", "3", "10:30"), case("later", "5", "10:40"), tick("10:02"))
    assert found.earliest_start == at("10:35")
    assert [c.id for c in found.cases] == ["later"]
    assert held(found, "soon").why == "notice"
    assert held(found, "soon").occupied.start == at("10:15")


def test_the_planner_leaves_people_time_to_decide() -> None:
    found = build(case("stone", "3", "10:40"), tick("10:02"), lead=15)
    assert found.earliest_start == at("10:50")
    assert held(found, "stone").why == "notice"


def test_a_case_whose_room_went_down_may_move_however_soon_it_starts() -> None:
    called = event(e.MilestoneRecorded, "10:01", case="called", milestone=Milestone.PATIENT_IN_PREOP)
    found = build(case("soon", "3", "10:10"), case("called", "3", "11:45"), called, tick("10:02"), down("3", "10:03"))
    assert [c.id for c in found.cases] == ["called", "soon"]
    assert [i.end for i in found.rooms[0].down] == [at("19:00")]


def test_a_short_downtime_only_delays_what_is_about_to_start() -> None:
    found = build(case("soon", "3", "10:10"), tick("10:02"), down("3", "10:03", "10:20"))
    assert held(found, "soon").patient.start == at("10:20")


def test_a_downtime_that_is_overdue_says_nothing_about_the_next_minutes() -> None:
    found = build(case("stone", "3", "13:00"), tick("11:02"), down("3", "10:00", "11:00"))
    assert found.rooms[0].down[0].end == at("11:35")


def test_a_restored_room_is_not_down() -> None:
    found = build(tick("10:00"), down("3", "10:00"), event(e.RoomRestored, "10:30", room="3"))
    assert found.rooms[0].down == ()


def test_a_called_case_does_not_move_for_a_mere_delay() -> None:
    called = event(e.MilestoneRecorded, "10:01", case="next", milestone=Milestone.PATIENT_IN_PREOP)
    events = (
        case("long", "3", "08:00", 120),
        entered("long", "08:00"),
        case("next", "3", "10:40"),
        called,
        tick("10:02"),
    )
    found = build(*events, forecasts=(forecast("long", 240, remaining=120),))
    assert found.cases == ()
    assert held(found, "next").why == "called"
    assert held(found, "next").patient.start == at("12:35"), "12:00 out, 20 min cleanup, 15 min setup"


def test_a_running_case_counts_with_what_remains_and_never_with_less_than_a_slot() -> None:
    running = (case("long", "3", "08:00", 60), entered("long", "08:00", "5"), tick("10:02"))
    found = held(build(*running, forecasts=(forecast("long", 140, "10:00", 31),)), "long")
    assert (found.room, found.patient.end, found.why) == ("5", at("10:35"), "in_room")
    assert found.occupied.end == at("10:55")
    assert found.recovery is not None
    assert held(build(*running), "long").patient.end == at("10:10"), "overdue, and still in the room"
    assert held(build(*running, forecasts=(forecast("long", 60, "10:00", 0),)), "long").patient.end == at("10:10")


def test_a_running_case_stays_in_a_room_that_goes_down() -> None:
    found = build(case("long", "3", "09:00", 120), entered("long", "09:00"), tick("10:02"), down("3", "10:03"))
    assert held(found, "long").room == "3"


def test_an_overrun_frees_the_case_behind_it_once_it_cannot_start_in_the_window() -> None:
    events = (case("long", "3", "08:00", 120), entered("long", "08:00"), case("next", "3", "10:34"), tick("10:02"))
    assert [c.id for c in build(*events, forecasts=(forecast("long", 200, remaining=75),)).cases] == ["next"]
    delayed = build(*events, forecasts=(forecast("long", 130, remaining=7),))
    assert held(delayed, "next").patient.start == at("10:45"), "by less than the materiality: nobody plans around it"


def test_a_knock_on_below_the_materiality_is_left_to_the_day() -> None:
    events = (case("first", "3", "11:05", 30), case("second", "3", "12:10", 60), tick("10:32"))
    found = build(*events, forecasts=(forecast("first", 40),))
    assert movable(found, "first").length == minutes(40)
    assert movable(found, "first").slack == minutes(10)
    assert check(found, with_changes(found, ())) == ()
    material = build(*events, forecasts=(forecast("first", 45),))
    assert movable(material, "first").slack == minutes(0)
    assert [b.rule for b in check(material, with_changes(material, ()))] == ["room-one-patient"]


def test_a_knock_on_hours_away_has_to_be_twice_as_long_to_be_planned_around() -> None:
    events = (case("first", "3", "13:00", 60), case("second", "3", "14:35", 60), tick("10:02"))
    assert movable(build(*events, forecasts=(forecast("first", 85),)), "first").slack == minutes(25)
    assert movable(build(*events, forecasts=(forecast("first", 90),)), "first").slack == minutes(0)


def test_a_running_cases_small_overrun_does_not_move_the_next_one() -> None:
    events = (case("long", "3", "08:00", 180), entered("long", "08:00"), case("next", "3", "11:35"), tick("10:02"))
    found = build(*events, forecasts=(forecast("long", 190, remaining=70),))
    assert held(found, "long").occupied.end == at("11:20")
    assert check(found, with_changes(found, ())) == ()


def test_lengths_are_rounded_up_to_the_grid() -> None:
    found = movable(
        build(case("stone", "3", "12:00", 62), tick("10:00"), forecasts=(forecast("stone", 56.5),)), "stone"
    )
    assert (found.length, found.length_p80) == (minutes(60), minutes(70))
    assert movable(build(case("stone", "3", "12:00", 62), tick("10:00")), "stone").length == minutes(65)


def test_only_surgeons_bind_and_only_the_rooms_own_equipment_is_needed() -> None:
    found = build(case("stone", "3", "12:00", equipment=("LAPAROSCOPY", "CARM")), tick("10:00"))
    assert movable(found, "stone").surgeons == ("S/stone",)
    assert movable(found, "stone").needs == ("laparoscopy",)
    assert found.staff["S/stone"] == "Marino"


def test_a_doubted_case_is_committed_in_place() -> None:
    found = build(case("stone", "3", "12:00"), event(e.CaseDoubted, "09:00", case="stone", reason="?"), tick("10:00"))
    assert held(found, "stone").why == "doubted"


def test_an_approved_change_is_committed_at_its_target_until_the_hospital_answers() -> None:
    change = Change(
        case="stone",
        version=1,
        origin=Place(room="3", start=at("12:00")),
        target=Place(room="8", start=at("12:30")),
        length=minutes(60),
    )
    decided = event(
        e.PlanDecided, "10:00", proposal="p", verdict=Verdict.APPROVED, based_on=1, decided_by="k", changes=(change,)
    )
    found = build(case("stone", "3", "12:00"), tick("10:00"), decided)
    assert (held(found, "stone").why, held(found, "stone").room) == ("pending", "8")
    refused = event(e.ChangeAnswered, "10:01", proposal="p", case="stone", answer=ChangeAnswer.REFUSED, message="m")
    assert movable(build(case("stone", "3", "12:00"), tick("10:00"), decided, refused), "stone").current.room == "3"


def test_an_add_on_without_a_room_is_movable_and_has_no_place_yet() -> None:
    found = movable(build(case("appendix", None, "11:00", add_on=True), tick("10:00")), "appendix")
    assert found.current == Place(room=None, start=None)
    assert found.scheduled.start == at("11:00")


def test_yesterdays_and_tomorrows_cases_are_not_todays() -> None:
    tomorrow = replace(case("stone", "3", "11:00"), start=at("11:00") + timedelta(days=1))
    assert build(tomorrow, tick("10:00")).cases == ()


def test_a_case_that_left_keeps_its_bed_and_its_room_for_a_while() -> None:
    out = event(e.MilestoneRecorded, "09:50", case="stone", milestone=Milestone.PATIENT_OUT_OF_ROOM)
    found = held(build(case("stone", "3", "08:00"), entered("stone", "08:00"), out, tick("10:00")), "stone")
    assert (found.why, found.occupied.end) == ("done", at("10:10"))
    assert found.recovery is not None
    assert found.recovery.end == at("10:50")
    clean = event(e.CleaningStatusChanged, "09:58", room="3", status="clean")
    again = held(build(case("stone", "3", "08:00"), entered("stone", "08:00"), out, clean, tick("10:00")), "stone")
    assert again.occupied.end == at("09:58")


def test_teams_come_from_the_roster_less_reported_shortages() -> None:
    assert build(tick("10:00")).teams == ()
    entries = tuple(
        e.RosterEntry(team=f"A{n}", role="anaesthesia", shift_start=at("07:00"), shift_end=at(ends))
        for n, ends in enumerate(("16:00", "20:00", "20:00"))
    )
    roster = event(e.RosterChanged, "07:00", role="anaesthesia", entries=entries)
    short = event(e.StaffShort, "09:00", role="anaesthesia", missing=1, start=at("11:00"), end=at("12:00"))
    steps = [(s.start, s.end, s.count) for s in build(tick("10:00"), roster, short).teams]
    assert steps == [
        (at("10:00"), at("11:00"), 3),
        (at("11:00"), at("12:00"), 2),
        (at("12:00"), at("16:00"), 3),
        (at("16:00"), at("19:00"), 2),
    ]
    assert [s.count for s in build(tick("10:00"), short).teams] == [3, 2, 3], "no roster: one team a room"


def test_beds_are_those_that_patients_from_elsewhere_leave() -> None:
    assert build(tick("10:00")).beds == ()
    beds = event(
        e.BedsChanged,
        "09:00",
        unit=BedUnit.PACU,
        capacity=8,
        occupied=2,
        expected_discharges=(at("10:30"), at("11:00")),
    )
    assert [(s.end, s.count) for s in build(tick("10:00"), beds).beds][:2] == [(at("10:30"), 6), (at("11:00"), 7)]


# --- triggers ------------------------------------------------------------------------------------------


def triggered(new: e.Event, *before: e.Event) -> str | None:
    day = fold(*before)
    found = triggers_of(day, new, day.apply(new), LAYOUT)
    return found.sentence if found else None


STONE = case("stone", "3", "11:00")


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        (down("3", "10:12"), "Room 3 went down at 10:12: air handling"),
        (down("77", "10:12"), None),
        (entered("stone", "11:25"), "The stone entered the room at 11:25, 25 min late"),
        (entered("stone", "11:10"), None),
        (
            event(e.MilestoneRecorded, "12:20", case="stone", milestone=Milestone.PATIENT_OUT_OF_ROOM),
            "The stone left the room at 12:20, 20 min late",
        ),
        (case("appendix", "5", "12:00", add_on=True), "Elective add-on: the appendix"),
        (case("booked", "5", "12:00"), None),
        (replace(STONE, id="v2", version=2, room="5"), "The hospital rescheduled the stone"),
        (replace(STONE, id="v2", version=2, asa=3), None),
        (event(e.CaseCancelled, "10:00", case="stone", version=1), "The stone was cancelled"),
        (event(e.StaffShort, "10:00", role="anaesthesia", missing=1, start=at("11:00"), end=at("15:00")),
         "1 anaesthesia team is missing from 11:00 to 15:00"),
        (event(e.BedsChanged, "10:00", unit=BedUnit.PACU, capacity=7, occupied=5), "PACU has 7 beds, 5 in use"),
        (event(e.ReadinessChanged, "10:00", case="stone", item=ReadinessItem.CONSENT,
               status=ReadinessStatus.OUTSTANDING),
         "Consent of the stone is outstanding"),
        (event(e.ReplanRequested, "10:00", requested_by="kim"), "kim asked for a new plan"),
        (tick("10:10"), "A regular look at 10:10"),
        (tick("10:09"), None),
        (event(e.ModeChanged, "10:00", mode="shadow", decided_by="kim"), None),
    ],
)  # fmt: skip
def test_triggers_are_the_events_that_ask_for_a_plan_in_a_sentence(new: e.Event, sentence: str | None) -> None:
    assert triggered(new, STONE, tick("10:02")) == sentence


def test_an_event_told_twice_triggers_once() -> None:
    assert triggered(down("3", "10:12"), STONE, tick("10:02"), down("3", "10:12")) is None


# --- properties ----------------------------------------------------------------------------------------

_cases = st.lists(
    st.tuples(
        st.sampled_from(["3", "5", "8", None]),
        st.integers(0, 96),
        st.integers(10, 200),
        st.sampled_from(["S1", "S2", "S3", "S4"]),
        st.booleans(),
    ),
    max_size=9,
)


@given(_cases, st.integers(0, 100), st.sampled_from([None, "3", "8"]), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_any_morning_gives_a_problem_that_right_shift_solves_soundly(
    drawn: list[tuple[str | None, int, int, str, bool]], now: int, broken_room: str | None, beds: int
) -> None:
    events: list[e.Event] = [tick("07:00")]
    moment = at("07:00") + minutes(5) * now
    for number, (room, slot, length, surgeon, begun) in enumerate(drawn):
        start = at("08:00") + minutes(5) * slot
        name = f"c{number}"
        events.append(case(name, room, f"{start:%H:%M}", length, surgeons=(e.Surgeon(id=surgeon),)))
        if begun and room and start < moment:
            events.append(event(e.MilestoneRecorded, f"{start:%H:%M}", case=name, milestone=Milestone.PATIENT_IN_ROOM))
    events.append(event(e.BedsChanged, "07:00", unit=BedUnit.PACU, capacity=beds, occupied=0))
    if broken_room:
        events.append(down(broken_room, f"{moment:%H:%M}", "16:00"))
    events.append(tick(f"{moment:%H:%M}"))
    found = build(*events)
    assert check(found, right_shift(found)) == ()
    assert digest(found) == digest(build(*events))
    assert not {c.id for c in found.cases} & {c.id for c in found.committed}


def test_what_add_ons_usually_take_is_expected_of_the_hours_that_are_left() -> None:
    layout = replace(LAYOUT, add_ons={9: minutes(30), 10: minutes(40), 13: minutes(60), 14: minutes(0)})
    found = build_problem(fold(case("later", "5", "12:00"), tick("10:45")), {}, layout)
    assert [(w.start, w.end, w.work) for w in found.expected] == [
        (at("10:45"), at("11:00"), minutes(10)),
        (at("13:00"), at("14:00"), minutes(60)),
    ]
    busy = {"5": (Interval(start=at("08:00"), end=at("18:00")),)}
    assert add_on_shortage(found, busy) < add_on_shortage(found, {r.id: busy["5"] for r in found.rooms})
    assert build(case("later", "5", "12:00"), tick("10:45")).expected == ()
