"""What a wish leaves of a problem, solved again by price and fix, from the plan that is asked about."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from orloop_common.domain.derived import SolverRecord
from orloop_common.runtime.clock import Clock, SystemClock
from orloop_replan.domain.kernels import anneal, decode_from, price_chosen, right_shift_chosen
from orloop_replan.domain.search import Job, Solved, Stop, Stopped
from orloop_replan.domain.slots import Ints, Slots
from orloop_replan.domain.why_not import Resolved, why_not

from .bound import BoundLimits
from .price_and_fix import WARM, FixLimits, solve

SMALL = FixLimits(
    scout=2000,
    bound=BoundLimits(rounds=120),
    samples=12,
    starts=1,
    decodes=1500,
    growth=(4, 8),
    work=400,
    least_work=400_000,
    branch=2,
    least_branch=1_000,
)
"""Work for an answer to one question: much less than for a plan that leaves the house."""


@dataclass(frozen=True, slots=True)
class PriceAndFixAgain:
    """Solves what is left of a problem; the same seed and work give the same answer.

    When `stop` says so, the quick plan that it began with is the answer, and nothing is known of the best.
    """

    seed: int = 0
    limits: FixLimits = SMALL
    stop: Callable[[], bool] = field(default=lambda: False)

    def __call__(self, slots: Slots, start: Ints | None, parts: int) -> Resolved:
        begun = decode_from(slots, start if start is not None else right_shift_chosen(slots))
        quick = anneal(slots, begun, self.seed, self.limits.scout // parts, hot=WARM).chosen
        best = min((begun, quick), key=lambda c: (int(slots.rank[c < 0].sum()), price_chosen(slots, c)))
        try:
            found = solve(slots, self.seed, self._shared(parts), self.stop, best)
        except Stopped:
            return Resolved(best)
        return Resolved(found.chosen, found.bound, found.ranked)

    def record(self, job: Job) -> SolverRecord:
        """How the answer came to be."""
        settings = {"decodes": str(self.limits.decodes), "rounds": str(self.limits.bound.rounds)}
        return SolverRecord(path="why_not", solver="price and fix", seed=job.seed, settings=settings, seconds=0.0)

    def _shared(self, parts: int) -> FixLimits:
        """The work of one part."""
        limits = self.limits
        return replace(
            limits,
            scout=limits.scout // parts,
            bound=replace(limits.bound, rounds=max(20, limits.bound.rounds // parts)),
            samples=limits.samples // parts,
            decodes=limits.decodes // parts,
            work=limits.work // parts,
            least_work=limits.least_work // parts,
            branch=limits.branch // parts,
            least_branch=limits.least_branch // parts,
        )


def say(job: Job, stop: Stop, clock: Clock | None = None) -> Solved:
    """What the job's wish would do to the plan that it starts from; what is known by then, once `within` is over."""
    assert job.wish is not None
    clock = clock or SystemClock()
    until = clock.monotonic() + job.within if job.within is not None else None

    def enough() -> bool:
        return stop() or (until is not None and clock.monotonic() >= until)

    resolve = PriceAndFixAgain(job.seed, stop=enough)
    plan = {a.case: a.place for a in job.start}
    said = why_not(job.problem, plan, job.wish, resolve, known=job.known)
    if stop():
        raise Stopped
    return Solved(id=job.id, alternatives=(), solver=resolve.record(job), said=said)
