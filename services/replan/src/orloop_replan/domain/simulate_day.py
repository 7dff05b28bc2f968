"""A problem and its plans as the arrays that the simulation plays: whole minutes from now."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from orloop_common.domain.cost import postponing, price, told
from orloop_common.domain.cost_least import break_in_until
from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import Capacity, Committed, EquipmentNeed, PlanProblem, ProblemCase
from orloop_common.domain.vocabulary import Urgency

from .simulate_kernel import (
    AFTER,
    BLOCK_END,
    CLOSES,
    COLUMNS,
    EARLIER,
    EARLIER_TO,
    EARLIEST,
    FREE,
    FRESH,
    LENGTH,
    NEED_TO,
    PREVIOUS,
    QUEUE,
    QUEUE_TO,
    RANK,
    ROOM_COLUMNS,
    RUNNING,
    SHUT,
    SHUT_TO,
    UNKNOWN,
)
from .simulate_price import ROOM
from .slot_costs import groups

Ints = npt.NDArray[np.int64]
PLAYED = ("delay", "early", "emergency_wait", "overtime", "fairness", "surgeon_idle", "break_in")
"""The terms of the published cost that depend on how the day goes; the others are as planned."""
EMERGENCIES = (Urgency.URGENT, Urgency.IMMEDIATE)
_MINUTE, _ZERO = timedelta(minutes=1), timedelta(0)
_LONG = 12 * 60
_FAR = 10**6


@dataclass(frozen=True, slots=True)
class _Clock:
    now: datetime

    def down(self, moment: datetime) -> int:
        return (moment - self.now) // _MINUTE

    def up(self, moment: datetime) -> int:
        return -((self.now - moment) // _MINUTE)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the simulation asks of a case, movable or committed."""

    setup: timedelta
    cleanup: timedelta
    recovery: timedelta
    after: timedelta
    before: timedelta
    kind: tuple[str, bool, bool]
    skills: tuple[str, ...]
    equipment: tuple[EquipmentNeed, ...]
    must: bool


class Day(NamedTuple):
    """What all plans of a problem share; tables as in the kernel, `n` movable cases first, then committed ones."""

    grid: int
    who: Ints
    rooms: Ints
    need: Ints
    capacity: Ints
    beds: Ints
    cleaners: Ints
    extra: Ints
    prices: Ints
    overtime: int
    group_ptr: Ints
    group: Ints
    group_measure: Ints
    group_count: Ints
    fair_weight: Ints
    idle: int
    turns: Ints
    break_in: int
    break_in_until: int


class Script(NamedTuple):
    """One plan in tables as in the kernel: in which order its rooms and surgeons have their cases."""

    who: Ints
    rooms: Ints
    queue: Ints
    earlier: Ints
    shut: Ints
    prices: Ints
    turn_ptr: Ints
    turn: Ints
    constant: int


def day_of(problem: PlanProblem) -> Day:
    """What all plans of a problem share."""
    clock, n = _Clock(problem.now), len(problem.cases)
    facts = [_movable(case) for case in problem.cases] + [_held(problem, held) for held in problem.committed]
    kinds = sorted({f.kind for f in facts})
    names, capacity, beds, cleaners = _resources(problem, clock)
    index = _rooms(problem)
    rooms = np.zeros((len(index), ROOM_COLUMNS), np.int64)
    rooms[:, [FREE, PREVIOUS, BLOCK_END, CLOSES]] = -_FAR, -1, _FAR, _FAR
    for r, room in enumerate(problem.rooms):
        rooms[r, [BLOCK_END, CLOSES, FRESH]] = clock.up(room.block_end), clock.down(room.closes), 1
    for held, own in zip(problem.committed, facts[n:], strict=True):
        r = index[held.room]
        if held.patient.start <= problem.now:
            rooms[r, FRESH] = 0
        if held.patient.end <= problem.now:
            if clock.up(held.occupied.end) > rooms[r, FREE]:
                rooms[r, [FREE, PREVIOUS]] = clock.up(held.occupied.end), kinds.index(own.kind)
            _clear(clock, held, names, capacity, beds, cleaners)
    needs = [list(_needs(own, names)) for own in facts]
    ptr = _ptr(needs)
    who = np.zeros((len(facts), COLUMNS), np.int64)
    for i, f in enumerate(facts):
        spans = [_up(span) for span in (f.setup, f.cleanup, f.recovery, f.after, f.before)]
        who[i, : NEED_TO + 1] = [*spans, kinds.index(f.kind), f.must, ptr[i], ptr[i + 1]]
    fair = groups(problem)
    member = [list(np.nonzero(fair.member[:, i])[0]) for i in range(n)]
    turns = [(UNKNOWN, UNKNOWN, _up(f.setup + f.cleanup)) for f in facts[:n]]
    turns += [
        (clock.down(held.patient.start), clock.up(held.patient.end), _up(f.setup))
        for held, f in zip(problem.committed, facts[n:], strict=True)
    ]
    return Day(
        grid=_up(problem.grid),
        who=who,
        rooms=rooms,
        need=_table([row for own in needs for row in own], 3),
        capacity=capacity,
        beds=beds,
        cleaners=cleaners,
        extra=_extra(problem, kinds),
        prices=_table([_prices(problem, clock, case) for case in problem.cases], 5),
        overtime=problem.weights.overtime,
        group_ptr=_ptr(member),
        group=_ints(g for own in member for g in own),
        group_measure=fair.measure,
        group_count=fair.count,
        fair_weight=fair.weight,
        idle=problem.weights.surgeon_idle,
        turns=_table(turns, 3),
        break_in=problem.weights.break_in,
        break_in_until=max(0, clock.down(break_in_until(problem))),
    )


def script_of(problem: PlanProblem, day: Day, plan: Mapping[str, Place]) -> Script:
    """One plan, in the order in which its rooms and surgeons have their cases."""
    clock, n, index = _Clock(problem.now), len(problem.cases), _rooms(problem)
    count = len(day.who)
    planned, where = np.full(count, UNKNOWN), np.full(count, -1)
    who, rooms, prices = day.who.copy(), day.rooms.copy(), day.prices.copy()
    shut: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for i, case in enumerate(problem.cases):
        place = plan.get(case.id)
        if place is None or place.room is None or place.start is None:
            continue
        planned[i], where[i] = clock.up(place.start), index[place.room]
        room = problem.rooms[where[i]]
        length = _up(case.length - (case.slack if place == case.current else _ZERO))
        bounds = [place.start, room.opens, case.ready, case.implant.end if case.implant else None]
        who[i, LENGTH] = length
        who[i, EARLIEST] = clock.up(max(moment for moment in bounds if moment is not None))
        shut[i] = [(clock.down(d.start) - length + 1, clock.up(d.end)) for d in room.down]
        shut[i] += _pauses(problem, clock, case)
    for h, held in enumerate(problem.committed, n):
        planned[h] = clock.up(held.patient.start)
        if held.patient.end > problem.now:
            where[h] = index[held.room]
            who[h, LENGTH], who[h, EARLIEST] = _up(held.patient.end - held.patient.start), planned[h]
            who[h, RUNNING] = held.patient.start <= problem.now
    order = sorted((int(i) for i in np.nonzero(where >= 0)[0]), key=lambda i: (not who[i, RUNNING], planned[i], i))
    queues: list[list[int]] = [[] for _ in index]
    for rank, i in enumerate(order):
        who[i, RANK] = rank
        queues[where[i]].append(i)
    earlier, turn = _surgeons(problem, day, planned, who, order)
    prices[:, ROOM] = where[:n]
    rooms[:, QUEUE], rooms[:, QUEUE_TO] = _ptr(queues)[:-1], _ptr(queues)[1:]
    who[:, EARLIER], who[:, EARLIER_TO] = _ptr(earlier)[:-1], _ptr(earlier)[1:]
    who[:, SHUT], who[:, SHUT_TO] = _ptr(shut)[:-1], _ptr(shut)[1:]
    return Script(
        who=who,
        rooms=rooms,
        queue=_ints(itertools.chain(*queues)),
        earlier=_ints(itertools.chain(*earlier)),
        shut=_table(list(itertools.chain(*shut)), 2),
        prices=prices,
        turn_ptr=_ptr(turn),
        turn=_table([(i, *day.turns[i]) for own in turn for i in own], 4),
        constant=_constant(problem, plan),
    )


def _surgeons(
    problem: PlanProblem, day: Day, planned: Ints, who: Ints, order: Sequence[int]
) -> tuple[list[list[int]], list[list[int]]]:
    """By case, the ones that its surgeons have before it; and each surgeon's day in order, the done ones first."""
    surgeons = [c.surgeons for c in problem.cases] + [held.surgeons for held in problem.committed]
    days: dict[str, list[int]] = {}
    for i in order:
        for surgeon in surgeons[i]:
            days.setdefault(surgeon, []).append(i)
    bound = planned + day.who[:, AFTER]
    earlier: list[list[int]] = [[] for _ in surgeons]
    for own in days.values():
        for k, i in enumerate(own):
            earlier[i] += [j for j in own[:k] if who[j, RUNNING] or bound[j] <= bound[i]]
    n = len(problem.cases)
    for h, held in enumerate(problem.committed, n):
        if held.patient.end <= problem.now:
            for surgeon in set(held.surgeons) & days.keys():
                days[surgeon].append(h)
    return earlier, [sorted(own, key=lambda i: (planned[i], i)) for _, own in sorted(days.items())]


def _pauses(problem: PlanProblem, clock: _Clock, case: ProblemCase) -> Iterable[tuple[int, int]]:
    """Spans in which the case cannot start, because a surgeon's break lies where its part begins."""
    after = _up(case.surgeon_after)
    for surgeon in case.surgeons:
        if (hours := problem.hours.get(surgeon)) is not None:
            yield from ((clock.down(b.start) - after, clock.up(b.end) - after) for b in hours.breaks)


def _constant(problem: PlanProblem, plan: Mapping[str, Place]) -> int:
    """What the plan costs however the day goes: room changes, postponements and what else is not played."""
    cost = price(problem, plan)
    return cost.total - sum(getattr(cost, term, 0) for term in PLAYED)


def _movable(case: ProblemCase) -> _Facts:
    return _Facts(
        setup=case.setup,
        cleanup=case.cleanup,
        recovery=case.recovery,
        after=case.surgeon_after,
        before=case.surgeon_before,
        kind=(case.service, case.contaminated, case.latex),
        skills=case.skills,
        equipment=case.equipment,
        must=case.urgency in EMERGENCIES,
    )


def _held(problem: PlanProblem, held: Committed) -> _Facts:
    now, bound = problem.now, held.surgeon or held.patient
    after, before = bound.start - held.patient.start, held.patient.end - bound.end
    if held.patient.start <= now:  # what is left of it is counted from now
        after = max(bound.start - now, -problem.grid)
        if bound.end <= now:
            after, before = -problem.grid, timedelta(minutes=_FAR)
    return _Facts(
        setup=held.patient.start - held.occupied.start,
        cleanup=held.occupied.end - held.patient.end,
        recovery=held.recovery.end - held.recovery.start if held.recovery else _ZERO,
        after=after,
        before=before,
        kind=(held.service, held.contaminated, held.latex),
        skills=held.skills,
        equipment=held.equipment,
        must=True,
    )


def _needs(own: _Facts, names: Mapping[str, int]) -> Iterable[tuple[int, int, int]]:
    """Resource, how many, and for how many minutes after the patient has left the room."""
    if "" in names:
        yield names[""], 1, 0
    for skill in own.skills:
        if f"skill/{skill}" in names:
            yield names[f"skill/{skill}"], 1, 0
    for need in own.equipment:
        if f"kind/{need.kind}" in names:
            yield names[f"kind/{need.kind}"], need.count, _up(need.reprocessing)


def _rooms(problem: PlanProblem) -> dict[str, int]:
    """Index by room; rooms that only committed cases know come last."""
    known = [room.id for room in problem.rooms]
    known += sorted({held.room for held in problem.committed} - set(known))
    return {room: r for r, room in enumerate(known)}


def _resources(problem: PlanProblem, clock: _Clock) -> tuple[dict[str, int], Ints, Ints, Ints]:
    """Teams, skills and equipment by name with their capacity by minute; beds and cleaners (empty: no limit)."""
    named = {"": problem.teams} if problem.teams else {}
    named |= {f"skill/{name}": steps for name, steps in problem.skills.items()}
    named |= {f"kind/{name}": steps for name, steps in problem.equipment.items()}
    limits = [*named.values(), problem.beds, problem.cleaning]
    ends = [problem.horizon, *(room.closes for room in problem.rooms)]
    ends += [step.start for steps in limits for step in steps]
    horizon = max(1, clock.up(max(ends)) + _LONG)
    capacity = np.zeros((len(named), horizon), np.int64)
    for k, name in enumerate(sorted(named)):
        capacity[k] = _steps(clock, named[name], horizon)
    beds, cleaners = (_steps(clock, s, horizon if s else 0) for s in (problem.beds, problem.cleaning))
    return {name: k for k, name in enumerate(sorted(named))}, capacity, beds, cleaners


def _clear(
    clock: _Clock, held: Committed, names: Mapping[str, int], capacity: Ints, beds: Ints, cleaners: Ints
) -> None:
    """What a case that is over still holds: a bed, a cleaning team, equipment that is being reprocessed."""
    out = held.patient.end
    _take(clock, beds, held.recovery)
    _take(clock, cleaners, Interval(start=out, end=held.occupied.end))
    for need in held.equipment:
        if f"kind/{need.kind}" in names:
            dirty = Interval(start=out, end=out + need.reprocessing)
            _take(clock, capacity[names[f"kind/{need.kind}"]], dirty, need.count)


def _steps(clock: _Clock, steps: Sequence[Capacity], horizon: int) -> Ints:
    found = np.zeros(horizon, np.int64)
    for step in steps:
        found[max(0, clock.up(step.start)) : max(0, clock.down(step.end))] = step.count
    return found


def _take(clock: _Clock, capacity: Ints, taken: Interval | None, amount: int = 1) -> None:
    if taken is not None and len(capacity):
        capacity[max(0, clock.down(taken.start)) : max(0, clock.up(taken.end))] -= amount


def _extra(problem: PlanProblem, kinds: Sequence[tuple[str, bool, bool]]) -> Ints:
    """Minutes between two kinds of cases in a room, beyond cleanup and setup."""
    extra, rule = np.zeros((max(1, len(kinds)), max(1, len(kinds))), np.int64), problem.turnover
    if rule is None:
        return extra
    for a, (service, contaminated, latex) in enumerate(kinds):
        for b, (following, next_contaminated, next_latex) in enumerate(kinds):
            between = rule.service_change if service and following and service != following else _ZERO
            between += rule.after_contaminated if contaminated and not next_contaminated else _ZERO
            between += rule.before_latex if next_latex and not latex else _ZERO
            extra[a, b] = -(-between // _MINUTE)
    return extra


def _prices(problem: PlanProblem, clock: _Clock, case: ProblemCase) -> tuple[int, int, int, int, int]:
    weights, put_off = problem.weights, postponing(problem, case)
    if case.urgency is Urgency.IMMEDIATE:
        since = case.waiting_since or told(case) or problem.now
        return clock.down(since), weights.emergency_wait, 0, put_off, -1
    promised = told(case)
    rate = case.priority if case.priority is not None else weights.delay[case.urgency]
    return UNKNOWN if promised is None else clock.down(promised), rate, weights.early, put_off, -1


def _up(span: timedelta) -> int:
    """Whole minutes of a span, begun ones counted."""
    return -(-span // _MINUTE)


def _ints(values: Iterable[Any]) -> Ints:
    return np.array(list(values), np.int64)


def _table(rows: Sequence[Sequence[int]], columns: int) -> Ints:
    return np.array(rows, np.int64).reshape(-1, columns)


def _ptr(rows: Sequence[Sequence[Any]]) -> Ints:
    return np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
