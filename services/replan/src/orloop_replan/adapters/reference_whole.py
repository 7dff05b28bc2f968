"""The terms of the reference model that need whole plans: who follows whom, where no case ends, what is left free.

As the others one function each; they are left out of the second route's model, which is a plan and no bound.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pyomo.environ as pyo  # type: ignore[import-untyped]

from orloop_common.domain.cost_least import break_in_until
from orloop_common.domain.expecting import free_time, likely_free
from orloop_common.domain.grid import slots_past
from orloop_common.domain.plan import Interval
from orloop_replan.domain.options import Option

if TYPE_CHECKING:
    from .reference import Reference, Sum

_SECOND = timedelta(seconds=1)


def surgeon_idle(reference: "Reference") -> "Sum":
    """Of each surgeon's cases every one but the first follows one that starts no later: the wait between, less its
    turnover. `follows[s, a, b]`: b comes next after a; `waits` are seconds, `idle` begun slots of all together.
    """
    problem, model = reference.problem, reference.model
    if not problem.weights.surgeon_idle:
        return {}
    days = {surgeon: _entries(reference, surgeon) for surgeon in _surgeons(reference)}
    pairs = [(s, a, b) for s, entries in days.items() for a, b in permutations(entries, 2)]
    model.follows = pyo.Var(pairs, domain=pyo.Binary)
    model.heads = pyo.Var([(s, a) for s, entries in days.items() for a in entries], domain=pyo.Binary)
    model.waits = pyo.Var(pairs, domain=pyo.NonNegativeReals)
    model.idle = pyo.Var([0], domain=pyo.NonNegativeIntegers)
    for s, entries in days.items():
        for a, one in entries.items():
            before = {("follows", s, b, a): 1 for b in entries if b != a}
            model.once.add(
                (one.there, reference.linear({**before, ("heads", s, a): 1, **_less(one.placed)}), one.there)
            )
            after = {("follows", s, a, b): 1 for b in entries if b != a}
            reference.at_most({**after, **_less(one.placed)}, one.there)
        reference.at_most({("heads", s, a): 1 for a in entries}, 1)
        for a, b in permutations(entries, 2):
            one, two, far = entries[a], entries[b], _far(reference)
            chosen = {("follows", s, a, b): far}
            sooner = {**one.start, **_less(two.start), **chosen}  # if b follows a, it does not start before a
            reference.at_most(sooner, far - one.start_at + two.start_at)
            waits = {**two.start, **_less(one.out), **chosen, ("waits", s, a, b): -1}
            reference.at_most(waits, far - two.start_at + one.out_at + two.turnover)
    slot = -int(problem.grid / _SECOND)
    reference.at_most({**{("waits", *pair): 1 for pair in pairs}, ("idle", 0): slot}, 0)
    return {("idle", 0): problem.weights.surgeon_idle}


def break_in(reference: "Reference") -> "Sum":
    """`gap[g]`: the break-in gap takes g slots; if not, cases end in every span of g - 1 slots before 16:00.

    `ends` counts the cases that end at a moment.
    """
    problem, model = reference.problem, reference.model
    until = break_in_until(problem)
    if not problem.weights.break_in or until <= problem.now:
        return {}
    sure = [held.patient.end for held in problem.committed if problem.now < held.patient.end < until]
    ending: dict[datetime, list[Option]] = {}
    for one in reference.options:
        if problem.now < one.patient.end < until:
            ending.setdefault(one.patient.end, []).append(one)
    moments = sorted(ending)
    model.ends = pyo.Var(range(len(moments)), domain=pyo.NonNegativeIntegers)
    for k, moment in enumerate(moments):
        total = reference.linear({**{("x", *one.key): 1 for one in ending[moment]}, ("ends", k): -1})
        model.once.add((0, total, 0))
    levels = range(1, slots_past(until - problem.now, problem.grid) + 1)
    model.gap = pyo.Var(levels, domain=pyo.Binary)
    for g in levels:
        span = (g - 1) * problem.grid
        if g > 1:
            reference.at_most({("gap", g): 1, ("gap", g - 1): -1}, 0)
        for moment in sorted({problem.now, *sure, *moments}):
            if moment + span < until and not any(moment < end <= moment + span for end in sure):
                inside = {("ends", k): -1 for k, end in enumerate(moments) if moment < end <= moment + span}
                reference.at_most({**inside, ("gap", g): -1}, -1)
    return {("gap", g): problem.weights.break_in for g in levels}


def add_on_slack(reference: "Reference") -> "Sum":
    """`short[h]` seconds that the add-ons of an hour lack: what they need less what is free and may become free."""
    problem, model = reference.problem, reference.model
    if not problem.weights.add_on_slack or not problem.expected:
        return {}
    held: dict[str, list[Interval]] = {}
    for committed in problem.committed:
        held.setdefault(committed.room, []).append(committed.occupied)
    model.short = pyo.Var(range(len(problem.expected)), domain=pyo.NonNegativeReals)
    model.lacks = pyo.Var([0], domain=pyo.NonNegativeIntegers)
    for h, hour in enumerate(problem.expected):
        free = free_time(problem, hour, held)
        takes: Sum = {("short", h): -1}
        for one in reference.options:
            taken = {**held, one.room.id: [*held.get(one.room.id, ()), one.occupied]}
            if less := (free - free_time(problem, hour, taken)) // _SECOND:
                takes["x", *one.key] = less
        reference.at_most(takes, -((hour.work - free - likely_free(problem, hour)) // _SECOND))
    total: Sum = {("short", h): 1 for h in range(len(problem.expected))}
    reference.at_most({**total, ("lacks", 0): -int(problem.grid / _SECOND)}, 0)
    return {("lacks", 0): problem.weights.add_on_slack}


WHOLE: Mapping[str, Callable[["Reference"], "Sum"]] = {
    "surgeon_idle": surgeon_idle,
    "break_in": break_in,
    "add_on_slack": add_on_slack,
}


class _Entry:
    """A case in a surgeon's day: whether it is there, patient in and out (not before now), in seconds from now."""

    def __init__(self, there: int, start_at: int, out_at: int, turnover: int) -> None:
        self.there, self.start_at, self.out_at, self.turnover = there, start_at, out_at, turnover
        self.placed: dict[Any, int] = {}
        self.start: dict[Any, int] = {}
        self.out: dict[Any, int] = {}


def _surgeons(reference: "Reference") -> list[str]:
    problem = reference.problem
    return sorted({s for c in problem.cases for s in c.surgeons} | {s for h in problem.committed for s in h.surgeons})


def _entries(reference: "Reference", surgeon: str) -> dict[str, _Entry]:
    problem, now = reference.problem, reference.problem.now
    found = {}
    for held in problem.committed:
        if surgeon in held.surgeons:
            inside, out = held.patient.start, max(held.patient.end, now)
            turnover = (inside - held.occupied.start) // _SECOND
            found[held.id] = _Entry(1, (inside - now) // _SECOND, (out - now) // _SECOND, turnover)
    for case in problem.cases:
        if surgeon in case.surgeons:
            found[case.id] = _Entry(0, 0, 0, (case.setup + case.cleanup) // _SECOND)
    for one in reference.options:
        if surgeon in one.case.surgeons:
            entry, key = found[one.case.id], ("x", *one.key)
            entry.placed[key] = 1
            entry.start[key] = (one.start - now) // _SECOND
            entry.out[key] = (max(one.patient.end, now) - now) // _SECOND
    return found


def _less(total: Mapping[Any, int]) -> dict[Any, int]:
    return {variable: -count for variable, count in total.items()}


def _far(reference: "Reference") -> int:
    """More seconds than lie between any two moments of the day."""
    return 2 * int((reference.problem.horizon - reference.problem.now) / _SECOND) + 24 * 3600
