"""The planner as a process on a real broker: a room goes down, a proposal comes, also after being killed."""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from replan_day import at, down, morning, tick

from orloop_cli.broker import Broker
from orloop_cli.testing import create_topics
from orloop_common.domain import events as e
from orloop_common.domain.derived import Proposal
from orloop_common.domain.digest import digest
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.messages import PLAN_PROPOSALS, SUITE_EVENTS
from orloop_common.testing.process import MESH_TOPICS, Desk, ServiceProcess, free_port, wait_for
from orloop_replan import replay

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]

SITE_FILE = """
site: demo
timezone: UTC
day_boundary: "04:00"
suites:
  - id: main
    rooms:
      - {id: "1", service: orthopaedics, block_start: "07:30", block_end: "15:30", closes: "19:00"}
      - {id: "2", service: orthopaedics, block_start: "07:30", block_end: "15:30", closes: "19:00"}
      - {id: "3", service: urology, block_start: "07:30", block_end: "15:30", closes: "19:00"}
      - {id: "4", service: general, block_start: "07:30", block_end: "15:30", closes: "19:00"}
      - {id: "6", service: gynaecology, services: [gynaecology, urology],
         block_start: "07:30", block_end: "15:30", closes: "19:00"}
      - {id: "8", service: open, services: [urology, general], block_start: "07:30", block_end: "17:00",
         closes: "19:00"}
"""


@pytest.fixture
def desk(own_broker: Broker) -> Iterator[Desk]:
    create_topics(own_broker.bootstrap, MESH_TOPICS)
    found = Desk(own_broker.bootstrap)
    yield found
    found.close()


def planner(desk: Desk, home: Path) -> ServiceProcess:
    process = ServiceProcess(
        "orloop_replan", desk.bootstrap, home, at("10:00"), environment={"ORLOOP_GRPC_PORT": str(free_port())}
    )
    (home / "site.yaml").write_text(SITE_FILE)
    return process


def tell(desk: Desk, *events: e.Event) -> None:
    for event in events:
        desk.publish(SUITE_EVENTS, "main", "main", event)


def proposals(desk: Desk, answer: str = "proposal") -> list[Proposal]:
    return [p for p in desk.messages(PLAN_PROPOSALS) if p.answer == answer]


def test_a_room_that_goes_down_on_the_log_becomes_a_proposal_on_the_topic(desk: Desk, tmp_path: Path) -> None:
    tell(desk, *morning())
    process = planner(desk, tmp_path / "replan").start().wait_ready()
    try:
        wait_for("the morning's answer", lambda: proposals(desk, "no_change"))
        wait_for("a warm solver", lambda: process.state())
        begun = time.monotonic()
        tell(desk, down("3", "10:02"))
        (answer,) = wait_for("a proposal", lambda: proposals(desk))
        seconds = time.monotonic() - begun
        assert seconds < 5
        assert answer.headline == "Move 3 cases, nobody is postponed"
        assert answer.solver is not None
        assert answer.solver.path == "price_and_fix"
        assert replay.recompute(answer).verdict == "identical"
        day = SuiteDay(suite="main")
        for event in desk.messages(SUITE_EVENTS):
            day = day.apply(event)
        assert process.state()["suites"]["main"]["digest"] == digest(day)
    finally:
        assert process.stop() == 0


def test_a_planner_that_is_killed_answers_once_and_leaves_no_child_behind(desk: Desk, tmp_path: Path) -> None:
    tell(desk, *morning())
    process = planner(desk, tmp_path / "replan").start().wait_ready()
    try:
        wait_for("the morning's answer", lambda: proposals(desk, "no_change"))
        assert process.process
        children = psutil.Process(process.process.pid).children(recursive=True)
        assert children
        tell(desk, down("3", "10:02"))
        time.sleep(0.7)
        process.kill()
        gone, alive = psutil.wait_procs(children, timeout=5)
        assert (len(gone), alive) == (len(children), [])
        process.start().wait_ready()
        wait_for("a proposal", lambda: proposals(desk))
        tell(desk, tick("10:10"))
        wait_for("the next look", lambda: len(proposals(desk, "no_change")) == 2)
        answered = [t.event for p in desk.messages(PLAN_PROPOSALS) for t in p.triggers]
        assert len(answered) == len(set(answered))
    finally:
        process.kill()


def test_it_is_ready_soon_and_small(desk: Desk, tmp_path: Path) -> None:
    tell(desk, *morning())
    planner(desk, tmp_path / "first").start().wait_ready().stop()  # whatever is to be compiled is compiled now
    begun = time.monotonic()
    process = planner(desk, tmp_path / "replan").start().wait_ready()
    try:
        seconds = time.monotonic() - begun
        assert process.process
        parent = psutil.Process(process.process.pid)
        wait_for("a template and two solvers", lambda: len(parent.children(recursive=True)) == 3)
        time.sleep(4)
        resident = sum(p.memory_full_info().pss for p in (parent, *parent.children(recursive=True))) / 2**20
        print(f"ready in {seconds:.1f} s, {resident:.0f} MB")
        assert seconds < 15, "5 s where nothing else is at work"
        assert resident < 400
    finally:
        assert process.stop() == 0


def test_a_site_file_that_cannot_be_read_ends_the_process_with_code_2(tmp_path: Path) -> None:
    process = ServiceProcess("orloop_replan", "127.0.0.1:9", tmp_path, at("10:00"))
    (tmp_path / "site.yaml").write_text("site: demo\n")
    process.start()
    assert process.process
    assert process.process.wait(30) == 2
    text = process.log.read_text()
    assert "Expected the field 'timezone'" in text
    assert "Traceback" not in text
