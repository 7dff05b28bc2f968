"""The problem in whole ticks, as arrays: what right-shift, annealing, the bound and the restricted MILP share.

A tick is five minutes where everything lies on the grid, else one minute; starts stay on the grid either
way. A place is one case in one room from one start on; only places that keep every rule by themselves
are listed, so that what remains are the rules between cases: room, turnover, and limited resources.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from orloop_common.domain.grid import ceil_moment
from orloop_common.domain.plan import Assignment, Interval, Place
from orloop_common.domain.problem import Capacity, PlanProblem, ProblemCase
from orloop_common.domain.vocabulary import Urgency

from . import slot_costs
from .slot_uses import UNITS, Use, committed_uses, limited, uses_of

Ints = npt.NDArray[np.int64]
UNPLACED = Place(room=None, start=None)


@dataclass(frozen=True, eq=False, slots=True)
class Slots:
    """Arrays of one problem. `n` cases, `R` rooms, `K` limited resources, `T` ticks, `m` places.

    A case has two modes: `i`, moved, and `n + i`, exactly as published, where it may count as shorter.

    `setup`, `stay`, `cleanup` [2n] are ticks by mode. `block_end` [R] may lie before the first tick;
    `base_end` [R] is the last tick that committed cases use a room, or its block end where that is later.
    `capacity` [K, T] is what committed cases leave.
    `use_*` list by mode (`use_ptr` [2n + 1]) which resource is held from and until which tick after the start
    of the stay, and how many of it. `extra` [C, C] are the ticks between two turnover classes,
    `turnover_class` [n].

    Places are sorted by room, then by `begin`: `case`, `mode`, `room`, `start` (tick), `begin` and `end` (the
    room is taken from setup to cleanup), `cost` (all that depends on this place alone), `delay`, `late`,
    `prime` (what fairness counts, slots or 0/1). `first` and `table` find them: `table[i, r, s]` is the place
    of case i in room r at grid start s, or -1, and `published[i]` the place as published, or -1.

    `least_cost` [m] is the part of `cost` by which terms of whole plans (surgeons' waiting, the break-in gap, missing
    room for add-ons) are bounded from below, `constant` what of them every plan costs besides; `whole_weight` [3] are
    their prices of a slot. The bounds are nearest for plans like `around`, where it is empty the current one.

    `postpone` [n] is the published price of postponing, `rank` [n] its weight in the tier above (0 where the
    problem has no such tier), `must` [n] is 1 where the case may not be postponed.
    `fair_*`: a group's members share `fair_measure` (0 delay, 1 late, 2 prime), `fair_count` [G];
    `fair_member` [G, n]; `fair_weight` [3].
    """

    problem: PlanProblem
    origin: datetime
    tick: timedelta
    step: int
    n: int
    rooms: tuple[str, ...]
    T: int
    setup: Ints
    stay: Ints
    cleanup: Ints
    block_end: Ints
    base_end: Ints
    resources: tuple[str, ...]
    capacity: Ints
    use_ptr: Ints
    use_resource: Ints
    use_from: Ints
    use_until: Ints
    use_amount: Ints
    turnover_class: Ints
    extra: Ints
    case: Ints
    mode: Ints
    room: Ints
    start: Ints
    begin: Ints
    end: Ints
    cost: Ints
    least_cost: Ints
    constant: int
    around: tuple[Assignment, ...]
    whole_weight: Ints
    delay: Ints
    late: Ints
    prime: Ints
    table: Ints
    published: Ints
    postpone: Ints
    rank: Ints
    must: Ints
    overtime: int
    fair_measure: Ints
    fair_count: Ints
    fair_member: Ints
    fair_weight: Ints
    fair_names: tuple[str, ...]

    @property
    def places(self) -> int:
        return len(self.case)

    def place(self, index: int) -> Place:
        """A place in the problem's words."""
        case = self.problem.cases[int(self.case[index])]
        if self.mode[index] >= self.n:
            return case.current
        return Place(room=self.rooms[int(self.room[index])], start=self.origin + self.tick * int(self.start[index]))

    def plan(self, chosen: Iterable[int]) -> dict[str, Place]:
        """The plan that takes these places and postpones everybody else."""
        plan = {case.id: UNPLACED for case in self.problem.cases}
        for index in chosen:
            plan[self.problem.cases[int(self.case[index])].id] = self.place(int(index))
        return plan

    def chosen(self, plan: "dict[str, Place] | Any") -> Ints | None:
        """Place by case [n], -1 where postponed; None if the plan uses a place that is not listed."""
        found = np.full(self.n, -1, np.int64)
        index = {room: r for r, room in enumerate(self.rooms)}
        for i, case in enumerate(self.problem.cases):
            place = plan.get(case.id, UNPLACED)
            if place.room is None or place.start is None:
                continue
            if place == case.current:
                found[i] = self.published[i]
            else:
                start = (place.start - self.origin) / (self.tick * self.step)
                if place.room in index and start.is_integer() and 0 <= start < self.table.shape[2]:
                    found[i] = self.table[i, index[place.room], int(start)]
            if found[i] < 0:
                return None
        return found


def around(slots: Slots, plan: Mapping[str, Place]) -> Slots:
    """The same problem, with the terms of whole plans bounded as near as can be for plans like this one."""
    if not slots.whole_weight.any():
        return slots
    found, constant = slot_costs.least_costs(slots, slots.case, slots.room, slots.start, slots.mode, plan)
    near = tuple(Assignment(case=case, place=place) for case, place in sorted(plan.items()))
    cost = slots.cost - slots.least_cost + found
    return replace(slots, cost=cost, least_cost=found, constant=constant, around=near)


def build(problem: PlanProblem) -> Slots:
    """All places of a problem, and what they cost and use."""
    return _Builder(problem).build()


class _Builder:
    def __init__(self, problem: PlanProblem) -> None:
        self.problem = problem
        grid = problem.grid
        first = min([problem.now, problem.earliest_start, *(c.current.start for c in problem.cases if c.current.start)])
        self.origin = ceil_moment(first, grid) - grid
        self.tick = grid if all(_aligned(problem, self.origin, grid)) else min(grid, timedelta(minutes=1))
        self.step = grid // self.tick
        ends = [problem.horizon, *(room.closes for room in problem.rooms)]
        longest = max((c.recovery for c in problem.cases), default=timedelta(0))
        self.T = max(self.step, self.up(max(ends) + longest))
        self.starts = (self.T + self.step - 1) // self.step
        self.n, self.R = len(problem.cases), len(problem.rooms)
        self.room_index = {room.id: r for r, room in enumerate(problem.rooms)}

    def up(self, moment: datetime) -> int:
        return -((self.origin - moment) // self.tick)

    def down(self, moment: datetime) -> int:
        return (moment - self.origin) // self.tick

    def span(self, interval: Interval) -> tuple[int, int]:
        return max(0, self.down(interval.start)), min(self.T, max(0, self.up(interval.end)))

    def ticks(self, length: timedelta) -> int:
        return -(-length // self.tick)

    def build(self) -> Slots:
        problem, n = self.problem, self.n
        names, capacity = self._resources()
        resource = {name: k for k, name in enumerate(names)}
        modes = [*problem.cases, *problem.cases]
        setup = np.array([self.ticks(c.setup) for c in modes], np.int64)
        cleanup = np.array([self.ticks(c.cleanup) for c in modes], np.int64)
        lengths = [c.length - (c.slack if m >= n else timedelta(0)) for m, c in enumerate(modes)]
        stay = np.array([max(1, self.ticks(length)) for length in lengths], np.int64)
        uses = [list(_known(uses_of(problem, c, length), resource)) for c, length in zip(modes, lengths, strict=True)]
        ptr, flat = self._flatten(uses, resource)
        classes, extra = self._turnover()
        blocked, base_end = self._blocked()
        placed = self._places(setup, stay, cleanup, uses, resource, capacity, blocked, classes, extra)
        order = np.lexsort((placed[:, 3], placed[:, 0], placed[:, 2] - setup[placed[:, 3]], placed[:, 1]))
        case, room, start, mode = placed[order].T if len(placed) else np.zeros((4, 0), np.int64)
        begin, end = start - setup[mode], start + stay[mode] + cleanup[mode]
        block_end = np.array([self.up(room.block_end) for room in problem.rooms], np.int64)
        cost, delay, late, prime = slot_costs.tables(self, case, room, start, mode, end)
        least_cost, constant = slot_costs.least_costs(self, case, room, start, mode)
        weights = problem.weights
        table = np.full((n, self.R, self.starts), -1, np.int64)
        published = np.full(n, -1, np.int64)
        index = np.arange(len(case))
        moved = mode < n
        table[case[moved], room[moved], start[moved] // self.step] = index[moved]
        published[case[~moved]] = index[~moved]
        fair = slot_costs.groups(problem)
        placeable = np.zeros(n, bool)
        placeable[case] = True
        return Slots(
            problem=problem,
            origin=self.origin,
            tick=self.tick,
            step=self.step,
            n=n,
            rooms=tuple(room.id for room in problem.rooms),
            T=self.T,
            setup=setup,
            stay=stay,
            cleanup=cleanup,
            block_end=block_end,
            base_end=base_end,
            resources=names,
            capacity=capacity,
            use_ptr=ptr,
            use_resource=flat[:, 0].copy(),
            use_from=flat[:, 1].copy(),
            use_until=flat[:, 2].copy(),
            use_amount=flat[:, 3].copy(),
            turnover_class=classes[:n].copy(),
            extra=extra,
            case=case.copy(),
            mode=mode.copy(),
            room=room.copy(),
            start=start.copy(),
            begin=begin,
            end=end,
            cost=cost + least_cost,
            least_cost=least_cost,
            constant=constant,
            around=(),
            whole_weight=np.array([weights.surgeon_idle, weights.break_in, weights.add_on_slack], np.int64),
            delay=delay,
            late=late,
            prime=prime,
            table=table,
            published=published,
            postpone=slot_costs.postponing(problem),
            rank=slot_costs.ranks(problem),
            must=slot_costs.musts(problem, placeable),
            overtime=problem.weights.overtime,
            fair_measure=fair.measure,
            fair_count=fair.count,
            fair_member=fair.member,
            fair_weight=fair.weight,
            fair_names=fair.names,
        )

    # --- resources ---------------------------------------------------------------------------------

    def _resources(self) -> tuple[tuple[str, ...], Ints]:
        """Names and what committed cases leave of each limited resource at every tick."""
        steps = limited(self.problem)
        names = tuple(steps)
        capacity = np.zeros((len(names), self.T), np.int64)
        for k, name in enumerate(names):
            for step in steps[name]:
                start, end = self._inside(step)
                capacity[k, start:end] = step.count
        resource = {name: k for k, name in enumerate(names)}
        for use in committed_uses(self.problem):
            if use.resource in resource:
                start, end = self.span(Interval(start=self._moment(use.start), end=self._moment(use.end)))
                capacity[resource[use.resource], start:end] -= use.amount
        for name, k in resource.items():
            if name.startswith(UNITS):  # the day is over at the horizon, and with it the limit
                capacity[k, max(0, self.up(self.problem.horizon)) :] = len(self.problem.cases)
        capacity = np.maximum(0, capacity)  # what committed cases overdraw is not the plan's fault
        for k, name in enumerate(names):
            if name.startswith(f"{UNITS}/"):  # the day is over at the horizon, and nobody counts beds any more
                capacity[k, max(0, self.up(self.problem.horizon)) :] = self.n
        return names, capacity

    def _moment(self, offset: timedelta) -> datetime:
        return self.problem.now + offset

    def _inside(self, step: Capacity) -> tuple[int, int]:
        """Ticks that lie wholly in a capacity step; what begins before now counts from the first tick."""
        start = 0 if step.start <= self.problem.now else self.up(step.start)
        return max(0, start), min(self.T, max(0, self.down(step.end)))

    def _flatten(self, uses: Sequence[Sequence[Use]], resource: dict[str, int]) -> tuple[Ints, Ints]:
        rows, ptr = [], [0]
        for mode in uses:
            for use in mode:
                rows.append((resource[use.resource], *self._offsets(use), use.amount))
            ptr.append(len(rows))
        return np.array(ptr, np.int64), np.array(rows, np.int64).reshape(-1, 4)

    def _offsets(self, use: Use) -> tuple[int, int]:
        """Ticks after the start; what lasts to the end of the day ends at the last tick."""
        last = self.T if use.end is Use.FOREVER else self.ticks(use.end)
        return use.start // self.tick, last

    # --- rooms -------------------------------------------------------------------------------------

    def _turnover(self) -> tuple[Ints, Ints]:
        """Turnover classes of cases, then of committed ones; and the ticks between two classes."""
        rule = self.problem.turnover
        everybody = [(c.service, c.contaminated, c.latex) for c in self.problem.cases]
        everybody += [(c.service, c.contaminated, c.latex) for c in self.problem.committed]
        if rule is None:
            return np.zeros(len(everybody), np.int64), np.zeros((1, 1), np.int64)
        kinds = sorted(set(everybody))
        extra = np.zeros((max(1, len(kinds)), max(1, len(kinds))), np.int64)
        for a, (service, contaminated, latex) in enumerate(kinds):
            for b, (next_service, next_contaminated, next_latex) in enumerate(kinds):
                between = rule.service_change if service and next_service and service != next_service else timedelta(0)
                between += rule.after_contaminated if contaminated and not next_contaminated else timedelta(0)
                between += rule.before_latex if next_latex and not latex else timedelta(0)
                extra[a, b] = self.ticks(between)
        return np.array([kinds.index(kind) for kind in everybody], np.int64), extra

    def _blocked(self) -> tuple[list[list[tuple[int, int, int]]], Ints]:
        """By room: committed occupancies as (from, until, index of the committed case); the last tick, or block end."""
        blocked: list[list[tuple[int, int, int]]] = [[] for _ in self.problem.rooms]
        last = np.array([self.up(room.block_end) for room in self.problem.rooms], np.int64)
        for index, held in enumerate(self.problem.committed):
            r = self.room_index.get(held.room)
            if r is not None:
                # not cut off at the first tick: the extra time of a turnover runs from the true end
                start, end = self.down(held.occupied.start), self.up(held.occupied.end)
                blocked[r].append((start, end, index))
                last[r] = max(last[r], self.up(held.occupied.end))
        return blocked, last

    # --- places ------------------------------------------------------------------------------------

    def _places(
        self,
        setup: Ints,
        stay: Ints,
        cleanup: Ints,
        uses: Sequence[Sequence[Use]],
        resource: dict[str, int],
        capacity: Ints,
        blocked: Sequence[Sequence[tuple[int, int, int]]],
        classes: Ints,
        extra: Ints,
    ) -> Ints:
        """Rows of case, room, start and mode that keep every rule by themselves."""
        found = []
        for i, case in enumerate(self.problem.cases):
            for mode in (i, self.n + i):
                starts = self._starts(case, mode >= self.n)
                starts = self._resourced(starts, uses[mode], resource, capacity)
                if not len(starts):
                    continue
                for r in self._rooms(case, mode >= self.n):
                    fits = self._in_room(case, r, starts, int(stay[mode]), int(cleanup[mode]))
                    for start, end, other in blocked[r]:
                        theirs = int(classes[self.n + other])
                        before = starts + stay[mode] + cleanup[mode] + extra[classes[i], theirs] <= start
                        after = starts - setup[mode] >= end + extra[theirs, classes[i]]
                        fits &= before | after
                    good = starts[fits]
                    if (
                        mode < self.n
                        and case.current.start is not None
                        and r == self.room_index.get(str(case.current.room))
                    ):
                        current = (case.current.start - self.origin) / self.tick
                        good = good[good != current]
                    rows = np.empty((len(good), 4), np.int64)
                    rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3] = i, r, good, mode
                    found.append(rows)
        return np.concatenate(found) if found else np.zeros((0, 4), np.int64)

    def _rooms(self, case: ProblemCase, as_published: bool) -> list[int]:
        if as_published:
            return [self.room_index[case.current.room]] if case.current.room in self.room_index else []
        here = (case.current.room, case.scheduled.room)
        return [
            r
            for r, room in enumerate(self.problem.rooms)
            if room.id in here or (case.service in room.services and set(case.needs) <= set(room.capabilities))
        ]

    def _starts(self, case: ProblemCase, as_published: bool) -> Ints:
        """Starts that the clock and the case itself allow."""
        if as_published:
            start = case.current.start
            late = case.latest is not None and start is not None and start > case.latest
            early = case.implant is not None and start is not None and start < case.implant.end
            on = start is not None and case.current.room is not None and not late and not early
            return np.array([self.down(start)] if on and start is not None and start >= self.origin else [], np.int64)
        first = earliest(self.problem, case)
        lo = self.up(ceil_moment(max(first, self.origin), self.problem.grid))
        hi = self.T if case.latest is None else min(self.T, self.down(case.latest) + 1)
        return np.arange(-(-lo // self.step) * self.step, hi, self.step, dtype=np.int64)

    def _resourced(self, starts: Ints, uses: Sequence[Use], resource: dict[str, int], capacity: Ints) -> Ints:
        """Starts at which what committed cases leave is enough."""
        for use in uses:
            start, end = self._offsets(use)
            lacking = np.concatenate([[0], np.cumsum(capacity[resource[use.resource]] < use.amount)])
            low, high = np.clip(starts + start, 0, self.T), np.clip(starts + end, 0, self.T)
            starts = starts[lacking[high] == lacking[low]]
        return starts

    def _in_room(self, case: ProblemCase, r: int, starts: Ints, stay: int, cleanup: int) -> Any:
        """The room is open, not down while the patient is in it, and the surgeons are there."""
        room = self.problem.rooms[r]
        fits = (starts >= self.up(room.opens)) & (starts + stay + cleanup <= self.down(room.closes))
        for down in room.down:
            fits &= (starts + stay <= self.down(down.start)) | (starts >= self.up(down.end))
        after, before = self.ticks(case.surgeon_after), self.ticks(case.surgeon_before)
        for surgeon in case.surgeons:
            hours = self.problem.hours.get(surgeon)
            if hours is None:
                continue
            bound, released = starts + after, starts + max(stay - before, after + self.step)
            if hours.until is not None:
                fits &= released <= self.down(hours.until)
            for pause in hours.breaks:
                fits &= (released <= self.down(pause.start)) | (bound >= self.up(pause.end))
        return fits


def earliest(problem: PlanProblem, case: ProblemCase) -> datetime:
    """The first moment at which the case may be put anywhere other than where it is published."""
    notice = problem.earliest_start
    if case.urgency is Urgency.IMMEDIATE and problem.earliest_emergency is not None:
        notice = problem.earliest_emergency
    told = case.current.start - problem.max_early if case.current.start else None
    implant = case.implant.end if case.implant else None
    moments = (notice, case.earliest, told, case.ready, implant, problem.now + case.transport)
    return max(moment for moment in moments if moment is not None)


def _known(uses: Iterable[Use], resource: dict[str, int]) -> Iterable[Use]:
    return (use for use in uses if use.resource in resource)


def _aligned(problem: PlanProblem, origin: datetime, grid: timedelta) -> Iterable[bool]:
    """Whether everything that has a moment or a length lies on the grid."""
    zero = timedelta(0)
    for case in problem.cases:
        yield all(span % grid == zero for span in (case.setup, case.length, case.cleanup, case.recovery, case.slack))
        yield all(span % grid == zero for span in (case.surgeon_after, case.surgeon_before))
        yield case.current.start is None or (case.current.start - origin) % grid == zero
    for held in problem.committed:
        for interval in (held.occupied, held.patient, held.recovery, held.surgeon):
            yield interval is None or ((interval.start - origin) % grid == zero or interval.start <= problem.now)
            yield interval is None or (interval.end - origin) % grid == zero
    for room in problem.rooms:
        yield (room.block_end - origin) % grid == zero and (room.closes - origin) % grid == zero
        for down in room.down:
            yield (down.end - origin) % grid == zero
