"""Every plan there is, for problems small enough: the checker judges it, the published cost prices it, nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from orloop_common.domain.checker import check
from orloop_common.domain.cost import price, ranks, tiers
from orloop_common.domain.grid import ceil_moment
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem, ProblemCase

POSTPONED = Place(room=None, start=None)
MOST_PLANS = 200_000_000
OF_WHOLE_PLANS = frozenset({"case-once", "class-order"})
"""Rules that a plan with fewer cases may break and keep once the others have their places."""
MAY_FALL = ("surgeon_idle", "break_in")
"""Terms that can become cheaper when one more case has a place."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best plan of all, its value by tier (first the higher one), and how many plans were looked at."""

    plan: dict[str, Place]
    key: tuple[int, ...]
    looked: int


def best(problem: PlanProblem) -> Best | None:
    """The cheapest plan that breaks no rule, by trying all places of all cases; None if every plan breaks one.

    Raises
    ------
    ValueError
        If there are more plans than anybody could wait for.
    """
    choices = [(case, _places(problem, case)) for case in problem.cases]
    choices.sort(key=lambda choice: len(choice[1]))
    count = prod(len(places) for _, places in choices)
    if count > MOST_PLANS:
        raise ValueError(
            f"Expected at most {MOST_PLANS} plans to try, got {count}.\nMaybe fewer cases, or a coarser grid."
        )
    search = _Search(problem, choices)
    search.place(0, {})
    return None if search.plan is None else Best(search.plan, search.key, search.looked)


def _places(problem: PlanProblem, case: ProblemCase) -> list[Place]:
    """Where the case could be if it were the only one, the cheapest first; postponed at last."""
    found = [] if case.current.room is None or case.current.start is None else [case.current]
    for room in problem.rooms:
        start = ceil_moment(min(problem.now, problem.earliest_start, room.opens), problem.grid)
        while start < room.closes:
            found.append(Place(room=room.id, start=start))
            start += problem.grid
    alone = replace(problem, cases=(case,))
    unique = dict.fromkeys(place for place in found if _sound(problem, {case.id: place}))
    return [*sorted(unique, key=lambda place: price(alone, {case.id: place}).total), POSTPONED]


def _sound(problem: PlanProblem, plan: dict[str, Place]) -> bool:
    return all(broken.rule in OF_WHOLE_PLANS for broken in check(problem, plan))


class _Search:
    """Cases get places one after the other; a branch ends where a rule breaks or nothing better can follow."""

    def __init__(self, problem: PlanProblem, choices: Sequence[tuple[ProblemCase, list[Place]]]) -> None:
        self.problem, self.choices = problem, choices
        self.plan: dict[str, Place] | None = None
        self.key: tuple[int, ...] = ()
        self.looked = 0
        self.open = [_unplaced(problem, [case for case, _ in choices[depth:]]) for depth in range(len(choices) + 1)]

    def place(self, depth: int, plan: dict[str, Place]) -> None:
        if self.plan is not None and self._at_least(depth, plan) >= self.key:
            return
        if depth == len(self.choices):
            self.looked += 1
            if not check(self.problem, plan):
                self.plan, self.key = dict(plan), tuple(tiers(self.problem, plan).values())
            return
        case, places = self.choices[depth]
        for place in places:
            further = {**plan, case.id: place}
            if _sound(self.problem, further):
                self.place(depth + 1, further)

    def _at_least(self, depth: int, plan: dict[str, Place]) -> tuple[int, ...]:
        """What every plan that goes on from this one comes to, by tier; exact where all cases have their places."""
        *above, total = tiers(self.problem, plan).values()
        if depth < len(self.choices):
            cost = price(self.problem, plan)
            total -= sum(getattr(cost, term) for term in MAY_FALL)
        ranked, priced = self.open[depth]
        return *(tier - ranked for tier in above), total - priced


def _unplaced(problem: PlanProblem, cases: Sequence[ProblemCase]) -> tuple[int, int]:
    """What a price contains for these cases as long as they have no place: in the tier above, in the cost."""
    rank, total = ranks(problem), 0
    for case in cases:
        cost = price(replace(problem, cases=(case,)), {})
        total += cost.postponed + cost.moved_again + cost.changed
    return sum(rank[case.id] for case in cases), total
