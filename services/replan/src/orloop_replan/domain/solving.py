"""A job from its problem to its answer: what the child process, `Solve` and `orloop replay` all run."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from orloop_common.domain.derived import SolverRecord
from orloop_common.domain.faults import committed_faults

from .alternatives import alternatives, fallback
from .search import Engine, Job, Limits, Proof, Solved, Stopped

Told = Callable[[Exception], None]


def solve(job: Job, engines: Engine | Sequence[Engine], limits: Limits, told: Told = lambda _: None) -> Solved:
    """Alternatives by the first engine that finds some; right-shift where none does. The caller measures `seconds`.

    An engine that fails or runs out of memory is passed over, and the record's note says so; what it raised is
    handed to `told`. `Stopped` goes through.
    """
    ways = engines if isinstance(engines, Sequence) else (engines,)
    limits = job.limits or limits
    notes = [job.note] if job.note else []
    for engine in ways[job.skip :]:
        try:
            start = {a.case: a.place for a in job.start} or None
            search = engine.search(job.problem, job.seed, start)
            found, note = alternatives(job.problem, search, limits)
        except Stopped:
            raise
        except MemoryError as error:
            told(error)
            notes.append("The solver ran out of memory.")
            continue
        except Exception as error:  # noqa: BLE001 - an answer without the best engine is better than none
            told(error)
            notes.append(f"The solver failed ({type(error).__name__}).")
            continue
        notes += [note] if note else []
        if found:
            solver = record(engine.path, engine.name, job, limits, notes)
            return _proven(Solved(id=job.id, alternatives=found, solver=solver), search.proof())
    return in_turn(job, limits, *notes)


def _proven(solved: Solved, proof: Proof | None) -> Solved:
    """With what is known of the lowest cost."""
    if proof is None:
        return solved
    known = solved.alternatives[0].cost == proof.bound
    solver = replace(solved.solver, bound=proof.bound, proven=known, certificate=proof.certificate)
    return replace(solved, solver=solver)


def in_turn(job: Job, limits: Limits, *notes: str) -> Solved:
    """Right-shift as the answer, with the reasons why; where there is none, what committed cases break comes first."""
    found = fallback(job.problem)
    faults = () if found else tuple(broken.sentence for broken in committed_faults(job.problem))
    told = (*faults, *([job.note] if job.note else []), *notes)
    return Solved(
        id=job.id,
        alternatives=found,
        solver=record("right_shift", "none", job, job.limits or limits, told),
    )


def record(path: str, solver: str, job: Job, limits: Limits, notes: Sequence[str] = ()) -> SolverRecord:
    """How the answer came to be, as stored with the proposal."""
    return SolverRecord(
        path=path,
        solver=solver,
        seed=job.seed,
        settings=limits.settings(),
        seconds=0.0,
        note=" ".join(dict.fromkeys(notes)),
        start=job.start,
    )
