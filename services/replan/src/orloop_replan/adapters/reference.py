"""The complete time-indexed model of a re-plan in Pyomo: the one to read, and the one others are judged by.

`x[case, room, start]` is 1 if the case has this place, `z[case]` if it is postponed, `u[room, k]` if the room
is in use in the k-th slot past its block, `F[measure]` the level that no group's mean exceeds. Places come
from `options`, which drops those that break a rule by themselves. Here stand the rules between cases, one
function each by the catalogue's id, and the objective, one function a term.

Capacities are stated at the moments at which something begins or their size changes: between two of them
nothing can become fuller.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyomo.environ as pyo  # type: ignore[import-untyped]
from pyomo.core.expr import LinearExpression  # type: ignore[import-untyped]

from orloop_common.domain.grid import slots_past
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.vocabulary import Urgency
from orloop_replan.domain.option_costs import (
    BY_OPTION,
    Price,
    committed_slots,
    groups,
    measures,
    postponing,
    ranks,
)
from orloop_replan.domain.options import RESOURCES, Limited, Option, too_soon

from .reference_whole import WHOLE

Key = tuple[Any, ...]  # a variable: its letter and its index
Sum = dict[Key, int]  # how often each variable counts
Row = tuple[Sum, int]  # what they may add up to at most
NEVER_POSTPONED = (Urgency.URGENT, Urgency.IMMEDIATE)


@dataclass
class Reference:
    """A model, the options it chooses from, its variables, and its two tiers."""

    problem: PlanProblem
    options: Sequence[Option]
    model: Any
    cost: Any = None
    postponements: Any = None

    def at_most(self, total: Sum, limit: int) -> None:
        self.model.rows.add((None, self.linear(total), limit))

    def linear(self, total: Sum, constant: int = 0) -> Any:
        found = [self._variable(*key) for key in total]
        return LinearExpression(constant=constant, linear_coefs=[float(n) for n in total.values()], linear_vars=found)

    def _variable(self, letter: str, *index: Any) -> Any:
        return getattr(self.model, letter)[index if len(index) > 1 else index[0]]


def build(
    problem: PlanProblem, options: Sequence[Option], go_on: Callable[[], None] = lambda: None, *, whole: bool = True
) -> Reference:
    """The model over these options, without an objective: `postponements` comes first where asked for, then `cost`.

    Without `whole` it leaves out the terms of whole plans. `go_on` is called before each rule: what it raises goes
    through.
    """
    reference = Reference(problem, options, pyo.ConcreteModel())
    reference.model.x = pyo.Var([one.key for one in options], domain=pyo.Binary)
    reference.model.z = pyo.Var([case.id for case in problem.cases], domain=pyo.Binary)
    reference.model.once = pyo.ConstraintList()
    reference.model.rows = pyo.ConstraintList()
    for total in case_once(reference):
        reference.model.once.add((1, reference.linear(total), 1))
    for rule in ROWS.values():
        go_on()
        for total, limit in rule(reference):
            reference.at_most(total, limit)
    cost: Sum = {}
    for term in [*TERMS.values(), *(WHOLE.values() if whole else ())]:
        for variable, price in term(reference).items():
            cost[variable] = cost.get(variable, 0) + price
    reference.cost = reference.linear(cost, problem.weights.overtime * sum(committed_slots(problem).values()))
    reference.postponements = reference.linear({("z", case): rank for case, rank in ranks(problem).items()})
    return reference


def X(one: Option) -> Key:
    """The variable of an option."""
    return "x", *one.key


# --- one function per rule ----------------------------------------------------------------------------


def case_once(reference: Reference) -> Iterator[Sum]:
    """case-once: exactly one place, or postponed."""
    own: dict[str, Sum] = {case.id: {("z", case.id): 1} for case in reference.problem.cases}
    for one in reference.options:
        own[one.case.id][X(one)] = 1
    return iter(own.values())


def emergency_never_postponed(reference: Reference) -> Iterator[Row]:
    """emergency-never-postponed: not if it fits anywhere at all."""
    for case_id in sorted({one.case.id for one in reference.options if one.case.urgency in NEVER_POSTPONED}):
        yield {("z", case_id): 1}, 0


def turnover_between(reference: Reference) -> Iterator[Row]:
    """turnover-between: no case begins in a room before what its predecessor's kind asks for has passed.

    Of the cases that end shortly before `begin`, only one can (extra times are shorter than any case).
    """
    if reference.problem.turnover is None:
        return
    for room in reference.problem.rooms:
        here = [one for one in reference.options if one.room.id == room.id]
        alike: dict[Any, list[Option]] = {}
        for one in here:
            kind = (one.case.service, one.case.contaminated, one.case.latex)
            alike.setdefault((kind, one.occupied.start), []).append(one)
        for beginning in alike.values():
            then = beginning[0].occupied, beginning[0].case
            before = [one for one in here if too_soon(reference.problem, (one.occupied, one.case), then)]
            if before:
                yield {X(one): 1 for one in [*beginning, *before]}, 1


def capacity(rule: Callable[[PlanProblem], Iterator[Limited]]) -> Callable[[Reference], Iterator[Row]]:
    """The rows of a rule about something limited: at no moment more than committed cases leave."""

    def rows(reference: Reference) -> Iterator[Row]:
        for limited in rule(reference.problem):
            holds = [(X(one), hold) for one in reference.options for hold in limited.holds(one)]
            for moment, total in peaks(holds, limited.moments()):
                yield total, limited.left(moment)

    return rows


ROWS: Mapping[str, Callable[[Reference], Iterator[Row]]] = {
    "emergency-never-postponed": emergency_never_postponed,
    "turnover-between": turnover_between,
    **{name: capacity(rule) for name, rule in RESOURCES.items()},
}
"""Rules that are rows. `case_once` is the equation beside them, `class-order` follows from the first tier:
whoever lets a postponed case of a higher class take a lower one's place makes that tier cheaper."""


# --- one function per term of the cost ----------------------------------------------------------------


def by_option(price: Price) -> Callable[[Reference], Sum]:
    """A term that is a sum over the places taken."""
    return lambda reference: {X(one): price(reference.problem, one) for one in reference.options}


def postponed(reference: Reference) -> Sum:
    """What it costs to leave cases to another day."""
    return {("z", case.id): postponing(reference.problem, case) for case in reference.problem.cases}


def overtime(reference: Reference) -> Sum:
    """A room in use past its block pays for every slot until it is clean; what committed cases use is paid."""
    problem, model = reference.problem, reference.model
    paid = committed_slots(problem)
    here = {room.id: [one for one in reference.options if one.room.id == room.id] for room in problem.rooms}
    late: dict[tuple[str, int], datetime] = {}
    for room in problem.rooms:
        last = max((slots_past(one.occupied.end - room.block_end, problem.grid) for one in here[room.id]), default=0)
        late |= {(room.id, k): room.block_end + k * problem.grid for k in range(paid[room.id], last)}
    model.u = pyo.Var(list(late), domain=pyo.Binary)
    for (room_id, k), begins in late.items():
        inside = [one for one in here[room_id] if one.occupied.start <= begins < one.occupied.end]
        ends = begins + problem.grid
        within = [one for one in here[room_id] if begins < one.occupied.start < one.occupied.end <= ends]
        for using in [inside, *([one] for one in within)]:
            if using:
                reference.at_most({**{X(one): 1 for one in using}, ("u", room_id, k): -1}, 0)
        if (room_id, k + 1) in late:
            reference.at_most({("u", room_id, k + 1): 1, ("u", room_id, k): -1}, 0)
    return dict.fromkeys((("u", *key) for key in late), problem.weights.overtime)


def fairness(reference: Reference) -> Sum:
    """F is at least the mean of every group: of delays, of stays past block end, of ten per start past it."""
    problem, model = reference.problem, reference.model
    prices = {name: price for name, (price, _) in measures(problem).items() if price}
    model.F = pyo.Var(list(prices), domain=pyo.NonNegativeIntegers)
    for name in prices:
        _, counted = measures(problem)[name]
        for members in groups(problem):
            total = {X(one): counted(problem, one) for one in reference.options if one.case.id in members}
            reference.at_most({**total, ("F", name): -len(members)}, 0)
    return {("F", name): price for name, price in prices.items()}


TERMS: Mapping[str, Callable[[Reference], Sum]] = {
    **{name: by_option(price) for name, price in BY_OPTION.items()},
    "overtime": overtime,
    "fairness": fairness,
    "postponed": postponed,
}


# --- rows -------------------------------------------------------------------------------------------------


def peaks(holds: Sequence[tuple[Any, tuple[Any, int]]], marks: set[datetime]) -> Iterator[tuple[datetime, Sum]]:
    """Who would hold something at the moments that matter: where something begins before anything ends."""
    held = [(variable, interval, amount) for variable, (interval, amount) in holds if interval.start < interval.end]
    moments = sorted({interval.start for _, interval, _ in held} | marks)
    ends = {interval.end for _, interval, _ in held}
    begins: dict[datetime, list[Any]] = {}
    for hold in held:
        begins.setdefault(hold[1].start, []).append(hold)
    now: list[Any] = []
    ordered_ends = sorted(ends)
    for number, moment in enumerate(moments):
        now = [hold for hold in now if hold[1].end > moment] + begins.get(moment, [])
        following = moments[number + 1] if number + 1 < len(moments) else None
        if following is None or following in marks or moment in marks or _any_in(ordered_ends, moment, following):
            total: Sum = {}
            for variable, _, amount in now:
                total[variable] = total.get(variable, 0) + amount
            if total:
                yield moment, total


def _any_in(ordered: Sequence[datetime], after: datetime, until: datetime) -> bool:
    return bisect_right(ordered, until) > bisect_right(ordered, after)
