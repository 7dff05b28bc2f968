"""gRPC: solve a problem without publishing, explain a proposal."""

import threading
from collections.abc import Callable

import grpc

from orloop.replan.v1 import replan_pb2, replan_pb2_grpc
from orloop_common.domain.cost import price
from orloop_common.domain.derived import Alternative, Proposal
from orloop_common.domain.digest import digest
from orloop_common.domain.problem import PlanProblem
from orloop_common.messages import UnreadableMessage, from_json, to_json
from orloop_common.runtime.grpcserve import Mounted, abort
from orloop_replan.domain.answers import unpack
from orloop_replan.domain.reasons import undone
from orloop_replan.ports import Job, Solved, Workers

POLL = 0.02


class ReplanServicer(replan_pb2_grpc.ReplanServiceServicer):
    """Questions to the planner; `open_workers` starts a solver of their own, so that no trigger waits for them."""

    def __init__(self, open_workers: Callable[[], Workers], find: Callable[[str], Proposal | None]) -> None:
        self._open_workers, self._find = open_workers, find
        self._workers: Workers | None = None
        self._one = threading.Lock()

    def Solve(self, request: replan_pb2.SolveRequest, context: grpc.ServicerContext) -> replan_pb2.SolveResponse:
        """Solve one problem; calls wait for each other."""
        try:
            problem = from_json(PlanProblem, request.problem)
        except UnreadableMessage as error:
            abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error), "Maybe see plan-problem.v1 in contracts.")
        with self._one:
            solved = self._solve(Job(id=digest(problem), problem=problem, seed=request.seed), context)
        return replan_pb2.SolveResponse(alternatives=to_json(solved.alternatives), path=solved.solver.path)

    def Explain(self, request: replan_pb2.ExplainRequest, context: grpc.ServicerContext) -> replan_pb2.ExplainResponse:
        """What each change of an alternative is for, and what leaving it out would break or cost."""
        proposal = self._find(request.proposal)
        if proposal is None or not proposal.problem:
            abort(
                context,
                grpc.StatusCode.NOT_FOUND,
                f"Expected a recent proposal, got {request.proposal!r}.",
                "Maybe it is older than this planner remembers: use orloop replay.",
            )
        wanted = [a for a in proposal.alternatives if request.alternative in ("", a.id)]
        if not wanted:
            abort(
                context,
                grpc.StatusCode.NOT_FOUND,
                f"Expected an alternative of {proposal.id}, got {request.alternative!r}.",
                "Maybe leave it out: the recommended one is then explained.",
            )
        return replan_pb2.ExplainResponse(reasons=explain(unpack(proposal.problem), wanted[0]))

    def close(self) -> None:
        if self._workers is not None:
            self._workers.close()

    def _solve(self, job: Job, context: grpc.ServicerContext) -> Solved:
        if self._workers is None:
            self._workers = self._open_workers()
        self._workers.start(job)
        pause = threading.Event()
        while context.is_active():
            if (solved := self._workers.poll()) is not None:
                return solved
            pause.wait(POLL)
        self._workers.cancel()
        abort(context, grpc.StatusCode.CANCELLED, "The caller went away.", "Maybe give it a longer deadline.")
        return None


def explain(problem: PlanProblem, alternative: Alternative) -> list[replan_pb2.ChangeReason]:
    """One entry for each change."""
    plan = {a.case: a.place for a in alternative.plan}
    cases = {case.id: case for case in problem.cases}
    told = []
    for change in alternative.changes:
        case = cases[change.case]
        breaks = sorted({b.rule for b in undone(problem, plan, case)})
        reason = replan_pb2.ChangeReason(
            case_uid=change.case, sentence=change.reason, rules=change.rules, undone_breaks=breaks
        )
        if not breaks:
            reason.undone_costs = price(problem, {**plan, case.id: case.current}).total - alternative.cost
        told.append(reason)
    return told


def mounted(servicer: ReplanServicer) -> Mounted:
    """For `serve`."""
    return Mounted(replan_pb2_grpc.add_ReplanServiceServicer_to_server, servicer, "orloop.replan.v1.ReplanService")
