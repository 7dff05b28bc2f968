"""gRPC: solve a problem without publishing, explain a proposal, ask why not, see what is prepared."""

import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import grpc

from orloop.replan.v1 import replan_pb2, replan_pb2_grpc
from orloop_common.domain.derived import Alternative, Proposal
from orloop_common.domain.digest import digest
from orloop_common.domain.plan import Assignment
from orloop_common.domain.problem import PlanProblem
from orloop_common.messages import UnreadableMessage, from_json, to_json
from orloop_common.runtime.grpcserve import Mounted, abort
from orloop_replan.domain.answers import unpack
from orloop_replan.domain.backups import Backup
from orloop_replan.domain.explain import trade
from orloop_replan.domain.reasons import reason_of
from orloop_replan.domain.wishes import Wish, WishAnswer, WishError, parse_wish
from orloop_replan.ports import Job, Solved, Workers

POLL = 0.02
WITHIN, MARGIN = 1.6, 0.3
"""Seconds: how long a wish is looked into at most, and what is left of a deadline for the way back."""


class ReplanServicer(replan_pb2_grpc.ReplanServiceServicer):
    """Questions to the planner; `open_workers` starts a solver of their own, so that no trigger waits for them."""

    def __init__(
        self,
        open_workers: Callable[[], Workers],
        find: Callable[[str], Proposal | None],
        backups: Callable[[], Mapping[str, Sequence[Backup]]] = dict,
    ) -> None:
        self._open_workers, self._find, self._backups = open_workers, find, backups
        self._workers: Workers | None = None
        self._one, self._opening = threading.Lock(), threading.Lock()

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
        """What each change of an alternative is for, and what leaving it out would break or cost.

        Who asks this asks why not next: a solver is warm by then.
        """
        self._opened()
        problem, alternative = self._asked_about(request, context)
        plan = {a.case: a.place for a in alternative.plan}
        return replan_pb2.ExplainResponse(
            reasons=explain(problem, alternative),
            trade=trade(problem, plan).sentence,
            cost=alternative.cost,
            bound=alternative.bound,
        )

    def WhyNot(self, request: replan_pb2.WhyNotRequest, context: grpc.ServicerContext) -> replan_pb2.WhyNotResponse:
        """What a wish would break or cost; what is known when the deadline is near, if it comes first."""
        problem, alternative = self._asked_about(request, context)
        try:
            wish = wish_of(request, problem)
        except WishError as error:
            wanted, _, hint = str(error).partition("\n")
            abort(context, grpc.StatusCode.INVALID_ARGUMENT, wanted, hint)
        within = max(0.1, min(WITHIN, (context.time_remaining() or WITHIN) - MARGIN))
        name = digest((problem.suite, alternative.id, wish))
        job = Job(id=name, problem=problem, start=alternative.plan, wish=wish, within=within, known=alternative.bound)
        with self._one:
            solved = self._solve(job, context)
        if solved.said is None:
            abort(context, grpc.StatusCode.UNAVAILABLE, "Expected an answer, got none in time.", "Maybe ask again.")
        return said(solved.said)

    def Backups(self, request: replan_pb2.BackupsRequest, context: grpc.ServicerContext) -> replan_pb2.BackupsResponse:
        """What would be done if something happened now, as far as it holds."""
        known = self._backups()
        if request.suite and request.suite not in known:
            abort(
                context,
                grpc.StatusCode.NOT_FOUND,
                f"Expected one of {', '.join(sorted(known)) or 'no suite yet'}, got {request.suite!r}.",
                "Maybe another planner has it.",
            )
        wanted = {suite: held for suite, held in sorted(known.items()) if request.suite in ("", suite)}
        told = [_told(suite, backup) for suite, held in wanted.items() for backup in held]
        return replan_pb2.BackupsResponse(backups=told)

    def _asked_about(
        self, request: replan_pb2.ExplainRequest | replan_pb2.WhyNotRequest, context: grpc.ServicerContext
    ) -> tuple[PlanProblem, Alternative]:
        """The problem and the alternative that a question names."""
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
                "Maybe leave it out: it is then about the recommended one.",
            )
        return unpack(proposal.problem), wanted[0]

    def close(self) -> None:
        if self._workers is not None:
            self._workers.close()

    def _opened(self) -> Workers:
        with self._opening:
            if self._workers is None:
                self._workers = self._open_workers()
            return self._workers

    def _solve(self, job: Job, context: grpc.ServicerContext) -> Solved:
        workers = self._opened()
        workers.start(job)
        pause = threading.Event()
        while context.is_active():
            if (solved := workers.poll()) is not None:
                return solved
            pause.wait(POLL)
        workers.cancel()
        abort(context, grpc.StatusCode.CANCELLED, "The caller went away.", "Maybe give it a longer deadline.")
        return None


def explain(problem: PlanProblem, alternative: Alternative) -> list[replan_pb2.ChangeReason]:
    """One entry for each change."""
    plan = {a.case: a.place for a in alternative.plan}
    cases = {case.id: case for case in problem.cases}
    told = []
    for change in alternative.changes:
        found = reason_of(problem, plan, cases[change.case])
        told.append(
            replan_pb2.ChangeReason(
                case_uid=change.case,
                sentence=found.sentence,
                rules=change.rules,
                undone_costs=found.delta,
                undone_breaks=sorted(found.rules),
                kind=found.kind,
                minutes=None if found.size is None else found.size // timedelta(minutes=1),
                together=found.together,
                together_costs=found.set_delta,
            )
        )
    return told


def wish_of(request: replan_pb2.WhyNotRequest, problem: PlanProblem) -> Wish:
    """The request's wish.

    Raises
    ------
    WishError
        If it names none, or what the problem does not have.
    """
    asked = request.WhichOneof("wish")
    if asked is None or (asked == "leave" and not request.leave):
        raise WishError("Expected a room, a start, another case, or to leave it; got none.\nMaybe set one of them.")
    value = "leave" if asked == "leave" else f"{asked}={shlex.quote(getattr(request, asked))}"
    return parse_wish(f"case={shlex.quote(request.case_uid)} {value}", problem)


def said(answer: WishAnswer) -> replan_pb2.WhyNotResponse:
    """An answer as a message."""
    plan = tuple(Assignment(case=case, place=place) for case, place in sorted((answer.plan or {}).items()))
    return replan_pb2.WhyNotResponse(
        question=answer.question,
        answer=answer.sentence,
        rules=answer.rules,
        at_least=answer.at_least,
        at_most=answer.at_most,
        postponed=answer.postponed,
        plan=to_json(plan) if plan else b"",
        better=answer.better,
    )


def _told(suite: str, backup: Backup) -> replan_pb2.Backup:
    return replan_pb2.Backup(
        suite=suite,
        key=backup.key,
        contingency=backup.sentence,
        summary=backup.alternative.summary,
        changes=len(backup.alternative.changes),
        cost=backup.alternative.cost,
        as_of=backup.as_of,
        alternative=to_json(backup.alternative),
    )


def mounted(servicer: ReplanServicer) -> Mounted:
    """For `serve`."""
    return Mounted(replan_pb2_grpc.add_ReplanServiceServicer_to_server, servicer, "orloop.replan.v1.ReplanService")
