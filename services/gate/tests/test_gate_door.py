"""The gRPC door on loopback: who may call, with which deadline, and what they are told."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from orloop.gate.v1 import gate_pb2 as pb
from orloop.gate.v1 import gate_pb2_grpc
from orloop_common.domain.vocabulary import Mode, Verdict
from orloop_common.runtime import SystemClock
from orloop_common.runtime.auth import Role, Tokens
from orloop_common.runtime.grpcserve import connect, failure
from orloop_gate.adapters.door import open_door
from orloop_gate.domain.commands import ChangeMode, Decide, Decided, ModeSet, Refused
from orloop_gate.ports import Call, Command

CLOCK = SystemClock()
TOKENS = Tokens("s" * 40, CLOCK)


@dataclass
class Desk:
    """Answers what the test says, and remembers what it was asked."""

    answer: Any = None
    asked: Command | None = None

    def submit(self, command: Command, timeout: float) -> Call:
        call = Call(command, CLOCK.monotonic() + timeout)
        self.asked = command
        if isinstance(self.answer, Exception):
            call.answer.set_exception(self.answer)
        elif self.answer is not None:
            call.answer.set_result(self.answer)
        return call


@dataclass
class Door:
    desk: Desk
    stub: gate_pb2_grpc.GateServiceStub
    channel: grpc.Channel
    address: str

    def call(self, name: str, request: Any, token: str | None = None, timeout: float | None = 2.0) -> Any:
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        return getattr(self.stub, name)(request, timeout=timeout, metadata=metadata)


@pytest.fixture
def door() -> Iterator[Door]:
    desk = Desk(Decided(event="e1", verdict=Verdict.APPROVED, decided_by="kim", already=False))
    server = open_door(desk.submit, TOKENS, CLOCK, 0)
    address = f"127.0.0.1:{server.port}"
    channel = connect(address)
    yield Door(desk, gate_pb2_grpc.GateServiceStub(channel), channel, address)
    channel.close()
    server.stop(0)


KIM = TOKENS.mint("kim", Role.BOARD_RUNNER, "main")
APPROVE = pb.ApproveRequest(suite="main", proposal="p1", alternative="a", idempotency_key="k1")


def told(error: "pytest.ExceptionInfo[grpc.RpcError]") -> tuple[str, str]:
    found = failure(error.value)
    return found.status, found.problem


def test_an_approval_reaches_the_desk_with_the_callers_name(door: Door) -> None:
    answer = door.call("Approve", APPROVE, KIM)
    assert (answer.decision.event_id, answer.decision.verdict, answer.decision.decided_by) == ("e1", "approved", "kim")
    assert not answer.decision.already_decided
    assert door.desk.asked == Decide(
        suite="main", proposal="p1", user="kim", verdict=Verdict.APPROVED, alternative="a", key="k1"
    )


def test_a_rejection_and_an_override_carry_their_reason(door: Door) -> None:
    door.call(
        "Reject", pb.RejectRequest(suite="main", proposal="p1", reason_code="staff_unavailable", reason="two\nill"), KIM
    )
    assert isinstance(asked := door.desk.asked, Decide)
    assert (asked.verdict, asked.reason_code, asked.reason) == (Verdict.REJECTED, "staff_unavailable", "two ill")
    request = pb.OverrideRequest(
        suite="main", proposal="p1", alternative="a", keep=["hip"], reason_code="other", reason="x"
    )
    door.call("Override", request, KIM)
    assert isinstance(asked := door.desk.asked, Decide)
    assert (asked.verdict, asked.keep) == (Verdict.OVERRIDDEN, ("hip",))


def test_a_mode_is_set_with_a_key_of_its_own_if_none_was_given(door: Door) -> None:
    door.desk.answer = ModeSet(event="m1", mode=Mode.FROZEN)
    answer = door.call("SetMode", pb.SetModeRequest(suite="main", mode="FROZEN", reason="drill"), KIM)
    assert (answer.event_id, answer.mode) == ("m1", "frozen")
    assert isinstance(asked := door.desk.asked, ChangeMode)
    assert asked.mode == "frozen"
    assert asked.key


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (None, "Authorization"),
        ("forged.token.here", "that this mesh signed"),
        (TOKENS.mint("lou", Role.VIEWER, "main"), "got one of a viewer"),
        (TOKENS.mint("ingest", Role.SERVICE, "main"), "got one of a service"),
        (TOKENS.mint("kim", Role.BOARD_RUNNER, "east"), "for suite main, got one for suite east"),
    ],
)
@pytest.mark.parametrize("name", ["Approve", "Reject", "Override", "SetMode"])
def test_nobody_but_the_suites_board_runner_decides(door: Door, token: str | None, words: str, name: str) -> None:
    request = getattr(pb, f"{name}Request")(suite="main")
    with pytest.raises(grpc.RpcError) as error:
        door.call(name, request, token)
    assert told(error)[0] == "PERMISSION_DENIED"
    assert words in told(error)[1]
    assert door.desk.asked is None


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("invalid", "INVALID_ARGUMENT"),
        ("unknown", "NOT_FOUND"),
        ("stopped", "FAILED_PRECONDITION"),
        ("late", "UNAVAILABLE"),
    ],
)
def test_a_refusal_is_told_in_its_own_words(door: Door, kind: str, status: str) -> None:
    door.desk.answer = Refused(kind, "The suite's clock has stopped at 09:00.", "Maybe wait.")
    with pytest.raises(grpc.RpcError) as error:
        door.call("Approve", APPROVE, KIM)
    assert told(error) == (status, "The suite's clock has stopped at 09:00.")
    assert failure(error.value).hint == "Maybe wait."


def test_a_call_without_a_deadline_is_refused(door: Door) -> None:
    bare = grpc.insecure_channel(door.address)
    with bare, pytest.raises(grpc.RpcError) as error:
        gate_pb2_grpc.GateServiceStub(bare).Approve(APPROVE, metadata=(("authorization", f"Bearer {KIM}"),))
    assert told(error)[0] == "INVALID_ARGUMENT"


def test_a_gate_that_cannot_confirm_in_time_says_so_and_the_desk_knows_that_nobody_waits(door: Door) -> None:
    door.desk.answer = None
    calls: list[Call] = []
    submit = door.desk.submit
    door.desk.submit = lambda command, timeout: calls.append(submit(command, timeout)) or calls[-1]  # type: ignore[method-assign,func-returns-value]
    server = open_door(door.desk.submit, TOKENS, CLOCK, 0)
    channel = connect(f"127.0.0.1:{server.port}")
    with channel, pytest.raises(grpc.RpcError) as error:
        gate_pb2_grpc.GateServiceStub(channel).Approve(
            APPROVE, timeout=0.4, metadata=(("authorization", f"Bearer {KIM}"),)
        )
    server.stop(0)
    assert told(error)[0] == "DEADLINE_EXCEEDED"
    assert "could not confirm this in time" in told(error)[1]
    assert calls[0].answer.cancelled()


def test_the_standard_health_service_answers(door: Door) -> None:
    answer = health_pb2_grpc.HealthStub(door.channel).Check(health_pb2.HealthCheckRequest(), timeout=2)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert threading.active_count() >= 1
