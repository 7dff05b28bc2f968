"""The gate as a process on a real broker: what it acknowledged is decided once, however often it is killed."""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa

from orloop.gate.v1 import gate_pb2 as pb
from orloop.gate.v1 import gate_pb2_grpc
from orloop_cli.broker import Broker
from orloop_cli.testing import create_topics
from orloop_common.domain import events as e
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.digest import digest
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.messages import AUDIT, CASE_FORECASTS, GATE_STATUS, PLAN_PROPOSALS, SUITE_EVENTS
from orloop_common.messages.sitefile import parse_site
from orloop_common.runtime import SystemClock
from orloop_common.runtime.auth import Role, Tokens
from orloop_common.runtime.grpcserve import connect, failure
from orloop_common.testing.process import MESH_TOPICS, Desk, ServiceProcess, free_port, wait_for
from orloop_common.testing.suite import SITE_FILE, alternative, booked, change, clock, forecast, proposal, tick
from orloop_gate.domain.audit import Head, verify

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]
SECRET = "t" * 40
ROUNDS = 4


class Gate:
    """A gate process and a caller of it."""

    def __init__(self, bootstrap: str, home: Path, **environment: str) -> None:
        self.port = free_port()
        settings = {"ORLOOP_TOKEN_SECRET": SECRET, "ORLOOP_GRPC_PORT": str(self.port)} | environment
        self.process = ServiceProcess("orloop_gate", bootstrap, home, clock("09:00"), environment=settings)
        self.token = Tokens(SECRET, SystemClock()).mint("kim", Role.BOARD_RUNNER, "main")

    def approve(self, proposal: str, key: str, timeout: float = 5.0) -> Any:
        with connect(f"127.0.0.1:{self.port}") as channel:
            request = pb.ApproveRequest(suite="main", proposal=proposal, alternative="a", idempotency_key=key)
            metadata = (("authorization", f"Bearer {self.token}"),)
            stub = gate_pb2_grpc.GateServiceStub(channel)
            return stub.Approve(request, timeout=timeout, metadata=metadata).decision


@pytest.fixture
def desk(own_broker: Broker) -> Iterator[Desk]:
    create_topics(own_broker.bootstrap, MESH_TOPICS)
    found = Desk(own_broker.bootstrap)
    yield found
    found.close()


def begin(desk: Desk, cases: int) -> None:
    """Cases of room 1, an hour apart, that can each go to another room."""
    for number in range(cases):
        case = f"case{number}"
        desk.publish(
            SUITE_EVENTS, "main", "main", booked(case, "1", f"{10 + number}:15", length=clock("00:40") - clock("00:00"))
        )
        desk.publish(CASE_FORECASTS, f"main/{case}", "main", forecast(case), f"f/{case}")
    desk.publish(SUITE_EVENTS, "main", "main", tick("09:00"))


def propose(desk: Desk, number: int) -> str:
    start = f"{10 + number}:15"
    moved = change(f"case{number}", ("1", start), ("2" if number % 2 else "3", start))
    id = f"p{number}"
    desk.publish(PLAN_PROPOSALS, "main", "main", proposal(id, "09:00", alternative("a", moved), as_of=10 + number))
    return id


def is_open(desk: Desk, id: str) -> bool:
    found = desk.messages(GATE_STATUS)
    return bool(found) and found[-1].open_proposal == id


def decisions(desk: Desk) -> list[e.PlanDecided]:
    return [m for m in desk.messages(SUITE_EVENTS) if isinstance(m, e.PlanDecided)]


def folded(desk: Desk) -> SuiteDay:
    site = parse_site(SITE_FILE)
    day = SuiteDay(suite="main", calendar=OperationalCalendar(site.timezone, site.day_boundary))
    for event in desk.messages(SUITE_EVENTS):
        day = day.apply(event)
    return day


def audit_problem(desk: Desk) -> str | None:
    status = desk.messages(GATE_STATUS)[-1]
    head = Head(sequence=status.audit_sequence, hash=status.audit_head)
    return verify(desk.messages(AUDIT), head, [d.id for d in decisions(desk)])


def test_an_approval_travels_from_grpc_to_the_log_the_audit_and_the_database(
    desk: Desk, tmp_path: Path, database: str
) -> None:
    begin(desk, 1)
    gate = Gate(desk.bootstrap, tmp_path / "gate", ORLOOP_DATABASE_URL=database.replace("+psycopg", ""))
    gate.process.start().wait_ready()
    try:
        id = propose(desk, 0)
        wait_for("the proposal to open", lambda: is_open(desk, id))
        begun = time.monotonic()
        answer = gate.approve(id, "k1")
        seconds = time.monotonic() - begun
        assert (answer.verdict, answer.decided_by, answer.already_decided) == ("approved", "kim", False)
        assert seconds < 2
        again = gate.approve(id, "k2")
        assert again.already_decided
        with pytest.raises(grpc.RpcError) as refused:
            gate.approve("nobody's", "k3")
        assert failure(refused.value).status == "NOT_FOUND"
        wait_for("the status to tell of the audit", lambda: desk.messages(GATE_STATUS)[-1].audit_sequence == 1)
        assert audit_problem(desk) is None
        state = gate.process.state()
        assert state["suites"]["main"]["digest"] == digest(folded(desk))
        assert state["suites"]["main"]["audit_sequence"] == 1
    finally:
        assert gate.process.stop() == 0
    engine = sa.create_engine(database)
    with engine.connect() as connection:
        assert connection.execute(sa.text("select proposal, verdict from decisions")).all() == [("p0", "approved")]
        assert connection.execute(sa.text("select count(*) from audit_entries")).scalar() == 1
    engine.dispose()


@pytest.mark.slow
def test_a_gate_killed_between_command_and_fold_decides_each_proposal_exactly_once(desk: Desk, tmp_path: Path) -> None:
    begin(desk, ROUNDS)
    gate = Gate(desk.bootstrap, tmp_path / "gate")
    draws, acknowledged = random.Random(7), dict[str, str]()
    gate.process.start().wait_ready()
    try:
        for number in range(ROUNDS):
            id = propose(desk, number)
            wait_for(f"{id} to open", lambda id=id: is_open(desk, id))  # type: ignore[misc]
            caller = threading.Thread(target=_ask_once, args=(gate, id, acknowledged))
            caller.start()
            time.sleep(draws.uniform(0.0, 0.05))
            gate.process.kill()
            caller.join(15)
            gate.process.start().wait_ready()
            answer = gate.approve(id, f"key/{id}")
            assert (answer.verdict, answer.already_decided) == ("approved", False)
            assert acknowledged.get(id, answer.event_id) == answer.event_id
        by_proposal = [d.proposal for d in decisions(desk)]
        assert sorted(by_proposal) == sorted(f"p{n}" for n in range(ROUNDS))
        day = folded(desk)
        assert all(day.decisions[f"p{n}"].in_force for n in range(ROUNDS))
        wait_for("the chain to be told", lambda: desk.messages(GATE_STATUS)[-1].audit_sequence == ROUNDS)
        assert audit_problem(desk) is None
        assert gate.process.state()["suites"]["main"]["digest"] == digest(day)
    finally:
        gate.process.kill()


def _ask_once(gate: Gate, id: str, acknowledged: dict[str, str]) -> None:
    with contextlib.suppress(grpc.RpcError):  # the gate died; the caller asks again with the same key
        acknowledged[id] = gate.approve(id, f"key/{id}", timeout=3).event_id


def test_a_wrong_setting_ends_the_process_with_code_2_and_one_clear_line(tmp_path: Path) -> None:
    for more, words in (
        ({"ORLOOP_MODE": "auto"}, "automatic mode is not available yet"),
        ({"ORLOOP_DATABASE_URL": "mysql://x:hush@y/z"}, "sqlite: or postgresql:"),
        ({"ORLOOP_TOKEN_SECRET": "short"}, "at least 32 bytes"),
    ):
        gate = Gate("127.0.0.1:9", tmp_path / next(iter(more)), **more)
        gate.process.start()
        assert gate.process.process
        assert gate.process.process.wait(20) == 2
        text = gate.process.log.read_text()
        assert words in text
        assert "Traceback" not in text
        assert "hush" not in text


def test_a_grpc_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        gate = Gate("127.0.0.1:9", tmp_path, ORLOOP_GRPC_PORT=port)
        gate.process.start()
        assert gate.process.process
        assert gate.process.process.wait(20) == 2
        assert f"127.0.0.1:{port}" in gate.process.log.read_text()
