"""The planner's flow: triggers in, answers out, each once."""

from dataclasses import replace

from replan_day import LAYOUT, SITE, Suite, at, case, day_after, down, forecast, milestone, morning, ready, tick

from orloop_common.domain import events as e
from orloop_common.domain.checker import check_changes
from orloop_common.domain.decision_rules import check_decision
from orloop_common.domain.derived import Proposal
from orloop_common.domain.digest import derived_id
from orloop_common.domain.vocabulary import ChangeAnswer, Milestone, Verdict
from orloop_common.messages import PLAN_PROPOSALS, SUITE_EVENTS
from orloop_common.runtime import Output
from orloop_replan.domain.answers import Asked, unpack
from orloop_replan.domain.solving import in_turn
from orloop_replan.judging import judge
from orloop_replan.ports import Job, Limits
from orloop_replan.watch import Watch


def calm(suite: Suite) -> None:
    """The morning, its regular looks answered."""
    suite.tell(*morning())
    assert [a.answer for a in suite.settle()] == ["no_change"]


def room_down(suite: Suite) -> Proposal:
    calm(suite)
    suite.tell(down("3", "10:02"))
    (answer,) = suite.settle()
    assert answer.answer == "proposal"
    return answer


def decide(proposal: Proposal, verdict: Verdict, clock: str = "10:06") -> e.PlanDecided:
    approved = verdict is Verdict.APPROVED
    return e.PlanDecided(
        id=derived_id("decision", proposal.id),
        suite="main",
        at=at(clock),
        proposal=proposal.id,
        verdict=verdict,
        based_on=1,
        decided_by="kim",
        alternative=proposal.alternatives[0].id if approved else None,
        changes=proposal.alternatives[0].changes if approved else (),
    )


def test_a_room_that_goes_down_is_answered_with_three_ways_out(suite: Suite) -> None:
    answer = room_down(suite)
    assert answer.headline == "Move 3 cases, nobody is postponed"
    assert [t.sentence for t in answer.triggers] == ["Room 3 went down at 10:02: air handling"]
    assert len(answer.alternatives) == 3
    assert len({a.title for a in answer.alternatives}) == 3
    best = answer.alternatives[0]
    assert {c.case for c in best.changes} == {"nephrectomy", "ureteroscopy", "cystoscopy"}
    assert all(c.target.room in ("6", "8") for c in best.changes)
    assert best.changes[0].reason == "Room 3 is down for the rest of the day; room 8 is free and takes urology"
    assert answer.decide_by == at("10:17")
    assert answer.as_of == suite.count


def test_every_alternative_passes_the_checker_on_the_state_of_the_decision(suite: Suite) -> None:
    answer = room_down(suite)
    day = day_after(*suite.bus.messages(SUITE_EVENTS))
    for alternative in answer.alternatives:
        assert check_changes(unpack(answer.problem), alternative.changes) == ()
        assert check_decision(day, alternative.changes) == ()


def test_a_calm_look_at_the_plan_is_answered_without_solving(suite: Suite) -> None:
    calm(suite)
    assert suite.workers.started == []
    suite.tell(tick("10:10"))
    (answer,) = suite.settle()
    assert answer.reason == "The plan still holds: every case can start within the agreed limits of its time."
    assert answer.alternatives == ()
    suite.tell(tick("10:19"))
    assert suite.settle() == [], "at most one regular look every ten minutes"


def test_a_burst_is_answered_together_and_only_once_it_has_come_to_rest(suite: Suite) -> None:
    calm(suite)
    suite.tell(down("3", "10:02"))
    assert suite.settle(0.1) == []
    suite.tell(ready("knee", "10:02"))
    assert suite.settle(0.1) == []
    (answer,) = suite.settle()
    assert {t.type for t in answer.triggers} == {"RoomWentDown", "ReadinessChanged"}


def test_a_solve_begins_within_300_ms_of_the_first_trigger_whatever_else_comes(suite: Suite) -> None:
    calm(suite)
    suite.workers.hold = True
    suite.tell(down("3", "10:02"))
    begun = suite.clock.monotonic()
    for number in range(30):
        if number % 10 == 9:
            suite.tell(ready("knee", f"10:0{number // 10}"))
        suite.settle(0.01, step=0.01)
        if suite.workers.started:
            break
    assert suite.clock.monotonic() - begun <= 0.27


def test_a_stream_of_triggers_is_answered_within_a_second_all_the_same(suite: Suite) -> None:
    calm(suite)
    found = []
    for number in range(12):
        suite.tell(ready("knee" if number % 2 else "disc", f"10:0{number % 10}"))
        found += suite.settle(0.1)
    assert found


def test_forecasts_of_the_triggers_state_end_the_wait(suite: Suite) -> None:
    calm(suite)
    suite.tell(down("3", "10:02"))
    suite.tell(forecast("nephrectomy", 80, "10:02", suite.count))
    assert [a.answer for a in suite.settle(0.5)] == ["proposal"]


def test_a_burst_is_waited_for_even_when_forecasts_are_there(suite: Suite) -> None:
    calm(suite)
    suite.tell(down("3", "10:02"))
    suite.tell(forecast("nephrectomy", 80, "10:02", suite.count))
    assert suite.settle(0.2) == []


def test_an_answer_that_is_read_before_its_trigger_still_answers_it(suite: Suite) -> None:
    answer = room_down(suite)
    watch = Watch(SITE.suites[0], day_after(*morning()))
    watch.take_proposal(answer)
    assert watch.take_event(down("3", "10:02"), 24, 0.0) is None
    assert watch.pending == {}
    assert watch.take_event(down("8", "10:03"), 25, 0.0) is not None


def test_old_forecasts_are_said_to_be_old(suite: Suite) -> None:
    assert room_down(suite).forecasts_stale
    other = Suite(type(suite.bus)(), suite.clock, suite.workers)
    other.tell(*morning(), forecast("hip", 150, "10:00", 1, 30), forecast("bowel", 180, "10:00", 1, 60))
    other.settle()
    other.tell(down("3", "10:02"))
    other.tell(forecast("hip", 150, "10:02", len(other.bus.messages(SUITE_EVENTS)), 28))
    (answer,) = other.settle()
    assert not answer.forecasts_stale
    assert answer.forecasts_digest
    other.tell(down("8", "10:03"))
    (late,) = other.settle()
    assert late.forecasts_stale, "the last ones served, because those of this state had not come"
    other.tell(ready("knee", "10:04"))
    (answer,) = other.settle()
    assert not answer.forecasts_stale, "nothing that was said changes a forecast"


def test_a_forecast_that_moves_an_expected_end_is_a_trigger(suite: Suite) -> None:
    calm(suite)
    suite.tell(forecast("bowel", 180, "10:02", 1, 60))
    assert suite.settle() == []
    suite.tell(forecast("bowel", 260, "10:04", 2, 140))
    (answer,) = suite.settle()
    assert answer.triggers[0].sentence == "The bowel is now expected out at 12:24, 82 min later than thought"
    assert answer.answer == "proposal"
    (change,) = answer.alternatives[0].changes
    assert change.case == "gallbladder"
    if change.target.room == "4":
        assert change.reason == "The bowel is in room 4 until 12:25 and the room is clean at 12:45"


def test_nobody_has_to_approve_what_happens_by_itself(suite: Suite) -> None:
    calm(suite)
    suite.tell(forecast("bowel", 180, "10:02", 1, 60), forecast("bowel", 225, "10:04", 2, 105))
    (answer,) = suite.settle()
    assert answer.answer == "no_change"
    assert answer.reason == "The order of the day still holds: 1 case may start up to 25 min later."


def test_a_newer_trigger_drops_the_running_solve(suite: Suite) -> None:
    calm(suite)
    suite.workers.hold = True
    suite.tell(down("3", "10:02"))
    assert suite.settle() == []
    suite.tell(case("appendix", None, "11:30", 60, service="general", add_on=True, urgency="urgent", surgeon="S9"))
    suite.settle(1.0)
    assert (len(suite.workers.started), suite.workers.cancelled) == (2, 1)
    suite.workers.hold = False
    (answer,) = suite.settle()
    assert {t.type for t in answer.triggers} == {"RoomWentDown", "CaseScheduled"}
    assert "place 1 add-on" in answer.headline


def test_routine_does_not_drop_a_running_solve(suite: Suite) -> None:
    calm(suite)
    suite.workers.hold = True
    suite.tell(down("3", "10:02"))
    suite.settle()
    suite.tell(tick("10:10"))
    suite.settle(1.0)
    suite.workers.hold = False
    assert suite.workers.cancelled == 0
    first, second = suite.settle()
    assert ([t.type for t in first.triggers], second.answer) == (["RoomWentDown"], "no_change")


def test_an_open_recommendation_is_left_alone_while_it_stands(suite: Suite) -> None:
    first = room_down(suite)
    suite.tell(ready("knee", "10:04"), tick("10:10"))
    (answer,) = suite.settle()
    assert (answer.answer, len(suite.workers.started)) == ("no_change", 1)
    assert answer.reason == "The recommendation that is open still stands: 3 changes."
    suite.tell(replace(milestone("hip", Milestone.PATIENT_OUT_OF_ROOM, "10:50", "1"), id="late"))
    assert [a.answer for a in suite.settle()] == ["no_change"], "it changes nothing for the recommendation"
    assert suite.flow.proposals("main")[first.id] == first


def test_a_recommendation_that_no_longer_holds_is_superseded(suite: Suite) -> None:
    first = room_down(suite)
    suite.tell(down("8", "10:05"))
    (second,) = suite.settle()
    assert (second.answer, second.supersedes) == ("proposal", first.id)
    assert all(c.target.room != "8" for c in second.alternatives[0].changes)


def test_a_recommendation_that_leaves_somebody_else_without_a_room_is_superseded(suite: Suite) -> None:
    """None of its own changes breaks anything; but the disc of room 2 has nowhere to go any more."""
    first = room_down(suite)
    assert {c.target.room for c in first.alternatives[0].changes} <= {"6", "8"}
    suite.tell(down("2", "10:05"))
    (second,) = suite.settle()
    assert (second.answer, second.supersedes) == ("proposal", first.id)
    assert {c.case for c in second.alternatives[0].changes} >= {"disc", "nephrectomy"}


def test_an_open_recommendation_stands_while_others_merely_wait_a_little(suite: Suite) -> None:
    first = room_down(suite)
    suite.tell(forecast("hip", 150, "10:02", 1, 30), forecast("hip", 190, "10:04", 2, 70))
    (answer,) = suite.settle()
    assert (answer.answer, answer.reason) == ("no_change", "The recommendation that is open still stands: 3 changes.")
    assert first.id in suite.flow.proposals("main")


def test_a_recommendation_that_nobody_needs_any_more_is_withdrawn(suite: Suite) -> None:
    first = room_down(suite)
    suite.tell(e.RoomRestored(id="back", suite="main", at=at("10:05"), room="3"))
    (answer,) = suite.settle()
    assert (answer.answer, answer.supersedes) == ("no_change", first.id)
    assert answer.reason.startswith("The plan still holds")
    suite.tell(down("3", "10:08"))
    (again,) = suite.settle()
    assert (again.answer, again.supersedes) == ("proposal", None)


def test_a_forecast_alone_withdraws_nothing(suite: Suite) -> None:
    """What it says now it may take back in two minutes, while people read."""
    calm(suite)
    suite.tell(forecast("bowel", 180, "10:02", 1, 60), forecast("bowel", 330, "10:03", 2, 210))
    (first,) = suite.settle()
    assert first.answer == "proposal"
    suite.tell(forecast("bowel", 180, "10:05", 3, 60))
    (answer,) = suite.settle()
    assert (answer.answer, answer.supersedes) == ("no_change", None)


def test_that_everybody_waits_in_turn_withdraws_nothing(suite: Suite) -> None:
    """Right-shift stands in where there was no time: it does not know that nothing better is to be had."""
    first = room_down(suite)
    suite.tell(e.RoomRestored(id="back", suite="main", at=at("10:05"), room="3"))
    (answer,) = suite.settle()
    asked = Asked(
        problem=unpack(answer.problem),
        triggers=answer.triggers,
        as_of=answer.as_of,
        rules_digest="",
        forecasts_digest="",
        forecasts_stale=False,
        seed=1,
        limits=Limits(),
        supersedes=first.id,
    )
    shifted = in_turn(Job(id="job", problem=asked.problem), asked.limits)
    found = replace(shifted, solver=replace(shifted.solver, path="price_and_fix"))
    watch = Watch(LAYOUT, day_after())
    assert [judge(watch, asked, solved).answer for solved in (shifted, found)] == ["no_change", "no_change"]
    assert [judge(watch, asked, solved).supersedes for solved in (shifted, found)] == [None, first.id]


def test_a_plan_that_was_turned_down_is_not_offered_again_for_nothing(suite: Suite) -> None:
    first = room_down(suite)
    suite.tell(decide(first, Verdict.REJECTED), tick("10:10"))
    (answer,) = suite.settle()
    assert answer.reason == "The same plan was turned down at 10:06, and nothing new has happened since."
    suite.tell(e.ReplanRequested(id="ask", suite="main", at=at("10:11"), requested_by="kim"))
    assert [a.answer for a in suite.settle()] == ["proposal"]


def test_an_expired_recommendation_is_made_again_at_the_next_look(suite: Suite) -> None:
    first = room_down(suite)
    suite.tell(tick("10:20"))
    (answer,) = suite.settle()
    assert (answer.answer, answer.supersedes) == ("proposal", None)
    assert answer.id != first.id
    assert all(c.target.start is None or c.target.start >= at("11:05") for c in answer.alternatives[0].changes)


def test_an_approved_plan_is_committed_and_a_refusal_asks_again(suite: Suite) -> None:
    first = room_down(suite)
    suite.tell(decide(first, Verdict.APPROVED), tick("10:10"))
    (answer,) = suite.settle()
    assert answer.answer == "no_change"
    assert {c.id for c in unpack(answer.problem).committed if c.why == "pending"} == {
        c.case for c in first.alternatives[0].changes
    }
    suite.tell(
        e.ChangeAnswered(
            id="no",
            suite="main",
            at=at("10:11"),
            proposal=first.id,
            case=first.alternatives[0].changes[0].case,
            answer=ChangeAnswer.REFUSED,
            message="m1",
        )
    )
    (again,) = suite.settle()
    assert again.triggers[0].sentence == "The hospital refused the change of the nephrectomy"
    assert again.answer == "proposal"


def test_an_answer_that_an_approval_has_overtaken_is_not_given(suite: Suite) -> None:
    first = room_down(suite)
    suite.workers.hold = True
    suite.tell(forecast("bowel", 180, "10:02", 1, 60), forecast("bowel", 260, "10:04", 2, 140))
    suite.settle()
    suite.tell(decide(first, Verdict.APPROVED))
    suite.workers.hold = False
    (answer,) = suite.settle()
    approved = {change.case for change in first.alternatives[0].changes}
    assert {c.id for c in unpack(answer.problem).committed if c.why == "pending"} == approved
    assert not approved & {change.case for a in answer.alternatives for change in a.changes}


def test_after_a_restart_only_what_is_unanswered_is_answered_and_once(suite: Suite) -> None:
    room_down(suite)
    before = suite.answers()
    suite.restart()
    assert suite.settle() == []
    suite.tell(ready("knee", "10:04"), tick("10:10"))
    suite.restart()
    (answer,) = suite.settle()
    assert {t.type for t in answer.triggers} == {"ReadinessChanged", "ClockTicked"}
    assert suite.answers()[: len(before)] == before


def test_a_planner_that_died_before_its_answer_gives_the_same_answer_under_the_same_id(suite: Suite) -> None:
    calm(suite)
    suite.workers.hold = True
    suite.tell(down("3", "10:02"))
    suite.settle()
    suite.workers.hold = False
    suite.restart()
    (answer,) = suite.settle()
    other = Suite(type(suite.bus)(), suite.clock, suite.workers)
    other.tell(*morning())
    other.settle()
    other.tell(down("3", "10:02"))
    (same,) = other.settle()
    assert (answer.id, answer.alternatives) == (same.id, same.alternatives)


def test_a_suite_that_goes_to_another_planner_is_forgotten(suite: Suite) -> None:
    calm(suite)
    suite.flow.revoked([(SUITE_EVENTS, 0)])
    assert suite.flow.state() == {}


def test_a_suite_that_is_not_ours_is_left_alone(suite: Suite) -> None:
    foreign = replace(down("3", "10:02"), suite="other")
    suite.bus.publish(Output(SUITE_EVENTS, "other", "other", foreign, foreign.id, at=foreign.at))
    assert suite.settle() == []


def test_the_answer_is_written_under_the_suites_key_and_names_its_cause(suite: Suite) -> None:
    answer = room_down(suite)
    record = suite.bus.read(PLAN_PROPOSALS)[-1]
    headers = {name: value.decode() for name, value in record.headers}
    assert record.key == b"main"
    assert headers["ce_id"] == answer.id
    assert headers["ce_causationid"] == "down 3 10:02"
    assert SITE.suites[0].id == answer.suite
