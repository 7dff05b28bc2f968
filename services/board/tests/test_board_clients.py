"""The gate's client against a real gRPC server in this process, the manual door's against a fake transport."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import pytest
from board_day import at
from board_parts import SECRET

from orloop.gate.v1 import gate_pb2 as pb
from orloop.gate.v1 import gate_pb2_grpc
from orloop_board.adapters.gate import GateClient
from orloop_board.adapters.manual import ManualClient
from orloop_common.runtime.auth import Role, Tokens, bearer
from orloop_common.runtime.clock import SystemClock
from orloop_common.runtime.grpcserve import abort

TOKENS = Tokens(SECRET, SystemClock())


class GateServer(gate_pb2_grpc.GateServiceServicer):
    """Checks tokens as the gate does and remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[object] = []
        self.verdict = ""
        self.problem: tuple[grpc.StatusCode, str, str] | None = None
        self.deadlines: list[float] = []

    def _take(self, request, context, verdict: str) -> pb.Decision:
        metadata = dict(context.invocation_metadata())
        TOKENS.verify(bearer(metadata["authorization"]), roles=(Role.BOARD_RUNNER,), suite=request.suite)
        self.deadlines.append(context.time_remaining())
        self.requests.append(request)
        if self.problem:
            abort(context, *self.problem)
        said = self.verdict or verdict
        return pb.Decision(event_id="e", verdict=said, decided_by="anna", already_decided=said != verdict)

    def Approve(self, request, context):
        return pb.ApproveResponse(decision=self._take(request, context, "approved"))

    def Reject(self, request, context):
        return pb.RejectResponse(decision=self._take(request, context, "rejected"))

    def Override(self, request, context):
        return pb.OverrideResponse(decision=self._take(request, context, "overridden"))

    def SetMode(self, request, context):
        self._take(request, context, "")
        return pb.SetModeResponse(event_id="e", mode=request.mode)


@pytest.fixture
def gate() -> Iterator[tuple[GateServer, GateClient]]:
    servicer = GateServer()
    server = grpc.server(ThreadPoolExecutor(2))
    gate_pb2_grpc.add_GateServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    client = GateClient(f"127.0.0.1:{port}", TOKENS, "board", deadline=3)
    yield servicer, client
    client.close()
    server.stop(0).wait(3)


@pytest.mark.board
def test_every_decision_carries_a_token_a_deadline_and_its_key(gate):
    server, client = gate
    assert client.approve("main", "p", "a", "k").ok
    assert client.reject("main", "p", "other", "why", "k").ok
    assert client.override("main", "p", "a", ["c1"], "other", "why", "k").ok
    assert client.set_mode("main", "frozen", "why", "k").text == "Everything is frozen."
    assert all(r.suite == "main" and r.idempotency_key == "k" for r in server.requests)
    assert all(0 < d < 3.5 for d in server.deadlines)


@pytest.mark.board
def test_a_decision_that_came_too_late_says_whose_was_first(gate):
    server, client = gate
    server.verdict = "rejected"
    said = client.approve("main", "p", "a", "k")
    assert (said.ok, said.text) == (False, "Somebody was faster: it was already rejected by anna.")


@pytest.mark.board
def test_what_the_gate_refuses_is_said_in_its_words(gate):
    server, client = gate
    server.problem = (
        grpc.StatusCode.FAILED_PRECONDITION,
        "The log moved on: room 8 is down.",
        "Look again.",
    )
    assert client.approve("main", "p", "a", "k").text == "The log moved on: room 8 is down. Look again."


@pytest.mark.board
def test_a_gate_that_is_away_is_said_plainly():
    client = GateClient("127.0.0.1:9", TOKENS, "board", deadline=2)
    said = client.approve("main", "p", "a", "k")
    client.close()
    assert (said.ok, said.text) == (False, "The gate does not answer. Nothing was decided: try again in a moment.")


def manual(answer) -> tuple[ManualClient, list[httpx.Request]]:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer(request)

    return ManualClient("http://127.0.0.1:1", TOKENS, "board", transport=httpx.MockTransport(handle)), seen


def test_a_room_down_is_reported_with_token_key_and_expected_end():
    client, seen = manual(lambda _: httpx.Response(202, json={"event_id": "e"}))
    assert client.room_down("main", "3", "power", at("15:00"), "k").text == "Room 3 is reported down."
    request = seen[0]
    assert request.url.path == "/v1/suites/main/rooms/3/down"
    assert json.loads(request.content) == {"cause": "power", "expected_until": "2026-03-02T15:00:00+00:00"}
    assert request.headers["idempotency-key"] == "k"
    principal = TOKENS.verify(bearer(request.headers["authorization"]), suite="main")
    assert (principal.user, principal.role) == ("board", Role.BOARD_RUNNER)


def test_what_the_manual_door_refuses_is_said_in_its_words():
    client, _ = manual(
        lambda _: httpx.Response(422, json={"error": "Room 3 is down already.", "hint": "Report it back first."})
    )
    assert client.room_down("main", "3", "power", None, "k").text == "Room 3 is down already. Report it back first."


def test_an_answer_that_is_no_json_is_still_an_answer():
    client, _ = manual(lambda _: httpx.Response(500, text="oops"))
    assert client.replan("main", "why", "k").text == "The report was refused (500)."


def test_a_manual_door_that_is_away_is_said_plainly():
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    client, _ = manual(away)
    said = client.room_restored("main", "3", "k")
    assert (said.ok, "does not answer" in said.text) == (False, True)


def test_a_manual_door_that_is_late_leaves_it_open_whether_it_happened():
    def late(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("late", request=request)

    client, _ = manual(late)
    assert "before you try again" in client.room_restored("main", "3", "k").text
