"""gRPC on loopback: health and reflection on, a deadline on every call, errors that a program can read."""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from .errors import NotDurable, OrloopError, PortInUse, TokenRefused
from .logs import get_logger

_log = get_logger("grpc")
LONGEST = 60.0
DEFAULT_DEADLINE = 5.0
DETAILS = "orloop-error-bin"  # JSON: error, hint
OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 8 * 2**20),
    ("grpc.max_send_message_length", 8 * 2**20),
)


@dataclass(frozen=True, slots=True)
class Mounted:
    """A servicer, the generated function that adds it, and its full name (`orloop.gate.v1.Gate`)."""

    add: Callable[[Any, grpc.Server], None]
    servicer: object
    name: str


@dataclass
class GrpcServer:
    """A running server."""

    server: grpc.Server
    port: int
    health: health.HealthServicer

    def set_serving(self, serving: bool) -> None:
        """What the standard health service answers."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        self.health.set("", status)

    def stop(self, grace: float = 2.0) -> None:
        """Refuse new calls, let running ones end."""
        self.health.enter_graceful_shutdown()
        self.server.stop(grace).wait(grace + 1)


def serve(mounted: Sequence[Mounted], port: int, *, variable: str = "ORLOOP_GRPC_PORT", workers: int = 8) -> GrpcServer:
    """Serve on 127.0.0.1; port 0 lets the system choose.

    Raises
    ------
    PortInUse
        If another process has the port.
    """
    server = grpc.server(
        ThreadPoolExecutor(workers, thread_name_prefix="grpc"), interceptors=[_Guard()], options=OPTIONS
    )
    for one in mounted:
        one.add(one.servicer, server)
    status = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    names = (*(one.name for one in mounted), health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    try:
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
    except RuntimeError:
        bound = 0
    if not bound:
        raise PortInUse(
            f"{variable}: Expected to listen on 127.0.0.1:{port}, got a port that is in use.\n"
            f"Maybe another run still holds it: stop that one, or set {variable}=0 for any free port."
        )
    server.start()
    running = GrpcServer(server, bound, status)
    running.set_serving(True)
    return running


def abort(context: grpc.ServicerContext, code: grpc.StatusCode, problem: str, hint: str = "") -> NoReturn:
    """End a call with a sentence for people and the same as JSON for programs."""
    details = json.dumps({"error": problem, "hint": hint}).encode()
    context.set_trailing_metadata(((DETAILS, details),))
    context.abort(code, f"{problem}\n{hint}".strip())
    raise AssertionError("abort always raises")


class _Guard(grpc.ServerInterceptor):  # type: ignore[type-arg]
    """Refuses calls without a sensible deadline and turns our errors into statuses."""

    def intercept_service(self, continuation: Callable[..., Any], details: Any) -> Any:
        handler = continuation(details)
        if handler is None or str(details.method).startswith("/grpc."):
            return handler
        if handler.response_streaming:
            kind = "stream_stream" if handler.request_streaming else "unary_stream"
            guarded = _guarded_stream(getattr(handler, kind))
        else:
            kind = "stream_unary" if handler.request_streaming else "unary_unary"
            guarded = _guarded(getattr(handler, kind))
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        return make(guarded, handler.request_deserializer, handler.response_serializer)


def _guarded(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    @functools.wraps(method)
    def call(request: Any, context: grpc.ServicerContext) -> Any:
        _require_deadline(context)
        try:
            return method(request, context)
        except Exception as error:  # noqa: BLE001 - a bug in a handler must not tell its data
            _answer(error, context)

    return call


def _guarded_stream(method: Callable[[Any, Any], Iterable[Any]]) -> Callable[[Any, Any], Iterator[Any]]:
    @functools.wraps(method)
    def call(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        _require_deadline(context)
        try:
            yield from method(request, context)
        except Exception as error:  # noqa: BLE001 - a bug in a handler must not tell its data
            _answer(error, context)

    return call


def _answer(error: Exception, context: grpc.ServicerContext) -> NoReturn:
    """Turn what a handler raised into a status; only our own errors tell their text."""
    if type(error) is Exception and not error.args:
        raise error  # how gRPC's own `abort` ends a call
    if isinstance(error, OrloopError):
        abort(context, _status(error), error.problem, error.hint)
    _log.error("call_failed", exc_info=error)
    abort(context, grpc.StatusCode.INTERNAL, "Expected an answer, got an internal error.", "Maybe look into the log.")


def _require_deadline(context: grpc.ServicerContext) -> None:
    left = context.time_remaining()
    if left is None or left > LONGEST:
        abort(
            context,
            grpc.StatusCode.INVALID_ARGUMENT,
            f"Expected a deadline of at most {LONGEST:.0f} s, got {'none' if left is None else 'a longer one'}.",
            "Maybe pass timeout=5 to the call.",
        )


def _status(error: OrloopError) -> grpc.StatusCode:
    if isinstance(error, TokenRefused):
        return grpc.StatusCode.PERMISSION_DENIED
    if isinstance(error, NotDurable):
        return grpc.StatusCode.UNAVAILABLE
    return grpc.StatusCode.FAILED_PRECONDITION


@dataclass(frozen=True, slots=True)
class CallFailed:
    """Why a call failed: the status' name, the problem, a hint."""

    status: str
    problem: str
    hint: str


def failure(error: grpc.RpcError) -> CallFailed:
    """Read what the server's `abort` wrote, or what gRPC says itself."""
    call: Any = error
    trailing = dict(call.trailing_metadata() or ()) if hasattr(call, "trailing_metadata") else {}
    code = call.code().name if hasattr(call, "code") else "UNKNOWN"
    if DETAILS in trailing:
        told = json.loads(trailing[DETAILS])
        return CallFailed(code, told["error"], told["hint"])
    return CallFailed(code, call.details() if hasattr(call, "details") else str(error), "")


def connect(
    address: str, *, deadline: float = DEFAULT_DEADLINE, traceparent: Callable[[], str | None] = lambda: None
) -> grpc.Channel:
    """A channel whose calls have a deadline unless they name one, and carry the trace."""
    options = (*OPTIONS[1:], ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000))
    channel = grpc.insecure_channel(address, options=options)
    return grpc.intercept_channel(channel, _Deadline(deadline, traceparent))


@dataclass(frozen=True)
class _Details(grpc.ClientCallDetails):
    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class _Deadline(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):  # type: ignore[type-arg]
    def __init__(self, deadline: float, traceparent: Callable[[], str | None]) -> None:
        self._deadline, self._traceparent = deadline, traceparent

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._complete(details), request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._complete(details), request)

    def _complete(self, details: Any) -> _Details:
        metadata = list(details.metadata or ())
        if (trace := self._traceparent()) is not None:
            metadata.append(("traceparent", trace))
        return _Details(
            details.method,
            self._deadline if details.timeout is None else details.timeout,
            metadata,
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )
