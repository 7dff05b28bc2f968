"""Changes are carried out one after the other, and no room ever holds two patients in the book."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orloop_common.domain import events as e
from orloop_common.domain.carrying import booked_place, in_order, next_step, waits_for
from orloop_common.domain.plan import Change, Interval, Place
from orloop_common.domain.site import RoomLayout, SuiteLayout
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import Verdict

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
LAYOUT = SuiteLayout(
    id="main",
    name="Main",
    rooms=tuple(
        RoomLayout(
            id=room,
            name=room,
            service="general",
            services=("general",),
            block_start=time(7, 30),
            block_end=time(15, 30),
            closes=time(19),
        )
        for room in ("1", "2", "3")
    ),
)


def booked(case: str, room: str, hour: int, version: int = 1) -> e.CaseScheduled:
    return e.CaseScheduled(
        id=f"{case}/{version}",
        suite="main",
        at=NINE,
        case=case,
        version=version,
        service="general",
        procedures=(),
        surgeons=(),
        room=room,
        start=NINE + hour * HOUR,
        booked=HOUR,
    )


def move(case: str, source: tuple[str, int], target: tuple[str, int]) -> Change:
    place = [Place(room=room, start=NINE + hour * HOUR) for room, hour in (source, target)]
    return Change(case=case, version=1, origin=place[0], target=place[1], length=HOUR)


def day_of(*moves: Change) -> SuiteDay:
    day = SuiteDay(suite="main")
    for m in moves:
        assert m.origin.room
        assert m.origin.start
        day = day.apply(booked(m.case, m.origin.room, int((m.origin.start - NINE) / HOUR)))
    return day


def carry_out(day: SuiteDay, changes: tuple[Change, ...]) -> list[tuple[str, Place]]:
    """Send and echo one change after the other, and look into the book after each."""
    decision = e.PlanDecided(
        id="d",
        suite="main",
        at=NINE,
        proposal="p",
        verdict=Verdict.APPROVED,
        based_on=0,
        decided_by="x",
        changes=changes,
    )
    day, steps = day.apply(decision), list[tuple[str, Place]]()
    while day.pending:
        step = next_step(day, tuple(day.pending.values()))
        assert step is not None, "nothing can be sent although changes wait"
        pending, place = step
        schedule = day.cases[pending.change.case].schedule
        assert schedule
        assert place.room
        assert place.start
        echo = booked(pending.change.case, place.room, 0, schedule.version + 1)
        day = day.apply(replace(echo, start=place.start))
        steps.append((pending.change.case, place))
        assert not double_booked(day), f"two patients in one room after {steps}"
    assert set(day.decisions["p"].outcomes.values()) <= {"applied"}
    return steps


def double_booked(day: SuiteDay) -> bool:
    held = [(place, Interval(start=place.start, end=place.start + HOUR)) for place in _places(day) if place.start]
    return any(one.room == two.room and i.overlaps(j) for n, (one, i) in enumerate(held) for two, j in held[n + 1 :])


def _places(day: SuiteDay) -> list[Place]:
    return [place for case in day.cases if (place := booked_place(day, case))]


def test_a_case_waits_for_the_one_that_still_holds_its_target() -> None:
    changes = move("a", ("1", 0), ("1", 1)), move("b", ("1", 1), ("1", 2))
    assert [c.case for c in in_order(day_of(*changes), changes, LAYOUT)] == ["b", "a"]


def test_cases_that_do_not_touch_keep_their_order() -> None:
    changes = move("a", ("1", 0), ("2", 0)), move("b", ("1", 1), ("3", 0))
    assert [c.case for c in in_order(day_of(*changes), changes, LAYOUT)] == ["a", "b"]


def test_a_case_that_moves_into_its_own_time_does_not_wait_for_itself() -> None:
    one = move("a", ("1", 0), ("1", 0))
    later = replace(one, target=Place(room="1", start=NINE + HOUR / 2))
    day = day_of(one)
    assert waits_for(day, later, (later,)) == ()
    assert [case for case, _ in carry_out(day, in_order(day, (later,), LAYOUT))] == ["a"]


def test_two_cases_that_swap_places_meet_nowhere_because_one_waits_after_hours() -> None:
    changes = move("a", ("1", 0), ("2", 0)), move("b", ("2", 0), ("1", 0))
    day = day_of(*changes)
    ordered = in_order(day, changes, LAYOUT)
    assert [c.via for c in ordered if c.via] == [Place(room="2", start=NINE + 10 * HOUR)]
    steps = carry_out(day, ordered)
    assert [case for case, _ in steps] == ["b", "a", "b"]


@given(st.permutations(range(6)), st.permutations(range(6)))
def test_any_reshuffle_is_carried_out_without_two_patients_in_one_room(before: list[int], after: list[int]) -> None:
    slots = [("1", 0), ("1", 1), ("2", 0), ("2", 1), ("3", 0), ("3", 1)]
    changes = tuple(
        move(f"c{n}", slots[a], slots[b]) for n, (a, b) in enumerate(zip(before, after, strict=True)) if a != b
    )
    day = day_of(*changes)
    carry_out(day, in_order(day, changes, LAYOUT))
