"""What a plan is good for: a tested reason for each change, what the whole buys, and who pays."""

from collections.abc import Mapping
from dataclasses import dataclass

from orloop_common.domain.checker import check, with_changes
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.rightshift import right_shift
from orloop_common.domain.wording import upper_first

from .comparing import Difference, differences
from .ordering import in_order
from .reasons import Reason, reason_of

Plan = Mapping[str, Place]
SAID = 3
"""So many things bought, and so many paid, are said; the rest is small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """What a plan buys against another one, and who pays for it; clauses for people, the largest first.

    `delta` is what it costs more in the published unit (negative: less), `terms` its parts.
    """

    buys: tuple[str, ...]
    pays: tuple[str, ...]
    sentence: str
    delta: int
    terms: dict[str, int]


def explain(problem: PlanProblem, plan: Plan) -> tuple[Reason, ...]:
    """One reason for each changed case, in the order in which they are carried out."""
    return tuple(reason_of(problem, plan, case) for case in in_order(problem, plan).cases)


def trade(problem: PlanProblem, plan: Plan, against: Plan | None = None) -> Trade:
    """What a plan buys and who pays, against another one.

    Without one: against the published plan where that still holds, else against everybody waiting in turn.
    """
    base, named = (against, "") if against is not None else _otherwise(problem)
    terms = differences(problem, base, plan)
    buys = tuple(d.clause for d in terms if d.delta < 0)
    pays = tuple(d.clause for d in terms if d.delta > 0)
    return Trade(
        buys=buys,
        pays=pays,
        sentence=_sentence(terms, named),
        delta=sum(d.delta for d in terms),
        terms={d.term: d.delta for d in terms},
    )


def _otherwise(problem: PlanProblem) -> tuple[Plan, str]:
    published = with_changes(problem, ())
    if all(c.current.start is not None for c in problem.cases) and not check(problem, published):
        return published, "Against the plan as it is published"
    return right_shift(problem), "Against everybody waiting in turn"


def _sentence(terms: tuple[Difference, ...], named: str) -> str:
    better = [d.clause for d in terms if d.delta < 0][:SAID]
    worse = [d.clause for d in terms if d.delta > 0][:SAID]
    if not better and not worse:
        told = "nothing is better and nothing is worse"
    elif not worse:
        told = f"{'; '.join(better)}. Nothing is worse"
    elif not better:
        told = f"nothing is better. {upper_first('; '.join(worse))}"
    else:
        told = f"{'; '.join(better)}. In return: {'; '.join(worse)}"
    return upper_first(f"{named}: {told}." if named else f"{told}.")
