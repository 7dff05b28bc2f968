"""What the board shows, from what the topics say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from board_day import (
    LAYOUT,
    LIVE,
    QUIET,
    SUITE,
    approved,
    at,
    change,
    day_of,
    events,
    gate_status,
    heard,
    milestone,
    mins,
    proposal,
    quiet_morning,
    refused,
    tick,
)
from immutables import Map

from orloop_board.domain.alternatives import proof, signed_minutes, where
from orloop_board.domain.axis import Scale
from orloop_board.domain.cards import break_in_gap
from orloop_board.domain.header import beat_limit
from orloop_board.domain.heard import Heard, Pulse
from orloop_board.domain.projection import project
from orloop_board.domain.values import Bar, BoardView, RoomView
from orloop_board.domain.view import view
from orloop_board.domain.wording import shorten
from orloop_common.domain import events as e
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.derived import Proposal, RoomStatus, StopCondition, Trigger
from orloop_common.domain.plan import Place
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import (
    CauseClass,
    Milestone,
    Mode,
    ReadinessItem,
    ReadinessStatus,
    RoomState,
    Verdict,
)


def show(now: Heard, pulse: Pulse = LIVE) -> BoardView:
    drawn = view(now, LAYOUT, pulse)
    assert drawn is not None
    return drawn


def room(drawn: BoardView, number: str) -> RoomView:
    return next(r for r in drawn.rooms if r.id == number)


def bar(drawn: BoardView, case: str, kind: str) -> Bar:
    return next(b for r in drawn.rooms for b in r.bars if b.case == case and b.kind == kind)


def after(*more: e.Event, **rest: object) -> Heard:
    return heard([*events(), *more], **rest)


# --- before anything is known ------------------------------------------------------------------------


def test_nothing_is_shown_before_the_first_tick():
    assert view(Heard(day=SuiteDay(suite=SUITE)), LAYOUT, LIVE) is None


def test_an_empty_day_shows_its_rooms_and_says_that_nothing_was_recommended():
    drawn = show(Heard(day=SuiteDay(suite=SUITE).apply(tick("07:00"))))
    assert [r.number for r in drawn.rooms] == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]
    assert drawn.advice.kind == "none"
    assert drawn.cards.recovery is None
    assert drawn.cards.teams == ()
    assert drawn.header.last_out is None


# --- header ------------------------------------------------------------------------------------------


def test_the_clock_is_the_largest_tick():
    assert show(after(tick("10:15", 30), tick("10:15"))).header.clock == "10:15"


def test_the_header_counts_cases_by_phase():
    counts = show(heard()).header.counts
    assert (counts.in_room, counts.done, counts.add_ons) == (6, 9, 2)


def test_times_are_the_sites_own():
    day = replace(day_of(events()), calendar=OperationalCalendar("Europe/Berlin"))
    drawn = show(replace(heard(), day=day))
    assert drawn.header.clock == "11:14"
    assert drawn.advice.decide_by == "11:24"


def test_the_last_patient_out_leaves_rooms_that_are_down_aside():
    assert show(heard()).header.last_out_room != "3"


# --- rooms by word and symbol ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "word", "symbol", "detail"),
    [
        ("1", "Procedure", "procedure", "58 min left"),
        ("2", "Emergence", "emergence", "6 min left"),
        ("3", "DOWN", "down", "since 10:12"),
        ("4", "Cleaning", "cleaning", "ready about 10:22"),
        ("5", "Overrun", "overrun", "38 min past booked"),
        ("6", "Setup", "setup", "patient called 10:08"),
        ("8", "Clean and empty", "idle", ""),
        ("10", "Preparation", "preparation", "118 min left"),
    ],
)
def test_a_room_says_its_state_in_words_and_symbol(number, word, symbol, detail):
    found = room(show(heard()), number)
    assert (found.word, found.symbol, found.detail) == (word, symbol, detail)


def test_a_room_that_goes_down_with_a_patient_inside_says_both():
    down = e.RoomWentDown(id="down-1", suite=SUITE, at=at("10:13"), room="1", cause="power")
    found = room(show(after(down)), "1")
    assert found.word == "DOWN"
    assert found.detail == "10:13, patient inside"


def test_a_downtime_without_an_end_is_drawn_to_the_edge():
    down = e.RoomWentDown(id="down-8", suite=SUITE, at=at("10:13"), room="8", cause="power")
    found = room(show(after(down)), "8")
    assert found.down_x is not None
    assert found.down_x + found.down_width == pytest.approx(100)


def test_a_case_whose_room_will_be_down_is_not_drawn_as_if_it_could_start():
    quiet = show(heard(gate=gate_status(open_proposal=None)))
    assert bar(quiet, "nephrectomy", "expected").tone == "blocked"
    assert "its room is down" in bar(quiet, "nephrectomy", "expected").full


def test_what_a_patient_still_needs_is_in_the_full_text():
    needed = e.ReadinessChanged(
        id="r",
        suite=SUITE,
        at=at("10:13"),
        case="knee",
        item=ReadinessItem.SITE_MARKING,
        status=ReadinessStatus.OUTSTANDING,
    )
    assert bar(show(after(needed)), "knee", "expected").full.endswith("still outstanding: site marking")


def test_a_restored_room_is_no_longer_down():
    back = e.RoomRestored(id="back", suite=SUITE, at=at("10:13"), room="3")
    drawn = show(after(back))
    assert room(drawn, "3").word != "DOWN"
    assert drawn.down_rooms == ()


def test_the_published_room_state_counts_only_where_it_has_read_further_than_our_own_fold():
    status = RoomStatus(suite=SUITE, as_of=93, at=at("10:14"), room="8", state=RoomState.CLEANING, since=at("10:13"))
    assert room(show(heard(rooms=Map({"8": status}))), "8").word == "Cleaning"
    older = replace(status, as_of=40)
    assert room(show(heard(rooms=Map({"8": older}))), "8").word == "Clean and empty"


# --- the timeline -----------------------------------------------------------------------------------------


def test_a_running_case_is_solid_until_now_and_ends_where_its_forecast_says():
    drawn = show(heard())
    hip = bar(drawn, "hip", "running")
    assert hip.x + hip.done_width == pytest.approx(drawn.axis.now, abs=0.01)
    assert hip.p80_x is not None
    assert hip.x + hip.width < hip.p80_x < hip.x + hip.width + hip.tail_width
    assert "out about 11:12, by 11:34 with 80 %" in hip.full


def test_a_running_case_never_ends_before_now():
    late = heard()
    past = replace(late.forecasts["hip"], at=at("08:30"))
    stays = project(late.day, late.forecasts.set("hip", past))["1"]
    assert next(s for s in stays if s.case == "hip").end == late.day.now


def test_without_a_forecast_the_booked_length_is_shown_and_said():
    drawn = show(heard(forecasts=Map()))
    assert bar(drawn, "knee", "expected").tail_width == 0
    assert "by the booked length" in bar(drawn, "knee", "expected").full


def test_an_overrun_pushes_the_next_case_of_the_room():
    stays = {s.case: s for s in project(heard().day, heard().forecasts)["5"]}
    assert stays["hernia-5"].planned == at("11:00")
    assert stays["hernia-5"].start == at("11:04") + mins(20) + mins(15)


def test_an_overrun_marks_where_the_booked_length_ended():
    drawn = show(heard())
    liver = bar(drawn, "liver", "running")
    assert liver.tone == "overrun"
    assert liver.booked_x is not None
    assert liver.booked_x < drawn.axis.now


def test_a_case_that_the_plan_moves_leaves_here_and_arrives_there():
    drawn = show(heard())
    assert bar(drawn, "nephrectomy", "expected").leaves == (1, 2, 3)
    arriving = bar(drawn, "nephrectomy", "arriving")
    assert arriving in room(drawn, "8").bars
    assert arriving.arrives == (1, 2, 3)
    assert arriving.who == "from 3"


def test_a_case_that_only_starts_later_in_its_room_is_marked_as_shifted():
    assert bar(show(heard()), "cystoscopy", "expected").shifts == (2,)


def test_nothing_leaves_once_the_proposal_is_decided():
    assert all(not b.leaves and not b.arrives for r in show(approved()).rooms for b in r.bars)


def test_an_approved_change_is_drawn_in_its_new_room_and_marked_until_the_echo():
    drawn = show(approved())
    assert bar(drawn, "cystoscopy", "pending") in room(drawn, "8").bars
    assert "not echoed" in bar(drawn, "cystoscopy", "pending").full
    assert bar(drawn, "nephrectomy", "expected") in room(drawn, "8").bars


def test_no_bar_leaves_the_axis():
    for moment in (heard(), approved(), refused(), quiet_morning()):
        for lane in show(moment).rooms:
            for b in lane.bars:
                assert b.x >= 0
                assert b.x + b.width + b.tail_width <= 100.001


def test_a_cancelled_case_is_not_drawn():
    cancelled = e.CaseCancelled(id="c", suite=SUITE, at=at("10:13"), case="knee", version=2)
    drawn = show(after(cancelled))
    assert not [b for b in room(drawn, "1").bars if b.case == "knee"]
    assert drawn.header.counts.cancelled == 1


def test_positions_are_held_inside_the_axis():
    scale = Scale(at("07:00"), at("17:00"))
    assert (scale.x(at("06:00")), scale.x(at("12:00")), scale.x(at("18:00"))) == (0, 50, 100)


def test_the_axis_survives_the_night_in_which_clocks_change():
    now = datetime(2026, 3, 29, 8, tzinfo=UTC)
    day = SuiteDay(suite=SUITE, calendar=OperationalCalendar("Europe/Berlin")).apply(
        e.ClockTicked(id="t", suite=SUITE, at=now)
    )
    assert show(Heard(day=day)).axis.hours[0].label == "07"


# --- the recommendation -------------------------------------------------------------------------------------


def test_the_recommendation_comes_with_trigger_headline_and_time_to_decide():
    advice = show(heard()).advice
    assert advice.kind == "proposal"
    assert advice.trigger == "Room 3 went down at 10:12: air handling, expected back at 15:00"
    assert advice.headline == "Move 3 cases, nobody is postponed"
    assert (advice.decide_by, advice.decide_in, advice.urgent) == ("10:24", "in 10 min", False)


def second_failure(*restored: str) -> Heard:
    """Room 9 goes down while people look at what to do about room 3; the new proposal is for both."""
    log = [*events(), e.RoomWentDown(id="down9", suite=SUITE, at=at("10:13"), room="9", cause="water")]
    log += [e.RoomRestored(id=f"back{number}", suite=SUITE, at=at("10:14"), room=number) for number in restored]
    now = heard(log)
    [first] = now.proposals.values()
    trigger = Trigger(event="down9", type="RoomWentDown", at=at("10:13"), sentence="Room 9 went down", room="9")
    second = replace(first, id="second", as_of=first.as_of + 1, triggers=(trigger,), supersedes=first.id)
    return replace(now, proposals=now.proposals.set("second", second), gate=gate_status(open_proposal="second"))


def test_a_proposal_that_takes_the_place_of_another_names_its_failure_as_long_as_it_lasts():
    advice = show(second_failure()).advice
    assert (advice.trigger, advice.proposal) == ("Room 9 went down", "second")
    assert advice.more_triggers == ("Room 3 went down at 10:12: air handling, expected back at 15:00",)
    assert show(second_failure("3")).advice.more_triggers == ()


def test_the_last_minutes_to_decide_are_urgent():
    assert show(after(tick("10:20"))).advice.urgent


def test_alternatives_are_numbered_and_the_first_is_recommended():
    alternatives = show(heard()).advice.alternatives
    assert [(a.number, a.note) for a in alternatives] == [(1, "recommended"), (2, ""), (3, "")]
    assert {f.name: f.value for f in alternatives[1].figures} == {
        "changes": "3",
        "waiting": "95 min",
        "overtime": "25 min",
        "postponed": "0",
        "break-in gap": "28 min",
    }


def test_a_figure_that_the_planner_does_not_give_is_left_out():
    bare = proposal(day_of(events()))
    bare = replace(bare, alternatives=tuple(replace(a, break_in_gap=None) for a in bare.alternatives[:2]))
    drawn = show(heard(proposals=Map({bare.id: bare})))
    assert [f.name for f in drawn.advice.alternatives[0].figures] == ["changes", "waiting", "overtime"]


def test_a_change_says_what_where_when_and_why():
    first = show(heard()).advice.alternatives[0].changes[0]
    assert (first.title, first.who, first.where, first.was, first.will) == (
        "Nephrectomy",
        "Marino",
        "3 → 8",
        "10:50",
        "11:00",
    )
    assert first.reason.endswith("of waiting.")
    assert first.checked.startswith("5 rules checked")


def test_a_postponed_case_says_so():
    last = show(heard()).advice.alternatives[2].changes[2]
    assert last.postponed
    assert (last.where, last.will) == ("postponed", "not today")


@pytest.mark.parametrize(
    ("origin", "target", "words"),
    [("3", "8", "3 → 8"), ("6", "6", "room 6"), (None, "4", "→ 4"), ("3", None, "postponed")],
)
def test_where_a_change_goes(origin, target, words):
    assert where(Place(room=origin, start=at("10:00")), Place(room=target, start=at("11:00"))) == words


def test_saved_minutes_carry_a_minus():
    assert signed_minutes(timedelta(minutes=-12)) == "−12 min"


def test_who_pays_is_measured_against_the_dearest_alternative():
    payers = {p.name: p for p in show(heard()).advice.alternatives[0].payers}
    assert payers["Patients"].text == "35 min more waiting"
    assert payers["Patients"].share == 100.0 * 35 / 95 or payers["Patients"].share == pytest.approx(36.8)
    assert payers["Staff"].text == "no overtime"
    assert payers["Recovery"].text == "7 of 8 beds at most"


def test_the_proof_tells_gap_and_seconds():
    answer = proposal(day_of(events()))
    assert proof(answer.alternatives[0], answer.solver, False) == "Within 2.1 % of the best possible · found in 0.6 s"
    third = answer.alternatives[2]
    assert proof(third, answer.solver, False).startswith("Proven: nothing cheaper exists")
    assert proof(third, answer.solver, False, recommended=False).startswith("Proven the best of its kind")


def test_a_fallback_is_called_by_its_name():
    answer = proposal(day_of(events()))
    assert answer.solver is not None
    late = replace(answer.solver, path="right_shift", note="the solver was late")
    assert proof(replace(answer.alternatives[0], gap=None), late, True) == (
        "Right-shift: every case later, none better placed · found in 0.6 s · the solver was late"
        " · made with older forecasts"
    )


def test_a_withheld_proposal_shows_the_gates_sentences_and_no_alternatives():
    drawn = show(heard(gate=gate_status(open_proposal=None, withheld="f3a91c", withheld_because=("ticks are late",))))
    assert drawn.advice.kind == "withheld"
    assert drawn.advice.because == ("Ticks are late.",)
    assert drawn.advice.alternatives == ()


def test_no_change_is_a_quiet_line():
    advice = show(quiet_morning()).advice
    assert advice.kind == "holds"
    assert advice.headline == "The plan still holds: the best other plan saves 3 min"


def test_a_newer_no_change_takes_the_place_of_what_was_withheld():
    newer = replace(quiet_morning().proposals["nc"], as_of=99)
    kept = heard().proposals.set("nc", newer)
    drawn = show(heard(proposals=kept, newest_answer="nc", gate=gate_status(open_proposal=None, withheld="f3a91c")))
    assert drawn.advice.kind == "holds"


def test_a_proposal_that_the_gate_has_not_opened_is_not_shown():
    assert show(heard(gate=None)).advice.kind == "none"
    assert show(heard(gate=gate_status(open_proposal=None))).advice.alternatives == ()


def test_a_decision_on_the_log_closes_the_proposal_before_the_gates_status_says_so():
    rejected = e.PlanDecided(
        id="d",
        suite=SUITE,
        at=at("10:15"),
        proposal="f3a91c",
        verdict=Verdict.REJECTED,
        based_on=92,
        decided_by="board",
        reason_code="recovery_full",
        reason="PACU closes early",
    )
    advice = show(after(rejected)).advice
    assert advice.kind == "decided"
    assert advice.detail == "Rejected by board at 10:15: recovery full, PACU closes early."


def test_an_alternative_that_the_gate_closed_says_why():
    drawn = show(heard(gate=gate_status(closed={"alt-2": ("room 8 is taken by then",)})))
    second = drawn.advice.alternatives[1]
    assert (second.note, second.closed) == ("closed", ("Room 8 is taken by then.",))
    assert drawn.advice.alternatives[0].closed == ()


def test_a_change_that_waits_elsewhere_on_its_way_says_where():
    places = [Place(room=r, start=at("10:00")) for r in ("3", "8", "9")]
    assert where(*places) == "3 → 9 → 8"


def test_stop_conditions_are_shown_in_the_gates_words():
    stop = StopCondition(id="s", cause=CauseClass.DATA, sentence="forecasts are old", since=at("10:05"))
    assert show(heard(gate=gate_status(stops=(stop,)))).stops == ("Forecasts are old (since 10:05).",)


# --- after approval -----------------------------------------------------------------------------------------


def test_after_approval_n_of_m_applied_comes_first():
    progress = show(approved(answers=1, echoes=1)).progress
    assert progress is not None
    assert progress.headline == "1 of 3 applied"
    assert progress.detail == "Fewest waits, approved by board at 10:15."
    assert [s.word for s in progress.steps] == ["applied", "confirmed, not echoed yet", "waits to be sent"]


def test_all_applied_is_done_and_goes_after_a_while():
    done = approved(answers=0, echoes=3)
    progress = show(done).progress
    assert progress is not None
    assert (progress.headline, progress.state) == ("3 of 3 applied", "done")
    assert show(replace(done, day=done.day.apply(tick("10:40")))).progress is None


def test_a_refusal_is_said_with_the_hospitals_words_and_the_rest_is_stopped():
    progress = show(refused()).progress
    assert progress is not None
    assert progress.headline == "1 of 3 applied, 1 refused, 1 stopped"
    assert progress.state == "failed"
    assert progress.steps[1].text == "Room 8 is reserved"


def test_an_approval_that_the_log_overtook_is_said_to_be_void():
    cancelled = e.CaseCancelled(id="c", suite=SUITE, at=at("10:14"), case="nephrectomy", version=2)
    first = proposal(day_of(events())).alternatives[0]
    decided = e.PlanDecided(
        id="d",
        suite=SUITE,
        at=at("10:15"),
        proposal="f3a91c",
        verdict=Verdict.APPROVED,
        based_on=92,
        decided_by="board",
        changes=first.changes,
    )
    progress = show(after(cancelled, decided)).progress
    assert progress is not None
    assert progress.headline == "The approval did not take effect"
    assert "A case was cancelled meanwhile" in progress.detail


# --- stale ----------------------------------------------------------------------------------------------------


def test_without_ticks_the_board_is_stale_and_nobody_can_act():
    drawn = show(heard(), QUIET)
    assert not drawn.header.feed.live
    assert drawn.header.feed.since == "10:14:00"
    assert "stood at 10:14:00" in drawn.header.feed.still_true
    assert not drawn.can_act


def test_a_board_that_never_heard_a_tick_is_stale():
    assert not show(heard(), Pulse()).header.feed.live


def test_a_silent_feed_is_named_with_since_and_what_still_holds():
    silent = e.FeedWentSilent(id="fs", suite=SUITE, at=at("10:13"), source="TWIN", since=at("10:02"))
    drawn = show(after(silent))
    assert (drawn.header.feed.live, drawn.header.feed.since) == (False, "10:02")
    assert drawn.header.feed.why == "TWIN is silent"
    assert not drawn.can_act
    back = e.FeedReturned(id="fr", suite=SUITE, at=at("10:14"), source="TWIN")
    assert show(after(silent, back)).can_act


@pytest.mark.parametrize(("rate", "seconds"), [(60.0, 10), (5.0, 10), (1.0, 45), (0.0, 10)])
def test_ten_seconds_without_a_tick_are_too_many_unless_ticks_are_rarer_than_that(rate, seconds):
    assert beat_limit(rate) == timedelta(seconds=seconds)


# --- cards ------------------------------------------------------------------------------------------------------


def test_recovery_counts_patients_there_and_patients_to_come():
    card = show(heard()).cards.recovery
    assert card is not None
    assert card.beds == "8 beds"
    assert card.headline == "7 of 8 at 13:24"
    assert card.now == "6"


def test_recovery_is_left_out_when_no_topic_knows_of_it():
    day = day_of([tick("09:00")])
    assert show(Heard(day=day)).cards.recovery is None


def test_add_ons_wait_by_urgency_with_since_and_by():
    first, second = show(heard()).cards.add_ons
    assert (first.urgency, first.since, first.by, first.where) == (
        "Urgent",
        "since 09:31",
        "by 15:31",
        "room 6 at 12:20",
    )
    assert (second.urgency, second.by, second.where) == ("Expedited", "by tomorrow", "no room yet")


def test_an_emergency_goes_to_the_room_that_is_free_longest():
    card = show(heard()).cards.emergency
    assert card is not None
    assert card.headline == "Room 8, at once"


def test_without_a_free_room_an_emergency_waits_for_the_next_case_to_end():
    down = e.RoomWentDown(id="down-8", suite=SUITE, at=at("10:13"), room="8", cause="power")
    card = show(after(down)).cards.emergency
    assert card is not None
    assert card.headline == "Room 2, about 10:20"


def test_the_break_in_gap_is_the_largest_between_expected_ends_until_four():
    now = heard()
    stays = tuple(s for lane in project(now.day, now.forecasts).values() for s in lane)
    gap = break_in_gap(now.day, at("10:14"), stays)
    assert gap is not None
    ends = sorted(s.end for s in stays if s.status != "done" and at("10:14") <= s.end <= at("16:00"))
    assert gap[1] - gap[0] == max(b - a for a, b in zip([at("10:14"), *ends], ends, strict=False))


def test_after_four_there_is_no_break_in_gap():
    assert break_in_gap(heard().day, at("16:30"), ()) is None


def test_teams_are_those_on_shift_less_those_missing_and_when_it_changes():
    assert [(t.number, t.text) for t in show(heard()).cards.teams] == [
        ("8", "anaesthesia until 16:00, then 6"),
        ("2 of 3", "cleaning until 12:00, then 3"),
    ]


# --- the rest -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("Knee replacement", "Knee"),
        ("Removal of varicose veins", "Varicose"),
        ("Diagnostic laparoscopy", "Laparoscopy"),
        ("Nephrectomy", "Nephrectomy"),
        ("", ""),
    ],
)
def test_a_procedure_is_shortened_to_the_word_that_carries_it(long, short):
    assert shorten(long) == short


def test_frozen_is_said_with_who_when_and_why():
    frozen = e.ModeChanged(
        id="mf", suite=SUITE, at=at("10:13"), mode=Mode.FROZEN, decided_by="board", reason="fire drill"
    )
    mode = show(after(frozen)).header.mode
    assert mode.word == "Frozen"
    assert mode.sentence.endswith("Frozen since 10:13 by board: fire drill.")


def test_the_same_facts_give_the_same_board():
    assert msgspec.json.encode(show(heard())) == msgspec.json.encode(show(heard()))


def test_a_case_without_procedure_or_surgeon_is_still_shown():
    bare = replace(heard().day.cases["knee"].schedule, id="x", version=2, procedures=(), surgeons=())
    assert bar(show(after(bare)), "knee", "expected").title == "Case"


def test_a_patient_back_from_the_room_is_not_expected_again():
    out = milestone("spine", Milestone.PATIENT_OUT_OF_ROOM, "10:13")
    assert bar(show(after(out)), "spine", "done").p80_x is None


def test_a_right_shift_of_one_case_without_room_is_a_change_too():
    moved = change(day_of(events()), "wrist", "4", "15:00", "Fits behind the hernia")
    answer = proposal(day_of(events()))
    answer = replace(answer, alternatives=(replace(answer.alternatives[0], changes=(moved,)),))
    drawn = show(heard(proposals=Map({answer.id: answer})))
    assert drawn.advice.alternatives[0].changes[0].where == "→ 4"
    assert isinstance(answer, Proposal)
    assert bar(drawn, "wrist", "arriving").who == "was 16:00"
