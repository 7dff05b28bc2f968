"""The deterministic answer without a bundle: booked time by a service-line ratio, with fixed spreads.

Remaining time is the conditional distribution of what is left given what has passed, never `P50 - elapsed`.
"""

import math
from datetime import timedelta
from statistics import NormalDist

from orloop_common.domain.features import FeatureValues
from orloop_common.domain.plan import Quantiles

MODEL = "fallback"
UNBOOKED = 90.0
RATIO = {"gynaecology": 0.92, "vascular": 0.93}
"""Median of actual over booked, of cases drawn for training; `USUAL_RATIO` elsewhere."""
SPREAD = {"orthopaedics": 0.31, "urology": 0.35, "plastic": 0.40, "eye": 0.42}
"""Standard deviation of the log of actual over booked; `USUAL_SPREAD` elsewhere."""
USUAL_RATIO, USUAL_SPREAD = 0.98, 0.48
AFTER_END = (7.0, 0.5)  # minutes and log spread from procedure end to patient out
AFTER_CLOSING = (14.0, 0.4)
_STANDARD = NormalDist()
_FARTHEST = 4.0  # standard deviations: beyond, the tail's own mean residual life is used as it is there


def fallback_duration(values: FeatureValues) -> Quantiles:
    """Patient in room to patient out of room, for a case that has not begun."""
    median, spread = _whole(values)
    return quantiles(*(_lognormal(median, spread, level) for level in (0.5, 0.8, 0.95)))


def fallback_remaining(stage: str, values: FeatureValues) -> Quantiles:
    """From now until the patient leaves the room."""
    if stage == "after_procedure_end":
        (median, spread), passed = AFTER_END, _number(values, "since_procedure_end_minutes")
    elif stage == "closing":
        (median, spread), passed = AFTER_CLOSING, _number(values, "since_closing_minutes")
    else:
        (median, spread), passed = _whole(values), _number(values, "elapsed_minutes")
    return quantiles(*(_left(median, spread, passed, level) for level in (0.5, 0.8, 0.95)))


def quantiles(p50: float, p80: float, p95: float) -> Quantiles:
    """From minutes, to the second."""
    return Quantiles(p50=_span(p50), p80=_span(max(p50, p80)), p95=_span(max(p50, p80, p95)))


def _span(minutes: float) -> timedelta:
    return timedelta(seconds=round(60 * max(0.0, minutes)))


def _whole(values: FeatureValues) -> tuple[float, float]:
    service = str(values.get("service") or "")
    booked = _number(values, "booked_minutes") or UNBOOKED
    return booked * RATIO.get(service, USUAL_RATIO), SPREAD.get(service, USUAL_SPREAD)


def _lognormal(median: float, spread: float, level: float) -> float:
    return median * math.exp(spread * _STANDARD.inv_cdf(level))


def _left(median: float, spread: float, passed: float, level: float) -> float:
    """Quantile of D - passed given D > passed, D lognormal."""
    if passed < 1.0:
        return max(0.0, _lognormal(median, spread, level) - passed)
    here = min(math.log(passed / median) / spread, _FARTHEST)
    survived = 1.0 - _STANDARD.cdf(here)
    there = _STANDARD.inv_cdf(1.0 - (1.0 - level) * survived)
    return passed * (math.exp(spread * (there - here)) - 1.0)


def _number(values: FeatureValues, name: str) -> float:
    value = values.get(name)
    return float(value) if isinstance(value, int | float) else 0.0
