"""Up to three ways out, truly different: searched, checked, put in order, priced and put into words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from orloop_common.domain.checker import PLAN_RULES, check
from orloop_common.domain.cost import break_in_gap, overtime, price, who_pays
from orloop_common.domain.derived import Alternative, Price
from orloop_common.domain.digest import derived_id, digest
from orloop_common.domain.plan import Assignment, Change, Place
from orloop_common.domain.problem import PlanProblem, ProblemCase
from orloop_common.domain.rightshift import right_shift

from .ordering import Circle, changed, in_order, needs_gone
from .reasons import reason
from .search import Cut, Goal, Limits, Plan, Search
from .words import summary, title

CIRCLES = 4
"""So many swaps are cut off before a search gives up on a goal."""
DEAREST, DEARER = 3, 100
"""An alternative that costs more than three times the best, and a hundred, is no help to anybody."""
APART = timedelta(minutes=15)
"""Starts in the same room that are closer than this are no other plan."""
GOALS = (
    Goal("lowest_cost"),
    Goal("fewest_changes", cost=1, changed=60),
    Goal("least_overtime", cost=1, changed=1, overtime=400),
)


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
    first = _search(problem, search, GOALS[0], [], start, found)
    if first is None:
        return (), " ".join(found.notes) or "No plan keeps every hard rule."
    found.plans.append((GOALS[0], first))
    if changed(problem, first):
        for goal in (*GOALS[1:], *_keep_free(problem, first)):
            if len(found.plans) < limits.alternatives and search.spent() < limits.work:
                _try(problem, search, goal, [], first, found)
        if len(found.plans) < limits.alternatives and search.spent() < limits.work:
            cuts = [_unlike(problem, search, plan) for _, plan in found.plans]
            _try(problem, search, Goal("different"), cuts, first, found)
    return _told(problem, found.plans), " ".join(found.notes)


def fallback(problem: PlanProblem) -> tuple[Alternative, ...]:
    """Right-shift as the only alternative; none if it breaks a hard rule or cannot be carried out."""
    plan = right_shift(problem)
    if check(problem, plan) or isinstance(in_order(problem, plan), Circle):
        return ()
    return _told(problem, [(Goal("right_shift"), plan)])


def distance(one: Plan, two: Plan) -> int:
    """In how many cases two plans differ: by room, or by a start that a person would call another one."""
    return sum(not _near(one[case], two[case]) for case in one)


def _near(one: Place, two: Place) -> bool:
    if one.room != two.room or one.start is None or two.start is None:
        return one == two
    return abs(one.start - two.start) < APART


def _try(problem: PlanProblem, search: Search, goal: Goal, cuts: Sequence[Cut], start: Plan, found: Found) -> None:
    plan = _search(problem, search, goal, cuts, start, found)
    if plan is not None and _truly_different(problem, goal, plan, [p for _, p in found.plans]):
        found.plans.append((goal, plan))


def _search(
    problem: PlanProblem, search: Search, goal: Goal, cuts: Sequence[Cut], start: Plan, found: Found
) -> Plan | None:
    """The goal's best plan that the checker passes and that can be carried out one change at a time."""
    cuts = list(cuts)
    for _ in range(CIRCLES if goal is GOALS[0] else 2):
        plan = search.best(goal, cuts, start)
        if plan is None:
            return None
        if broken := check(problem, plan):
            found.notes.append(f"A plan for {goal.kind} was dropped: {broken[0].sentence}")
            return None
        order = in_order(problem, plan)
        if not isinstance(order, Circle):
            return plan
        cuts.append(_break(problem, search, order))
    found.notes.append(f"A plan for {goal.kind} was dropped: it swaps cases, which cannot be done one at a time.")
    return None


def _break(problem: PlanProblem, search: Search, circle: Circle) -> Cut:
    """Not all cases of a circle may go to where the next one of it is now."""
    cases = {case.id: case for case in problem.cases}
    members = circle.cases
    places = tuple(
        (case, place)
        for case, following in zip(members, (*members[1:], members[0]), strict=True)
        for place in search.places(case)
        if place != cases[case].current and needs_gone(cases[case], place, cases[following])
    )
    return Cut(places, len(members) - 1)


def _keep_free(problem: PlanProblem, first: Plan) -> list[Goal]:
    """A goal that leaves alone the room that the first plan moves most cases into."""
    gained: dict[str, int] = {}
    for case in problem.cases:
        room = first[case.id].room
        if room is not None and room != case.current.room:
            gained[room] = gained.get(room, 0) + 1
    if not gained:
        return []
    room = max(sorted(gained), key=lambda r: gained[r])
    return [Goal("keep_room_free", keep_free=room)]


def _unlike(problem: PlanProblem, search: Search, plan: Plan) -> Cut:
    """At least max(3, 20 %) of the plan's changed cases have to be placed otherwise."""
    moved = changed(problem, plan)
    apart = min(len(moved), _apart(len(moved)))
    near = tuple((c.id, p) for c in moved for p in (*search.places(c.id), _POSTPONED) if _near(p, plan[c.id]))
    return Cut(near, len(moved) - apart)


def _apart(changes: int) -> int:
    return max(3, -(-changes // 5))


def _truly_different(problem: PlanProblem, goal: Goal, plan: Plan, accepted: Sequence[Plan]) -> bool:
    """Differs in kind, being best at what it is for; or in enough cases."""
    if any(not distance(plan, other) for other in accepted):
        return False
    if _postponed(plan) > min(_postponed(other) for other in accepted):
        return False
    if price(problem, plan).total > DEAREST * min(price(problem, other).total for other in accepted) + DEARER:
        return False
    if goal.kind == "fewest_changes":
        return all(len(changed(problem, plan)) < len(changed(problem, other)) for other in accepted)
    if goal.kind == "least_overtime":
        return all(_late(problem, plan) < _late(problem, other) for other in accepted)
    if goal.kind == "keep_room_free":
        return not any(plan[c.id].room == goal.keep_free != c.current.room for c in problem.cases)
    needed = _apart(max(len(changed(problem, other)) for other in accepted))
    return all(distance(plan, other) >= needed for other in accepted)


def _postponed(plan: Plan) -> int:
    return sum(place.room is None for place in plan.values())


def _late(problem: PlanProblem, plan: Plan) -> timedelta:
    return sum(overtime(problem, plan).values(), timedelta(0))


def _told(problem: PlanProblem, plans: Sequence[tuple[Goal, Plan]]) -> tuple[Alternative, ...]:
    """Alternatives in words, the cheapest first; fewer postponements come before everything else."""
    problem_digest = digest(problem)
    prices = [who_pays(problem, plan) for _, plan in plans]
    told = []
    for number, (goal, plan) in enumerate(plans):
        others = prices[:number] + prices[number + 1 :]
        told.append(_tell(problem, problem_digest, goal, plan, prices[number], others))
    return tuple(sorted(told, key=lambda a: (a.price.postponed, a.cost, a.id)))


def _tell(
    problem: PlanProblem, problem_digest: str, goal: Goal, plan: Plan, paid: Price, others: Sequence[Price]
) -> Alternative:
    order = in_order(problem, plan)
    assert not isinstance(order, Circle)
    changes = tuple(change_of(problem, plan, case) for case in order)
    alternative = Alternative(
        id="",
        kind=goal.kind,
        title=title(goal.kind, paid, others, goal.keep_free),
        summary=summary(changes, paid),
        changes=changes,
        plan=tuple(Assignment(case=case.id, place=plan[case.id]) for case in problem.cases),
        cost=price(problem, plan).total,
        price=paid,
        break_in_gap=break_in_gap(problem, plan),
    )
    return replace(alternative, id=derived_id("alternative", problem_digest, digest(alternative))[:16])


def change_of(problem: PlanProblem, plan: Mapping[str, Place], case: ProblemCase) -> Change:
    """The change of one case, with its reason and the rules it was checked against."""
    return Change(
        case=case.id,
        version=case.version,
        origin=case.current,
        target=plan[case.id],
        length=case.length,
        reason=reason(problem, plan, case),
        rules=tuple(rule for rule in PLAN_RULES if _concerns(rule, case)),
    )


def _concerns(rule: str, case: ProblemCase) -> bool:
    asked = {
        "recovery-beds": bool(case.recovery),
        "latest-start": case.latest is not None,
        "earliest-start": case.earliest is not None or case.current.start is not None,
        "emergency-never-postponed": case.urgency in ("urgent", "immediate"),
    }
    return asked.get(rule, True)
