"""Scenarios of a day: how long each patient stays, who does not come, how late rooms begin.

Every number is a function of the seed, the scenario and the case's (room's) id alone, so that all plans
of a problem, and those of the next problem too, are judged by the same luck (common random numbers).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from orloop_common.domain.plan import Quantiles
from orloop_common.domain.problem import Committed, PlanProblem, ProblemCase

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

LEVELS = 1024
"""So many quantiles stand for a distribution: the longest stay has a chance of one in two thousand."""
STAY, COMES, LATE = "stay", "comes", "late"
LONGEST = 24 * 60.0
USUAL = 0.35
"""Spread of the logarithm of a stay of which nobody says more (facts of the planner: cv .35 to .6 within a service,
less within a procedure)."""
_Z80, _Z95 = NormalDist().inv_cdf(0.8), NormalDist().inv_cdf(0.95)
_Z = np.array([NormalDist().inv_cdf((level + 0.5) / LEVELS) for level in range(LEVELS)])
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, eq=False)
class Scenarios:
    """`S` draws of a problem with `n` cases, `h` committed ones and `R` rooms.

    `stay` [S, n + h] are minutes (committed cases after the movable ones; of those in the room what is left
    from now), `away` [S, n] says whose case does not take place, `late` [S, R] are the minutes by which a
    room's first case is late.
    """

    seed: int
    stay: Ints
    away: Flags
    late: Ints

    @property
    def count(self) -> int:
        return len(self.stay)


def draw(problem: PlanProblem, count: int, seed: int) -> Scenarios:
    """`count` scenarios of a problem; the same ones for the same seed."""
    names = [case.id for case in problem.cases] + [held.id for held in problem.committed]
    levels = (_uniform(STAY, names, count, seed) >> np.uint64(54)).astype(np.int64)
    table = _stays(problem)
    stay = table[np.arange(len(names)), levels] if names else np.zeros((count, 0), np.int64)
    coming = _uniform(COMES, names[: len(problem.cases)], count, seed) >> np.uint64(11)
    risk = np.array([round(case.cancellation_risk * 2**53) for case in problem.cases], np.uint64)
    lateness = np.array([_lateness(room.late_start) for room in problem.rooms], np.int64).reshape(-1, LEVELS)
    begins = (_uniform(LATE, [r.id for r in problem.rooms], count, seed) >> np.uint64(54)).astype(np.int64)
    late = lateness[np.arange(len(problem.rooms)), begins]
    return Scenarios(seed, stay, coming < risk, late)


def fit(quantiles: Quantiles) -> tuple[float, float]:
    """Mean and standard deviation of the logarithm (minutes) of the lognormal nearest to P50, P80 and P95.

    The median is kept; the spread is the least-squares slope through it at the other two.
    """
    middle = max(1.0, quantiles.p50 / _MINUTE)
    above = [math.log(max(1.0, q / _MINUTE / middle)) for q in (quantiles.p80, quantiles.p95)]
    return math.log(middle), (_Z80 * above[0] + _Z95 * above[1]) / (_Z80**2 + _Z95**2)


def _stays(problem: PlanProblem) -> Ints:
    """Minutes by case and level [n + h, LEVELS]; at least one."""
    fitted = [fit(_forecast(case)) for case in problem.cases]
    fitted += [_left(problem, held) for held in problem.committed]
    means, spreads = np.array(fitted).reshape(-1, 2).T
    minutes = np.exp(means[:, None] + spreads[:, None] * _Z[None, :])
    whole: Ints = np.rint(np.clip(minutes, 1.0, LONGEST)).astype(np.int64)
    return whole


def _forecast(case: ProblemCase) -> Quantiles:
    """The forecast, or what the planned lengths say of it."""
    if case.duration is not None:
        return case.duration
    spread = math.log(max(1.0, case.length_p80 / case.length)) / _Z80 if case.length > timedelta(0) else 0.0
    return Quantiles(p50=case.length, p80=case.length_p80, p95=case.length * math.exp(_Z95 * spread))


def _left(problem: PlanProblem, held: Committed) -> tuple[float, float]:
    """What is left of a committed stay; without a forecast it spreads as stays usually do."""
    if held.remaining is not None:
        return fit(held.remaining)
    left = held.patient.end - max(problem.now, held.patient.start)
    return math.log(max(1.0, left / _MINUTE)), USUAL


def _lateness(late: Quantiles | None) -> Ints:
    """Minutes by level: straight between the quantiles (of the normal's scale), never early."""
    if late is None:
        return np.zeros(LEVELS, np.int64)
    p50, p80, p95 = (q / _MINUTE for q in (late.p50, late.p80, late.p95))
    low, high = (p80 - p50) / _Z80, (p95 - p80) / (_Z95 - _Z80)
    minutes = np.where(_Z < _Z80, p50 + low * _Z, p80 + high * (_Z - _Z80))
    whole: Ints = np.rint(np.clip(minutes, 0.0, LONGEST)).astype(np.int64)
    return whole


def _uniform(kind: str, names: Sequence[str], count: int, seed: int) -> Words:
    """64 random bits for each scenario and name [count, names]: a counter through a mixing function."""
    keys = [int.from_bytes(sha256(f"{seed}\x1f{kind}\x1f{name}".encode()).digest()[:8], "big") for name in names]
    step = np.uint64(0x9E3779B97F4A7C15)
    counters = np.arange(1, count + 1, dtype=np.uint64) * step
    return _mix(np.array(keys, np.uint64)[None, :] + counters[:, None])


def _mix(words: Words) -> Words:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
