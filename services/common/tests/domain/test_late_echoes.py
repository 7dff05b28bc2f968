"""Late echoes and postponements: what the hospital did counts, whenever it says so, and asks for no new plan."""

from dataclasses import replace
from typing import Any

import pytest

from orloop_common.domain import events as e
from orloop_common.domain.plan import Change
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.triggers import triggers_of
from orloop_common.domain.vocabulary import ChangeAnswer, Verdict
from orloop_common.testing.suite import booked, change, clock, day_after, outcomes, small_site, tick

A = change("hip", ("1", "10:30"), ("2", "10:30"))
B = change("knee", ("1", "12:30"), ("3", "12:30"))
LATER = change("hip", ("1", "10:30"), None)
LAYOUT = small_site().suite("main")


def decided(*changes: Change) -> e.PlanDecided:
    return e.PlanDecided(
        id="decision/p1",
        suite="main",
        at=clock("09:00"),
        proposal="p1",
        verdict=Verdict.APPROVED,
        based_on=0,
        decided_by="demo",
        changes=changes,
    )


def answered(case: str, answer: ChangeAnswer) -> e.ChangeAnswered:
    return e.ChangeAnswered(
        id=f"{case}/{answer}", suite="main", at=clock("09:01"), proposal="p1", case=case, answer=answer, message=""
    )


def approved(*changes: Change) -> SuiteDay:
    return day_after(booked("hip", "1", "10:30"), booked("knee", "1", "12:30"), tick("09:00"), decided(*changes))


def asked(before: SuiteDay, event: Any) -> tuple[SuiteDay, bool]:
    after = before.apply(event)
    return after, triggers_of(before, event, after, LAYOUT) is not None


GIVEN_UP = [ChangeAnswer.TIMED_OUT, ChangeAnswer.UNCONFIRMED]


@pytest.mark.parametrize("answer", GIVEN_UP)
def test_a_change_that_was_given_up_stops_the_rest_and_asks_for_a_new_plan(answer: ChangeAnswer) -> None:
    day, trigger = asked(approved(A, B), answered("hip", answer))
    assert trigger
    assert outcomes(day, "p1") == {"hip": str(answer), "knee": "stopped"}


@pytest.mark.parametrize("answer", GIVEN_UP)
def test_an_echo_after_it_was_given_up_counts_and_asks_for_nothing(answer: ChangeAnswer) -> None:
    day = approved(A, B).apply(answered("hip", answer))
    day, trigger = asked(day, booked("hip", "2", "10:30", version=2))
    assert outcomes(day, "p1")["hip"] == "applied"
    assert day.cases["hip"].moved == 1
    assert not trigger


def test_another_place_after_it_was_given_up_is_the_hospitals_own_doing() -> None:
    day = approved(A).apply(answered("hip", ChangeAnswer.UNCONFIRMED))
    day, trigger = asked(day, booked("hip", "3", "11:30", version=2))
    assert outcomes(day, "p1")["hip"] == "unconfirmed"
    assert trigger


def test_a_refused_change_stays_refused_whatever_the_hospital_does_later() -> None:
    day = approved(A).apply(answered("hip", ChangeAnswer.REFUSED))
    day, trigger = asked(day, booked("hip", "2", "10:30", version=2))
    assert outcomes(day, "p1")["hip"] == "refused"
    assert trigger


def cancelled(case: str) -> e.CaseCancelled:
    return e.CaseCancelled(id=f"{case}/x", suite="main", at=clock("09:05"), case=case, version=2)


def test_a_cancellation_is_the_echo_of_a_postponement_and_asks_for_nothing() -> None:
    day, trigger = asked(approved(LATER, B), cancelled("hip"))
    assert outcomes(day, "p1") == {"hip": "applied", "knee": "queued"}
    assert not trigger


def test_a_cancellation_of_a_case_that_was_to_move_stops_the_rest() -> None:
    day, trigger = asked(approved(A, B), cancelled("hip"))
    assert outcomes(day, "p1") == {"hip": "overtaken", "knee": "stopped"}
    assert trigger


def test_a_booking_for_a_later_day_is_the_echo_of_a_postponement() -> None:
    moved = replace(booked("hip", "1", "10:30", version=2), start=clock("10:30").replace(day=4))
    day, trigger = asked(approved(LATER), moved)
    assert outcomes(day, "p1") == {"hip": "applied"}
    assert "hip" not in day.plan
    assert not trigger


def test_another_time_on_the_same_day_is_not_what_a_postponement_meant() -> None:
    day, trigger = asked(approved(LATER), booked("hip", "1", "11:30", version=2))
    assert outcomes(day, "p1") == {"hip": "differs"}
    assert trigger
