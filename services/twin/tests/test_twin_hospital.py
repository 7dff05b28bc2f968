"""The hospital's processes follow its current schedule, its rooms, its people and its beds."""

from collections.abc import Callable
from itertools import pairwise

import msgspec

from orloop_common.domain.site import Site
from orloop_twin.adapters.data import load_scenario
from orloop_twin.domain.feed import ChangeRequest, HospitalMessage, ManualReport
from orloop_twin.domain.hospital import Hospital
from orloop_twin.domain.scenario import Scenario, Writeback, seconds
from orloop_twin.domain.staffing import anaesthesia_roster, teams_at
from orloop_twin.domain.voice import Said

Build = Callable[..., Hospital]
END = seconds("21:00")


def times(said: list[Said], code: str) -> dict[str, int]:
    """The last told time of a milestone by case."""
    found = {}
    for saying in said:
        if isinstance(saying, HospitalMessage):
            for item in saying.observations:
                if item.code == code:
                    found[saying.case.id] = int(item.value)
    return found


def first_in(hospital: Hospital, room: str, place: int = 0) -> str:
    cases = [c for c in hospital.day.cases if c.first.room == room]
    return sorted(cases, key=lambda c: c.first.start)[place].id


def change(case: str, room: str, start: str, message: str = "W1") -> ChangeRequest:
    return ChangeRequest(message, case, room, seconds(start))


def ask(hospital: Hospital, wish: ChangeRequest) -> tuple[bool, str]:
    decision = hospital.decide(wish)
    hospital.apply(wish, decision)
    return decision.accepted, decision.text


def test_two_runs_of_one_seed_say_the_same_at_the_same_seconds(hospital: Build) -> None:
    assert hospital().advance(END) == hospital().advance(END)


def test_a_day_in_small_steps_is_the_day_in_one(hospital: Build) -> None:
    small, said = hospital(), []
    for moment in range(seconds("07:00"), END + 97, 97):
        said += small.advance(moment)
    assert said == hospital().advance(END)


def test_all_bookings_are_told_in_the_first_two_minutes(hospital: Build) -> None:
    said = hospital().advance(seconds("07:02"))
    booked = [s for s in said if isinstance(s, HospitalMessage) and s.trigger == "S12"]
    assert len(booked) == len([c for c in hospital().day.cases if not c.add_on])
    assert {s.path for s in said if isinstance(s, ManualReport)} == {"roster", "beds"}


def test_no_two_messages_share_an_id(hospital: Build) -> None:
    for seed in range(5):
        ids = [saying.id for saying in hospital(seed=seed).advance(END)]
        assert len(ids) == len(set(ids))


def test_two_patients_are_never_in_one_room_and_it_is_cleaned_between(hospital: Build) -> None:
    for seed in range(10):
        day = hospital(seed=seed)
        said = day.advance(END)
        entered, cleaned = times(said, "WHEELS_IN"), times(said, "CLEAN_END")
        for room in {c.first.room for c in day.day.cases}:
            inside = sorted(entered[c.id] for c in day.day.cases if c.first.room == room and c.id in entered)
            clean = sorted(cleaned[c.id] for c in day.day.cases if c.first.room == room and c.id in cleaned)
            for left, (_, after) in zip(clean, pairwise(inside), strict=False):
                assert left <= after


def test_nobody_enters_a_room_that_is_down_and_the_charge_nurse_says_so(hospital: Build) -> None:
    day = hospital()
    said = day.advance(END)
    (down,) = [s for s in said if isinstance(s, ManualReport) and s.path == "rooms/3/down"]
    (back,) = [s for s in said if isinstance(s, ManualReport) and s.path == "rooms/3/restored"]
    assert seconds("09:08") <= down.body["at"] <= seconds("09:12")
    assert down.body["expected_until"] == seconds("15:00")
    entered = times(said, "WHEELS_IN")
    here = [entered[c.id] for c in day.day.cases if c.first.room == "3"]
    assert len(here) >= 3
    prepared = [
        int(s.observations[0].value)
        for s in said
        if isinstance(s, HospitalMessage) and s.booking.room == "3" and s.observations
        if s.observations[0].code in ("ROOM_SETUP", "PATIENT_IN_PREOP")
    ]
    assert not [moment for moment in here + prepared if down.body["at"] <= moment < back.body["at"]]


def test_a_patient_in_the_room_when_it_fails_is_operated_to_the_end(site: Site, hospital: Build) -> None:
    quiet = hospital("quiet")
    case = first_in(quiet, "4")
    plain = times(quiet.advance(END), "WHEELS_OUT")[case]
    scenario = msgspec.convert(
        {"name": "down", "light_rooms": ["8"], "outstanding_readiness": 0, "rooms_down": [
            {"room": "4", "at": "10:00", "cause": "power", "expected_until": "12:00", "restored": "12:00"}]},
        Scenario,
    )  # fmt: skip
    failing = hospital(scenario)
    script = Hospital(quiet.day, failing.scenario, site.suites[0])
    script.scenario = failing.scenario
    said = script.advance(END)
    assert times(said, "WHEELS_OUT")[case] == plain
    later = first_in(quiet, "4", 1)
    assert not seconds("10:00") <= times(said, "WHEELS_IN")[later] < seconds("12:00")


def test_a_room_that_fails_while_it_is_prepared_takes_nobody(hospital: Build) -> None:
    down = {"room": "4", "at": "07:25", "cause": "power", "expected_until": "08:30", "restored": "08:30"}
    day = hospital(msgspec.convert({"name": "early", "light_rooms": ["8"], "rooms_down": [down]}, Scenario))
    said = day.advance(END)
    case = first_in(day, "4")
    prepared = [s for s in said if isinstance(s, HospitalMessage) and s.case.id == case and s.observations]
    setups = [int(s.observations[0].value) for s in prepared if s.observations[0].code == "ROOM_SETUP"]
    assert setups[0] < seconds("07:25") < seconds("08:30") <= setups[1]
    assert times(said, "WHEELS_IN")[case] > setups[1]


def test_a_moved_case_takes_its_true_length_along_and_is_echoed_with_the_next_version(hospital: Build) -> None:
    stayed, moved = hospital("quiet"), hospital("quiet")
    case = first_in(stayed, "3", 1)
    plain = stayed.advance(END)
    said = moved.advance(seconds("08:00"))
    assert ask(moved, change(case, "8", "11:00")) == (True, "")
    said += moved.advance(END)
    (echo,) = [s for s in said if isinstance(s, HospitalMessage) and s.trigger == "S13"]
    assert (echo.booking.room, echo.booking.start, echo.booking.version) == ("8", seconds("11:00"), 2)
    assert 20 <= echo.at - seconds("08:00") <= 90
    assert times(said, "WHEELS_IN")[case] >= seconds("11:00")
    long = [times(s, "WHEELS_OUT")[case] - times(s, "WHEELS_IN")[case] for s in (plain, said)]
    assert long[0] == long[1]


def test_versions_increase_with_every_change_of_a_case(hospital: Build) -> None:
    day = hospital("quiet")
    case = first_in(day, "3", 2)
    said = day.advance(seconds("08:00"))
    for number, start in enumerate(("12:00", "12:30", "13:00")):
        assert ask(day, change(case, "8", start, f"W{number}"))[0]
    said += day.advance(seconds("08:10"))
    echoes = [s for s in said if isinstance(s, HospitalMessage) and s.trigger == "S13"]
    assert [e.booking.version for e in echoes] == [2, 3, 4]
    assert [e.booking.start for e in echoes] == [seconds("12:00"), seconds("12:30"), seconds("13:00")]


def test_the_feed_tells_the_old_place_until_the_echo(hospital: Build) -> None:
    """A message with a known version and another place would put the case in doubt."""
    for seed in range(8):
        day = hospital("demo", seed=seed)
        said = day.advance(seconds("09:15"))
        for number, case in enumerate([c for c in day.day.cases if c.first.room == "3"][1:]):
            ask(day, ChangeRequest(f"W{number}", case.id, "8", seconds("09:46") + 5400 * number))
        said += day.advance(END)
        places: dict[tuple[str, int], set[tuple[str, int]]] = {}
        for saying in said:
            if isinstance(saying, HospitalMessage):
                key = (saying.case.id, saying.booking.version)
                places.setdefault(key, set()).add((saying.booking.room, saying.booking.start))
        assert all(len(found) == 1 for found in places.values())


def test_a_slow_echo_is_told_at_the_latest_when_the_patient_enters_the_room(hospital: Build, site: Site) -> None:
    slow = Writeback(echo_seconds=(3600, 3600))
    day = hospital(msgspec.structs.replace(load_scenario("quiet", site.suites[0]), writeback=slow))
    case = first_in(day, "6", 2)
    day.advance(seconds("08:00"))
    assert ask(day, change(case, "8", "07:55"))[0]
    said = [s for s in day.advance(END) if isinstance(s, HospitalMessage) and s.case.id == case]
    (echo,) = [s for s in said if s.trigger == "S13"]
    entered = times(list(said), "WHEELS_IN")[case]
    assert echo.at == entered < seconds("09:00")
    assert [s.booking.room for s in said if any(o.code == "WHEELS_IN" for o in s.observations)] == ["8"]


def test_a_surgeon_operates_on_one_patient_at_a_time(hospital: Build) -> None:
    day = hospital("quiet")
    first, second = (first_in(day, "6", place) for place in (0, 1))
    assert len({c.surgeon for c in day.day.cases if c.id in (first, second)}) == 1
    said = day.advance(seconds("07:05"))
    assert ask(day, change(second, "8", "07:45"))[0]
    said += day.advance(END)
    assert times(said, "WHEELS_IN")[second] >= times(said, "CLOSING")[first]


def test_a_change_is_refused_with_words(hospital: Build) -> None:
    day = hospital()
    case = first_in(day, "4", 2)
    assert ask(day, change(case, "8", "12:00")) == (False, "This appointment is not known here")
    day.advance(seconds("12:00"))
    inside = first_in(day, "5", 1)
    assert "already in the room" in ask(day, change(inside, "8", "13:00"))[1]
    assert "out of use" in ask(day, change(case, "3", "13:00"))[1]
    assert ask(day, change(case, "3", "15:00"))[0], "the room is expected back by then"
    assert "This room is not known" in ask(day, change(case, "99", "13:00"))[1]
    assert "has passed" in ask(day, change(case, "8", "11:00"))[1]
    assert "not known here" in ask(day, change("X", "8", "13:00"))[1]
    cancelled = max((c for c in day.day.cases if c.first.room == "1"), key=lambda c: c.first.start).id
    assert "cancelled" in ask(day, change(cancelled, "8", "13:00"))[1]


def test_a_scripted_hospital_refuses_alters_and_keeps_silent(hospital: Build, site: Site) -> None:
    quiet = load_scenario("quiet", site.suites[0])
    rules = Writeback(refuse=(1,), alter=(2,), alter_minutes=20, silent=(3,))
    day = hospital(msgspec.structs.replace(quiet, writeback=rules))
    said = day.advance(seconds("08:00"))
    cases = [first_in(day, "3", place) for place in (1, 2)] + [first_in(day, "4", 2)]
    assert ask(day, change(cases[0], "8", "10:00", "W1")) == (False, "The theatre desk does not agree to this change")
    assert ask(day, change(cases[1], "8", "12:00", "W2"))[0]
    assert ask(day, change(cases[2], "8", "14:30", "W3"))[0]
    said += day.advance(seconds("09:00"))
    echoes = [s for s in said if isinstance(s, HospitalMessage) and s.trigger == "S13"]
    assert [(e.case.id, e.booking.start) for e in echoes] == [(cases[1], seconds("12:20"))]


def test_the_correction_is_told_after_the_mistake(hospital: Build) -> None:
    said = hospital().advance(END)
    told = [
        (s.case.id, int(o.value))
        for s in said
        if isinstance(s, HospitalMessage)
        for o in s.observations
        if o.code == "INCISION"
    ]
    twice = [(case, moment) for case, moment in told if [c for c, _ in told].count(case) == 2]
    assert len(twice) == 2
    assert twice[1][1] - twice[0][1] == 8 * 60


def test_what_is_outstanding_becomes_done_before_the_patient_goes_in(hospital: Build) -> None:
    day = hospital()
    open_cases = [c.id for c in day.day.cases if "outstanding" in c.readiness.values()]
    done = {
        s.case.id
        for s in day.advance(END)
        if isinstance(s, HospitalMessage) and any(o.code.startswith("READY_") for o in s.observations)
    }
    assert open_cases
    assert done == set(open_cases)


def test_recovery_beds_hold_patients_back_in_their_rooms(hospital: Build, site: Site) -> None:
    tight = msgspec.structs.replace(load_scenario("quiet", site.suites[0]), pacu_beds=2)
    free = times(hospital("quiet").advance(END), "WHEELS_OUT")
    said = hospital(tight).advance(END)
    held = times(said, "WHEELS_OUT")
    assert sum(held[c] > free[c] for c in held if c in free) >= 3
    beds = [s.body for s in said if isinstance(s, ManualReport) and s.path == "beds"]
    assert max(body["occupied"] for body in beds) == 2


def test_anaesthesia_teams_go_home_in_the_afternoon(site: Site) -> None:
    roster = anaesthesia_roster(site.suites[0])
    there = [teams_at(roster, hour * 3600) for hour in (8, 15, 17, 19, 21)]
    assert there == [10, 10, 8, 4, 2]
