"""What each place costs by itself, what postponing costs, and which groups fairness looks at."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from orloop_common.domain.cost import postponing as postponing_cost
from orloop_common.domain.cost import told
from orloop_common.domain.cost_least import Role
from orloop_common.domain.cost_least import least as bounds_of
from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.vocabulary import Urgency

Ints = npt.NDArray[np.int64]
DELAY, LATE, PRIME = range(3)
SMALLEST_GROUP = 3
NEVER = frozenset({Urgency.URGENT, Urgency.IMMEDIATE})


class Clock(Protocol):
    """How moments become ticks."""

    problem: PlanProblem
    origin: datetime
    tick: timedelta
    step: int
    n: int


def tables(clock: Any, case: Ints, room: Ints, start: Ints, mode: Ints, end: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Cost, delay, stay past block end and start past block end of every place; slots, the last one 0 or 1."""
    problem, weights, zero = clock.problem, clock.problem.weights, timedelta(0)
    seconds, grid = clock.tick.total_seconds(), problem.grid.total_seconds()
    cases, none = problem.cases, float("nan")

    def of(read: Callable[[Any], float]) -> Any:
        return np.array([read(c) for c in cases], float)[case]

    def offset(moment: datetime | None) -> float:
        return none if moment is None else (moment - clock.origin).total_seconds()

    def past(span: Any) -> Any:
        return np.maximum(0, np.ceil(np.nan_to_num(span) / grid - 1e-9)).astype(np.int64)

    published = mode >= clock.n
    at = np.where(published, of(lambda c: offset(c.current.start)), start * seconds)
    emergency = of(lambda c: c.urgency is Urgency.IMMEDIATE) > 0
    since = of(lambda c: offset(c.waiting_since or told(c) or problem.now))
    delay = np.where(emergency, past(at - since), past(at - of(lambda c: offset(told(c)))))
    early = np.where(emergency, 0, past(of(lambda c: offset(told(c))) - at))
    rate = of(lambda c: c.priority if c.priority is not None else weights.delay[c.urgency]).astype(np.int64)
    cost = np.where(emergency, weights.emergency_wait, rate) * delay + weights.early * early
    index = {name.id: r for r, name in enumerate(problem.rooms)}
    has_room = of(lambda c: c.current.room is not None) > 0
    own = of(lambda c: index.get(str(c.current.room), -1)).astype(np.int64)
    cost = cost + np.where(has_room & (room != own), weights.room_change, 0)
    again = of(lambda c: weights.moved_again * c.moved_today + weights.changed).astype(np.int64)
    cost = cost + np.where(has_room & ~published, again, 0)
    wished = of(lambda c: offset(c.preferred.start if c.preferred else None))
    cost = cost + weights.preferred_start * past(np.abs(at - wished))
    wished_room = of(lambda c: index.get(str(c.preferred.room), -1) if c.preferred and c.preferred.room else -2)
    cost = cost + np.where((wished_room > -2) & (room != wished_room), weights.preferred_room, 0)
    if weights.continuity:
        team = np.array([[not c.team_rooms or r.id in c.team_rooms for r in problem.rooms] for c in cases])
        cost = cost + np.where(team.reshape(len(cases), len(problem.rooms))[case, room], 0, weights.continuity)
    block = np.array([offset(r.block_end) for r in problem.rooms], float)[room]
    stay = of(lambda c: c.length.total_seconds()) - np.where(published, of(lambda c: c.slack.total_seconds()), 0)
    leaves = at + stay + of(lambda c: c.cleanup.total_seconds())
    late, prime = past(leaves - block), (at > block).astype(np.int64)
    assert zero == timedelta(0)
    return cost.astype(np.int64), delay.astype(np.int64), late, prime


def least_costs(
    clock: Any, case: Ints, room: Ints, start: Ints, mode: Ints, around: Mapping[str, Place] | None = None
) -> tuple[Ints, int]:
    """What each place costs at the least by terms that depend on other places, and what every plan does besides.

    Rounded down for each place, so that no plan's sum is above what its terms cost (`cost_least`).
    """
    problem, weights = clock.problem, clock.problem.weights
    least, grid = bounds_of(problem, around), problem.grid.total_seconds()
    cost, none = np.zeros(len(case), np.int64), np.zeros(1)
    if not least.waits and not least.wanted:
        return cost, least.constant

    def offset(moment: datetime | None) -> float:
        return 0.0 if moment is None else (moment - clock.origin).total_seconds()

    def of(read: Callable[[Any], float]) -> Any:
        return np.array([read(c) for c in problem.cases], float)[case]

    def full(span: Any) -> Any:
        return np.floor(span / grid + 1e-9).astype(np.int64)

    def until(moment: Any, spans: Iterable[Interval]) -> Any:
        """How much of the spans lies before a moment."""
        return sum((np.clip(moment - offset(s.start), 0, offset(s.end) - offset(s.start)) for s in spans), none)

    at = np.where(mode >= clock.n, of(lambda c: offset(c.current.start)), start * clock.tick.total_seconds())
    out = at + of(lambda c: c.length.total_seconds())
    out = out - np.where(mode >= clock.n, of(lambda c: c.slack.total_seconds()), 0)
    turn = at - of(lambda c: (c.setup + c.cleanup).total_seconds())
    waiting, taken = np.zeros(len(case)), np.zeros(len(case))
    for i, own in enumerate(problem.cases):
        here = case == i
        for wait in least.waits.get(own.id, ()):
            if wait.role is Role.LAST:
                waiting[here] += until(turn[here], wait.spans)
            elif wait.role is Role.FIRST:
                waiting[here] += until(np.inf, wait.spans) - until(out[here], wait.spans)
            else:
                waiting[here] -= until(out[here], wait.spans) - until(turn[here], wait.spans)
    cost += weights.surgeon_idle * full(waiting)
    begin = at - of(lambda c: c.setup.total_seconds())
    end = out + of(lambda c: c.cleanup.total_seconds())
    for r, name in enumerate(problem.rooms):
        here = room == r
        for free in least.wanted.get(name.id, ()):
            over = np.minimum(end[here], offset(free.end)) - np.maximum(begin[here], offset(free.start))
            taken[here] += np.maximum(0, over)
    return cost + weights.add_on_slack * full(taken), least.constant


def postponing(problem: PlanProblem) -> Ints:
    """The published price of leaving each case to another day."""
    weights = problem.weights
    found = [
        postponing_cost(problem, c)
        + (weights.moved_again * c.moved_today + weights.changed) * (c.current.room is not None)
        for c in problem.cases
    ]
    return np.array(found, np.int64)


def ranks(problem: PlanProblem) -> Ints:
    """The weight of postponing each case in the tier of its own: a higher class outweighs all lower ones."""
    if not problem.weights.strict:
        return np.zeros(len(problem.cases), np.int64)
    lower = sum(c.urgency is Urgency.ELECTIVE for c in problem.cases)
    weight = {Urgency.ELECTIVE: 1, Urgency.EXPEDITED: lower + 1}
    return np.array([weight.get(c.urgency, (lower + 1) * (len(problem.cases) + 1)) for c in problem.cases], np.int64)


def musts(problem: PlanProblem, placeable: npt.NDArray[np.bool_]) -> Ints:
    """Emergencies that fit anywhere at all are not postponed."""
    return np.array([c.urgency in NEVER and placeable[i] for i, c in enumerate(problem.cases)], np.int64)


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows of fairness: which cases belong together, and what is counted."""

    measure: Ints
    count: Ints
    member: Ints
    weight: Ints
    names: tuple[str, ...]


def groups(problem: PlanProblem) -> Groups:
    """Services and sites with three or more movable cases, once for each measure that has a weight."""
    weights = problem.weights
    price = np.array([weights.fairness, weights.fairness_late, weights.fairness_prime], np.int64)
    keys: list[tuple[str, list[bool]]] = []
    for kind in ("service", "site"):
        values = [getattr(c, kind) for c in problem.cases]
        for value in sorted(set(values) - {""}):
            member = [v == value for v in values]
            if sum(member) >= SMALLEST_GROUP:
                keys.append((f"{kind}/{value}", member))
    rows = [(m, name, member) for m in range(3) if price[m] for name, member in keys]
    return Groups(
        measure=np.array([m for m, _, _ in rows], np.int64),
        count=np.array([sum(member) for _, _, member in rows], np.int64),
        member=np.array([member for _, _, member in rows], np.int64).reshape(len(rows), len(problem.cases)),
        weight=price,
        names=tuple(f"{('delay', 'late', 'prime')[m]}/{name}" for m, name, _ in rows),
    )
