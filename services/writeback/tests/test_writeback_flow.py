"""Approved changes leave one after the other, and what goes wrong with one stops the rest."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from orloop_common.domain import events as e
from orloop_common.domain.carrying import in_order
from orloop_common.domain.derived import CaseIdentity
from orloop_common.domain.plan import Change
from orloop_common.domain.vocabulary import ChangeAnswer, Milestone, Mode, Verdict
from orloop_common.messages import CASE_IDENTITY, SUITE_EVENTS, WRITEBACK_STATUS
from orloop_common.runtime import CannotDecrypt, LoopSettings, Output
from orloop_common.runtime.core import LoopCore
from orloop_common.testing import ManualClock, MemoryBus
from orloop_common.testing.suite import booked, change, clock, day_after, milestone, outcomes, small_site, tick
from orloop_writeback.domain.message import Answer, Step
from orloop_writeback.flow import TOPICS, WritebackFlow


class PlainScribe:
    """Writes nothing that a hospital could read."""

    def write(self, step: Step, sealed: str) -> tuple[bytes, tuple[str, ...]]:
        if sealed == "locked":
            raise CannotDecrypt("Expected another key.")
        return step.control_id.encode(), ()


@dataclass
class HandCourier:
    """Carries nothing until the test answers."""

    sent: list[Step] = field(default_factory=list)
    waiting: list[Answer] = field(default_factory=list)
    withdrawn: list[Step] = field(default_factory=list)

    def send(self, step: Step, body: bytes, secrets: Sequence[str]) -> None:
        self.sent.append(step)

    def withdraw(self, step: Step) -> None:
        self.withdrawn.append(step)

    def answers(self) -> Sequence[Answer]:
        found, self.waiting = self.waiting, []
        return found

    def answer(self, kind: str = "accepted", text: str = "") -> None:
        self.waiting.append(Answer(step=self.sent[-1], kind=kind, text=text))

    @property
    def cases(self) -> list[str]:
        return [step.case for step in self.sent]


@dataclass
class Mesh:
    """A log, and write-back on it."""

    enabled: bool = True
    clock: ManualClock = field(default_factory=lambda: ManualClock(clock("09:00")))
    bus: MemoryBus = field(init=False)
    courier: HandCourier = field(default_factory=HandCourier)
    core: LoopCore = field(init=False)
    versions: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bus = MemoryBus(clock=self.clock)
        self.start()

    def start(self) -> None:
        """A new process on the same log."""
        self.courier = HandCourier()
        flow = WritebackFlow(small_site(), ["main"], self.clock, PlainScribe(), self.courier if self.enabled else None)
        self.core = self.bus.core(flow, LoopSettings(topics=TOPICS, group="orloop.writeback"))

    def run(self) -> "Mesh":
        for _ in range(8):
            self.core.step()
        return self

    def say(self, *events: e.Event) -> None:
        for event in events:
            self.bus.publish(Output(SUITE_EVENTS, "main", "main", event, event.id, at=event.at))
            if isinstance(event, e.ClockTicked):
                self.clock.set(event.at)

    def identify(self, case: str, payload: str = "sealed") -> None:
        record = CaseIdentity(case=case, suite="main", at=clock("08:00"), payload=payload)
        self.bus.publish(Output(CASE_IDENTITY, f"main/{case}", "main", record, f"identity/{case}"))

    def approve(self, *changes: Change, proposal: str = "p1") -> None:
        """The cases are booked where the changes find them, and the changes are approved."""
        for one in changes:
            assert one.origin.start
            self.versions[one.case] = 1
            self.say(booked(one.case, one.origin.room, f"{one.origin.start:%H:%M}"))
            self.identify(one.case)
        self.say(tick("09:00"))
        day = day_after(*self.log())
        ordered = in_order(day, changes, small_site().suite("main"))
        self.say(
            e.PlanDecided(
                id=f"decision/{proposal}",
                suite="main",
                at=clock("09:00"),
                proposal=proposal,
                verdict=Verdict.APPROVED,
                based_on=0,
                decided_by="demo",
                changes=ordered,
            )
        )

    def echo(self, late: timedelta = timedelta(0)) -> None:
        """The hospital's feed shows the step that was sent last."""
        step = self.courier.sent[-1]
        assert step.place.start
        self.versions[step.case] += 1
        start = step.place.start + late
        self.say(booked(step.case, step.place.room, f"{start:%H:%M}", version=self.versions[step.case]))

    def log(self) -> list[Any]:
        return self.bus.messages(SUITE_EVENTS)

    def answers(self) -> list[tuple[str, str]]:
        return [(m.case, str(m.answer)) for m in self.log() if isinstance(m, e.ChangeAnswered)]

    def outcomes(self) -> dict[str, str]:
        return dict(outcomes(day_after(*self.log()), "p1"))

    def statuses(self, case: str) -> list[str]:
        return [s.status for s in self.bus.messages(WRITEBACK_STATUS) if s.case == case]

    def text(self, case: str) -> str:
        return str([s.text for s in self.bus.messages(WRITEBACK_STATUS) if s.case == case][-1])


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
