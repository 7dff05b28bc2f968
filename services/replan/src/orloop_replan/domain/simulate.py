"""What may become of plans: each is played through the same scenarios, sequences kept, nothing planned anew.

Cases start when they can and not before their planned start: room clean (with the extra of the turnover),
surgeons free and not on a break, room not down, teams, skills and equipment there. A patient whom the
recovery has no bed for stays in the room. A case that could not be done before the room closes is put off;
emergencies are not. Played are delay, waiting, overtime, fairness, surgeons' waiting and the break-in gap;
all other terms of the published cost are as planned. A full ICU or ward is not played.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from orloop_common.domain.cost import DEFAULT_WEIGHTS
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem

from .scenarios import Scenarios, draw
from .simulate_day import Day, day_of, script_of
from .simulate_kernel import BLOCK_END, UNKNOWN, play
from .simulate_price import ROOM, price_days

Ints = npt.NDArray[np.int64]
SCENARIOS = 500
PROMISE = 15
"""Minutes after the planned start within which it counts as kept."""
TAIL = 0.1
NOT_DONE = -1
_NORMAL95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Paired:
    """How much more one plan costs than another in the same scenarios: the mean, and its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One plan in `S` scenarios: arrays [S] of the cost, and of minutes of overtime and of PACU hold.

    `short` counts patients for whom there was no bed, `pushed` cases that the day had no time for any more.
    `delays` [S, n] are minutes from planned start to start, NOT_DONE for who is postponed, called off or pushed out.
    `promises` is the chance by planned case that it starts within 15 minutes, given that it is not called off.
    """

    cost: Ints
    overtime: Ints
    hold: Ints
    short: Ints
    pushed: Ints
    delays: Ints
    promises: Mapping[str, float]

    def overtime_at(self, level: float) -> timedelta:
        """Overtime that is not exceeded with this chance (the upper order statistic)."""
        return timedelta(minutes=int(np.sort(self.overtime)[math.ceil(level * len(self.overtime)) - 1]))

    @staticmethod
    def chance(counted: Ints) -> float:
        """How often something happens at all."""
        return float(np.mean(counted > 0))

    @staticmethod
    def tail(values: Ints, share: float = TAIL) -> float:
        """The mean of the worst `share` of scenarios (CVaR, Rockafellar and Uryasev 2000)."""
        worst = max(1, math.ceil(share * len(values)))
        return float(np.mean(np.sort(values)[-worst:]))


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """The outcomes of some plans in the same scenarios, in the order of the plans."""

    outcomes: tuple[Outcome, ...]
    scenarios: int
    seed: int

    def difference(self, one: int, other: int) -> Paired:
        """What plan `one` costs more than plan `other`, paired by scenario (normal approximation)."""
        return paired(self.outcomes[one].cost, self.outcomes[other].cost)


def simulate(
    problem: PlanProblem, plans: Sequence[Mapping[str, Place]], scenarios: int = SCENARIOS, seed: int = 0
) -> Simulated:
    """Play each plan through `scenarios` scenarios; the same ones for the same seed, whatever the plans are.

    Raises
    ------
    ValueError
        If fewer than two scenarios are asked for.
    """
    if scenarios < 2:
        raise ValueError(f"Expected at least 2 scenarios, got {scenarios}.\nMaybe leave the number out: {SCENARIOS}.")
    drawn = draw(problem, scenarios, seed)
    day = day_of(problem)
    return Simulated(tuple(_play(problem, plan, drawn, day) for plan in plans), scenarios, seed)


def paired(one: Ints, other: Ints) -> Paired:
    """The mean of a paired difference and its 95 % interval."""
    apart = (one - other).astype(float)
    mean = float(np.mean(apart))
    half = _NORMAL95 * float(np.std(apart, ddof=1)) / math.sqrt(len(apart))
    return Paired(mean, mean - half, mean + half)


def warm() -> None:
    """Compile the kernels, or load them from the cache: play a day without cases."""
    now = datetime(2026, 3, 2, 10, tzinfo=UTC)
    empty = PlanProblem(
        suite="",
        now=now,
        grid=timedelta(minutes=5),
        earliest_start=now,
        horizon=now + timedelta(hours=1),
        rooms=(),
        cases=(),
        committed=(),
        teams=(),
        beds=(),
        weights=DEFAULT_WEIGHTS,
    )
    simulate(empty, [{}], 2)


def _play(problem: PlanProblem, plan: Mapping[str, Place], drawn: Scenarios, day: Day) -> Outcome:
    script, count = script_of(problem, day, plan), drawn.count
    start, done = np.zeros(drawn.stay.shape, np.int64), np.zeros(drawn.stay.shape, np.int64)
    free, counted = np.zeros((count, len(day.rooms)), np.int64), np.zeros((count, 4), np.int64)
    late = np.zeros((count, len(day.rooms)), np.int64)
    late[:, : drawn.late.shape[1]] = drawn.late
    play(
        script.who,
        script.rooms,
        script.queue,
        script.earlier,
        script.shut,
        day.need,
        day.capacity,
        day.beds,
        day.cleaners,
        day.extra,
        day.grid,
        day.break_in_until,
        drawn.stay,
        drawn.away,
        late,
        start,
        done,
        free,
        counted,
    )
    cost, overtime = np.full(count, script.constant, np.int64), np.zeros(count, np.int64)
    price_days(
        script.prices,
        day.rooms[:, BLOCK_END].copy(),
        day.grid,
        day.overtime,
        day.group_ptr,
        day.group,
        day.group_measure,
        day.group_count,
        day.fair_weight,
        script.turn_ptr,
        script.turn,
        day.idle,
        day.break_in,
        drawn.stay,
        drawn.away,
        start,
        done,
        free,
        counted[:, 3].copy(),
        cost,
        overtime,
    )
    delays = _delays(problem, plan, start)
    promises = {}
    for i, case in enumerate(problem.cases):
        if script.prices[i, ROOM] >= 0:
            kept = (delays[:, i] != NOT_DONE) & (delays[:, i] <= PROMISE)
            promises[case.id] = float(kept.sum() / max(1, (~drawn.away[:, i]).sum()))
    hold, short, pushed = (counted[:, k].copy() for k in range(3))
    return Outcome(cost, overtime, hold, short, pushed, delays, promises)


def _delays(problem: PlanProblem, plan: Mapping[str, Place], start: Ints) -> Ints:
    planned = np.zeros(len(problem.cases), np.int64)
    for i, case in enumerate(problem.cases):
        moment = plan[case.id].start if case.id in plan else None
        planned[i] = -((problem.now - moment) // timedelta(minutes=1)) if moment else 0
    begun = start[:, : len(planned)]
    return np.where(begun == UNKNOWN, NOT_DONE, begun - planned)
