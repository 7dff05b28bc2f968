"""Recompute a proposal from its own record: `python -m orloop_replan.replay FILE.json [--json]`.

Exit code 0 if the alternatives are the same to the byte, or differ and still pass the checker at the price they
state (another machine, another version), and no plan undercuts the bound that they state; 1 if the record is
broken; 2 if it cannot be read.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from orloop_common.domain.checker import check
from orloop_common.domain.cost import price, who_pays
from orloop_common.domain.derived import Alternative, Proposal
from orloop_common.domain.digest import digest
from orloop_common.domain.problem import PlanProblem
from orloop_common.messages import UnreadableMessage, from_json, to_json

from .domain.answers import unpack
from .domain.solving import in_turn, solve
from .ports import Engine, Job, Limits

IDENTICAL, VERIFIED, BROKEN = "identical", "verified, not identical", "broken"


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What recomputing showed: the verdict, and a sentence about it."""

    verdict: str
    sentence: str

    @property
    def ok(self) -> bool:
        return self.verdict != BROKEN


def recompute(proposal: Proposal, engine: Engine | None = None) -> ReplayResult:
    """Solve the recorded problem again, and verify the recorded alternatives without the solver."""
    if not proposal.problem:
        return ReplayResult(BROKEN, f"Proposal {proposal.id} carries no problem.")
    problem = unpack(proposal.problem)
    if digest(problem) != proposal.problem_digest:
        return ReplayResult(BROKEN, f"The problem of proposal {proposal.id} is not the one its digest names.")
    for alternative in proposal.alternatives:
        if (fault := _fault(problem, alternative)) is not None:
            return ReplayResult(BROKEN, f"Alternative {alternative.id} ({alternative.title}): {fault}")
    if not proposal.alternatives:
        return ReplayResult(IDENTICAL, f"{proposal.reason} The record is whole; there was nothing to solve.")
    again = _again(proposal, problem, engine)
    if to_json(again) == to_json(proposal.alternatives):
        return ReplayResult(IDENTICAL, f"{len(again)} alternatives, the same to the byte.")
    if (fault := _above(proposal, again)) is not None:
        return ReplayResult(BROKEN, fault)
    return ReplayResult(
        VERIFIED,
        "Every alternative keeps every hard rule at the price it states; this machine finds others "
        f"(recorded by {proposal.solver.solver if proposal.solver else 'unknown'}).{_bound(proposal, problem)}",
    )


def _above(proposal: Proposal, again: tuple[Alternative, ...]) -> str | None:
    """What is wrong with a recorded bound that a plan undercuts."""
    bound = proposal.solver.bound if proposal.solver else None
    if bound is None or not again or not proposal.alternatives:
        return None
    best, least = proposal.alternatives[0], min(again, key=lambda a: a.cost)
    if min(best.cost, least.cost) >= bound or least.price.postponed > best.price.postponed:
        return None
    return f"Its bound of {bound} is above the cost of a plan, {min(best.cost, least.cost)}."


def _bound(proposal: Proposal, problem: PlanProblem) -> str:
    """What can be said of the recorded bound here: proven by prices of this machine's own, checked without a solver."""
    record = proposal.solver
    if record is None or record.bound is None:
        return ""
    from .adapters.price_and_fix import solve as price_and_fix
    from .domain.certificate_tree import verify_branches

    postponed = [a.case for a in proposal.alternatives[0].plan if a.place.room is None]
    found = price_and_fix(problem, record.seed)
    certified = verify_branches(problem, found.certificate, found.branches, found.certified, postponed)
    if certified >= record.bound:
        return f" Its bound of {record.bound} is verified without a solver."
    return f" Without a solver a bound of {certified} is verified; the recorded one is {record.bound}."


def _again(proposal: Proposal, problem: PlanProblem, engine: Engine | None) -> tuple[Alternative, ...]:
    record = proposal.solver
    limits = Limits.recorded(record.settings) if record else Limits()
    seed = record.seed if record else 0
    job = Job(id=proposal.id, problem=problem, seed=seed, start=record.start if record else ())
    if record is not None and record.path == "right_shift":
        return in_turn(job, limits, record.note).alternatives
    if engine is None:
        from .adapters.engine import engine_of  # seconds of imports that a broken record does not need

        engine = engine_of(record.path if record else "", limits)
    return solve(job, engine, limits).alternatives


def _fault(problem: PlanProblem, alternative: Alternative) -> str | None:
    """What is wrong with a recorded alternative, by the checker and the published cost alone."""
    plan = {a.case: a.place for a in alternative.plan}
    if broken := check(problem, plan):
        return broken[0].sentence
    if price(problem, plan).total != alternative.cost or who_pays(problem, plan) != alternative.price:
        return "it states another price than its plan has."
    moved = {case.id: plan[case.id] for case in problem.cases if plan[case.id] != case.current}
    if {change.case: change.target for change in alternative.changes} != moved:
        return "its changes are not the difference between its plan and the published one."
    return None


def main(arguments: list[str] | None = None) -> int:
    """Print the verdict; return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    paths = [a for a in given if a != "--json"]
    if len(paths) != 1:
        print("Expected one file.\nMaybe: python -m orloop_replan.replay PROPOSAL.json [--json]", file=sys.stderr)
        return 2
    try:
        proposal = from_json(Proposal, Path(paths[0]).read_bytes())
    except (OSError, UnreadableMessage) as error:
        print(f"Expected a proposal in {paths[0]}, got: {error}\nMaybe it is not JSON of one.", file=sys.stderr)
        return 2
    result = recompute(proposal)
    if "--json" in given:
        print(json.dumps({"proposal": proposal.id, "verdict": result.verdict, "sentence": result.sentence}))
    else:
        print(f"{proposal.id}: {result.verdict}. {result.sentence}")
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main())
