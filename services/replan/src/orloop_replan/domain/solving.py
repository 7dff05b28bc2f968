"""A job from its problem to its answer: what the child process, `Solve` and `orloop replay` all run."""

from orloop_common.domain.derived import SolverRecord
from orloop_common.domain.problem import PlanProblem

from .alternatives import alternatives, fallback
from .search import Engine, Job, Limits, Solved


def solve(job: Job, engine: Engine, limits: Limits) -> Solved:
    """Alternatives by the engine; right-shift where it finds none. `seconds` is the caller's to measure."""
    found, note = alternatives(job.problem, engine.search(job.problem, job.seed), limits)
    if found:
        return Solved(id=job.id, alternatives=found, solver=record("milp", engine.name, job.seed, limits, note))
    return in_turn(job.id, job.problem, job.seed, limits, note, engine.name)


def in_turn(job: str, problem: PlanProblem, seed: int, limits: Limits, note: str, solver: str = "none") -> Solved:
    """Right-shift as the answer, with the reason why."""
    return Solved(id=job, alternatives=fallback(problem), solver=record("right_shift", solver, seed, limits, note))


def record(path: str, solver: str, seed: int, limits: Limits, note: str = "") -> SolverRecord:
    """How the answer came to be, as stored with the proposal."""
    return SolverRecord(path=path, solver=solver, seed=seed, settings=limits.settings(), seconds=0.0, note=note)
