"""Verifies a bound without a solver: Lagrangian duality over room-days (Geoffrion 1974), from the rules alone.

Whatever the prices of cases, resources and fairness are, no plan costs less than what they pay together with
the cheapest day of each room at these prices. So a certificate is only a list of prices; here they are
counted again, in whole numbers of 1/1024, by code that shares nothing with the one that found them.

The model: place costs, overtime per room past what committed cases need, fairness and postponements, such that
each case has one place or is postponed, a room has one case at a time (turnover times included), resources
suffice at each moment that has a price, a surgeon is not with one patient in a window and with another all through
it, and fairness levels cover each group's mean. A case may come twice in
a room's day, though never directly after itself: that can only make the bound lower.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np

from orloop_common.domain.cost import postponing, ranks
from orloop_common.domain.cost_least import least
from orloop_common.domain.plan import Assignment
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.solution import Certificate
from orloop_common.domain.vocabulary import Urgency

from .certificate_days import Day
from .certificate_limits import Ints, left_over
from .certificate_places import Option, committed_overtime, extra_between, options
from .certificate_prices import SCALE, CertificateError, Prices, reduced

__all__ = ["CertificateError", "Judge", "verify"]

_EMERGENCIES = (Urgency.URGENT, Urgency.IMMEDIATE)


def verify(problem: PlanProblem, certificate: Certificate, postponed: Collection[str] | None = None) -> int:
    """What every plan costs at least, by these prices.

    Parameters
    ----------
    postponed
        Who the plan at hand postpones. Emergencies that fit somewhere and are not among them are counted as
        never postponed (rule `emergency-never-postponed`), and where the problem is strict and nobody is
        postponed, nobody at all. None stands for a plan of which nothing is known.

    Raises
    ------
    CertificateError
        If a price names something that the problem does not have, is no multiple of 1/1024, has the wrong
        sign, or if groups together are paid more than fairness weighs.
    """
    judge = Judge(problem, postponed, certificate.around)
    prices = judge.read(certificate)
    return -(-judge.total(prices, [day.cheapest(price) for day, price in judge.priced(prices)]) // SCALE)


class Judge:
    """A problem as its certificates see it: places by room, what is left of resources, who may be postponed.

    Terms of whole plans are bounded `around` a plan, the same one for all prices that are read.
    """

    def __init__(
        self, problem: PlanProblem, postponed: Collection[str] | None = None, around: Sequence[Assignment] = ()
    ) -> None:
        self.problem, self.left, self.around = problem, left_over(problem), tuple(around)
        near = {one.case: one.place for one in around}
        if strangers := sorted(set(near) - {case.id for case in problem.cases}):
            raise CertificateError(
                f"Expected places of cases that the problem has, got {strangers[0]!r}.\n"
                "Maybe the certificate belongs to another problem."
            )
        rooms: list[list[Option]] = [[] for _ in problem.rooms]
        for option in options(problem, self.left, near):
            rooms[option.room].append(option)
        self.rooms = [(r, options_here) for r, options_here in enumerate(rooms) if options_here]
        self.days = [_day(problem, options_here) for _, options_here in self.rooms]
        self.constant = SCALE * (committed_overtime(problem) + least(problem, near).constant)
        placeable = {option.case for _, options_here in self.rooms for option in options_here}
        none = problem.weights.strict and postponed is not None and not postponed
        self.may = [
            not none and not (case.urgency in _EMERGENCIES and i in placeable and case.id not in (postponed or ()))
            for i, case in enumerate(problem.cases)
        ]
        rank = ranks(problem)
        self.ranks = [rank[case.id] for case in problem.cases]
        strict = problem.weights.strict and postponed is not None
        self.allowed = sum(rank.get(name, 0) for name in postponed or ()) if strict else None
        self.postponing = [SCALE * _postponing(problem, i) for i in range(len(problem.cases))]

    def read(self, certificate: Certificate, limited: Collection[str] = ()) -> Prices:
        """Prices of this problem; groups of `limited` measures may be paid more than their weight."""
        if certificate.around not in ((), self.around):
            raise CertificateError(
                "Expected prices around the same plan, got another one.\nMaybe they come from another certificate."
            )
        return Prices.read(self.problem, certificate, self.left, limited)

    def priced(self, prices: Prices) -> Iterator[tuple[Day, Ints]]:
        """The places of each room that has any, and what they cost beyond what they are paid."""
        for day, (_, options_here) in zip(self.days, self.rooms, strict=True):
            yield day, np.concatenate([reduced(prices, option) for option in options_here])

    def total(self, prices: Prices, cheapest: Iterable[int], may: Sequence[bool] | None = None) -> int:
        """What every plan costs at least, in 1/1024, by the cheapest day of each room."""
        tier = prices.postponements if self.allowed is not None else 0  # else nothing is known that it could limit
        cases = zip(self.may if may is None else may, self.postponing, prices.cases, self.ranks, strict=True)
        postponed = sum(min(0, price - paid - tier * rank) for may_be, price, paid, rank in cases if may_be)
        return prices.constant + self.constant + sum(cheapest) + postponed + tier * (self.allowed or 0)


def _postponing(problem: PlanProblem, i: int) -> int:
    case, weights = problem.cases[i], problem.weights
    left = case.current.room is not None  # a case that leaves its published place
    return postponing(problem, case) + (weights.changed + weights.moved_again * case.moved_today) * left


def _day(problem: PlanProblem, here: Sequence[Option]) -> Day:
    kinds, extra = _kinds(problem, here)
    return Day(
        case=np.concatenate([np.full(len(option.start), option.case, np.int64) for option in here]),
        start=np.concatenate([option.start for option in here]),
        begin=np.concatenate([option.begin for option in here]),
        end=np.concatenate([option.end for option in here]),
        surplus=SCALE * np.concatenate([option.overtime for option in here]),
        kind=np.concatenate([np.full(len(option.start), kinds[option.case], np.int64) for option in here]),
        extra=extra,
    )


def _kinds(problem: PlanProblem, day: Sequence[Option]) -> tuple[dict[int, int], list[list[int]]]:
    """The turnover class of each case in a room, and the extra time between two classes."""
    here = sorted({option.case for option in day})
    if problem.turnover is None:
        return dict.fromkeys(here, 0), [[0]]
    signs = {i: (problem.cases[i].service, problem.cases[i].contaminated, problem.cases[i].latex) for i in here}
    classes = sorted(set(signs.values()))
    one = [next(problem.cases[i] for i in here if signs[i] == sign) for sign in classes]
    extra = [[extra_between(problem, first, second) for second in one] for first in one]
    return {i: classes.index(signs[i]) for i in here}, extra
