"""Force a wish, solve again, and say what breaks or what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from orloop_common.domain.checker import check
from orloop_common.domain.cost import price, tiers
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem

from .clauses import clause, severest
from .comparing import differences
from .forbidding import forbidden, in_the_way
from .granting import Branch, Flags, granted, index_of, keeping, split, starting, wished
from .slots import Ints, Slots, build
from .wish_words import already_sentence, forbidden_sentence, possible_sentence, unknown_sentence
from .wishes import Wish, WishAnswer, case_of, question

Plan = Mapping[str, Place]
BRANCHES = 3
"""So many parts of 'one before the other' are solved; what is left over counts with what is known of it."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The best plan that was found (place by case [n], None if there is none), and what every plan costs at least.

    `ranked` is the least that the weight of those postponed (`slots.rank`) can be.
    """

    chosen: Ints | None
    bound: int | None = None
    ranked: int = 0


class Resolver(Protocol):
    """Solves a problem of which only some places are left, under limits of work."""

    def __call__(self, slots: Slots, start: Ints | None, parts: int) -> Resolved:
        """`start` [n] is the plan that is asked about (-1 where its place is gone); `parts` share the work."""


def why_not(
    problem: PlanProblem,
    plan: Plan,
    wish: Wish,
    resolve: Resolver,
    *,
    slots: Slots | None = None,
    known: int | None = None,
) -> WishAnswer:
    """What `wish` breaks or costs against `plan`.

    `slots` spares building the arrays again; `known` is a cost that no plan is below that postpones as little.

    Raises
    ------
    WishError
        If the wish is about a case that cannot move, or that does not exist.
    """
    case_of(problem, wish)
    asked = question(problem, wish)
    if granted(problem, dict(plan), wish):
        told = already_sentence(problem, plan, wish)
        return WishAnswer(wish=wish, question=asked, sentence=told, at_least=0, at_most=0, terms={}, plan=dict(plan))
    whole = slots if slots is not None else build(problem)
    keep, branches = _parts(whole, wish, plan)
    case = index_of(whole, wish.case)
    if not keep[whole.case == case].any():
        rules, why = forbidden(problem, plan, wish)
        if rules:
            return WishAnswer(wish=wish, question=asked, sentence=forbidden_sentence(problem, wish, why), rules=rules)
    found = _Search(whole, plan, wish, resolve).run(keep, branches)
    return _answer(problem, plan, wish, asked, found, known)


def _answer(problem: PlanProblem, plan: Plan, wish: Wish, asked: str, found: "_Found", known: int | None) -> WishAnswer:
    now = price(problem, plan).total
    if problem.weights.strict and (found.plan is None or _postponed(found.plan) > _postponed(plan)):
        known = None  # it says nothing of plans that postpone more
    bounds = [b for b in (found.bound, known) if b is not None]
    at_least = max(bounds) - now if bounds else None
    if found.plan is None:
        rules, why = in_the_way(problem, plan, wish)
        if found.impossible and rules:
            return WishAnswer(wish=wish, question=asked, sentence=forbidden_sentence(problem, wish, why), rules=rules)
        told = unknown_sentence(problem, wish, at_least, why)
        return WishAnswer(wish=wish, question=asked, sentence=told, at_least=at_least)
    case = case_of(problem, wish)
    if (first := severest(check(problem, found.plan))) is not None:
        why = clause(problem, found.plan, case, first)
        return WishAnswer(
            wish=wish, question=asked, sentence=forbidden_sentence(problem, wish, why), rules=(first.rule,)
        )
    at_most = price(problem, found.plan).total - now
    at_least = min(at_least, at_most) if at_least is not None else None
    more = _postponed(found.plan) - _postponed(plan)
    better = list(tiers(problem, found.plan).values()) < list(tiers(problem, plan).values())
    terms = differences(problem, plan, found.plan)
    return WishAnswer(
        wish=wish,
        question=asked,
        sentence=possible_sentence(problem, wish, found.plan, terms, at_least, at_most, better=better),
        at_least=at_least,
        at_most=at_most,
        postponed=more,
        terms={d.term: d.delta for d in terms},
        plan=found.plan,
        better=better,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """The best plan that grants a wish, what every such plan costs at least, and whether there is none."""

    plan: dict[str, Place] | None
    bound: int | None
    impossible: bool


def _parts(slots: Slots, wish: Wish, plan: Plan) -> tuple[Flags, list[Branch]]:
    """What is left of the places, and, where another case can move too, in which parts to look."""
    if wish.before is None:
        return wished(slots, wish), []
    case = index_of(slots, wish.case)
    held = next((c.patient.start for c in slots.problem.committed if c.id == wish.before), None)
    if held is not None:
        return starting(slots, case, 0, -((slots.origin - held) // slots.tick)), []
    second = index_of(slots, wish.before)
    starts, theirs = slots.start[slots.case == case], slots.start[slots.case == second]
    if not len(starts) or not len(theirs):
        return starting(slots, case, 0, 0), []
    low, high = int(starts.min()), min(int(starts.max()) + 1, int(theirs.max()))
    keep = starting(slots, case, low, high) & starting(slots, second, low + 1, slots.T)
    begun = plan[wish.before].start
    assert begun is not None, "a case that is postponed comes after all others"
    now = (begun - slots.origin) // slots.tick
    if low >= high:
        return keep, []
    return keep, [b for b in split(Branch(low, high, low + 1), now) if b.low < b.high]


@dataclass(frozen=True, slots=True)
class _Part:
    """What became of one part: its plan, whether or not that grants the wish."""

    plan: dict[str, Place] | None
    bound: int | None = None
    impossible: bool = False


class _Search:
    """Solves the parts of a wish and keeps the best plan that grants it."""

    def __init__(self, slots: Slots, plan: Plan, wish: Wish, resolve: Resolver) -> None:
        self.slots, self.wish, self.resolve = slots, wish, resolve
        self.case = index_of(slots, wish.case)
        self.must = [i for i, c in enumerate(slots.problem.cases) if c.id in (wish.case, wish.before)]
        self.start = slots.chosen(dict(plan))

    def run(self, keep: Flags, branches: Sequence[Branch]) -> _Found:
        if not branches:
            part = self._solve(keep, 1)
            return _Found(self._if_granted(part.plan), part.bound, part.impossible)
        assert self.wish.before is not None
        second = index_of(self.slots, self.wish.before)
        plans: list[dict[str, Place]] = []
        bounds: list[int | None] = []
        todo: list[tuple[Branch, int | None]] = [(branch, None) for branch in branches]
        for _ in range(BRANCHES):
            if not todo:
                break
            branch, _parents = todo.pop(0)
            part = self._solve(keep & self._within(branch, second), BRANCHES)
            if part.impossible:
                continue
            if part.plan is None or self._if_granted(part.plan):
                bounds.append(part.bound)
                plans += [part.plan] if part.plan is not None else []
                continue
            theirs = part.plan[self.wish.before].start
            assert theirs is not None
            halves = split(branch, (theirs - self.slots.origin) // self.slots.tick)
            todo += [(half, part.bound) for half in halves if half.low < half.high]
        bounds += [known for _, known in todo]
        known_bounds = [b for b in bounds if b is not None]
        bound = min(known_bounds) if known_bounds and len(known_bounds) == len(bounds) else None
        best = min(plans, key=lambda p: list(tiers(self.slots.problem, p).values()), default=None)
        return _Found(best, bound, not bounds)

    def _within(self, branch: Branch, second: int) -> Flags:
        first = starting(self.slots, self.case, branch.low, branch.high)
        return first & starting(self.slots, second, branch.after, self.slots.T)

    def _solve(self, keep: Flags, parts: int) -> _Part:
        if not keep[self.slots.case == self.case].any():
            return _Part(None, impossible=True)
        fewer = keeping(self.slots, keep, self.must)
        found = self.resolve(fewer, self._start(keep), parts)
        plan = fewer.plan(int(p) for p in found.chosen if p >= 0) if found.chosen is not None else None
        if plan is not None and any(plan[self.slots.problem.cases[i].id].start is None for i in self.must):
            plan = None
        return _Part(plan, found.bound, plan is None and found.ranked > int(self.slots.rank.sum()))

    def _start(self, keep: Flags) -> Ints | None:
        """The plan that is asked about, as far as its places are left."""
        if self.start is None:
            return None
        new = np.where(keep, np.cumsum(keep) - 1, -1)
        return np.where(self.start >= 0, new[self.start], -1)

    def _if_granted(self, plan: dict[str, Place] | None) -> dict[str, Place] | None:
        return plan if plan is not None and granted(self.slots.problem, plan, self.wish) else None


def _postponed(plan: Plan) -> int:
    return sum(place.start is None for place in plan.values())
