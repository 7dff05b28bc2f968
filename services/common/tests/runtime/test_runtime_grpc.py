"""The gRPC doors: a deadline on every call, health and reflection on, errors that a program can read."""

import socket
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from orloop_common.runtime import NotDurable, PortInUse, TokenRefused
from orloop_common.runtime.grpcserve import GrpcServer, Mounted, abort, connect, failure, serve
from orloop_common.runtime.tracing import traceparent_for

pytestmark = pytest.mark.contract
NAME = "orloop.trial.v1.Trial"


class Trial:
    """Answers with its metadata, or fails as it is told."""

    def ask(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        if request == b"refuse":
            raise TokenRefused("Expected a board runner, got a viewer.\nMaybe sign in again.")
        if request == b"away":
            raise NotDurable("Expected the broker, got silence.")
        if request == b"abort":
            abort(context, grpc.StatusCode.NOT_FOUND, "Expected a proposal, got none.", "Maybe it expired.")
        if request == b"bug":
            raise ZeroDivisionError("Canary")
        return str(dict(context.invocation_metadata()).get("traceparent")).encode()

    def count(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        yield b"1"
        yield b"2"


def add(trial: Any, server: grpc.Server) -> None:
    methods = {
        "Ask": grpc.unary_unary_rpc_method_handler(trial.ask),
        "Count": grpc.unary_stream_rpc_method_handler(trial.count),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, methods),))


@pytest.fixture(scope="module")
def server() -> Iterator[GrpcServer]:
    running = serve([Mounted(add, Trial(), NAME)], 0)
    yield running
    running.stop(0)


def ask(channel: grpc.Channel, request: bytes, timeout: float | None = None) -> Any:
    method: Any = channel.unary_unary  # its serialisers are optional, whatever the stubs say
    return method(f"/{NAME}/Ask")(request, timeout=timeout)


def refused(server: GrpcServer, request: bytes, timeout: float | None = None) -> Any:
    with connect(f"127.0.0.1:{server.port}") as channel, pytest.raises(grpc.RpcError) as error:
        ask(channel, request, timeout)
    return failure(error.value)


def test_a_call_without_a_deadline_is_refused_in_words(server: GrpcServer) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel, pytest.raises(grpc.RpcError) as error:
        ask(channel, b"x")
    told = failure(error.value)
    assert told.status == "INVALID_ARGUMENT"
    assert told.problem.startswith("Expected a deadline of at most 60 s")
    assert told.hint == "Maybe pass timeout=5 to the call."


def test_a_deadline_over_a_minute_is_refused(server: GrpcServer) -> None:
    assert refused(server, b"x", timeout=90).status == "INVALID_ARGUMENT"


def test_a_stream_needs_a_deadline_too(server: GrpcServer) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        method: Any = channel.unary_stream
        stream = method(f"/{NAME}/Count")
        with pytest.raises(grpc.RpcError) as error:
            list(stream(b""))
        assert failure(error.value).status == "INVALID_ARGUMENT"
        assert list(stream(b"", timeout=5)) == [b"1", b"2"]


def test_our_channel_brings_a_deadline_and_the_trace(server: GrpcServer) -> None:
    trace = traceparent_for("e1")
    with connect(f"127.0.0.1:{server.port}", traceparent=lambda: trace) as channel:
        assert ask(channel, b"x") == trace.encode()


@pytest.mark.parametrize(
    ("request_", "status", "hint"),
    [
        (b"refuse", "PERMISSION_DENIED", "Maybe sign in again."),
        (b"away", "UNAVAILABLE", ""),
        (b"abort", "NOT_FOUND", "Maybe it expired."),
    ],
)
def test_an_error_comes_as_a_sentence_and_as_json(server: GrpcServer, request_: bytes, status: str, hint: str) -> None:
    told = refused(server, request_)
    assert (told.status, told.hint) == (status, hint)
    assert told.problem.startswith("Expected")


def test_a_bug_in_a_handler_is_an_internal_error_that_tells_nothing(server: GrpcServer) -> None:
    told = refused(server, b"bug")
    assert told.status == "INTERNAL"
    assert "Canary" not in told.problem


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with connect("127.0.0.1:1", deadline=2) as channel, pytest.raises(grpc.RpcError) as error:
        ask(channel, b"x")
    assert failure(error.value).status in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


def test_health_and_reflection_are_on(server: GrpcServer) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        assert check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING
        server.set_serving(False)
        assert check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        server.set_serving(True)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        (answer,) = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([asked]))
        assert NAME in [service.name for service in answer.list_services_response.service]


def test_a_port_in_use_is_named_with_its_variable() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(PortInUse, match="ORLOOP_GRPC_PORT: Expected to listen on"):
            serve([], holder.getsockname()[1])
