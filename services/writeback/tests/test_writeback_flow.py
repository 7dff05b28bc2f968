"""Approved changes leave one after the other, and what goes wrong with one stops the rest."""

from dataclasses import replace
from datetime import timedelta

from writing_back import Mesh

from orloop_common.domain import events as e
from orloop_common.domain.vocabulary import ChangeAnswer, Milestone, Mode
from orloop_common.messages import CASE_IDENTITY, WRITEBACK_STATUS
from orloop_common.runtime import Output
from orloop_common.testing.suite import booked, change, clock, milestone, tick
from orloop_writeback.flow import TOPICS

A = change("hip", ("1", "10:30"), ("2", "10:30"))
B = change("knee", ("1", "12:30"), ("3", "12:30"))


def two() -> Mesh:
    mesh = Mesh()
    mesh.approve(A, B)
    return mesh.run()


def test_only_one_change_is_under_way() -> None:
    mesh = two()
    assert mesh.courier.cases == ["hip"]
    mesh.courier.answer()
    mesh.run()
    assert mesh.courier.cases == ["hip"]
    assert mesh.statuses("hip") == ["sent", "acknowledged"]


def test_the_next_change_leaves_after_the_echo_of_the_one_before() -> None:
    mesh = two()
    mesh.courier.answer()
    mesh.run()
    mesh.echo()
    mesh.run()
    assert mesh.courier.cases == ["hip", "knee"]
    mesh.courier.answer()
    mesh.run()
    mesh.echo()
    mesh.run()
    assert mesh.outcomes() == {"hip": "applied", "knee": "applied"}
    assert mesh.statuses("knee") == ["queued", "sent", "acknowledged", "echoed"]


def test_an_echo_that_overtakes_the_acknowledgement_counts() -> None:
    mesh = two()
    mesh.echo()
    mesh.run()
    mesh.courier.answer()
    mesh.run()
    assert mesh.outcomes()["hip"] == "applied"
    assert mesh.courier.cases == ["hip", "knee"]


def test_a_refusal_stops_the_rest_and_is_told_in_the_hospitals_words() -> None:
    mesh = two()
    mesh.courier.answer("refused", "The desk does not agree")
    mesh.run()
    assert mesh.outcomes() == {"hip": "refused", "knee": "stopped"}
    assert mesh.courier.cases == ["hip"]
    assert mesh.text("hip") == "The desk does not agree"
    assert mesh.statuses("knee") == ["queued", "stopped"]


def test_a_hospital_that_does_not_answer_stops_the_rest() -> None:
    mesh = two()
    mesh.courier.answer("unanswered", "no answer")
    mesh.run()
    assert mesh.outcomes() == {"hip": "timed_out", "knee": "stopped"}


def test_an_echo_from_elsewhere_stops_the_rest() -> None:
    mesh = two()
    mesh.courier.answer()
    mesh.run()
    mesh.echo(late=timedelta(minutes=15))
    mesh.run()
    assert mesh.outcomes() == {"hip": "differs", "knee": "stopped"}
    assert mesh.courier.cases == ["hip"]


def test_an_echo_that_does_not_come_within_ten_minutes_ends_the_change() -> None:
    mesh = two()
    mesh.courier.answer()
    mesh.run()
    mesh.say(tick("09:10"))
    mesh.run()
    assert mesh.outcomes()["hip"] == "acknowledged"
    mesh.say(tick("09:10:30"))
    mesh.run()
    assert mesh.outcomes() == {"hip": "unconfirmed", "knee": "stopped"}


def test_the_time_for_an_echo_goes_on_after_a_restart() -> None:
    mesh = two()
    mesh.courier.answer()
    mesh.run()
    mesh.start()
    mesh.say(tick("09:11"))
    mesh.run()
    assert mesh.outcomes()["hip"] == "unconfirmed"


def test_a_process_killed_between_sending_and_recording_sends_the_same_message_again() -> None:
    mesh = two()
    before = mesh.courier.sent[0].control_id
    mesh.start()
    mesh.run()
    assert [step.control_id for step in mesh.courier.sent] == [before]
    mesh.courier.answer()
    mesh.run()
    assert mesh.answers() == [("hip", "acknowledged")]


def test_a_process_killed_after_recording_waits_for_the_echo() -> None:
    mesh = two()
    mesh.courier.answer()
    mesh.run()
    mesh.start()
    mesh.run()
    assert mesh.courier.cases == []


def test_an_answer_that_comes_after_the_suite_has_moved_away_and_back_is_told_once() -> None:
    mesh = two()
    places = [(topic, 0) for topic in TOPICS]
    mesh.core.revoked(places, lost=True)
    mesh.courier.answer()
    mesh.core.step()
    assert mesh.answers() == []
    mesh.start()
    mesh.run()
    mesh.courier.answer()
    mesh.courier.answer()
    mesh.run()
    assert mesh.answers() == [("hip", "acknowledged")]


def test_a_patient_who_enters_while_the_change_is_under_way_stops_the_rest() -> None:
    mesh = two()
    mesh.say(milestone("hip", Milestone.PATIENT_IN_ROOM, "09:05", "1"))
    mesh.run()
    mesh.courier.answer()
    mesh.run()
    assert mesh.outcomes() == {"hip": "overtaken", "knee": "stopped"}
    assert mesh.courier.cases == ["hip"]


def test_two_cases_that_swap_rooms_never_meet_in_the_hospitals_book() -> None:
    mesh = Mesh()
    mesh.approve(change("hip", ("1", "10:30"), ("2", "10:30")), change("knee", ("2", "10:30"), ("1", "10:30")))
    mesh.run()
    for _ in range(3):
        mesh.courier.answer()
        mesh.run()
        mesh.echo()
        mesh.run()
    assert [(s.case, s.place.room, f"{s.place.start:%H:%M}") for s in mesh.courier.sent] == [
        ("knee", "2", "19:00"),
        ("hip", "2", "10:30"),
        ("knee", "1", "10:30"),
    ]
    assert set(mesh.outcomes().values()) == {"applied"}


def test_a_stop_on_the_way_is_sent_again_after_a_kill_and_is_not_an_answer() -> None:
    mesh = Mesh()
    mesh.approve(change("hip", ("1", "10:30"), ("2", "10:30")), change("knee", ("2", "10:30"), ("1", "10:30")))
    mesh.run()
    first = mesh.courier.sent[0].control_id
    mesh.courier.answer()
    mesh.run()
    assert mesh.answers() == []
    mesh.start()
    mesh.run()
    assert mesh.courier.sent[0].control_id == first


def test_a_stop_on_the_way_that_is_never_echoed_ends_the_change() -> None:
    mesh = Mesh()
    mesh.approve(change("hip", ("1", "10:30"), ("2", "10:30")), change("knee", ("2", "10:30"), ("1", "10:30")))
    mesh.run()
    mesh.courier.answer()
    mesh.run()
    mesh.say(tick("09:11"))
    mesh.run()
    assert mesh.outcomes() == {"knee": "unconfirmed", "hip": "stopped"}


def test_changes_that_wait_for_each_other_for_ever_are_given_back_to_people() -> None:
    mesh = Mesh()
    mesh.approve(change("hip", ("1", "10:30"), ("2", "10:30")), change("knee", ("2", "10:30"), ("1", "10:30")))
    decided = next(m for m in mesh.log() if isinstance(m, e.PlanDecided))
    other = Mesh()
    other.say(*[m for m in mesh.log() if not isinstance(m, e.PlanDecided)])
    other.say(replace(decided, changes=tuple(replace(c, via=None) for c in decided.changes)))
    other.run()
    assert other.courier.sent == []
    assert sorted(other.outcomes().values()) == ["refused", "stopped"]


def test_a_postponement_is_given_back_to_people_after_all_else_was_done() -> None:
    mesh = Mesh()
    mesh.approve(change("ear", ("1", "14:30"), None), A)
    mesh.run()
    assert mesh.courier.cases == ["hip"]
    mesh.courier.answer()
    mesh.run()
    mesh.echo()
    mesh.run()
    assert mesh.outcomes() == {"hip": "applied", "ear": "refused"}
    assert "by hand" in mesh.text("ear")


def test_nothing_is_sent_into_a_room_that_went_down_since() -> None:
    mesh = Mesh()
    mesh.approve(A, B)
    mesh.say(e.RoomWentDown(id="down", suite="main", at=clock("09:01"), room="2", cause="flood"))
    mesh.run()
    assert mesh.courier.cases == []
    assert mesh.outcomes() == {"hip": "refused", "knee": "stopped"}


def test_a_time_that_has_passed_is_not_sent() -> None:
    mesh = Mesh()
    mesh.approve(A)
    mesh.say(tick("10:31"))
    mesh.run()
    assert mesh.courier.cases == []
    assert mesh.outcomes() == {"hip": "refused"}


def test_a_case_without_a_known_sender_is_given_back_to_people() -> None:
    mesh = Mesh()
    mesh.approve(A)
    mesh.bus.logs.pop((CASE_IDENTITY, 0))
    mesh.start()
    mesh.run()
    assert mesh.answers() == [("hip", "refused")]


def test_a_sender_that_ingest_has_let_go_of_is_not_known_any_more() -> None:
    mesh = Mesh()
    mesh.approve(A)
    mesh.bus.publish(Output(CASE_IDENTITY, "main/hip", "main", None, "identity/hip/gone"))
    mesh.run()
    assert mesh.answers() == [("hip", "refused")]


def test_an_identity_that_our_key_does_not_open_is_given_back_to_people() -> None:
    mesh = Mesh()
    mesh.approve(A)
    mesh.identify("hip", "locked")
    mesh.run()
    assert mesh.answers() == [("hip", "refused")]
    assert mesh.courier.cases == []


def test_nothing_new_leaves_while_everything_is_frozen() -> None:
    mesh = Mesh()
    mesh.approve(A, B)
    mesh.say(e.ModeChanged(id="m", suite="main", at=clock("09:01"), mode=Mode.FROZEN, decided_by="demo"))
    mesh.run()
    assert mesh.courier.cases == []
    mesh.say(e.ModeChanged(id="n", suite="main", at=clock("09:02"), mode=Mode.ADVISORY, decided_by="demo"))
    mesh.run()
    assert mesh.courier.cases == ["hip"]


def test_when_it_is_off_people_are_told_what_to_enter_by_hand_and_the_echo_counts_all_the_same() -> None:
    mesh = Mesh(enabled=False)
    mesh.approve(A)
    mesh.run()
    assert mesh.courier.cases == []
    assert "by hand" in mesh.text("hip")
    mesh.say(booked("hip", "2", "10:30", version=2))
    mesh.run()
    assert mesh.statuses("hip") == ["queued", "echoed"]


def test_a_second_plan_waits_until_the_first_is_through() -> None:
    mesh = two()
    later = change("ear", ("2", "15:00"), ("3", "15:00"))
    mesh.approve(later, proposal="p2")
    mesh.run()
    assert mesh.courier.cases == ["hip"]
    for _ in range(2):
        mesh.courier.answer()
        mesh.run()
        mesh.echo()
        mesh.run()
    assert mesh.courier.cases == ["hip", "knee", "ear"]


def test_statuses_say_which_of_how_many_it_is() -> None:
    mesh = two()
    last = [s for s in mesh.bus.messages(WRITEBACK_STATUS) if s.case == "knee"][-1]
    assert (last.order, last.of, last.status) == (2, 2, "queued")


def test_an_answer_is_recorded_once_however_often_the_loop_comes_by() -> None:
    mesh = two()
    mesh.courier.answer()
    for _ in range(5):
        mesh.run()
    assert mesh.answers() == [("hip", "acknowledged")]
    assert ChangeAnswer.ACKNOWLEDGED == "acknowledged"
