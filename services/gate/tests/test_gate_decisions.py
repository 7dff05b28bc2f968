"""Commands and time decide on the newest fold: one decision, one record, whoever comes first."""

from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from orloop_common.domain import events as e
from orloop_common.domain.derived import GateStatus, PlanCurrent, Proposal
from orloop_common.domain.vocabulary import Mode, Verdict
from orloop_common.messages import AUDIT, CASE_FORECASTS, GATE_STATUS, PLAN_CURRENT, PLAN_PROPOSALS, SUITE_EVENTS
from orloop_common.runtime import LoopSettings, Output
from orloop_common.runtime.core import LoopCore
from orloop_common.testing import ManualClock, MemoryBus
from orloop_common.testing.suite import (
    alternative,
    booked,
    change,
    clock,
    day_after,
    forecast,
    proposal,
    small_site,
    tick,
)
from orloop_gate.domain.audit import Head, verify
from orloop_gate.domain.commands import ChangeMode, Decide, Decided, ModeSet, Refused, decision_id
from orloop_gate.domain.projection import Batch
from orloop_gate.domain.recheck import recheck
from orloop_gate.flow import GateFlow, GateRules
from orloop_gate.ports import Answer

HIP = change("hip", ("1", "10:30"), ("3", "11:00"))
KNEE = change("knee", ("2", "10:00"), ("3", "13:00"))
P1 = proposal("p1", "09:00", alternative("a", HIP, KNEE), alternative("b", HIP))


@dataclass
class Kept:
    """A projection that a test can look into."""

    batches: list[Batch] = field(default_factory=list)

    def offer(self, batch: Batch) -> None:
        self.batches.append(batch)


@dataclass
class Mesh:
    """A log, and a gate on it."""

    rules: GateRules = field(default_factory=GateRules)
    suites: tuple[str, ...] = ("main",)
    clock: ManualClock = field(default_factory=lambda: ManualClock(clock("09:00")))
    bus: MemoryBus = field(init=False)
    core: LoopCore = field(init=False)
    flow: GateFlow = field(init=False)
    kept: Kept = field(default_factory=Kept)

    def __post_init__(self) -> None:
        self.bus = MemoryBus(clock=self.clock, received=clock("09:00"))
        self.say(booked("hip", "1", "10:30"), booked("knee", "2", "10:00"), tick("09:00"))
        for case in ("hip", "knee"):
            self.bus.publish(Output(CASE_FORECASTS, f"main/{case}", "main", forecast(case), f"f/{case}"))
        self.start()

    def start(self) -> None:
        """A new process on the same log."""
        self.flow = GateFlow(small_site(self.suites), self.suites, self.rules, self.clock, recheck, self.kept)
        topics = [SUITE_EVENTS, PLAN_PROPOSALS, CASE_FORECASTS]
        self.core = self.bus.core(self.flow, LoopSettings(topics=topics, group="orloop.gate"))

    def run(self) -> "Mesh":
        for _ in range(6):
            self.core.step()
        return self

    def say(self, *events: e.Event) -> None:
        for event in events:
            if isinstance(event, e.ClockTicked):
                self.clock.advance(max(timedelta(0), event.at - self.clock.now()), timedelta(0))
            self.bus.received = self.clock.wall()
            self.bus.publish(Output(SUITE_EVENTS, event.suite, event.suite, event, event.id, at=event.at))

    def propose(self, *proposals: Proposal) -> "Mesh":
        for one in proposals:
            self.bus.publish(Output(PLAN_PROPOSALS, one.suite, one.suite, one, one.id))
        return self.run()

    def ask(self, verdict: Verdict = Verdict.APPROVED, **more: Any) -> "Future[Answer]":
        base: dict[str, Any] = {"suite": "main", "proposal": "p1", "user": "kim", "alternative": "a", "key": "k1"}
        return self.flow.desk.submit(Decide(verdict=verdict, **base | more), 5).answer

    def set_mode(self, mode: str, key: str = "m1", **more: Any) -> "Future[Answer]":
        return self.flow.desk.submit(ChangeMode(suite="main", mode=mode, user="kim", key=key, **more), 5).answer

    def decisions(self, id: str = "p1") -> list[e.PlanDecided]:
        return [m for m in self.bus.messages(SUITE_EVENTS) if isinstance(m, e.PlanDecided) and m.proposal == id]

    @property
    def status(self) -> GateStatus:
        found: GateStatus = self.bus.messages(GATE_STATUS)[-1]
        return found

    @property
    def plan(self) -> PlanCurrent:
        found: PlanCurrent = self.bus.messages(PLAN_CURRENT)[-1]
        return found


@pytest.fixture
def mesh() -> Mesh:
    """A gate with one open proposal."""
    return Mesh().propose(P1)


def refusal(answer: "Future[Answer]") -> Refused:
    error = answer.exception(0)
    assert isinstance(error, Refused)
    return error


def test_a_sound_proposal_is_opened(mesh: Mesh) -> None:
    assert mesh.status.open_proposal == "p1"
    assert mesh.status.withheld is None


def test_an_approval_is_answered_once_its_own_record_was_folded(mesh: Mesh) -> None:
    answer = mesh.ask()
    assert not answer.done()
    mesh.run()
    assert answer.result(0) == Decided(
        event=decision_id("p1"), verdict=Verdict.APPROVED, decided_by="kim", already=False
    )
    (decided,) = mesh.decisions()
    assert decided.id == decision_id("p1")
    assert decided.based_on == 3
    assert [c.case for c in decided.changes] == ["hip", "knee"]
    assert mesh.status.open_proposal is None
    assert mesh.plan.proposal == "p1"


def test_the_second_of_two_approvals_is_told_of_the_first(mesh: Mesh) -> None:
    first, second = mesh.ask(), mesh.ask(user="lou", key="k2", alternative="b")
    mesh.run()
    assert isinstance(one := first.result(0), Decided)
    assert isinstance(two := second.result(0), Decided)
    assert (one.already, two.already) == (False, True)
    assert two.decided_by == "kim"
    assert len(mesh.decisions()) == 1


def test_a_rejection_after_an_approval_is_told_that_it_was_approved(mesh: Mesh) -> None:
    mesh.ask()
    mesh.run()
    later = mesh.ask(Verdict.REJECTED, key="k2")
    mesh.run()
    assert isinstance(told := later.result(0), Decided)
    assert (told.verdict, told.already) == (Verdict.APPROVED, True)
    assert len(mesh.decisions()) == 1


def test_the_same_call_told_again_gets_the_same_answer_after_a_restart_too(mesh: Mesh) -> None:
    mesh.ask()
    mesh.run()
    mesh.start()
    mesh.run()
    again = mesh.ask()
    mesh.run()
    assert isinstance(told := again.result(0), Decided)
    assert not told.already
    assert len(mesh.decisions()) == 1


def test_a_gate_killed_after_sending_and_before_folding_decides_once(mesh: Mesh) -> None:
    mesh.ask()
    mesh.core.step()  # sent, not folded
    assert len(mesh.decisions()) == 1
    mesh.start()
    again = mesh.ask()
    mesh.run()
    assert isinstance(again.result(0), Decided)
    assert len(mesh.decisions()) == 1


def test_a_gate_killed_before_sending_decides_when_asked_again(mesh: Mesh) -> None:
    mesh.ask()
    mesh.start()
    mesh.run()
    assert mesh.decisions() == []
    mesh.ask()
    mesh.run()
    assert len(mesh.decisions()) == 1


def test_a_proposal_nobody_decides_expires(mesh: Mesh) -> None:
    mesh.say(tick("09:15"))
    mesh.run()
    (decided,) = mesh.decisions()
    assert (decided.verdict, decided.reason_code, decided.decided_by) == (Verdict.EXPIRED, "not_decided", "gate")
    assert decided.reason == "Nobody decided by 09:15."
    assert mesh.status.open_proposal is None


def test_an_approval_that_comes_with_the_last_tick_loses_or_wins_but_never_both(mesh: Mesh) -> None:
    mesh.say(tick("09:15"))
    answer = mesh.ask()
    mesh.run()
    (decided,) = mesh.decisions()
    assert isinstance(told := answer.result(0), Decided)
    assert (told.verdict, told.already) == (decided.verdict, decided.verdict is Verdict.EXPIRED)


def test_an_approval_after_the_end_is_told_that_it_expired(mesh: Mesh) -> None:
    mesh.say(tick("09:15"))
    mesh.run()
    answer = mesh.ask()
    mesh.run()
    assert isinstance(told := answer.result(0), Decided)
    assert (told.verdict, told.already) == (Verdict.EXPIRED, True)


def test_a_newer_proposal_replaces_the_older_one(mesh: Mesh) -> None:
    mesh.propose(proposal("p2", "09:01", alternative("a", HIP), as_of=20))
    (decided,) = mesh.decisions("p1")
    assert (decided.verdict, decided.reason_code) == (Verdict.EXPIRED, "superseded")
    assert mesh.status.open_proposal == "p2"


def test_what_is_not_needed_any_more_is_no_longer_shown(mesh: Mesh) -> None:
    """The room is back: whoever approves now moves nobody."""
    said = replace(proposal("p2", "09:01", as_of=20), reason="The plan still holds.", supersedes="p1")
    assert said.answer == "no_change"
    mesh.propose(said)
    (decided,) = mesh.decisions("p1")
    assert (decided.verdict, decided.reason_code) == (Verdict.EXPIRED, "not_needed")
    assert decided.reason == "Not needed any more: The plan still holds."
    assert mesh.status.open_proposal is None


def test_an_answer_without_a_proposal_replaces_nothing(mesh: Mesh) -> None:
    mesh.propose(proposal("p2", "09:01", as_of=20))
    assert mesh.status.open_proposal == "p1"
    assert mesh.decisions("p2") == []


def test_a_proposal_that_breaks_a_rule_by_now_is_withheld_for_good(mesh: Mesh) -> None:
    mesh.say(booked("hip", "1", "10:45", version=2))
    mesh.run()
    (decided,) = mesh.decisions()
    assert (decided.verdict, decided.reason_code) == (Verdict.WITHHELD, "log_moved_on")
    assert (
        decided.reason == "Things have moved on since this was proposed: The hospital has changed the hip repair since."
    )


def test_an_approval_in_the_moment_the_log_moves_on_is_refused_in_plain_words(mesh: Mesh) -> None:
    mesh.say(booked("hip", "1", "10:45", version=2))
    answer = mesh.ask()
    mesh.run()
    assert refusal(answer).kind == "stopped"
    assert "Things have moved on since this was proposed" in refusal(answer).sentence
    assert [d.verdict for d in mesh.decisions()] == [Verdict.WITHHELD]


def test_an_approval_that_the_log_overtakes_after_it_was_sent_is_void_and_says_so(mesh: Mesh) -> None:
    answer = mesh.ask()
    before = mesh.bus.logs[SUITE_EVENTS, 0]
    original = list(before)
    mesh.core.step()
    decision = before.pop()
    assert len(before) == len(original)
    mesh.say(booked("hip", "1", "10:45", version=2))  # somebody's record came to lie before it
    mesh.bus.put(SUITE_EVENTS, 0, decision.key, decision.value, decision.headers)
    mesh.run()
    assert refusal(answer).kind == "stopped"
    assert "version-unchanged" in refusal(answer).sentence
    assert not day_after(*mesh.bus.messages(SUITE_EVENTS)).pending


def test_a_silent_feed_keeps_a_proposal_back_and_lets_it_through_again(mesh: Mesh) -> None:
    mesh.say(e.FeedWentSilent(id="s", suite="main", at=clock("09:01"), source="TWIN", since=clock("08:50")))
    answer = mesh.ask()
    mesh.run()
    assert mesh.status.open_proposal is None
    assert mesh.status.withheld == "p1"
    assert mesh.status.withheld_because == ("Nothing has come from TWIN since 08:50: cases may have moved unseen.",)
    assert refusal(answer).kind == "stopped"
    assert mesh.decisions() == []
    mesh.say(e.FeedReturned(id="r", suite="main", at=clock("09:02"), source="TWIN"))
    mesh.run()
    assert mesh.status.open_proposal == "p1"


def test_a_clock_that_stands_still_on_the_wall_keeps_a_proposal_back(mesh: Mesh) -> None:
    mesh.clock.advance(timedelta(0), timedelta(seconds=91))
    mesh.run()
    assert mesh.status.withheld == "p1"
    assert [stop.id for stop in mesh.status.stops] == ["stale_ticks"]
    mesh.say(tick("09:00:30"))
    mesh.run()
    assert mesh.status.open_proposal == "p1"


def test_where_event_time_is_fast_a_missing_tick_is_noticed_sooner() -> None:
    fast = Mesh(clock=ManualClock(clock("09:00"), rate=60.0)).propose(P1)
    fast.clock.advance(timedelta(0), timedelta(seconds=11))
    fast.run()
    assert fast.status.withheld == "p1"


def test_a_rejection_needs_no_open_gate(mesh: Mesh) -> None:
    mesh.say(e.FeedWentSilent(id="s", suite="main", at=clock("09:01"), source="TWIN", since=clock("08:50")))
    answer = mesh.ask(Verdict.REJECTED, reason_code="clinical_priority", alternative="")
    mesh.run()
    assert isinstance(answer.result(0), Decided)
    assert [(d.verdict, d.reason_code) for d in mesh.decisions()] == [(Verdict.REJECTED, "clinical_priority")]


def test_an_override_keeps_a_part_of_the_changes(mesh: Mesh) -> None:
    answer = mesh.ask(Verdict.OVERRIDDEN, keep=("knee",), reason_code="staff_unavailable")
    mesh.run()
    assert isinstance(answer.result(0), Decided)
    (decided,) = mesh.decisions()
    assert decided.verdict is Verdict.OVERRIDDEN
    assert [c.case for c in decided.changes] == ["knee"]
    assert mesh.plan.proposal == "p1"


def test_a_hard_rule_cannot_be_overridden() -> None:
    away = change("ear", ("3", "13:00"), ("1", "14:00"))
    mesh = Mesh()
    mesh.say(booked("ear", "3", "13:00"))
    mesh.bus.publish(Output(CASE_FORECASTS, "main/ear", "main", forecast("ear"), "f/ear"))
    mesh.propose(proposal("p1", "09:00", alternative("a", HIP, KNEE, away)))
    answer = mesh.ask(Verdict.OVERRIDDEN, keep=("knee",), reason_code="clinical_priority")
    mesh.run()
    assert refusal(answer).kind == "stopped"
    assert "would both have room 3" in refusal(answer).sentence
    assert mesh.decisions() == []


@pytest.mark.parametrize(
    ("more", "kind", "words"),
    [
        ({"verdict": Verdict.OVERRIDDEN, "keep": ("knee",)}, "invalid", "Expected one of the reason codes"),
        ({"verdict": Verdict.OVERRIDDEN, "keep": ("knee",), "reason_code": "other"}, "invalid", "a few words"),
        (
            {"verdict": Verdict.OVERRIDDEN, "keep": (), "reason_code": "staff_unavailable"},
            "invalid",
            "at least one change",
        ),
        ({"verdict": Verdict.OVERRIDDEN, "keep": ("ear",), "reason_code": "staff_unavailable"}, "invalid", "got ear"),
        ({"verdict": Verdict.REJECTED, "reason_code": "because"}, "invalid", "got 'because'"),
        ({"alternative": "z"}, "invalid", "Expected an alternative of this proposal"),
        ({"proposal": "nobody's"}, "unknown", "not known here"),
        ({"suite": "elsewhere"}, "unknown", "got elsewhere"),
    ],
)
def test_a_malformed_command_is_refused_by_name(mesh: Mesh, more: dict[str, Any], kind: str, words: str) -> None:
    answer = mesh.ask(**more)
    mesh.run()
    assert refusal(answer).kind == kind
    assert words in refusal(answer).sentence
    assert mesh.decisions() == []


def test_a_closed_alternative_cannot_be_approved_while_the_recommended_one_can() -> None:
    late = change("hip", ("1", "10:30"), ("2", "10:30"))
    mesh = Mesh().propose(proposal("p1", "09:00", alternative("a", HIP), alternative("b", late)))
    assert list(mesh.status.closed) == ["b"]
    refused = mesh.ask(alternative="b")
    taken = mesh.ask(alternative="a", key="k2")
    mesh.run()
    assert refusal(refused).kind == "stopped"
    assert isinstance(taken.result(0), Decided)


def test_a_caller_who_has_given_up_decides_nothing(mesh: Mesh) -> None:
    answer = mesh.ask()
    mesh.clock.advance(timedelta(0), timedelta(seconds=6))
    mesh.run()
    assert not answer.done()
    assert mesh.decisions() == []
    cancelled = mesh.ask()
    assert cancelled.cancel()
    mesh.run()
    assert mesh.decisions() == []


# --- modes ------------------------------------------------------------------------------------------


def test_a_mode_is_set_audited_and_shown(mesh: Mesh) -> None:
    answer = mesh.set_mode("frozen", reason="drill")
    mesh.run()
    assert isinstance(told := answer.result(0), ModeSet)
    assert told.mode is Mode.FROZEN
    assert mesh.status.mode is Mode.FROZEN
    assert mesh.bus.messages(AUDIT)[0].what == "mode_changed"
    assert [d.reason_code for d in mesh.decisions()] == ["mode"]


def test_a_mode_set_twice_in_one_moment_ends_as_the_later_one(mesh: Mesh) -> None:
    for number, mode in enumerate(("frozen", "advisory", "shadow", "advisory", "frozen")):
        mesh.set_mode(mode, f"m{number}")
        mesh.run()
        assert mesh.status.mode == mode


def test_a_call_to_set_the_mode_told_again_changes_nothing(mesh: Mesh) -> None:
    mesh.set_mode("frozen", "m1")
    mesh.run()
    mesh.set_mode("advisory", "m2")
    mesh.run()
    again = mesh.set_mode("frozen", "m1")
    mesh.run()
    assert isinstance(again.result(0), ModeSet)
    assert mesh.status.mode is Mode.ADVISORY


@pytest.mark.parametrize(("mode", "kind"), [("auto", "stopped"), ("wild", "invalid"), ("", "invalid")])
def test_a_mode_that_is_not_there_is_refused(mesh: Mesh, mode: str, kind: str) -> None:
    answer = mesh.set_mode(mode)
    mesh.run()
    assert refusal(answer).kind == kind
    assert mesh.status.mode is Mode.ADVISORY


def test_automatic_mode_says_that_it_is_not_available_yet(mesh: Mesh) -> None:
    answer = mesh.set_mode("auto")
    mesh.run()
    assert refusal(answer).sentence == "Automatic mode is not available yet: a person decides every plan."


def test_in_shadow_mode_proposals_are_recorded_and_not_shown() -> None:
    mesh = Mesh(rules=GateRules(mode=Mode.SHADOW)).propose(P1)
    assert [(d.verdict, d.reason_code) for d in mesh.decisions()] == [(Verdict.WITHHELD, "mode")]
    assert mesh.status.open_proposal is None


# --- what it publishes --------------------------------------------------------------------------------


def test_the_status_is_told_on_change_and_as_a_sign_of_life(mesh: Mesh) -> None:
    before = len(mesh.bus.messages(GATE_STATUS))
    mesh.say(tick("09:00:30"), tick("09:01"))
    mesh.run()
    assert len(mesh.bus.messages(GATE_STATUS)) == before
    mesh.say(tick("09:05"))
    mesh.run()
    assert len(mesh.bus.messages(GATE_STATUS)) == before + 1


def test_the_audit_chain_on_its_topic_verifies_against_the_published_head_after_restarts(mesh: Mesh) -> None:
    mesh.ask()
    mesh.run()
    mesh.start()
    mesh.set_mode("frozen")
    mesh.run()
    mesh.bus.committed.clear()  # everything is delivered again
    mesh.start()
    mesh.run()
    entries = mesh.bus.messages(AUDIT)
    assert len(entries) == 4
    head = Head(sequence=mesh.status.audit_sequence, hash=mesh.status.audit_head)
    assert verify(entries, head, [d.id for d in mesh.decisions()]) is None


def test_a_refold_of_the_log_writes_no_decision_again(mesh: Mesh) -> None:
    mesh.ask()
    mesh.run()
    mesh.propose(proposal("p2", "09:01", alternative("a", change("hip", ("3", "11:00"), ("2", "14:00"))), as_of=20))
    log = len(mesh.bus.messages(SUITE_EVENTS))
    mesh.bus.committed.clear()
    mesh.start()
    mesh.run()
    assert len(mesh.bus.messages(SUITE_EVENTS)) == log


def test_a_proposal_of_an_earlier_day_is_not_decided_again_when_the_fold_has_forgotten_it(mesh: Mesh) -> None:
    mesh.ask(Verdict.REJECTED)
    mesh.run()
    later = [replace_day(tick("09:00"), days) for days in (1, 2, 3)]
    mesh.say(*later)
    mesh.run()
    assert "p1" not in day_after(*mesh.bus.messages(SUITE_EVENTS)).decisions
    mesh.start()
    mesh.run()
    assert len(mesh.decisions()) == 1
    answer = mesh.ask(key="k9")
    mesh.run()
    assert refusal(answer).sentence == "This proposal was decided on an earlier day."


def replace_day(event: e.ClockTicked, days: int) -> e.ClockTicked:
    at = event.at + timedelta(days=days)
    return e.ClockTicked(id=f"tick/{at.isoformat()}", suite=event.suite, at=at)


def test_two_suites_are_decided_apart() -> None:
    mesh = Mesh(suites=("main", "east"))
    mesh.say(booked("hip", "1", "10:30", suite="east"), tick("09:00", suite="east"))
    east = proposal("q1", "09:00", alternative("a", HIP), suite="east")
    mesh.bus.publish(Output(CASE_FORECASTS, "east/hip", "east", forecast("hip", suite="east"), "f/east"))
    mesh.propose(P1, east)
    first, second = mesh.ask(), mesh.ask(suite="east", proposal="q1", key="k2")
    mesh.run()
    assert isinstance(first.result(0), Decided)
    assert isinstance(second.result(0), Decided)
    chains = {entry.suite: entry.sequence for entry in mesh.bus.messages(AUDIT)}
    assert chains == {"main": 1, "east": 1}


def test_a_suite_that_moves_to_another_gate_leaves_nothing_behind_and_no_caller_waiting(mesh: Mesh) -> None:
    answer = mesh.ask()
    mesh.core.step()
    mesh.core.revoked([(SUITE_EVENTS, 0), (PLAN_PROPOSALS, 0), (CASE_FORECASTS, 0)], lost=True)
    assert refusal(answer).kind == "late"
    assert mesh.flow.state() == {}


def test_rows_for_sql_come_with_the_offset_they_were_told_at(mesh: Mesh) -> None:
    mesh.ask()
    mesh.run()
    rows = [row for batch in mesh.kept.batches for row in batch.rows]
    assert [(row.table, row.offset) for row in rows] == [("audit_entries", 3), ("decisions", 3)]
    assert mesh.kept.batches[-1].next_offset == 4


def test_the_state_shows_offset_digest_and_the_head_of_the_chain(mesh: Mesh) -> None:
    mesh.ask()
    mesh.run()
    state = mesh.flow.state()["main"]
    assert state["offset"] == 4
    assert state["audit_sequence"] == 1
    other = Mesh()
    other.bus.logs = mesh.bus.logs
    other.start()
    other.run()
    assert other.flow.state() == mesh.flow.state()
