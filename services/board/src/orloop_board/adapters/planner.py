"""The planner over gRPC: a question, a deadline, an answer in plain words."""

import grpc

from orloop.replan.v1 import replan_pb2 as pb
from orloop.replan.v1.replan_pb2_grpc import ReplanServiceStub
from orloop_board.ports import Said
from orloop_common.runtime.grpcserve import connect, failure

DEADLINE = 8.0
"""Seconds: an answer takes two of them at most, the first one waits until the planner is warm for it."""


class PlannerClient:
    """Asks what a wish would break or cost; nothing is decided by asking."""

    def __init__(self, address: str, deadline: float = DEADLINE) -> None:
        self._channel = connect(address, deadline=deadline)
        self._stub = ReplanServiceStub(self._channel)
        self._deadline = deadline

    def close(self) -> None:
        """Let go of the connection."""
        self._channel.close()

    def why_not(self, proposal: str, alternative: str, case: str, wish: str, value: str) -> Said:
        request = pb.WhyNotRequest(proposal=proposal, alternative=alternative, case_uid=case)
        if wish == "leave":
            request.leave = True
        else:
            setattr(request, wish, value)
        try:
            return Said(True, self._stub.WhyNot(request, timeout=self._deadline).answer)
        except grpc.RpcError as error:
            return Said(False, _why(error))


def _why(error: grpc.RpcError) -> str:
    failed = failure(error)
    if failed.status in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
        return "The planner does not answer now: ask again in a moment."
    return " ".join(part.strip() for part in (failed.problem, failed.hint) if part.strip())
