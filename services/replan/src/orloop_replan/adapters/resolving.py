"""What a wish leaves of a problem, solved again by price and fix, from the plan that is asked about."""

from collections.abc import Callable
from dataclasses import dataclass, field

from orloop_replan.domain.kernels import anneal, decode_from, price_chosen, right_shift_chosen
from orloop_replan.domain.search import Stopped
from orloop_replan.domain.slots import Ints, Slots
from orloop_replan.domain.why_not import Resolved

from .bound import BoundLimits
from .price_and_fix import FixLimits, solve
from .restricted import MipLimits

SMALL = FixLimits(
    scout=2000,
    bound=BoundLimits(rounds=120),
    samples=16,
    decodes=3000,
    growth=(8,),
    mip=MipLimits(nodes=60, iterations=15_000),
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
        quick = anneal(slots, begun, self.seed, self.limits.scout // parts, hot=self.limits.hot).chosen
        best = min((begun, quick), key=lambda c: (int(slots.rank[c < 0].sum()), price_chosen(slots, c)))
        try:
            found = solve(slots, self.seed, self._shared(parts), self.stop, best)
        except Stopped:
            return Resolved(best)
        return Resolved(found.chosen, found.bound)

    def _shared(self, parts: int) -> FixLimits:
        """The work of one part."""
        limits = self.limits
        return FixLimits(
            scout=limits.scout // parts,
            bound=BoundLimits(rounds=max(20, limits.bound.rounds // parts)),
            samples=limits.samples // parts,
            decodes=limits.decodes // parts,
            hot=limits.hot,
            growth=limits.growth,
            mip=MipLimits(nodes=max(1, limits.mip.nodes // parts), iterations=limits.mip.iterations // parts),
        )
