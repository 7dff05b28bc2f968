"""Terms of the published cost, each by an example that is counted by hand; tiers and floor."""

from dataclasses import fields, replace
from typing import Any

import pytest
from stating import KIDNEY, STONE, at, case, minutes, problem, room, running

from orloop_common.domain.checker import with_changes
from orloop_common.domain.cost import DEFAULT_WEIGHTS, Cost, floor, price, tiers
from orloop_common.domain.fairness import groups
from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import ExpectedWork, PlanProblem, ProblemCase, Weights
from orloop_common.domain.vocabulary import Urgency

AWAY = Place(room=None, start=None)


def weights(**more: int | bool) -> Weights:
    """Nothing costs anything but delay and what is named."""
    none: dict[str, Any] = {field.name: 0 for field in fields(Weights) if field.name not in ("delay", "strict")}
    return Weights(**{"delay": dict.fromkeys(Urgency, 1), **none, **more})


def costs(problem: PlanProblem, **places: tuple[str, str] | None) -> Cost:
    plan = with_changes(problem, ())
    for name, place in places.items():
        plan[name] = Place(room=place[0], start=at(place[1])) if place else AWAY
    return price(problem, plan)


def four(**more: Any) -> tuple[ProblemCase, ...]:
    return tuple(case(name, ("3", start), **more) for name, start in zip("abcd", FOUR, strict=True))


FOUR = ("10:30", "12:30", "14:00", "15:40")


def test_a_case_with_a_price_of_its_own_pays_that_for_its_delay() -> None:
    told = weights(delay=dict.fromkeys(Urgency, 2))
    assert costs(problem(KIDNEY, weights=told), nephrectomy=("3", "11:07")).delay == 2 * 2, "begun slots"
    assert costs(problem(replace(KIDNEY, priority=7), weights=told), nephrectomy=("3", "11:10")).delay == 14


def test_fairness_is_the_worst_groups_mean_and_small_groups_do_not_count() -> None:
    whole = problem(*four(), case("other", ("8", "11:00"), service="general"), weights=weights(fairness=8))
    assert groups(whole) == {"service/urology": frozenset("abcd")}
    assert costs(whole, a=("3", "10:35")).fairness == 8, "one slot over four cases, rounded up"
    assert costs(whole, a=("3", "10:50"), b=("3", "12:35")).fairness == 8 * 2
    assert costs(whole, other=("8", "14:00")).fairness == 0
    assert costs(whole, a=None, b=("3", "12:55")).fairness == 8 * 2, "who is postponed does not wait, but counts"


def test_sites_are_groups_too() -> None:
    spread = [replace(c, service=f"service {c.id}", site="north") for c in four()]
    assert groups(problem(*spread)) == {"site/north": frozenset("abcd")}


def test_fairness_counts_stays_and_starts_past_the_block() -> None:
    late = problem(*four(), weights=weights(fairness_late=1))
    assert costs(late).fairness == 5, "d: clean at 17:00, block end 15:30, 18 slots over four"
    prime = problem(*four(), weights=weights(fairness_prime=1))
    assert costs(prime).fairness == 3, "one of four starts after block end: 2.5 tenths"


def test_an_immediate_case_waits_from_its_announcement() -> None:
    urgent = tuple(replace(c, urgency=Urgency.IMMEDIATE, waiting_since=at("10:00")) for c in four()[:3])
    assert costs(problem(*urgent, weights=weights(fairness=1))).fairness == (6 + 30 + 48) // 3


def test_idle_surgeons_cost_the_slots_between_their_own_cases() -> None:
    pair = replace(KIDNEY, surgeons=("O",)), replace(STONE, surgeons=("O",))
    whole = problem(*pair, weights=weights(surgeon_idle=3))
    assert costs(whole).surgeon_idle == 3 * 5, "12:00 to 13:00, less 35 min of turnover"


def test_wishes_cost_when_they_are_not_granted() -> None:
    wish = replace(KIDNEY, preferred=Place(room="8", start=at("11:20")))
    whole = problem(wish, weights=weights(preferred_start=1, preferred_room=9))
    assert costs(whole).preference == 4 + 9
    assert costs(whole, nephrectomy=("8", "11:30")).preference == 2
    only_room = replace(KIDNEY, preferred=Place(room="8", start=None))
    assert costs(problem(only_room, weights=whole.weights)).preference == 9


def test_another_teams_room_costs_continuity() -> None:
    whole = problem(replace(KIDNEY, team_rooms=("3", "5")), weights=weights(continuity=4))
    assert costs(whole).continuity == 0
    assert costs(whole, nephrectomy=("8", "11:00")).continuity == 4


def test_the_break_in_gap_has_its_price() -> None:
    whole = problem(KIDNEY, STONE, committed=(running("hip", "8", "10:40"),), weights=weights(break_in=2))
    assert costs(whole).break_in == 2 * 24


def test_expected_add_ons_cost_the_room_time_that_they_lack() -> None:
    expected = (ExpectedWork(start=at("11:00"), end=at("12:00"), work=minutes(90)),)
    whole = problem(KIDNEY, weights=weights(add_on_slack=1), expected=expected)
    assert costs(whole).add_on_slack == 6, "room 8 alone is free for an hour"
    down = replace(whole, rooms=(room("3"), room("8", down=(Interval(start=at("11:30"), end=at("13:00")),))))
    assert costs(down).add_on_slack == 12
    assert costs(whole, nephrectomy=("3", "12:15")).add_on_slack == 0


def test_a_risk_of_cancellation_never_worsens_the_patients_own_place() -> None:
    """What a likely cancellation leaves free counts at the published place, wherever the patient goes."""
    expected = (ExpectedWork(start=at("11:00"), end=at("12:00"), work=minutes(120)),)
    risky = replace(KIDNEY, cancellation_risk=0.5)
    safe, shaky = (problem(c, weights=DEFAULT_WEIGHTS, expected=expected) for c in (KIDNEY, risky))
    priced = replace(DEFAULT_WEIGHTS, add_on_slack=1)
    safe, shaky = replace(safe, weights=priced), replace(shaky, weights=priced)
    places: list[tuple[str, str] | None] = [("3", "11:00"), ("8", "11:00"), ("3", "12:30"), ("8", "14:00"), None]
    saved = [costs(safe, nephrectomy=p).total - costs(shaky, nephrectomy=p).total for p in places]
    assert costs(safe).add_on_slack == 12
    assert saved[:2] == [6, 6], "half of the hour counts as free"
    best = min(places, key=lambda p: costs(safe, nephrectomy=p).total)
    assert min(places, key=lambda p: costs(shaky, nephrectomy=p).total) == best == ("3", "11:00")


def test_postponements_are_a_tier_of_their_own_where_classes_come_in_strict_order() -> None:
    rest = replace(STONE, urgency=Urgency.EXPEDITED), case("abscess", None, urgency=Urgency.URGENT)
    whole = problem(KIDNEY, *rest, weights=replace(DEFAULT_WEIGHTS, strict=True))
    plan = with_changes(whole, ())
    assert tiers(whole, plan) == {"postponements": 2 * 4, "cost": price(whole, plan).total}
    assert tiers(whole, plan | {"ureteroscopy": AWAY})["postponements"] == 8 + 2
    assert tiers(whole, plan | {"nephrectomy": AWAY, "ureteroscopy": AWAY})["postponements"] < 2 * 8
    assert set(tiers(replace(whole, weights=replace(DEFAULT_WEIGHTS, strict=False)), plan)) == {"cost"}


@pytest.mark.parametrize(
    ("start", "waits"), [("10:30", 6), ("11:00", 6)], ids=["at the first moment", "wherever it is put"]
)
def test_the_floor_is_what_no_plan_can_change(start: str, waits: int) -> None:
    abscess = case("abscess", None, urgency=Urgency.IMMEDIATE, waiting_since=at("10:00"))
    held = running("hip", "3", "15:40")
    whole = problem(KIDNEY, abscess, committed=(held,))
    ends = 18  # 90 min in which nobody leaves a room: notice until 10:30, an hour for the abscess
    assert floor(whole) == 5 * 6 + 10 * waits + ends, "until 16:00, block end 15:30; notice until 10:30"
    assert floor(whole) <= costs(whole, abscess=("8", start)).total
    nowhere = replace(abscess, service="eye", scheduled=AWAY)
    assert floor(problem(nowhere, weights=replace(DEFAULT_WEIGHTS, break_in=0))) == 0
