"""Approve in the name of the user `demo`, as a board runner's click would: through the gate."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor

from orloop_common.domain.derived import Proposal
from orloop_common.runtime.auth import Role, Tokens
from orloop_common.runtime.clock import SystemClock

_DEADLINE, _RETRY_AFTER = 8.0, 1.0
USER = "demo"


class Approver:
    """Approves what waits, in a thread of its own; the recommended alternative, each proposal once.

    A refusal by the gate (the log moved on, a stop condition) is told and tried again while the proposal waits.
    """

    def __init__(self, gate: str, secret: str) -> None:
        self._gate, self._tokens = gate, Tokens(secret, SystemClock())
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="approve")
        self._asked: dict[str, Future[str]] = {}
        self._again: dict[str, float] = {}

    def answer(self, waiting: list[Proposal]) -> list[str]:
        """Approve what is new among `waiting`; return what the gate refused, in its words."""
        refused = []
        for proposal in waiting:
            asked = self._asked.get(proposal.id)
            if asked is None and proposal.alternatives and time.monotonic() >= self._again.get(proposal.id, 0.0):
                self._asked[proposal.id] = self._pool.submit(self._approve, proposal)
            elif asked is not None and asked.done() and (said := asked.result()):
                refused.append(said)
                del self._asked[proposal.id]
                self._again[proposal.id] = time.monotonic() + _RETRY_AFTER
        return refused

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _approve(self, proposal: Proposal) -> str:
        """Return nothing, or why not."""
        import grpc

        from orloop.gate.v1 import gate_pb2, gate_pb2_grpc

        request = gate_pb2.ApproveRequest(
            suite=proposal.suite,
            proposal=proposal.id,
            alternative=proposal.alternatives[0].id,
            idempotency_key=f"demo/{proposal.id}",
        )
        token = self._tokens.mint(USER, Role.BOARD_RUNNER, proposal.suite)
        bearer = (("authorization", f"Bearer {token}"),)
        try:
            with grpc.insecure_channel(self._gate) as channel:
                gate_pb2_grpc.GateServiceStub(channel).Approve(request, timeout=_DEADLINE, metadata=bearer)
        except grpc.RpcError as error:
            code, details = error.code(), error.details()
            return f"the gate did not take the approval: {details or code.name}"
        return ""
