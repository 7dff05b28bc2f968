"""The gate over gRPC: a fresh short token and a deadline on every call, answers in plain words."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import grpc

from orloop.gate.v1 import gate_pb2 as pb
from orloop.gate.v1.gate_pb2_grpc import GateServiceStub
from orloop_board.ports import Said
from orloop_common.runtime.auth import Role, Tokens
from orloop_common.runtime.grpcserve import connect, failure

DEADLINE = 8.0
_DONE = {
    "approved": "Approved. The hospital is told now; each change counts when its own system echoes it.",
    "overridden": "Approved with your changes. The hospital is told now.",
    "rejected": "Rejected. The plan stays as it was.",
}


class GateClient:
    """Decisions, sent on in the name of the board's user."""

    def __init__(self, address: str, tokens: Tokens, user: str, deadline: float = DEADLINE) -> None:
        self._channel = connect(address, deadline=deadline)
        self._stub = GateServiceStub(self._channel)
        self._tokens, self._user, self._deadline = tokens, user, deadline

    def close(self) -> None:
        """Let go of the connection."""
        self._channel.close()

    def _call(self, suite: str, call: Callable[[tuple[tuple[str, str], ...]], Said]) -> Said:
        token = self._tokens.mint(self._user, Role.BOARD_RUNNER, suite, timedelta(minutes=1))
        try:
            return call((("authorization", f"Bearer {token}"),))
        except grpc.RpcError as error:
            return Said(False, _why(error))

    def approve(self, suite: str, proposal: str, alternative: str, key: str) -> Said:
        request = pb.ApproveRequest(suite=suite, proposal=proposal, alternative=alternative, idempotency_key=key)
        return self._call(
            suite,
            lambda m: _decided(self._stub.Approve(request, timeout=self._deadline, metadata=m).decision, "approved"),
        )

    def reject(self, suite: str, proposal: str, code: str, reason: str, key: str) -> Said:
        request = pb.RejectRequest(suite=suite, proposal=proposal, reason_code=code, reason=reason, idempotency_key=key)
        return self._call(
            suite,
            lambda m: _decided(self._stub.Reject(request, timeout=self._deadline, metadata=m).decision, "rejected"),
        )

    def override(
        self, suite: str, proposal: str, alternative: str, keep: Sequence[str], code: str, reason: str, key: str
    ) -> Said:
        request = pb.OverrideRequest(
            suite=suite,
            proposal=proposal,
            alternative=alternative,
            keep=list(keep),
            reason_code=code,
            reason=reason,
            idempotency_key=key,
        )
        return self._call(
            suite,
            lambda m: _decided(self._stub.Override(request, timeout=self._deadline, metadata=m).decision, "overridden"),
        )

    def set_mode(self, suite: str, mode: str, reason: str, key: str) -> Said:
        request = pb.SetModeRequest(suite=suite, mode=mode, reason=reason, idempotency_key=key)

        def call(metadata: tuple[tuple[str, str], ...]) -> Said:
            answer = self._stub.SetMode(request, timeout=self._deadline, metadata=metadata)
            return Said(True, "Everything is frozen." if answer.mode == "frozen" else f"The mode is {answer.mode} now.")

        return self._call(suite, call)


def _decided(decision: pb.Decision, wanted: str) -> Said:
    if decision.verdict == wanted:
        return Said(True, _DONE[wanted])
    by = f" by {decision.decided_by}" if decision.decided_by else ""
    return Said(False, f"Somebody was faster: it was already {decision.verdict}{by}.")


def _why(error: grpc.RpcError) -> str:
    failed = failure(error)
    if failed.status == "UNAVAILABLE":
        return "The gate does not answer. Nothing was decided: try again in a moment."
    if failed.status == "DEADLINE_EXCEEDED":
        return "The gate did not answer in time. It may still have decided: look at the board before you try again."
    return " ".join(part.strip() for part in (failed.problem, failed.hint) if part.strip())
