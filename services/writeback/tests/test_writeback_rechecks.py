"""What happened since the decision speaks before every send; people and silent feeds are waited for."""

from dataclasses import replace
from datetime import timedelta

import pytest
from writing_back import Mesh

from orloop_common.domain import events as e
from orloop_common.domain.vocabulary import Milestone, Mode
from orloop_common.messages import WRITEBACK_STATUS
from orloop_common.testing.suite import booked, change, clock, milestone, tick
from orloop_writeback.domain.routes import Postponements, Route, Way

A = change("hip", ("1", "10:30"), ("2", "10:30"))
B = change("knee", ("1", "12:30"), ("3", "12:30"))
LATER = change("ear", ("1", "14:30"), None)
BY_HAND = (Route(way=Way.MANUAL),)
DOWN = e.RoomWentDown(id="down", suite="main", at=clock("09:01"), room="2", cause="flood")
FROZEN = e.ModeChanged(id="m", suite="main", at=clock("09:01"), mode=Mode.FROZEN, decided_by="demo")
THAWED = e.ModeChanged(id="n", suite="main", at=clock("09:02"), mode=Mode.ADVISORY, decided_by="demo")
SILENT = e.FeedWentSilent(id="s", suite="main", at=clock("09:01"), source="TWIN", since=clock("08:45"))
SPEAKS = e.FeedReturned(id="r", suite="main", at=clock("09:03"), source="TWIN")


def under_way(*changes: object) -> Mesh:
    mesh = Mesh()
    mesh.approve(A, B)
    return mesh.run()


@pytest.mark.parametrize("news", [DOWN, tick("10:31"), FROZEN, SILENT])
def test_a_change_under_way_is_withdrawn_when_the_log_speaks_against_another_try(news: e.Event) -> None:
    mesh = under_way()
    mesh.say(news)
    mesh.run()
    assert [step.case for step in mesh.courier.withdrawn] == ["hip"]


def test_a_case_that_begins_while_its_change_is_tried_is_not_tried_again() -> None:
    mesh = under_way()
    mesh.say(milestone("hip", Milestone.PATIENT_IN_ROOM, "09:05", "1"))
    mesh.run()
    assert [step.case for step in mesh.courier.withdrawn] == ["hip"]
    mesh.courier.answer("withdrawn", tries=2)
    mesh.run()
    assert mesh.answers() == []
    assert mesh.outcomes() == {"hip": "overtaken", "knee": "stopped"}


def test_what_never_left_is_refused_by_ourselves_with_the_reason() -> None:
    mesh = under_way()
    mesh.say(DOWN)
    mesh.run()
    mesh.courier.answer("withdrawn", tries=0)
    mesh.run()
    assert mesh.answers() == [("hip", "refused")]
    assert mesh.text("hip") == "Room 2 went down before this could be sent."


def test_what_may_have_arrived_is_for_people_to_look_up() -> None:
    mesh = under_way()
    mesh.say(DOWN)
    mesh.run()
    mesh.courier.answer("withdrawn", tries=3)
    mesh.run()
    assert mesh.answers() == [("hip", "timed_out")]
    assert "look it up" in mesh.text("hip")


@pytest.mark.parametrize(("stop", "go"), [(FROZEN, THAWED), (SILENT, SPEAKS)])
def test_a_pause_takes_the_change_back_and_the_same_message_leaves_afterwards(stop: e.Event, go: e.Event) -> None:
    mesh = under_way()
    mesh.say(stop)
    mesh.run()
    mesh.courier.answer("withdrawn", tries=1)
    mesh.run()
    assert mesh.courier.cases == ["hip"]
    mesh.say(go)
    mesh.run()
    assert mesh.courier.cases == ["hip", "hip"]
    assert len({step.control_id for step in mesh.courier.sent}) == 1


def test_nothing_leaves_while_the_senders_feed_is_silent_and_the_status_says_why() -> None:
    mesh = Mesh()
    mesh.say(SILENT)
    mesh.approve(A)
    mesh.run()
    assert mesh.courier.cases == []
    assert "feed is silent" in mesh.text("hip")
    assert mesh.outcomes() == {"hip": "queued"}
    mesh.say(SPEAKS)
    mesh.run()
    assert mesh.courier.cases == ["hip"]
    assert mesh.statuses("hip") == ["queued", "sent"]


def test_a_case_in_doubt_waits_until_the_doubt_is_withdrawn() -> None:
    mesh = Mesh()
    mesh.approve(A)
    doubt = e.CaseDoubted(id="q", suite="main", at=clock("09:01"), case="hip", reason="wrong_body")
    mesh.say(doubt)
    mesh.run()
    assert mesh.courier.cases == []
    assert "in doubt" in mesh.text("hip")
    mesh.say(replace(doubt, id="q2", at=clock("09:02"), withdrawn=True))
    mesh.run()
    assert mesh.courier.cases == ["hip"]


def test_a_change_that_waited_and_was_overtaken_says_that_and_not_why_it_waited() -> None:
    mesh = Mesh()
    mesh.say(SILENT)
    mesh.approve(A)
    mesh.run()
    mesh.say(milestone("hip", Milestone.PATIENT_IN_ROOM, "09:05", "1"))
    mesh.run()
    assert mesh.statuses("hip") == ["queued", "stopped"]
    assert "began or ended" in mesh.text("hip")


def test_the_time_for_the_echo_is_the_routes_own() -> None:
    mesh = Mesh(routes=(Route(confirm_within=timedelta(minutes=30)),))
    mesh.approve(A)
    mesh.run()
    mesh.courier.answer()
    mesh.run()
    mesh.say(tick("09:20"))
    assert mesh.run().outcomes() == {"hip": "acknowledged"}
    mesh.say(tick("09:31"))
    assert mesh.run().outcomes() == {"hip": "unconfirmed"}
    assert "within 30 minutes" in mesh.text("hip")


def test_an_echo_after_it_was_given_up_turns_the_status_to_echoed() -> None:
    mesh = Mesh()
    mesh.approve(A)
    mesh.run()
    mesh.courier.answer("unanswered", "no answer")
    mesh.run()
    mesh.echo()
    mesh.run()
    assert mesh.statuses("hip") == ["sent", "timed_out", "echoed"]


def test_a_postponement_is_sent_as_a_cancellation_where_the_site_wants_it() -> None:
    mesh = Mesh(routes=(Route(postponements=Postponements.CANCEL),))
    mesh.approve(LATER, A)
    mesh.run()
    mesh.courier.answer()
    mesh.run()
    mesh.echo()
    mesh.run()
    assert [(s.case, s.trigger) for s in mesh.courier.sent] == [("hip", "S13"), ("ear", "S15")]
    mesh.courier.answer()
    mesh.run()
    mesh.say(e.CaseCancelled(id="x", suite="main", at=clock("09:05"), case="ear", version=2))
    mesh.run()
    assert mesh.outcomes() == {"hip": "applied", "ear": "applied"}


def test_a_postponement_waits_on_the_worklist_where_the_site_wants_that() -> None:
    mesh = Mesh(routes=(Route(postponements=Postponements.WORKLIST),))
    mesh.approve(LATER, A)
    mesh.run()
    assert [line.case for line, _ in mesh.flow.lines("main")] == ["ear"]
    assert "worklist" in mesh.text("ear")
    mesh.courier.answer()
    mesh.run()
    mesh.echo()
    mesh.run()
    assert mesh.courier.cases == ["hip"]
    assert mesh.outcomes() == {"hip": "applied", "ear": "queued"}


def test_a_route_without_interface_sends_nothing_and_lists_what_to_key_in_order() -> None:
    mesh = Mesh(routes=BY_HAND)
    mesh.approve(change("hip", ("1", "10:30"), ("2", "12:30")), change("knee", ("2", "12:30"), ("3", "12:30")))
    mesh.run()
    assert mesh.courier.cases == []
    lines = [(line.number, line.case, line.state, line.behind) for line, _ in mesh.flow.lines("main")]
    assert lines == [(1, "knee", "now", ()), (2, "hip", "after", ("knee",))]


def test_a_line_counts_as_applied_by_the_echo_alone() -> None:
    mesh = Mesh(routes=BY_HAND)
    mesh.approve(A)
    mesh.run()
    mesh.people.say("hip")
    mesh.run()
    assert mesh.answers() == [("hip", "acknowledged")]
    assert mesh.outcomes() == {"hip": "acknowledged"}
    assert mesh.text("hip") == "Keyed in by anna."
    assert [line.state for line, _ in mesh.flow.lines("main")] == ["entered"]
    assert [(refused, bool(event)) for _, event, refused in mesh.people.told] == [("", True)]
    mesh.say(booked("hip", "2", "10:30", version=2))
    mesh.run()
    assert mesh.outcomes() == {"hip": "applied"}
    assert mesh.flow.lines("main") == ()


def test_a_line_that_cannot_be_keyed_in_stops_the_rest_and_says_who_says_so() -> None:
    mesh = Mesh(routes=BY_HAND)
    mesh.approve(A, B)
    mesh.run()
    mesh.people.say("hip", done=False, text="The room is taken.")
    mesh.run()
    assert mesh.outcomes() == {"hip": "refused", "knee": "stopped"}
    assert mesh.text("hip") == "Not keyed in, says anna. The room is taken."
    assert mesh.flow.lines("main") == ()


def test_a_line_that_was_keyed_in_and_never_echoed_is_unconfirmed() -> None:
    mesh = Mesh(routes=BY_HAND)
    mesh.approve(A, B)
    mesh.run()
    mesh.people.say("hip")
    mesh.run()
    mesh.say(tick("09:11"))
    mesh.run()
    assert mesh.outcomes() == {"hip": "unconfirmed", "knee": "stopped"}


def test_a_line_that_nobody_keyed_in_expires_after_its_time() -> None:
    mesh = Mesh(routes=BY_HAND)
    mesh.approve(A)
    mesh.say(tick("10:39"))
    assert mesh.run().outcomes() == {"hip": "queued"}
    mesh.say(tick("10:41"))
    assert mesh.run().outcomes() == {"hip": "refused"}
    assert "Nobody has said" in mesh.text("hip")


def test_a_word_on_a_line_that_is_gone_is_answered_with_the_reason() -> None:
    mesh = Mesh(routes=BY_HAND)
    mesh.approve(A)
    mesh.say(booked("hip", "2", "10:30", version=2))
    mesh.run()
    mesh.people.say("hip")
    mesh.run()
    assert mesh.answers() == []
    assert "not on it any more" in mesh.people.told[0][2]


def test_changes_with_an_interface_leave_while_people_key_in_the_others() -> None:
    routes = (Route(name="desk", way=Way.MANUAL, sources=("OTHER",)), Route(name="engine", sources=("TWIN",)))
    mesh = Mesh(routes=routes)
    mesh.say(booked("ear", "3", "09:30", source="OTHER"))
    mesh.approve(A)
    mesh.run()
    assert [step.route.name for step in mesh.courier.sent] == ["engine"]
    other = Mesh(routes=routes)
    other.approve(change("hip", ("1", "10:30"), ("2", "10:30")))
    other.say(booked("hip", "1", "10:30", version=1, source="OTHER"))
    assert other.run().courier.cases == ["hip"]


def test_a_case_of_a_sender_without_route_is_keyed_in() -> None:
    mesh = Mesh(routes=(Route(sources=("ELSE",)),))
    mesh.approve(A)
    mesh.run()
    assert mesh.courier.cases == []
    assert [line.case for line, _ in mesh.flow.lines("main")] == ["hip"]


def test_two_cases_that_swap_rooms_by_hand_are_told_where_the_first_one_waits() -> None:
    mesh = Mesh(routes=BY_HAND)
    mesh.approve(change("hip", ("1", "10:30"), ("2", "10:30")), change("knee", ("2", "10:30"), ("1", "10:30")))
    mesh.run()
    first = {line.case: line.first for line, _ in mesh.flow.lines("main")}
    assert first["hip"] is None
    assert first["knee"] is not None
    assert first["knee"].start == clock("19:00")


def test_a_process_killed_between_a_word_and_its_record_hears_it_said_again_once() -> None:
    mesh = Mesh(routes=BY_HAND)
    mesh.approve(A)
    mesh.run()
    mesh.people.say("hip")
    mesh.run()
    mesh.start()
    mesh.people.say("hip")
    mesh.run()
    answered = {m.id for m in mesh.log() if isinstance(m, e.ChangeAnswered)}
    assert len(answered) == 1
    assert mesh.outcomes() == {"hip": "acknowledged"}
    assert [s.status for s in mesh.bus.messages(WRITEBACK_STATUS)][-1] == "acknowledged"
