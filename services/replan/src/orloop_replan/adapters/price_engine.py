"""Price and fix behind the planner's port: the best plan with its bound first, then others near it by other goals.

Every question after the first is answered by an annealing for its goal and one restricted model over the
cheapest places, begun from the better of what is known.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import highspy
import numpy as np

from orloop_common.domain.cost import floor
from orloop_common.domain.digest import digest
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem
from orloop_replan.domain.class_order import in_class_order
from orloop_replan.domain.kernel_pack import STRICT
from orloop_replan.domain.kernels import SearchWeights, anneal, decode_from, price_chosen, right_shift_chosen
from orloop_replan.domain.repairing import Barred, keeps, repaired
from orloop_replan.domain.search import Cut, Goal, Limits, Plan, Proof, Search, Stop, Stopped, never
from orloop_replan.domain.slots import Ints, Slots, build

from .price_and_fix import FixLimits, Found, solve
from .restricted import Cut as Row
from .restricted import MipLimits, restricted

BRANCHED = 400_000
"""Of the first plan's work, so much goes with a unit of branching for each pair of cases: about half of the time."""
POOL = 16
"""So many good plans of an annealing are looked through for one that keeps the cuts."""


class PriceAndFix:
    """The planner's first engine."""

    path = "price_and_fix"

    def __init__(self, limits: Limits | None = None, stop: Stop = never) -> None:
        self.limits, self._stop = limits or Limits(), stop

    @property
    def name(self) -> str:
        return f"orloop highs {highspy.Highs().version()}"  # type: ignore[no-untyped-call]

    def search(self, problem: PlanProblem, seed: int, start: Plan | None = None) -> Search:
        return PriceSearch(problem, seed, self.limits, start, self._stop)


class PriceSearch:
    """One problem on arrays."""

    def __init__(
        self, problem: PlanProblem, seed: int, limits: Limits, given: Plan | None = None, stop: Stop = never
    ) -> None:
        self.problem, self.seed, self.limits, self._stop = problem, seed, limits, stop
        self.slots = build(problem)
        self._given = self._near(given) if given is not None else None
        self._asked = 0
        self._left = limits.others_work
        self._known: dict[str, dict[Place, int]] = {}

    @cached_property
    def found(self) -> Found:
        """The best plan by the published cost, and its bound."""
        limits = self.limits
        growth = (*(k for k in (8, 16, 30) if k < limits.grown), limits.grown)
        work = FixLimits(
            scout=limits.scout,
            decodes=limits.decodes,
            growth=growth,
            work=0,
            least_work=limits.first_work,
            branch=limits.first_work // BRANCHED,
        )
        return solve(self.slots, self.seed, work, self._stop, self._given)

    def _near(self, plan: Plan) -> Ints:
        """The plan [n] that comes of a given one where time has passed or things have changed since: each case in
        its room as soon as it can be from its start on, then repaired; who is not in it waits in turn.
        """
        slots, wanted = self.slots, right_shift_chosen(self.slots)
        for i, case in enumerate(self.problem.cases):
            place = plan.get(case.id)
            if place is None or place.room is None or place.start is None or place.room not in slots.rooms:
                continue
            if place == case.current and slots.published[i] >= 0:
                wanted[i] = slots.published[i]
                continue
            first = max(0, -((slots.origin - place.start) // (slots.tick * slots.step)))
            later = slots.table[i, slots.rooms.index(place.room), first:]
            free = later[later >= 0]
            wanted[i] = free[0] if len(free) else wanted[i]
        return decode_from(slots, wanted)

    def proof(self) -> Proof:
        """What the first plan is worth: no plan that postpones as little costs less than `bound`."""
        found = self.found
        least = floor(self.problem)
        gap = 0.0 if found.proven else (found.cost - found.bound) / max(1, found.cost - least)
        return Proof(cost=found.cost, bound=found.bound, gap=gap, certificate=digest(found.certificate))

    def places(self, case: str) -> Sequence[Place]:
        return tuple(self._places(case))

    def spent(self) -> int:
        return self._asked

    def best(self, goal: Goal, cuts: Sequence[Cut], start: Plan, others: Sequence[Plan] = ()) -> Plan | None:
        self._asked += 1
        if goal.kind == "lowest_cost" and not cuts:
            return self._plan(self.found.chosen)
        slots, rows = self._priced(goal), [self._row(cut) for cut in cuts]
        known = [chosen for plan in (start, *others) if (chosen := self.slots.chosen(plan)) is not None]
        begin, sound = self._begun(goal, slots, rows, known)
        costs = self.found.lower.path_costs * goal.cost + (slots.cost - self.slots.cost * goal.cost)
        allowed = self._allowed(goal)
        order = np.argsort(costs, kind="stable")
        order = order[allowed[order]]
        bars = [Row(row.places, row.at_most, row.postponed) for row in rows]
        for each in (self.limits.other, self.limits.grown, 3 * self.limits.grown):
            chosen = self._fixed(slots, order[: each * slots.n], begin, bars)
            good = [begin] if sound else []
            good += [chosen] if chosen is not None else []
            if good:
                return self._plan(in_class_order(self.slots, min(good, key=lambda p: price_chosen(slots, p))))
        return None

    def _fixed(self, slots: Slots, places: Ints, begin: Ints, bars: list[Row]) -> Ints | None:
        """The best plan over some places; None where the work for all other plans together has been spent."""
        if self._left <= 0:
            return None
        limits = MipLimits(nodes=self.limits.nodes, work=min(self._left, self.limits.other_work))
        found = restricted(slots, places, begin, limits, bars, stop=self._stop)
        if self._stop():
            raise Stopped
        self._left -= found.work
        return found.chosen

    def _begun(self, goal: Goal, slots: Slots, rows: Sequence[Barred], known: Sequence[Ints]) -> tuple[Ints, bool]:
        """The best plan by an annealing or known before, and whether it keeps the cuts."""
        weights, decodes, allowed = self._weights(goal), self.limits.other_decodes, self._allowed(goal)
        # who is as published in another plan counts as different there: only changed cases are left to differ in
        others = [np.where(plan == self.slots.published, -1, plan) for plan in known] if goal.apart else []
        apart = max((int((plan == self.slots.published).sum()) for plan in known), default=0) + goal.apart
        firm = self._firm(goal)
        annealed = anneal(
            firm,
            self.found.chosen,
            self.seed + 2,
            decodes,
            weights=weights,
            others=others,
            apart=apart if others else 0,
            pool=POOL,
        )
        plans = [annealed.chosen, *annealed.pool, *known]
        if rows:
            mended = repaired(firm, annealed.chosen, rows, self.seed + 3, decodes // 4, weights, slots)
            plans += [mended] if mended is not None else []
        sound = [p for p in plans if all(keeps(row, p) for row in rows) and allowed[p[p >= 0]].all()]
        return min(sound or plans, key=lambda p: price_chosen(slots, p)), bool(sound)

    def _weights(self, goal: Goal) -> SearchWeights:
        return SearchWeights(goal.cost, goal.changed, goal.overtime, self._room(goal))

    def _priced(self, goal: Goal) -> Slots:
        slots = self.slots
        left = np.array([case.current.room is not None for case in self.problem.cases], np.int64)
        moved = np.where(slots.mode < slots.n, left[slots.case], 0)
        tier = goal.postponed if self._tiered(goal) else 0
        return replace(
            slots,
            cost=slots.cost * goal.cost + goal.changed * moved,
            least_cost=slots.least_cost * goal.cost,
            constant=slots.constant * goal.cost,
            whole_weight=slots.whole_weight * goal.cost,
            postpone=slots.postpone * goal.cost + goal.changed * left + tier * (1 + slots.rank),
            overtime=slots.overtime * goal.cost + goal.overtime,
            fair_weight=slots.fair_weight * goal.cost,
        )

    def _tiered(self, goal: Goal) -> bool:
        """Whether postponements come first: by the problem, or because another plan is to postpone no more."""
        return self.problem.weights.strict or goal.kind != "lowest_cost"

    def _firm(self, goal: Goal) -> Slots:
        """The same arrays with postponing so dear that an annealing for a goal buys nothing with it."""
        if self.problem.weights.strict or not self._tiered(goal):
            return self.slots
        return replace(self.slots, postpone=(1 + STRICT) * self.slots.postpone)

    def _allowed(self, goal: Goal) -> Any:
        """Places [m] that the goal leaves: nobody new in the room that is to stay free."""
        room = self._room(goal)
        own = np.array([self._index(case.current.room) for case in self.problem.cases], np.int64)
        return (self.slots.room != room) | (own[self.slots.case] == room)

    def _room(self, goal: Goal) -> int:
        return self._index(goal.keep_free) if goal.keep_free else -1

    def _index(self, room: str | None) -> int:
        return self.slots.rooms.index(room) if room in self.slots.rooms else -2

    def _places(self, case: str) -> dict[Place, int]:
        if case not in self._known:
            number = next(i for i, c in enumerate(self.problem.cases) if c.id == case)
            indices = np.nonzero(self.slots.case == number)[0]
            self._known[case] = {self.slots.place(int(p)): int(p) for p in indices}
        return self._known[case]

    def _row(self, cut: Cut) -> Barred:
        index = {case.id: i for i, case in enumerate(self.problem.cases)}
        places = [p for case, place in cut.places if (p := self._places(case).get(place)) is not None]
        postponed = [index[case] for case, place in cut.places if place.room is None]
        return Barred(np.array(places, np.int64), cut.at_most, np.array(postponed, np.int64))

    def _plan(self, chosen: Ints) -> Plan:
        return self.slots.plan(chosen[chosen >= 0])
