"""A storm of triggers: something valid leaves all the time, and what is dropped is dropped at most twice in a row."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from replan_day import Suite, at, case, day_after, down, forecast, morning, staff_short

from orloop_common.domain import events as e
from orloop_common.domain.checker import check_changes
from orloop_common.domain.decision_rules import check_decision
from orloop_common.domain.derived import Proposal
from orloop_common.messages import SUITE_EVENTS
from orloop_common.runtime.clock import SystemClock
from orloop_common.testing import ManualClock, MemoryBus
from orloop_replan import flow, replay
from orloop_replan.adapters.workers import ChildWorkers
from orloop_replan.domain.answers import unpack
from orloop_replan.domain.search import Limits
from orloop_replan.domain.solving import in_turn
from orloop_replan.flow import OVERTAKEN, TOO_LATE
from orloop_replan.ports import Job, Solved


@dataclass
class SlowWorkers:
    """Takes so many seconds of a manual clock for each answer, which is right-shift's."""

    clock: ManualClock
    seconds: float
    started: list[Job] = field(default_factory=list)
    cancelled: int = 0
    _job: Job | None = None
    _begun: float = 0.0

    def start(self, job: Job) -> None:
        self.started.append(job)
        self._job, self._begun = job, self.clock.monotonic()

    def cancel(self) -> None:
        self.cancelled += self._job is not None
        self._job = None

    def poll(self) -> Solved | None:
        if self._job is None or self.clock.monotonic() - self._begun < self.seconds:
            return None
        job, self._job = self._job, None
        return in_turn(job, Limits())

    def close(self) -> None:
        self._job = None


def add_on(number: int) -> e.CaseScheduled:
    return case(f"add-on {number}", None, "12:00", 30, add_on=True, urgency="expedited", surgeon=f"A{number}")


def storm() -> Iterator[e.Event]:
    """A room is down for good; then every trigger changes the question, and some break what was worked out before."""
    yield down("3", "10:02")
    number = 0
    while True:
        number += 1
        yield add_on(number)
        yield e.RoomWentDown(id=f"down {number}", suite="main", at=at("10:02"), room="8", cause="air")
        yield staff_short(f"short {number}", "13:00", "13:05", number % 2)
        yield e.CaseCancelled(id=f"off {number}", suite="main", at=at("10:02"), case=f"add-on {number}", version=2)
        yield e.RoomRestored(id=f"restored {number}", suite="main", at=at("10:02"), room="8")


@dataclass(frozen=True)
class Left:
    """An answer, when it left, whether people could have carried it out then, and solves dropped until then."""

    at: float
    answer: Proposal
    valid: bool
    dropped: int


def play(suite: Suite, seconds: float, every: float = 0.4) -> list[Left]:
    """A trigger every so often; what left, in steps of the loop's 50 ms."""
    left, events, next_one, begun = [], storm(), 0.0, suite.clock.monotonic()
    while (now := suite.clock.monotonic() - begun) < seconds:
        if now >= next_one:
            suite.tell(next(events))
            next_one += every
        for answer in suite.settle(0.05, step=0.05):
            left.append(Left(suite.clock.monotonic() - begun, answer, valid(suite, answer), suite.workers.cancelled))
    return left


def valid(suite: Suite, answer: Proposal) -> bool:
    """Of a proposal, or of the one that the answer says still stands."""
    if "still stands" in answer.reason:
        answer = next(a for a in reversed(suite.answers()) if a.answer == "proposal")
    if answer.answer != "proposal":
        return True
    day = day_after(*suite.bus.messages(SUITE_EVENTS))
    changes = answer.alternatives[0].changes
    newest = suite.flow.problem("main")
    return not check_decision(day, changes) and not check_changes(newest, changes)


def stormy(seconds: float) -> Suite:
    clock = ManualClock()
    suite = Suite(MemoryBus(), clock, SlowWorkers(clock, seconds))  # type: ignore[arg-type]
    suite.tell(*morning(), *(forecast(name, 150, "10:00", 1, 60) for name in ("hip", "bowel")))
    suite.settle()
    return suite


@pytest.mark.parametrize("seconds", [0.2, 1.0, 3.0])
def test_under_a_trigger_every_400_ms_something_valid_leaves_every_five_seconds(seconds: float) -> None:
    suite = stormy(seconds)
    left = play(suite, 30)
    moments = [0.0, *(one.at for one in left)]
    assert max(b - a for a, b in itertools.pairwise([*moments, 30.0])) <= 5.0
    assert all(one.valid for one in left)
    assert any(one.answer.answer == "proposal" for one in left)
    dropped = [0, *(one.dropped for one in left)]
    assert max(b - a for a, b in itertools.pairwise(dropped)) <= 2


@pytest.mark.slow
def test_five_minutes_of_storm() -> None:
    suite = stormy(1.0)
    left = play(suite, 300)
    moments = [0.0, *(one.at for one in left)]
    assert max(b - a for a, b in itertools.pairwise(moments)) <= 5.0
    assert all(one.valid for one in left)
    assert len(left) >= 60
    answered = [t.event for one in left for t in one.answer.triggers]
    assert len(answered) == len(set(answered)), "each trigger once"


def test_after_two_cancellations_the_solve_is_finished_and_published_if_it_still_holds() -> None:
    suite = stormy(1.0)
    suite.tell(down("3", "10:02"))
    left: list[Proposal] = []
    for number in range(4):
        left += suite.settle(0.4, step=0.05)
        suite.tell(add_on(number))
    left += suite.settle(0.6, step=0.05)
    assert suite.workers.cancelled == 2
    (first,) = left
    assert (first.answer, len(first.triggers)) == ("proposal", 3), "the room, and the add-ons that dropped two solves"
    second = suite.settle(5.0, step=0.05)[-1]
    assert second.answer == "proposal"
    assert second.supersedes == first.id
    assert {t.event for t in first.triggers}.isdisjoint(t.event for t in second.triggers)


def test_what_no_longer_holds_is_not_published_and_the_next_solve_begins_at_once() -> None:
    suite = stormy(1.0)
    suite.tell(down("3", "10:02"))
    suite.settle(0.5, step=0.05)
    for number in range(2):
        suite.tell(add_on(number))
        suite.settle(0.4, step=0.05)
    assert (len(suite.workers.started), suite.workers.cancelled) == (3, 2)
    suite.tell(down("8", "10:02"))
    assert suite.settle(0.8, step=0.05) == [], "it would send cases into room 8"
    assert len(suite.workers.started) == 4
    (answer,) = suite.settle(1.1, step=0.05)
    assert (answer.answer, len(answer.triggers)) == ("proposal", 4)


def test_when_every_answer_is_overtaken_everybody_waits_in_turn_and_the_record_says_so() -> None:
    suite = stormy(2.0)
    suite.flow._overtaken = lambda *_: True  # type: ignore[method-assign]
    suite.tell(down("3", "10:02"))
    (answer,) = suite.settle(5.0, step=0.05)
    assert answer.solver is not None
    assert (answer.solver.path, answer.solver.note) == ("right_shift", OVERTAKEN)
    assert check_changes(unpack(answer.problem), answer.alternatives[0].changes) == ()


def test_in_a_storm_that_no_solve_keeps_up_with_right_shift_answers_in_time_and_the_record_says_so() -> None:
    suite = stormy(60.0)
    left = play(suite, 30)
    moments = [0.0, *(one.at for one in left), 30.0]
    assert max(b - a for a, b in itertools.pairwise(moments)) <= 5.0
    assert all(one.valid for one in left)
    records = [one.answer.solver for one in left if one.answer.solver]
    assert {(record.path, record.note) for record in records} == {("right_shift", TOO_LATE)}


def test_after_a_slow_solve_those_of_a_storm_have_smaller_limits_until_it_is_over() -> None:
    suite = stormy(2.5)
    suite.tell(down("3", "10:02"))
    suite.settle(4.0, step=0.05)
    slow = len(suite.workers.started)
    for number in range(8):
        suite.tell(add_on(number))
        suite.settle(0.4, step=0.05)
    jobs = suite.workers.started[slow:]
    assert [job.limits for job in jobs[:2]] == [None, None]
    assert jobs[2].limits == Limits().hurried()
    suite.settle(8.0, step=0.05)
    suite.tell(add_on(99))
    suite.settle(4.0, step=0.05)
    assert suite.workers.started[-1].limits is None, "the storm is over"


def in_a_large_suite(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two solves have been dropped in a suite that counts as large; the third waits for its answer."""
    monkeypatch.setattr(flow, "LARGE", 2)
    suite.tell(*morning())
    suite.settle()
    suite.workers.hold = True
    suite.tell(down("3", "10:02"))
    suite.settle(0.5, step=0.05)
    for number in range(2):
        suite.tell(add_on(number))
        suite.settle(0.4, step=0.05)
    assert suite.workers.cancelled == 2


def test_in_a_storm_a_large_suite_has_one_good_plan_and_the_record_replays(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_large_suite(suite, monkeypatch)
    suite.workers.hold = False
    (answer,) = suite.settle(0.5, step=0.05)
    assert len(answer.alternatives) == 1
    assert answer.solver is not None
    assert answer.solver.settings == Limits().hurried().settings() != Limits().settings()
    assert replay.recompute(answer).verdict == "identical"
    suite.tell(down("8", "10:02"))
    later = suite.settle()[-1]
    assert later.solver is not None
    assert later.solver.settings == Limits().settings(), "the storm is over"


def test_a_hurried_solve_that_takes_too_long_is_answered_by_right_shift_under_its_own_limits(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_large_suite(suite, monkeypatch)
    job = suite.workers.started[-1]
    assert job.limits == Limits().hurried()
    workers = ChildWorkers(SystemClock(), guard=0.05, standby=False)
    try:
        workers.start(job)
        deadline = time.monotonic() + 20
        while (solved := workers.poll()) is None and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        workers.close()
    assert solved is not None
    assert (solved.solver.path, solved.solver.note) == ("right_shift", "The solver took longer than 0.05 s.")
    assert solved.solver.settings == Limits().hurried().settings()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_minute_of_storm_on_real_children() -> None:
    clock = SystemClock()
    workers = ChildWorkers(clock)
    try:
        while not workers.warm():
            workers.poll()
            time.sleep(0.05)
        suite = Suite(MemoryBus(), clock, workers)  # type: ignore[arg-type]
        suite.tell(*morning(), *(forecast(name, 150, "10:00", 1, 60) for name in ("hip", "bowel")))
        while not suite.answers():
            suite.core.step()
            time.sleep(0.05)
        events, begun, left, told = storm(), clock.monotonic(), [], 0
        while (now := clock.monotonic() - begun) < 60:
            if now >= 0.4 * told:
                suite.tell(next(events))
                told += 1
            known = len(suite.answers())
            suite.core.step()
            left += [Left(now, answer, valid(suite, answer), 0) for answer in suite.answers()[known:]]
            time.sleep(0.02)
        moments = [0.0, *(one.at for one in left), 60.0]
        assert told >= 140
        assert max(b - a for a, b in itertools.pairwise(moments)) <= 5.0
        assert all(one.valid for one in left)
        paths = {one.answer.solver.path for one in left if one.answer.solver}
        assert "price_and_fix" in paths
    finally:
        workers.close()
