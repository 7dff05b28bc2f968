"""Why each case of a plan leaves its place, tested: undo the change, and see what breaks or what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass

from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem

Plan = Mapping[str, Place]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why one case is moved. `sentence` is for people, everything else is what it was made from.

    `kind` is the rule that would break if this change were undone (all others kept), or the cost term that
    would grow most. `rules` are all rules that would break. `delta` is what the whole cost would grow by,
    None where a rule forbids; `terms` its parts (those that differ). `size` is the part of `kind`, in minutes
    where it is a time. `together` are the cases that have taken its place or hold what it needs: the change is
    part of a set with them, and `set_delta` is what undoing the whole set costs (None where a rule forbids that).
    """

    case: str
    kind: str
    sentence: str
    rules: tuple[str, ...] = ()
    delta: int | None = None
    terms: dict[str, int] | None = None
    size: int | None = None
    together: tuple[str, ...] = ()
    set_delta: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """What a plan buys against letting everybody wait in turn, and who pays for it; clauses for people."""

    buys: tuple[str, ...]
    pays: tuple[str, ...]
    sentence: str


def explain(problem: PlanProblem, plan: Plan) -> tuple[Reason, ...]:
    """One reason for each changed case, in the order in which they are carried out."""
    raise NotImplementedError


def trade(problem: PlanProblem, plan: Plan, against: Plan | None = None) -> Trade:
    """What a plan buys and who pays, against `against` (right-shift where nothing is given)."""
    raise NotImplementedError
