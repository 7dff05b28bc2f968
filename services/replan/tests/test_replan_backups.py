"""Back-ups: worked out while there is time, given up when there is not, shown and used only as far as they hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from replan_call import Call, Refused
from replan_day import LAYOUT, SITE, InstantWorkers, Suite, at, case, day_after, down, milestone, morning, tick

from orloop.replan.v1 import replan_pb2 as pb
from orloop_common.domain.building import build_problem
from orloop_common.domain.checker import check
from orloop_common.domain.derived import Alternative
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.rightshift import right_shift
from orloop_common.domain.vocabulary import Milestone, Urgency
from orloop_common.messages import from_json
from orloop_common.runtime import LoopSettings
from orloop_common.testing import ManualClock, MemoryBus
from orloop_replan.adapters.servicer import ReplanServicer
from orloop_replan.backups import BackupDesk
from orloop_replan.domain.alternatives import fallback
from orloop_replan.domain.backups import EMERGENCY, Backup, contingencies, holds, start_from, state_key
from orloop_replan.domain.solving import in_turn
from orloop_replan.flow import TOPICS, ReplanFlow
from orloop_replan.ports import Job, Limits, Solved


@dataclass
class Solver:
    """Answers by right-shift, a look later."""

    jobs: list[Job] = field(default_factory=list)
    ended: bool = False
    looks: int = 0

    def ask(self, job: Job) -> None:
        self.jobs.append(job)
        self.looks = 0

    def answer(self) -> Solved | None:
        self.looks += 1
        return in_turn(self.jobs[-1], Limits()) if self.looks > 1 else None

    def alive(self) -> bool:
        return not self.ended

    def end(self) -> None:
        self.ended = True


@dataclass
class Opened:
    """Solvers that a desk has started."""

    all: list[Solver] = field(default_factory=list)

    def __call__(self) -> Solver:
        self.all.append(Solver())
        return self.all[-1]


def problem(*more: object) -> PlanProblem:
    return build_problem(day_after(*morning(), *more), {}, LAYOUT, timedelta(minutes=10))  # type: ignore[arg-type]


def looked(desk: BackupDesk, clock: ManualClock, now: PlanProblem, seconds: float = 61, as_of: int = 5) -> None:
    for _ in range(round(seconds)):
        desk.offer("main", as_of, lambda: now)
        clock.advance(timedelta(0), timedelta(seconds=1))


@pytest.fixture
def opened() -> Opened:
    return Opened()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_each_room_with_somebody_waiting_may_go_down_and_an_emergency_may_come() -> None:
    found = {one.key: one for one in contingencies(problem())}
    assert set(found) == {EMERGENCY, *(f"room-down/{room}" for room in ("1", "2", "3", "4", "6"))}
    assert found["room-down/3"].sentence == "Room 3 goes down now"
    rooms = {room.id: room for room in found["room-down/3"].problem.rooms}
    assert [bool(room.down) for room in rooms.values()].count(True) == 1
    assert (rooms["3"].down[0].start, rooms["3"].down[0].end) == (at("10:02"), at("19:00"))
    (new,) = {c.id: c for c in found[EMERGENCY].problem.cases}.keys() - {c.id for c in problem().cases}
    assert new == EMERGENCY
    assert "room-down/3" not in {one.key for one in contingencies(problem(down("3", "10:02")))}


def test_a_state_is_the_same_as_long_as_only_time_has_passed() -> None:
    assert state_key(problem()) == state_key(problem(tick("10:03")))
    assert state_key(problem()) != state_key(problem(down("3", "10:02")))


def test_a_back_up_holds_as_long_as_the_checker_says_so() -> None:
    one = next(c for c in contingencies(problem()) if c.key == "room-down/3")
    backup = Backup(one.key, one.sentence, 5, fallback(one.problem)[0])
    assert holds(backup, problem())
    assert not holds(backup, problem(down("8", "10:02"), down("6", "10:02"))), "the cases have nowhere to go"
    assert not holds(backup, problem(down("3", "10:02"))), "it has come about"
    new = case("appendix", None, "11:30", 60, service="general", add_on=True, urgency="urgent", surgeon="S9")
    assert not holds(backup, problem(new)), "somebody was not thought of"


def test_an_emergency_that_comes_has_the_place_that_was_kept_for_it() -> None:
    one = next(c for c in contingencies(problem()) if c.key == EMERGENCY)
    backup = Backup(one.key, one.sentence, 5, fallback(one.problem)[0])
    new = case("aneurysm", None, "11:30", 60, service="urology", add_on=True, urgency=Urgency.IMMEDIATE, surgeon="S9")
    now = problem(new)
    plan = {a.case: a.place for a in start_from(backup, now)}
    assert plan["aneurysm"] == next(a.place for a in backup.alternative.plan if a.case == EMERGENCY)
    assert set(plan) == {c.id for c in now.cases}


def test_a_round_is_worked_out_once_for_a_state_and_its_process_ends(opened: Opened, clock: ManualClock) -> None:
    desk = BackupDesk(clock, opened, every=60)
    looked(desk, clock, problem(), 59)
    assert opened.all == []
    looked(desk, clock, problem(), 30)
    assert [s.ended for s in opened.all] == [True]
    assert {j.limits.alternatives for j in opened.all[0].jobs if j.limits} == {1}
    assert set(desk.held("main")) == {one.key for one in contingencies(problem())}
    looked(desk, clock, problem(tick("10:03")), 200)
    assert len(opened.all) == 1, "nothing has changed"
    looked(desk, clock, problem(down("3", "10:02")), 100)
    assert len(opened.all) == 2


def test_no_back_ups_are_worked_out_where_they_are_switched_off(opened: Opened, clock: ManualClock) -> None:
    looked(BackupDesk(clock, opened, every=0), clock, problem(), 200)
    assert opened.all == []


def test_a_trigger_ends_the_process_and_the_round_is_begun_again_later(opened: Opened, clock: ManualClock) -> None:
    desk = BackupDesk(clock, opened, every=60)
    looked(desk, clock, problem(), 63)
    desk.interrupt()
    assert [s.ended for s in opened.all] == [True]
    looked(desk, clock, problem(), 100)
    assert len(opened.all) == 2


def test_a_process_that_ends_by_itself_is_left_at_that(opened: Opened, clock: ManualClock) -> None:
    desk = BackupDesk(clock, opened, every=60)
    looked(desk, clock, problem(), 63)
    opened.all[0].ended = True
    looked(desk, clock, problem(), 30)
    assert len(opened.all) == 1


@dataclass
class Prepared:
    """Back-ups that are there already."""

    backups: Mapping[str, Backup]
    interrupted: int = 0

    def interrupt(self) -> None:
        self.interrupted += 1

    def offer(self, suite: str, as_of: int, problem: object) -> None: ...

    def held(self, suite: str) -> Mapping[str, Backup]:
        return self.backups

    def forget(self, suite: str) -> None: ...


def test_a_room_that_goes_down_is_solved_from_its_back_up_and_the_record_holds_it() -> None:
    one = next(c for c in contingencies(problem()) if c.key == "room-down/3")
    prepared = Prepared({one.key: Backup(one.key, one.sentence, 5, fallback(one.problem)[0])})
    suite = Suite(MemoryBus(), ManualClock(), InstantWorkers())
    suite.flow = ReplanFlow(SITE, ["main"], suite.workers, suite.clock, rules_digest="rules", backups=prepared)
    suite.core = suite.bus.core(suite.flow, LoopSettings(topics=list(TOPICS), group="orloop.replan"))
    suite.tell(*morning())
    suite.settle()
    assert [b["if"] for b in suite.flow.state()["main"]["backups"]] == ["Room 3 goes down now"]
    before = prepared.interrupted
    suite.tell(down("3", "10:02"))
    (answer,) = suite.settle()
    assert prepared.interrupted > before
    assert answer.solver is not None
    assert {a.case: a.place for a in answer.solver.start} == right_shift(one.problem)
    assert suite.flow.state()["main"]["backups"] == [], "it has come about"
    assert suite.workers.started[-1].start == answer.solver.start


def test_back_ups_that_hold_now_are_told_over_grpc() -> None:
    suite, prepared = Suite(MemoryBus(), ManualClock(), InstantWorkers()), {}
    for one in contingencies(problem()):
        if alternative := fallback(one.problem):
            prepared[one.key] = Backup(one.key, one.sentence, 5, alternative[0])
    flow = ReplanFlow(SITE, ["main"], suite.workers, suite.clock, "rules", backups=Prepared(prepared))
    suite.flow, suite.core = flow, suite.bus.core(flow, LoopSettings(topics=list(TOPICS), group="orloop.replan"))
    servicer = ReplanServicer(InstantWorkers, lambda _: None, lambda: {s: flow.backups(s) for s in flow.suites()})
    assert list(servicer.Backups(pb.BackupsRequest(), Call()).backups) == []  # type: ignore[arg-type]
    suite.tell(*morning())
    suite.settle()
    told = servicer.Backups(pb.BackupsRequest(suite="main"), Call()).backups  # type: ignore[arg-type]
    assert {(b.suite, b.as_of) for b in told} == {("main", 5)}
    assert [b.contingency for b in told] == [b["if"] for b in flow.state()["main"]["backups"]]
    room = next(b for b in told if b.key == "room-down/3")
    read = from_json(Alternative, room.alternative)
    assert read == prepared["room-down/3"].alternative
    assert (room.cost, room.changes, room.summary) == (read.cost, len(read.changes), read.summary)
    suite.tell(down("3", "10:02"))
    suite.settle()
    assert "room-down/3" not in {b.key for b in servicer.Backups(pb.BackupsRequest(), Call()).backups}  # type: ignore[arg-type]
    with pytest.raises(Refused, match="NOT_FOUND: Expected one of main, got 'north'"):
        servicer.Backups(pb.BackupsRequest(suite="north"), Call())  # type: ignore[arg-type]


def test_what_time_has_passed_over_is_begun_from_all_the_same() -> None:
    from orloop_replan.adapters.price_engine import PriceSearch

    one = next(c for c in contingencies(problem()) if c.key == "room-down/3")
    plan = {a.case: a.place for a in fallback(one.problem)[0].plan}
    later = problem(down("3", "10:02"), milestone("hip", Milestone.PATIENT_OUT_OF_ROOM, "10:20"), tick("10:25"))
    search = PriceSearch(later, 1, Limits())
    began = search._near(plan)
    assert not check(later, search.slots.plan(began[began >= 0]))
