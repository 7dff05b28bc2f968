"""The time-indexed model of a re-plan in Pyomo: the readable one, by which other engines are judged.

`take[c]` is 1 if candidate place c is taken, `postpone[i]` if case i is left to another day, and
`late[r, k]` if room r is in use in the k-th slot past its block. Each hard rule is one function,
named as in the catalogue. Capacities are stated at the moments at which something begins: between two
of them nothing can become fuller.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import Any

import pyomo.environ as pyo  # type: ignore[import-untyped]
from pyomo.core.expr import LinearExpression  # type: ignore[import-untyped]

from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.vocabulary import Urgency
from orloop_replan.domain.candidates import Candidate, Span, Timeline, candidate, left_over, overlap, postponing_cost
from orloop_replan.ports import Goal

Row = tuple[list[Any], float]  # variables, and how many of them may be 1


def build(problem: PlanProblem, candidates: Sequence[Candidate]) -> Any:
    """The model without its objective."""
    line = Timeline(problem)
    model = pyo.ConcreteModel()
    model.position = {case.id: index for index, case in enumerate(problem.cases)}
    model.take = pyo.Var(range(len(candidates)), domain=pyo.Binary)
    model.postpone = pyo.Var(range(len(problem.cases)), domain=pyo.Binary)
    define_late_slots(model, line, candidates)
    model.rows = pyo.ConstraintList()
    for rule in MODEL_RULES.values():
        for variables, limit in rule(model, line, candidates):
            model.rows.add((None, _sum(variables), limit))
    model.once = pyo.Constraint(range(len(problem.cases)), rule=lambda m, i: case_once(m, candidates, i))
    model.overtime = pyo.ConstraintList()
    for row in overtime_rows(model, line, candidates):
        model.overtime.add(row)
    return model


def prices(model: Any, problem: PlanProblem, candidates: Sequence[Candidate], goal: Goal) -> Any:
    """The objective: the published cost, changes, overtime and postponements, weighed as the goal says."""
    line = Timeline(problem)
    factors, variables = [], []
    for index, one in enumerate(candidates):
        case = problem.cases[one.case]
        moved_in = one.place.room == goal.keep_free and case.current.room != goal.keep_free
        factors.append(goal.cost * one.cost + (0 if one.unchanged else goal.changed) + moved_in * 10 * goal.postponed)
        variables.append(model.take[index])
    for index, case in enumerate(problem.cases):
        changed = goal.changed if case.current.room is not None else 0
        factors.append(goal.cost * postponing_cost(line, case) + goal.postponed + changed)
        variables.append(model.postpone[index])
    for variable in model.late.values():
        factors.append(goal.cost * problem.weights.overtime + goal.overtime)
        variables.append(variable)
    return _linear([float(factor) for factor in factors], variables)


# --- one function per hard rule; those not here hold because no candidate place breaks them ----------


def case_once(model: Any, candidates: Sequence[Candidate], index: int) -> Any:
    """case-once: exactly one place, or postponed."""
    mine = [model.take[n] for n, one in enumerate(candidates) if one.case == index]
    return (1, _sum([*mine, model.postpone[index]]), 1)


def room_one_patient(model: Any, line: Timeline, candidates: Sequence[Candidate]) -> Iterator[Row]:
    """room-one-patient: at most one case in a room, from setup to cleanup."""
    for room in line.problem.rooms:
        here = [(n, one.occupied) for n, one in enumerate(candidates) if one.place.room == room.id]
        for _, covering in _peaks(here):
            if len({candidates[n].case for n in covering}) > 1:
                yield [model.take[n] for n in covering], 1


def surgeon_one_place(model: Any, line: Timeline, candidates: Sequence[Candidate]) -> Iterator[Row]:
    """surgeon-one-place: at most one patient per surgeon."""
    cases = line.problem.cases
    for surgeon in sorted({s for case in cases for s in case.surgeons}):
        theirs = [(n, one.stay) for n, one in enumerate(candidates) if surgeon in cases[one.case].surgeons]
        for _, covering in _peaks(theirs):
            if len({candidates[n].case for n in covering}) > 1:
                yield [model.take[n] for n in covering], 1


def anaesthesia_teams(model: Any, line: Timeline, candidates: Sequence[Candidate]) -> Iterator[Row]:
    """anaesthesia-teams: no more patients in rooms than teams that committed cases leave."""
    yield from _capacity(model, line.teams, line.patients, [(n, c.stay) for n, c in enumerate(candidates)], candidates)


def recovery_beds(model: Any, line: Timeline, candidates: Sequence[Candidate]) -> Iterator[Row]:
    """recovery-beds: no more patients in recovery than beds that committed cases leave."""
    stays = [(n, c.recovery) for n, c in enumerate(candidates) if c.recovery[0] < c.recovery[1]]
    yield from _capacity(model, line.beds, line.recoveries, stays, candidates)


def one_change_at_a_time(model: Any, line: Timeline, candidates: Sequence[Candidate]) -> Iterator[Row]:
    """one-change-at-a-time: no two cases trade places, since then neither change could be made first."""
    cases = line.problem.cases
    by_case: dict[int, list[int]] = {}
    for n, found in enumerate(candidates):
        if not found.unchanged:
            by_case.setdefault(found.case, []).append(n)
    origins = {i: candidate(line, i, replace(case, slack=timedelta(0)), case.current) for i, case in enumerate(cases)}

    def into(mover: int, origin: Candidate | None) -> list[Any]:
        if origin is None:
            return []
        return [
            model.take[n]
            for n in by_case.get(mover, ())
            if candidates[n].place.room == origin.place.room and overlap(candidates[n].occupied, origin.occupied)
        ]

    for first, second in combinations(range(len(cases)), 2):
        one, two = into(first, origins[second]), into(second, origins[first])
        if one and two:
            yield [*one, *two], 1


def emergency_never_postponed(model: Any, line: Timeline, candidates: Sequence[Candidate]) -> Iterator[Row]:
    """emergency-never-postponed: urgent and immediate cases that fit anywhere at all are not postponed."""
    placeable = {one.case for one in candidates}
    for index, case in enumerate(line.problem.cases):
        if case.urgency in (Urgency.URGENT, Urgency.IMMEDIATE) and index in placeable:
            yield [model.postpone[index]], 0


MODEL_RULES = {
    "room-one-patient": room_one_patient,
    "surgeon-one-place": surgeon_one_place,
    "anaesthesia-teams": anaesthesia_teams,
    "recovery-beds": recovery_beds,
    "one-change-at-a-time": one_change_at_a_time,
    "emergency-never-postponed": emergency_never_postponed,
}
"""Rules that are rows of the model; `case_once` is the equation beside them."""

FILTERED_RULES = ("room-usable", "room-eligible", "room-open", "frozen-window", "latest-start", "earliest-start")
"""Rules that hold because `candidates` offers no place that breaks them."""


# --- overtime ----------------------------------------------------------------------------------------


def define_late_slots(model: Any, line: Timeline, candidates: Sequence[Candidate]) -> None:
    """One variable for each slot past the block that a room could be in use; committed use is fixed."""
    slots: list[tuple[str, int]] = []
    fixed: set[tuple[str, int]] = set()
    model.late_from = {}
    for room in line.problem.rooms:
        block = line.at(room.block_end)
        held = max([block, *(end for _, end in line.room_taken[room.id])])
        last = max([held, *(one.occupied[1] for one in candidates if one.place.room == room.id)])
        for slot in range(-((block - last) // line.grid)):
            slots.append((room.id, slot))
            model.late_from[room.id, slot] = block + slot * line.grid
            if held > block + slot * line.grid:
                fixed.add((room.id, slot))
    model.late = pyo.Var(slots, bounds=lambda _, r, k: (1, 1) if (r, k) in fixed else (0, 1))


def overtime_rows(model: Any, line: Timeline, candidates: Sequence[Candidate]) -> Iterator[Any]:
    """A room in use in a late slot pays for it, and for every late slot before it."""
    for (room, slot), variable in model.late.items():
        begins = model.late_from[room, slot]
        using = [
            model.take[n]
            for n, one in enumerate(candidates)
            if one.place.room == room and one.occupied[0] <= begins < one.occupied[1]
        ]
        if using:
            yield (None, _linear([1.0] * len(using) + [-1.0], [*using, variable]), 0)
        if (room, slot + 1) in model.late:
            yield (None, _linear([1.0, -1.0], [model.late[room, slot + 1], variable]), 0)


# --- reading intervals ---------------------------------------------------------------------------------


def _peaks(spans: Sequence[tuple[int, Span]], marks: Iterable[int] = ()) -> list[tuple[int, list[int]]]:
    """The moments at which most could be in use at once: starts after which something ends before the next."""
    moments = sorted({start for _, (start, _) in spans} | set(marks))
    found = []
    extra = set(marks)
    for number, moment in enumerate(moments):
        covering = [n for n, (start, end) in spans if start <= moment < end]
        following = moments[number + 1] if number + 1 < len(moments) else None
        ends_before = following is None or any(start <= moment < end <= following for _, (start, end) in spans)
        if covering and (ends_before or moment in extra or following in extra):
            found.append((moment, covering))
    return found


def _capacity(
    model: Any,
    steps: list[tuple[int, int, int]],
    taken: list[Span],
    spans: Sequence[tuple[int, Span]],
    candidates: Sequence[Candidate],
) -> Iterator[Row]:
    if not steps:
        return
    marks = {m for step in steps for m in step[:2]} | {m for span in taken for m in span}
    for moment, covering in _peaks(spans, marks):
        limit = left_over(steps, taken, moment)
        if len({candidates[n].case for n in covering}) > limit:
            yield [model.take[n] for n in covering], max(0, limit)


def _sum(variables: Sequence[Any]) -> Any:
    return _linear([1.0] * len(variables), variables)


def _linear(factors: Sequence[float], variables: Sequence[Any]) -> Any:
    return LinearExpression(constant=0, linear_coefs=list(factors), linear_vars=list(variables))
