"""The independent checker: a verifier for each rule, by an example that breaks it and one that does not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from stating import KIDNEY, STONE, at, broken, case, minutes, problem, room, running

from orloop_common.domain import events as e
from orloop_common.domain.checker import PLAN_RULES, check, check_changes, with_changes
from orloop_common.domain.cost import break_in_gap, price, who_pays
from orloop_common.domain.decision_rules import DECISION_RULES, check_decision
from orloop_common.domain.plan import Change, Interval, Place
from orloop_common.domain.problem import Capacity
from orloop_common.domain.rightshift import right_shift
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import Milestone, Urgency, Verdict
from orloop_common.messages.rulesfile import RulesFileError, load_rules, parse_rules


def test_a_plan_that_keeps_every_rule_breaks_none() -> None:
    assert broken(problem(KIDNEY, STONE), nephrectomy=("8", "10:30")) == []


def test_every_case_has_exactly_one_place_or_is_postponed() -> None:
    whole = problem(KIDNEY)
    assert [b.rule for b in check(whole, {})] == ["case-once"]
    assert [b.rule for b in check(whole, {"nephrectomy": Place(room="3", start=None)})] == ["case-once"]
    stranger = {"nephrectomy": KIDNEY.current, "ghost": KIDNEY.current}
    assert ("case-once", ("ghost",)) in [(b.rule, b.cases) for b in check(whole, stranger)]
    assert broken(whole, nephrectomy=None) == []


def test_no_room_holds_two_cases_between_setup_and_cleanup() -> None:
    told = "The nephrectomy and the ureteroscopy would both have room 3 at 12:45."
    assert broken(problem(KIDNEY, STONE), nephrectomy=("3", "11:30")) == [("room-one-patient", told)]
    assert broken(problem(KIDNEY, STONE), nephrectomy=("3", "11:25")) == []
    busy = problem(KIDNEY, committed=(running("hip", "8", "11:00"),))
    assert [rule for rule, _ in broken(busy, nephrectomy=("8", "11:30"))] == ["room-one-patient"]
    assert broken(busy, nephrectomy=("8", "11:35")) == []


def test_an_overlap_of_committed_cases_is_not_the_plans_fault() -> None:
    held = (running("hip", "8", "11:00"), running("knee", "8", "11:30"))
    assert broken(problem(KIDNEY, committed=held)) == []


def test_a_case_counts_as_shorter_by_its_slack_only_where_it_stays() -> None:
    tight = replace(KIDNEY, slack=minutes(10))
    after = case("ureteroscopy", ("3", "12:25"))
    assert broken(problem(tight, after)) == []
    assert [r for r, _ in broken(problem(tight, after), nephrectomy=("3", "10:55"))] == ["room-one-patient"]


def test_no_patient_is_in_a_room_that_is_down() -> None:
    rooms = (room("3", down=(Interval(start=at("09:50"), end=at("12:00")),)), room("8"))
    assert broken(problem(KIDNEY, rooms=rooms)) == [
        ("room-usable", "Room 3 is down until 12:00; the nephrectomy needs it.")
    ]
    assert broken(problem(KIDNEY, rooms=rooms), nephrectomy=("3", "12:00")) == []


def test_a_case_goes_only_where_its_service_and_its_needs_are_met() -> None:
    rooms = (room("3"), room("8", services=("general",)), room("9", services=("urology",)))
    assert broken(problem(KIDNEY, rooms=rooms), nephrectomy=("8", "11:00")) == [
        ("room-eligible", "Room 8 does not take urology.")
    ]
    needy = replace(KIDNEY, needs=("robot",))
    assert broken(problem(needy, rooms=rooms), nephrectomy=("9", "11:00")) == [
        ("room-eligible", "Room 9 has no robot for the nephrectomy.")
    ]
    assert broken(problem(needy, rooms=rooms)) == [], "the hospital itself put it there"
    assert broken(problem(KIDNEY), nephrectomy=("7", "11:00"))[0][1] == "There is no room 7 in this suite."


def test_rooms_are_used_between_opening_and_closing() -> None:
    rooms = (room("3", opens=at("11:30")), room("8", closes=at("12:10")))
    assert broken(problem(KIDNEY, rooms=rooms))[0] == (
        "room-open",
        "Room 3 opens at 11:30, the nephrectomy would start earlier.",
    )
    assert broken(problem(KIDNEY, rooms=rooms), nephrectomy=("8", "11:00"))[0][0] == "room-open"
    assert broken(problem(KIDNEY, rooms=rooms), nephrectomy=("8", "10:50")) == []


def test_a_surgeon_has_one_patient_at_a_time() -> None:
    one, two = replace(KIDNEY, surgeons=("O",)), case("cystoscopy", ("8", "11:40"), surgeons=("O",))
    assert broken(problem(one, two)) == [("surgeon-one-place", "Dr Okafor would be in rooms 3 and 8 at 11:40.")]
    assert broken(problem(one, two), cystoscopy=("8", "12:00")) == []
    held = problem(replace(KIDNEY, surgeons=("M",)), committed=(running("hip", "8", "11:10", surgeons=("M",)),))
    assert broken(held)[0][1] == "Dr Marino would be in rooms 8 and 3 at 11:00."


def test_every_patient_in_a_room_has_an_anaesthesia_team() -> None:
    teams = (
        Capacity(start=at("10:00"), end=at("12:00"), count=1),
        Capacity(start=at("12:00"), end=at("20:00"), count=2),
    )
    other = case("cystoscopy", ("8", "11:30"))
    assert broken(problem(KIDNEY, other, teams=teams)) == [
        ("anaesthesia-teams", "At 11:30 2 rooms would need an anaesthesia team; there is 1 team.")
    ]
    assert broken(problem(KIDNEY, other, teams=teams), cystoscopy=("8", "12:00")) == []
    over = (Capacity(start=at("10:00"), end=at("11:30"), count=4),)
    assert [r for r, _ in broken(problem(KIDNEY, teams=over))] == ["anaesthesia-teams"], "after the last shift"


def test_every_patient_who_needs_recovery_has_a_bed() -> None:
    beds = (Capacity(start=at("10:00"), end=at("23:00"), count=1),)
    one, two = replace(KIDNEY, recovery=minutes(60)), case("cystoscopy", ("8", "11:30"), recovery=minutes(60))
    assert broken(problem(one, two, beds=beds)) == [
        ("recovery-beds", "At 12:30 2 patients would need a recovery bed; there is 1 bed.")
    ]
    assert broken(problem(one, two, beds=beds), cystoscopy=("8", "12:00")) == []


def test_nothing_is_moved_to_before_the_notice_is_over() -> None:
    assert broken(problem(KIDNEY), nephrectomy=("8", "10:25")) == [
        ("frozen-window", "It is too late to move the nephrectomy to before 10:30.")
    ]
    soon = case("cystoscopy", ("8", "10:10"))
    assert broken(problem(soon)) == [], "what stays is not moved"
    held = problem(KIDNEY, committed=(running("hip", "8", "11:00"),))
    assert broken(held, hip=("3", "12:30"))[-1] == (
        "frozen-window",
        "The hip can no longer move: its patient is in the room.",
    )


def test_a_hard_latest_start_is_kept() -> None:
    late = replace(KIDNEY, latest=at("11:30"))
    assert broken(problem(late), nephrectomy=("8", "11:35")) == [
        ("latest-start", "The nephrectomy has to start by 11:30.")
    ]
    assert broken(problem(late), nephrectomy=("8", "11:30")) == []


def test_no_patient_is_called_much_earlier_than_told() -> None:
    assert broken(problem(STONE), ureteroscopy=("8", "11:55"))[0][0] == "earliest-start"
    assert broken(problem(STONE), ureteroscopy=("8", "12:00")) == []
    held = replace(STONE, earliest=at("12:30"))
    assert broken(problem(held), ureteroscopy=("8", "12:25")) == [
        ("earliest-start", "The ureteroscopy cannot start before 12:30.")
    ]


def test_an_emergency_is_never_postponed() -> None:
    urgent = replace(KIDNEY, urgency=Urgency.URGENT)
    assert broken(problem(urgent), nephrectomy=None) == [
        ("emergency-never-postponed", "The nephrectomy is urgent and has no room.")
    ]


def test_times_in_sentences_are_the_sites() -> None:
    rooms = (room("3", down=(Interval(start=at("09:50"), end=at("12:00")),)), room("8"))
    berlin = problem(KIDNEY, rooms=rooms, timezone="Europe/Berlin")
    assert broken(berlin)[0][1] == "Room 3 is down until 13:00; the nephrectomy needs it."


def test_only_what_a_change_touches_counts_against_it() -> None:
    rooms = (room("3", down=(Interval(start=at("09:50"), end=at("19:00")),)), room("8"))
    whole = problem(KIDNEY, STONE, rooms=rooms)
    move = Change(
        case="nephrectomy",
        version=1,
        origin=KIDNEY.current,
        target=Place(room="8", start=at("11:00")),
        length=minutes(60),
    )
    assert check_changes(whole, [move]) == ()
    assert [b.rule for b in check_changes(whole, [replace(move, target=Place(room="3", start=at("14:40")))])] == [
        "room-usable"
    ]


# --- decisions -------------------------------------------------------------------------------------


def scheduled(version: int = 1) -> e.CaseScheduled:
    return e.CaseScheduled(
        id=f"s{version}",
        suite="main",
        at=at("07:00"),
        case="nephrectomy",
        version=version,
        service="urology",
        procedures=(e.Procedure(code="X", text="Nephrectomy"),),
        surgeons=(),
        room="3",
        start=at("11:00"),
        booked=minutes(60),
    )


def event(kind: Callable[..., e.Event], **fields: Any) -> e.Event:
    return kind(**{"id": str(fields), "suite": "main", "at": at("10:00"), **fields})


MOVE = Change(
    case="nephrectomy", version=1, origin=KIDNEY.current, target=Place(room="8", start=at("11:00")), length=minutes(60)
)


@pytest.mark.parametrize(
    ("rule", "then"),
    [
        ("case-open", event(e.CaseCancelled, case="nephrectomy", version=1)),
        ("not-started", event(e.MilestoneRecorded, case="nephrectomy", milestone=Milestone.PATIENT_IN_ROOM)),
        ("version-unchanged", scheduled(2)),
        ("no-doubted-case", event(e.CaseDoubted, case="nephrectomy", reason="two rooms in one message")),
        (
            "one-change-at-a-time",
            event(e.PlanDecided, proposal="p", verdict=Verdict.APPROVED, based_on=1, decided_by="kim", changes=(MOVE,)),
        ),
    ],
)
def test_a_decision_breaks_the_rule_that_the_log_has_overtaken(rule: str, then: e.Event) -> None:
    day = SuiteDay(suite="main").apply(scheduled())
    assert check_decision(day, [MOVE]) == ()
    found = check_decision(day.apply(then), [MOVE])
    assert [b.rule for b in found] == [rule]
    assert "nephrectomy" in found[0].sentence.casefold()


# --- the catalogue -----------------------------------------------------------------------------------


@pytest.mark.contract
def test_every_rule_of_the_catalogue_has_a_judge_and_every_judge_a_rule() -> None:
    assert set(load_rules().ids()) == set(PLAN_RULES) | set(DECISION_RULES)


def test_a_catalogue_with_an_unknown_word_is_refused_by_the_rules_id() -> None:
    text = (
        "rules:\n  - {id: x, sentence: s, kind: firm, status: enforced, severity: major, owner: o, evidence: e, "
        "override: null, scope: {}, from: 2026-01-01, until: null}\n"
    )
    with pytest.raises(RulesFileError, match="rule x: one of hard, soft, never_automate, got 'firm'"):
        parse_rules(text)


# --- cost and right-shift --------------------------------------------------------------------------------


def test_the_cost_is_the_sum_of_its_published_terms() -> None:
    expedited = replace(KIDNEY, urgency=Urgency.EXPEDITED, moved_today=1)
    whole = problem(expedited, STONE)
    plan = {"nephrectomy": Place(room="8", start=at("15:00")), "ureteroscopy": Place(room="3", start=at("12:50"))}
    cost = price(whole, plan)
    assert (cost.delay, cost.early, cost.room_change, cost.moved_again) == (3 * 48, 2, 12, 6)
    assert cost.overtime == 5 * 10, "until 16:20, block end 15:30"
    assert cost.changed == 4 * 2
    assert cost.break_in == 46, "10:00 to 13:50"
    assert cost.total == 144 + 2 + 12 + 6 + 50 + 8 + 46
    assert price(whole, {**plan, "ureteroscopy": Place(room=None, start=None)}).postponed == 150 + 15 * 12


def test_who_pays_counts_against_the_current_plan_where_it_holds() -> None:
    rooms = (room("3", down=(Interval(start=at("09:50"), end=at("19:00")),)), room("8"))
    whole = problem(KIDNEY, STONE, rooms=rooms)
    plan = {"nephrectomy": Place(room="8", start=at("11:10")), "ureteroscopy": Place(room="8", start=at("15:00"))}
    paid = who_pays(whole, plan)
    assert paid.patients_waiting == minutes(130)
    assert paid.staff_overtime == minutes(50)
    assert (paid.postponed, paid.rooms_changed) == (0, 2)


def test_the_break_in_gap_is_the_longest_wait_for_a_case_to_end() -> None:
    whole = problem(KIDNEY, STONE, committed=(running("hip", "8", "10:40"),))
    assert break_in_gap(whole, with_changes(whole, ())) == minutes(120), "14:00 to 16:00"


def test_right_shift_waits_in_turn_and_moves_only_what_it_must() -> None:
    held = (running("prostate", "3", "11:30"),)
    plan = right_shift(problem(KIDNEY, STONE, committed=held))
    assert plan["nephrectomy"] == Place(room="3", start=at("12:05"))
    assert plan["ureteroscopy"] == Place(room="3", start=at("13:40"))


def test_right_shift_goes_elsewhere_when_its_room_is_gone_and_postpones_when_there_is_nowhere() -> None:
    gone = (Interval(start=at("09:50"), end=at("19:00")),)
    plan = right_shift(problem(KIDNEY, rooms=(room("3", down=gone), room("8"))))
    assert plan["nephrectomy"] == Place(room="8", start=at("11:00"))
    nowhere = right_shift(problem(KIDNEY, rooms=(room("3", down=gone), room("8", down=gone))))
    assert nowhere["nephrectomy"] == Place(room=None, start=None)
