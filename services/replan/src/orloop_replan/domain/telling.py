"""An alternative as people see it: its changes in order, with reasons and rules; what it costs and may come to."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from orloop_common.domain.checker import PLAN_RULES
from orloop_common.domain.cost import break_in_gap, floor, price, tiers, who_pays
from orloop_common.domain.derived import Alternative, Outlook, Price
from orloop_common.domain.digest import derived_id, digest
from orloop_common.domain.plan import Assignment, Change, Place
from orloop_common.domain.problem import PlanProblem, ProblemCase
from orloop_common.domain.vocabulary import Urgency

from .ordering import in_order
from .reasons import reason
from .search import Goal, Plan, Proof
from .words import summary, title

LUCK = 1
"""The seed of every simulation: an alternative has the same luck in the next proposal too."""


def tell(problem: PlanProblem, plans: Sequence[tuple[Goal, Plan]]) -> tuple[Alternative, ...]:
    """Alternatives in words, the best first: by postponements where these are a tier of their own, then by cost."""
    prices = [who_pays(problem, plan) for _, plan in plans]
    cheapest = price(problem, min((plan for _, plan in plans), key=lambda plan: [*tiers(problem, plan).values()])).total
    told = []
    for number, (goal, plan) in enumerate(plans):
        others = prices[:number] + prices[number + 1 :]
        one = _tell(problem, goal, plan, prices[number], others, cheapest)
        told.append((tuple(tiers(problem, plan).values()), one))
    told.sort(key=lambda pair: (pair[0], pair[1].kind != "lowest_cost", pair[1].id))
    return tuple(one for _, one in told)


def proven(problem: PlanProblem, alternatives: Sequence[Alternative], proof: Proof | None) -> tuple[Alternative, ...]:
    """With the bound and the distance to it, for those that postpone as little as the first one."""
    if proof is None:
        return tuple(alternatives)
    least, told = floor(problem), []
    for one in alternatives:
        if one.price.postponed == alternatives[0].price.postponed and one.cost >= proof.bound:
            gap = 0.0 if one.cost == proof.bound else (one.cost - proof.bound) / max(1, one.cost - least)
            told.append(replace(one, bound=proof.bound, gap=gap))
        else:
            told.append(one)
    return tuple(told)


def with_outlooks(problem: PlanProblem, alternatives: Sequence[Alternative], scenarios: int) -> tuple[Alternative, ...]:
    """With what may become of each, all in the same scenarios; as they are if there are to be no scenarios."""
    if not scenarios or not alternatives:
        return tuple(alternatives)
    from .simulate import Outcome, simulate  # compiled code, which only the solving process needs

    plans = [{a.case: a.place for a in one.plan} for one in alternatives]
    found = simulate(problem, plans, scenarios, LUCK)
    told = []
    for number, (one, outcome) in enumerate(zip(alternatives, found.outcomes, strict=True)):
        dearer = found.difference(number, 0)
        outlook = Outlook(
            scenarios=scenarios,
            seed=LUCK,
            cost=round(float(outcome.cost.mean()), 1),
            cost_tail=round(Outcome.tail(outcome.cost), 1),
            overtime_p50=outcome.overtime_at(0.5),
            overtime_p90=outcome.overtime_at(0.9),
            overtime_tail=timedelta(minutes=round(Outcome.tail(outcome.overtime))),
            overtime_chance=round(Outcome.chance(outcome.overtime), 3),
            bed_shortage_chance=round(Outcome.chance(outcome.short), 3),
            cancellation_chance=round(Outcome.chance(outcome.pushed), 3),
            promises={case: round(chance, 3) for case, chance in sorted(outcome.promises.items())},
            dearer=round(dearer.mean, 1),
            dearer_low=round(dearer.low, 1),
            dearer_high=round(dearer.high, 1),
        )
        told.append(replace(one, outlook=outlook))
    return tuple(told)


def identity(changes: Sequence[Change]) -> str:
    """The id of an alternative: who goes from where to where, and nothing else."""
    moves = sorted((c.case, digest(c.origin), digest(c.target)) for c in changes)
    return derived_id("alternative", digest(moves))[:16]


def change_of(problem: PlanProblem, plan: Mapping[str, Place], case: ProblemCase) -> Change:
    """The change of one case, with its reason and the rules it was checked against."""
    return Change(
        case=case.id,
        version=case.version,
        origin=case.current,
        target=plan[case.id],
        length=case.length,
        reason=reason(problem, plan, case),
        rules=tuple(rule for rule in PLAN_RULES if _concerns(problem, rule, case)),
    )


def _tell(
    problem: PlanProblem, goal: Goal, plan: Plan, paid: Price, others: Sequence[Price], cheapest: int
) -> Alternative:
    cost = price(problem, plan).total
    dearer = -(-100 * (cost - cheapest) // max(1, cheapest))
    changes = tuple(change_of(problem, plan, case) for case in in_order(problem, plan).cases)
    return Alternative(
        id=identity(changes),
        kind=goal.kind,
        title=title(goal.kind, paid, others, goal.keep_free),
        summary=summary(changes, paid, dearer),
        changes=changes,
        plan=tuple(Assignment(case=case.id, place=plan[case.id]) for case in problem.cases),
        cost=cost,
        price=paid,
        break_in_gap=break_in_gap(problem, plan),
    )


def _concerns(problem: PlanProblem, rule: str, case: ProblemCase) -> bool:
    """Whether a rule could have kept this case from anything; what nobody limits cannot."""
    asked = {
        "recovery-beds": bool(case.recovery),
        "latest-start": case.latest is not None,
        "earliest-start": case.earliest is not None or case.current.start is not None or case.ready is not None,
        "emergency-never-postponed": case.urgency in ("urgent", "immediate"),
        "turnover-between": problem.turnover is not None,
        "surgeon-hours": any(surgeon in problem.hours for surgeon in case.surgeons),
        "staff-skills": any(skill in problem.skills for skill in case.skills),
        "equipment-units": any(need.kind in problem.equipment for need in case.equipment),
        "cleaning-teams": bool(problem.cleaning) and bool(case.cleanup),
        "unit-beds": case.unit in problem.units,
        "implant-there": case.implant is not None,
        "class-order": case.urgency in (Urgency.ELECTIVE, Urgency.EXPEDITED),
    }
    return asked.get(rule, True)
