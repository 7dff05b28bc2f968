"""Each reason is undone again: what breaks then, and what it costs, is what the sentence says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orloop_common.domain.checker import check
from orloop_common.domain.cost import price
from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import Committed, PlanProblem, ProblemCase, ProblemRoom, Weights
from orloop_common.domain.rightshift import right_shift
from orloop_common.domain.vocabulary import Urgency
from orloop_replan.domain.comparing import differences
from orloop_replan.domain.explain import explain, trade
from orloop_replan.domain.ordering import changed
from orloop_replan.domain.reasons import reason_of, undone
from orloop_replan.generate import generate

WEIGHTS = Weights(delay={Urgency.ELECTIVE: 2, Urgency.EXPEDITED: 3, Urgency.URGENT: 4, Urgency.IMMEDIATE: 4})
DAY = datetime(2026, 3, 2, tzinfo=UTC)
SOLVER_WORDS = ("slack", "bound", "incumbent", "objective", "infeasible", "constraint", "dual", "solver", "heuristic")


def at(clock: str) -> datetime:
    hours, minutes = clock.split(":")
    return DAY + timedelta(hours=int(hours), minutes=int(minutes))


def room(name: str, ends: str = "15:00", **more: object) -> ProblemRoom:
    fields = {"services": ("urology",), "opens": at("07:00"), "block_end": at(ends), "closes": at("20:00")}
    return ProblemRoom(id=name, **{**fields, **more})  # type: ignore[arg-type]


def case(name: str, where: str | None, start: str, minutes: int = 60, **more: object) -> ProblemCase:
    place = Place(room=where, start=at(start) if where else None)
    fields = {
        "version": 1,
        "service": "urology",
        "label": name.capitalize(),
        "urgency": Urgency.ELECTIVE,
        "surgeons": (f"S{name}",),
        "length": timedelta(minutes=minutes),
        "length_p80": timedelta(minutes=minutes),
        "setup": timedelta(minutes=10),
        "cleanup": timedelta(minutes=10),
        "current": place,
        "scheduled": Place(room=where, start=at(start)),
    }
    return ProblemCase(id=name, **{**fields, **more})  # type: ignore[arg-type]


def problem(rooms: list[ProblemRoom], cases: list[ProblemCase], *held: Committed) -> PlanProblem:
    return PlanProblem(
        suite="main",
        now=at("10:00"),
        grid=timedelta(minutes=5),
        earliest_start=at("10:30"),
        horizon=at("22:00"),
        rooms=tuple(rooms),
        cases=tuple(cases),
        committed=held,
        teams=(),
        beds=(),
        weights=WEIGHTS,
        staff={"W": "Weber"},
    )


def held(name: str, where: str, until: str, clean: str, *surgeons: str) -> Committed:
    patient = Interval(start=at("09:00"), end=at(until))
    occupied = Interval(start=at("08:50"), end=at(clean))
    return Committed(
        id=name, label=name.capitalize(), room=where, occupied=occupied, patient=patient, surgeons=surgeons
    )


def go(where: str, start: str) -> Place:
    return Place(room=where, start=at(start))


def test_a_room_that_is_down_is_the_reason_to_leave_it() -> None:
    down = room("4", down=(Interval(start=at("10:00"), end=at("13:00")),))
    one = problem([down, room("8")], [case("hip", "4", "11:00")])
    (reason,) = explain(one, {"hip": go("8", "11:00")})
    assert (reason.kind, reason.delta) == ("room-usable", None)
    assert reason.sentence == "Room 4 is down until 13:00; room 8 is free and takes urology"
    (waits,) = explain(one, {"hip": go("4", "13:00")})
    assert waits.sentence == "Room 4 is down until 13:00; it starts once room 4 is back"


def test_the_surgeon_who_is_elsewhere_is_named_with_room_and_time() -> None:
    weber = case("hip", "4", "11:00", surgeons=("W",))
    one = problem([room("2"), room("4")], [weber], held("knee", "2", "11:20", "11:30", "W"))
    (reason,) = explain(one, {"hip": go("4", "11:20")})
    assert (reason.kind, reason.sentence) == ("surgeon-one-place", "Dr Weber is in room 2 until 11:20")


def test_overtime_that_is_saved_is_said_with_its_room_and_its_size() -> None:
    one = problem([room("6", "12:00"), room("8")], [case("hip", "6", "11:25")])
    plan = {"hip": go("8", "11:25")}
    (reason,) = explain(one, plan)
    assert reason.sentence.startswith("Saves 35 min of overtime in room 6; room 8 is free")
    stays = {"hip": go("6", "11:25")}
    assert reason.delta == price(one, stays).total - price(one, plan).total
    assert (reason.kind, reason.size) == ("overtime", timedelta(minutes=35))


def test_of_two_rules_the_one_that_nobody_can_change_is_named() -> None:
    weber = case("hip", "4", "11:00", surgeons=("W",))
    down = room("4", down=(Interval(start=at("10:00"), end=at("12:00")),))
    one = problem([room("2"), down], [weber], held("knee", "2", "11:20", "11:30", "W"))
    (reason,) = explain(one, {"hip": go("4", "12:00")})
    assert reason.kind == "room-usable"
    assert set(reason.rules) == {"room-usable", "surgeon-one-place"}


def test_a_case_that_makes_room_says_for_whom_and_why_that_one_had_to_move() -> None:
    down = room("4", down=(Interval(start=at("10:00"), end=at("20:00")),))
    one = problem([down, room("8"), room("9")], [case("hip", "4", "11:00"), case("knee", "8", "11:00")])
    plan = {"hip": go("8", "11:00"), "knee": go("9", "11:00")}
    reason = reason_of(one, plan, one.cases[1])
    assert (reason.kind, reason.together, reason.because, reason.for_case) == (
        "room-one-patient",
        ("hip",),
        "room-usable",
        "hip",
    )
    assert reason.sentence.startswith(
        "Makes room for the hip, which has to move, because room 4 is down for the rest of the day; room 9 is free"
    )


def test_a_set_that_pays_only_together_says_what_it_saves_together() -> None:
    one = problem([room("6", "12:00"), room("8")], [case("hip", "6", "11:55"), case("knee", "8", "11:00", 30)])
    plan = {"hip": go("8", "11:00"), "knee": go("8", "12:20")}
    reason = reason_of(one, plan, one.cases[1])
    assert (reason.together, reason.because) == (("hip",), None)
    both = {"hip": one.cases[0].current, "knee": one.cases[1].current}
    assert check(one, both) == ()
    assert reason.set_delta == price(one, both).total - price(one, plan).total > 0
    assert (
        reason.sentence
        == "Follows the hip, which is there until 12:00; together that saves 65 min of overtime in room 6"
    )


def test_a_change_that_is_for_nothing_is_not_defended() -> None:
    one = problem([room("6"), room("8")], [case("hip", "6", "11:00")])
    (reason,) = explain(one, {"hip": go("8", "11:00")})
    assert (reason.kind, reason.rules) == ("none", ())
    assert reason.delta is not None
    assert reason.delta < 0
    assert reason.sentence.startswith("It could stay as well; staying would save as much as 40 min of one patient's")


def test_a_change_that_costs_more_than_it_saves_says_so() -> None:
    one = problem([room("6", "12:10"), room("8")], [case("hip", "6", "11:05")])
    (reason,) = explain(one, {"hip": go("8", "11:30")})
    assert reason.sentence.startswith("Saves 5 min of overtime in room 6, though all in all staying would save")
    assert reason.delta is not None
    assert reason.delta < 0


def test_an_emergency_add_on_is_moved_because_it_has_to_be() -> None:
    urgent = case("gut", None, "11:00", urgency=Urgency.IMMEDIATE, waiting_since=at("10:05"))
    one = problem([room("6")], [urgent])
    (reason,) = explain(one, {"gut": go("6", "10:40")})
    assert reason.kind == "emergency-never-postponed"
    assert reason.sentence == "Immediate add-on, waiting since 10:05; room 6 is free and takes urology"


def test_who_goes_to_another_day_is_told_why_only_after_looking() -> None:
    full = problem([room("6", closes=at("11:30"))], [case("hip", "6", "10:40"), case("knee", "6", "11:20")])
    plan = {"hip": go("6", "10:40"), "knee": Place(room=None, start=None)}
    (reason,) = explain(full, plan)
    assert reason.kind == "room-open"
    assert reason.sentence.endswith("no room that takes it is free long enough before it closes")
    roomy = replace(full, rooms=(room("6"),))
    (reason,) = explain(roomy, plan)
    assert reason.sentence.endswith("it could still be done in room 6 at 12:00")


def test_the_trade_names_what_is_bought_and_who_pays() -> None:
    one = problem([room("6", "12:00"), room("8")], [case("hip", "6", "11:55")])
    told = trade(one, {"hip": go("8", "12:15")})
    assert told.sentence == (
        "Against the plan as it is published: 65 min less overtime in room 6. "
        "In return: 1 more case changes rooms; the hip waits 20 min longer; 1 more case is moved."
    )
    assert told.delta == -65 + 12 + 8 + 4


@pytest.mark.parametrize("kind", ["core", "full"])
@pytest.mark.parametrize("event", ["down", "storm"])
def test_every_reason_agrees_with_undoing_its_change(kind: str, event: str) -> None:
    one = generate(8, event, 3, kind=kind)
    plan = right_shift(one)
    reasons = explain(one, plan)
    assert {r.case for r in reasons} == {c.id for c in changed(one, plan)}
    cases = {c.id: c for c in one.cases}
    for reason in reasons:
        back = {**plan, reason.case: cases[reason.case].current}
        broken = {b.rule for b in undone(one, plan, cases[reason.case])}
        assert set(reason.rules) == broken
        if broken:
            assert reason.kind in broken
        else:
            assert reason.delta == price(one, back).total - price(one, plan).total
            assert reason.kind == "none" or (reason.terms or {})[reason.kind] > 0
        together = {name: cases[name].current for name in (reason.case, *reason.together)}
        if reason.because is not None:
            assert reason.because in {b.rule for b in check(one, {**plan, **together})}
        if reason.set_delta is not None:
            assert not {name for b in check(one, {**plan, **together}) for name in b.cases} & together.keys()
            assert reason.set_delta == price(one, {**plan, **together}).total - price(one, plan).total
        assert not any(word in reason.sentence.casefold() for word in SOLVER_WORDS), reason.sentence


def test_the_parts_of_a_difference_add_up_to_it() -> None:
    one = generate(8, "storm", 5, kind="full")
    plan = right_shift(one)
    base = {c.id: Place(room=None, start=None) for c in one.cases}
    terms = differences(one, base, plan)
    assert sum(d.delta for d in terms) == price(one, plan).total - price(one, base).total
    assert all(d.clause for d in terms)
