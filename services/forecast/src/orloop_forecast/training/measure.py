"""How good a forecaster is on cases it has not seen, by the state in which the forecast was made.

Definitions and ids as in the glossary; every figure comes with its n.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from orloop_common.domain.features import STAGES
from orloop_common.domain.plan import Quantiles

from .draw import Case, Values

Forecast = Callable[[str, Values], tuple[Quantiles, Quantiles | None]]
EVERY = 5.0
LEVELS = (0.5, 0.8, 0.95)


@dataclass(frozen=True, slots=True)
class Quality:
    """Forecast quality of one group of forecasts; minutes."""

    n: int
    forecast_mae: float
    within_15: float
    pinball: float
    coverage_p50: float
    coverage_p80: float
    coverage_p95: float

    def plain(self) -> dict[str, float]:
        return {"n": self.n} | {name: round(getattr(self, name), 4) for name in self.__slots__ if name != "n"}


def measure(cases: Iterable[Case], forecast: Forecast, every: float = EVERY) -> dict[str, Quality]:
    """Quality by stage (`scheduled` for durations, else remaining time), and by overrun: elapsed over first P50."""
    pairs: dict[str, list[tuple[float, Quantiles]]] = defaultdict(list)
    for number, case in enumerate(cases):
        stage, values = case.features(None)
        duration, _ = forecast(stage, values)
        pairs["scheduled"].append((case.minutes, duration))
        expected = duration.p50.total_seconds() / 60
        for elapsed in case.landmarks(every, (number % 7) / 7):
            stage, values = case.features(elapsed)
            _, remaining = forecast(stage, values)
            if remaining is None:
                continue
            pairs[stage].append((case.minutes - elapsed, remaining))
            pairs[_overrun(elapsed / expected)].append((case.minutes - elapsed, remaining))
    order = [*STAGES, *sorted(pairs.keys() - set(STAGES))]
    return {name: quality(pairs[name]) for name in order if name in pairs}


def quality(pairs: Sequence[tuple[float, Quantiles]]) -> Quality:
    """Of (minutes that it took, what was forecast)."""
    n = len(pairs)
    errors = [abs(y - _minutes(q)[0]) for y, q in pairs]
    losses = [
        sum(max(a * (y - p), (a - 1) * (y - p)) for a, p in zip(LEVELS, _minutes(q), strict=True)) / 3 for y, q in pairs
    ]
    covered = [sum(y <= _minutes(q)[i] for y, q in pairs) / n for i in range(3)]
    return Quality(n, sum(errors) / n, sum(e <= 15 for e in errors) / n, sum(losses) / n, *covered)


def booked_quality(cases: Sequence[Case]) -> tuple[int, float, float]:
    """n, MAE and share within 15 minutes of the booked length: the generator's guard."""
    errors = [abs(c.minutes - c.schedule.booked.total_seconds() / 60) for c in cases]
    return len(errors), sum(errors) / len(errors), sum(e <= 15 for e in errors) / len(errors)


def margin(share: float, n: int) -> float:
    """Half of the 95 % interval of a share of independent rows."""
    return 1.96 * math.sqrt(share * (1 - share) / n)


def _overrun(ratio: float) -> str:
    edges = (0.5, 1.0, 1.25, 1.5)
    names = ("elapsed<0.5", "elapsed<1.0", "elapsed<1.25", "elapsed<1.5", "elapsed>=1.5")
    return f"{names[sum(ratio >= edge for edge in edges)]} of P50"


def _minutes(q: Quantiles) -> tuple[float, float, float]:
    return q.p50.total_seconds() / 60, q.p80.total_seconds() / 60, q.p95.total_seconds() / 60
