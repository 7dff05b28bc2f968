"""Up to three ways out, truly different: searched, checked, put in order, priced and put into words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from orloop_common.domain.checker import check
from orloop_common.domain.cost import overtime, price, tiers
from orloop_common.domain.derived import Alternative
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem, ProblemCase
from orloop_common.domain.rightshift import right_shift

from .ordering import changed
from .search import Cut, Goal, Limits, Plan, Search
from .telling import proven, tell, with_outlooks

DEAREST, DEARER = 3, 100
"""An alternative that costs more than three times the best, and a hundred, is no help to anybody."""
AWAY, ROOMS = 2, 2
"""One that leaves a room alone costs at most twice the best, and a hundred; so many rooms are tried.

Dearer than `OTHER` it has to be another kind of plan: nobody at all is sent to the room that the best fills most.
"""
APART = timedelta(minutes=15)
"""Starts in the same room that are closer than this are no other plan."""
OTHER = 3
"""Another way costs at most so many percent more than the best, unless it sends nobody to where that does."""
LOWEST_COST = Goal("lowest_cost")
FEWEST_CHANGES = Goal("fewest_changes", cost=1, changed=60)
LEAST_OVERTIME = Goal("least_overtime", cost=1, changed=1, overtime=400)
WITHIN_TARGET = Goal("within_target")


_POSTPONED = Place(room=None, start=None)


@dataclass
class Found:
    """What the searches have led to so far, and what had to be left out and why."""

    plans: list[tuple[Goal, Plan]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def alternatives(problem: PlanProblem, search: Search, limits: Limits) -> tuple[tuple[Alternative, ...], str]:
    """Ranked alternatives, the recommended one first, and a note on what was left out.

    Empty if no plan keeps every hard rule.
    """
    start = right_shift(problem)
    found = Found()
    first = _search(problem, search, LOWEST_COST, [], start, found)
    if first is None:
        return (), " ".join(found.notes) or "No plan keeps every hard rule."
    found.plans.append((LOWEST_COST, first))
    if changed(problem, first):
        for goal, cuts in _kinds(problem, search, first):
            if len(found.plans) < limits.alternatives and search.spent() < limits.work:
                _try(problem, search, goal, cuts, first, found)
        if len(found.plans) < limits.alternatives and search.spent() < limits.work:
            _another_way(problem, search, first, found)
        for goal in _keep_free(problem, first):
            if len(found.plans) < limits.alternatives and search.spent() < limits.work:
                _try(problem, search, goal, [], first, found)
    told = proven(problem, tell(problem, _cheapest_first(problem, found.plans)), search.proof())
    return with_outlooks(problem, told, limits.scenarios), " ".join(found.notes)


def _cheapest_first(problem: PlanProblem, plans: Sequence[tuple[Goal, Plan]]) -> list[tuple[Goal, Plan]]:
    """The plans found; should a search for something else have led to a better one, that is the first."""
    ranked = [tuple(tiers(problem, plan).values()) for _, plan in plans]
    best = ranked.index(min(ranked))
    if best == 0:
        return list(plans)
    return [(LOWEST_COST, plans[best][1]), *(pair for k, pair in enumerate(plans) if k not in (0, best))]


def fallback(problem: PlanProblem) -> tuple[Alternative, ...]:
    """Right-shift as the only alternative; none if it breaks a hard rule."""
    plan = right_shift(problem)
    if check(problem, plan):
        return ()
    return tell(problem, [(Goal("right_shift"), plan)])


def distance(one: Plan, two: Plan) -> int:
    """In how many cases two plans differ: by room, or by a start that a person would call another one."""
    return sum(not _near(one[case], two[case]) for case in one)


def past_target(problem: PlanProblem, plan: Plan) -> list[ProblemCase]:
    """Who waits longer than the target of the own urgency class, or is not placed at all."""
    late = []
    for case in problem.cases:
        if case.target_wait is not None and case.waiting_since is not None:
            start = plan[case.id].start
            if start is None or start > case.waiting_since + case.target_wait:
                late.append(case)
    return late


def _near(one: Place, two: Place) -> bool:
    if one.room != two.room or one.start is None or two.start is None:
        return one == two
    return abs(one.start - two.start) < APART


def _kinds(problem: PlanProblem, search: Search, first: Plan) -> list[tuple[Goal, list[Cut]]]:
    """What a plan could be better at than the first one, if anything is left to be better at."""
    kinds: list[tuple[Goal, list[Cut]]] = []
    if past_target(problem, first):
        kinds.append((WITHIN_TARGET, [_in_time(search, case) for case in problem.cases if case.target_wait]))
    if len(changed(problem, first)) > 1:
        kinds.append((FEWEST_CHANGES, []))
    if _late(problem, first) > _late(problem, {}):
        kinds.append((LEAST_OVERTIME, []))
    return kinds


def _in_time(search: Search, case: ProblemCase) -> Cut:
    """No place of the case after its target, nor another day."""
    assert case.target_wait is not None
    last = case.waiting_since + case.target_wait if case.waiting_since else None
    late = [place for place in search.places(case.id) if last and place.start and place.start > last]
    return Cut(tuple((case.id, place) for place in (*late, *([_POSTPONED] if last else []))), 0)


def _another_way(problem: PlanProblem, search: Search, first: Plan, found: Found) -> None:
    """As good a plan as there is that places enough of the changed cases otherwise."""
    others = [plan for _, plan in found.plans]
    apart = _apart(max(len(changed(problem, plan)) for plan in others))
    cuts = [_unlike(problem, search, plan) for plan in others]
    _try(problem, search, Goal("different", apart=apart), cuts, first, found)


def _try(problem: PlanProblem, search: Search, goal: Goal, cuts: Sequence[Cut], start: Plan, found: Found) -> None:
    plan = _search(problem, search, goal, cuts, start, found)
    if plan is not None and _truly_different(problem, goal, plan, [p for _, p in found.plans]):
        found.plans.append((goal, plan))


def _search(
    problem: PlanProblem, search: Search, goal: Goal, cuts: Sequence[Cut], start: Plan, found: Found
) -> Plan | None:
    """The goal's best plan that the checker passes."""
    plan = search.best(goal, cuts, start, [other for _, other in found.plans])
    if plan is not None and (broken := check(problem, plan)):
        found.notes.append(f"A plan for {goal.kind} was dropped: {broken[0].sentence}")
        return None
    return plan


def _keep_free(problem: PlanProblem, first: Plan) -> list[Goal]:
    """Goals that leave alone a room that the first plan moves cases into, the one with most of them first."""
    return [Goal("keep_room_free", keep_free=room) for room in _most_gained(problem, first)[:ROOMS]]


def _most_gained(problem: PlanProblem, plan: Plan) -> list[str]:
    """The rooms that the plan moves cases into, the one with most of them first."""
    gained: dict[str, int] = {}
    for case in problem.cases:
        room = plan[case.id].room
        if room is not None and room != case.current.room:
            gained[room] = gained.get(room, 0) + 1
    return sorted(gained, key=lambda room: (-gained[room], room))


def _unlike(problem: PlanProblem, search: Search, plan: Plan) -> Cut:
    """At least max(3, 20 %) of the plan's changed cases have to be placed otherwise."""
    moved = changed(problem, plan)
    apart = min(len(moved), _apart(len(moved)))
    near = tuple((c.id, p) for c in moved for p in (*search.places(c.id), _POSTPONED) if _near(p, plan[c.id]))
    return Cut(near, len(moved) - apart)


def _apart(changes: int) -> int:
    return max(3, -(-changes // 5))


def _truly_different(problem: PlanProblem, goal: Goal, plan: Plan, accepted: Sequence[Plan]) -> bool:
    """Differs in kind, being best at what it is for; or in enough cases. To leave everything is no way out: that is
    what turning a proposal down means.
    """
    if not changed(problem, plan):
        return False
    if any(not distance(plan, other) for other in accepted):
        return False
    if _postponed(plan) > min(_postponed(other) for other in accepted):
        return False
    times = AWAY if goal.kind == "keep_room_free" else DEAREST
    if price(problem, plan).total > times * min(price(problem, other).total for other in accepted) + DEARER:
        return False
    if goal.kind == "fewest_changes":
        return all(len(changed(problem, plan)) < len(changed(problem, other)) for other in accepted)
    if goal.kind == "least_overtime":
        return all(_late(problem, plan) < _late(problem, other) for other in accepted)
    if goal.kind == "within_target":
        return not past_target(problem, plan)
    best = accepted[0]
    dear = price(problem, plan).total * 100 > price(problem, best).total * (100 + OTHER)
    if goal.kind == "keep_room_free":
        kept = not any(plan[c.id].room == goal.keep_free != c.current.room for c in problem.cases)
        return kept and not (dear and goal.keep_free != _most_gained(problem, best)[0])
    if dear and any(_near(plan[case.id], best[case.id]) for case in changed(problem, best)):
        return False
    needed = _apart(max(len(changed(problem, other)) for other in accepted))
    return all(distance(plan, other) >= needed for other in accepted)


def _postponed(plan: Plan) -> int:
    return sum(place.room is None for place in plan.values())


def _late(problem: PlanProblem, plan: Plan) -> timedelta:
    return sum(overtime(problem, plan).values(), timedelta(0))
