"""The gRPC door: verifies who calls, hands the command over, and answers when its record was folded."""

from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout

import grpc

from orloop.gate.v1 import gate_pb2 as pb
from orloop.gate.v1 import gate_pb2_grpc
from orloop_common.domain.vocabulary import Verdict
from orloop_common.runtime import Clock
from orloop_common.runtime.auth import Principal, Role, Tokens, bearer
from orloop_common.runtime.grpcserve import GrpcServer, Mounted, abort, serve
from orloop_gate import metrics
from orloop_gate.domain.commands import ChangeMode, Decide, Decided, ModeSet, Refused
from orloop_gate.ports import Answer, Call, Command

_CODES = {
    "invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "unknown": grpc.StatusCode.NOT_FOUND,
    "stopped": grpc.StatusCode.FAILED_PRECONDITION,
    "late": grpc.StatusCode.UNAVAILABLE,
}
_LONGEST_KEY = 200
_MARGIN = 0.1

Submit = Callable[[Command, float], Call]


class GateDoor(gate_pb2_grpc.GateServiceServicer):
    """One thread per call; nothing is decided here."""

    def __init__(self, submit: Submit, tokens: Tokens, clock: Clock) -> None:
        self._submit, self._tokens, self._clock = submit, tokens, clock

    def Approve(self, request: pb.ApproveRequest, context: grpc.ServicerContext) -> pb.ApproveResponse:
        return pb.ApproveResponse(decision=self._decide(request, context, Verdict.APPROVED))

    def Reject(self, request: pb.RejectRequest, context: grpc.ServicerContext) -> pb.RejectResponse:
        return pb.RejectResponse(decision=self._decide(request, context, Verdict.REJECTED))

    def Override(self, request: pb.OverrideRequest, context: grpc.ServicerContext) -> pb.OverrideResponse:
        return pb.OverrideResponse(decision=self._decide(request, context, Verdict.OVERRIDDEN))

    def SetMode(self, request: pb.SetModeRequest, context: grpc.ServicerContext) -> pb.SetModeResponse:
        caller = self._caller(request.suite, context)
        command = ChangeMode(
            suite=request.suite,
            mode=request.mode.lower(),
            user=caller.user,
            reason=_text(request.reason),
            key=_key(request.idempotency_key, context) or self._clock.wall().isoformat(),
        )
        answer = self._ask("set_mode", command, context)
        assert isinstance(answer, ModeSet)
        return pb.SetModeResponse(event_id=answer.event, mode=str(answer.mode))

    def _decide(
        self,
        request: pb.ApproveRequest | pb.RejectRequest | pb.OverrideRequest,
        context: grpc.ServicerContext,
        verdict: Verdict,
    ) -> pb.Decision:
        caller = self._caller(request.suite, context)
        command = Decide(
            suite=request.suite,
            proposal=request.proposal,
            user=caller.user,
            verdict=verdict,
            alternative="" if isinstance(request, pb.RejectRequest) else request.alternative,
            keep=tuple(request.keep) if isinstance(request, pb.OverrideRequest) else (),
            reason_code="" if isinstance(request, pb.ApproveRequest) else request.reason_code,
            reason="" if isinstance(request, pb.ApproveRequest) else _text(request.reason),
            key=_key(request.idempotency_key, context),
        )
        answer = self._ask(str(verdict), command, context)
        assert isinstance(answer, Decided)
        return pb.Decision(
            event_id=answer.event,
            verdict=str(answer.verdict),
            decided_by=answer.decided_by,
            already_decided=answer.already,
        )

    def _caller(self, suite: str, context: grpc.ServicerContext) -> Principal:
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        return self._tokens.verify(bearer(metadata.get("authorization")), roles=(Role.BOARD_RUNNER,), suite=suite)

    def _ask(self, name: str, command: Command, context: grpc.ServicerContext) -> Answer:
        begun = self._clock.monotonic()
        left = max(0.05, (context.time_remaining() or 0.0) - _MARGIN)
        call = self._submit(command, left)
        try:
            answer = call.answer.result(left)
        except Refused as refusal:
            metrics.COMMANDS.labels(name, refusal.kind).inc()
            abort(context, _CODES[refusal.kind], refusal.sentence, refusal.hint)
        except FutureTimeout:
            call.answer.cancel()
            metrics.COMMANDS.labels(name, "timed_out").inc()
            abort(
                context,
                grpc.StatusCode.DEADLINE_EXCEEDED,
                "The gate could not confirm this in time: it is still reading, or the log does not answer.",
                "Maybe ask again with the same key: it is decided at most once.",
            )
        metrics.COMMANDS.labels(name, "done").inc()
        metrics.COMMAND_SECONDS.labels(name).observe(self._clock.monotonic() - begun)
        return answer


def open_door(submit: Submit, tokens: Tokens, clock: Clock, port: int) -> GrpcServer:
    """Serve on loopback, with health and reflection."""
    door = GateDoor(submit, tokens, clock)
    mounted = Mounted(gate_pb2_grpc.add_GateServiceServicer_to_server, door, "orloop.gate.v1.GateService")
    return serve([mounted], port)


def _key(key: str, context: grpc.ServicerContext) -> str:
    if len(key) > _LONGEST_KEY:
        abort(context, grpc.StatusCode.INVALID_ARGUMENT, f"Expected a key of at most {_LONGEST_KEY} characters.")
    return key


def _text(text: str) -> str:
    return " ".join(text.split())[:500]
