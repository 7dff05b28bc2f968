"""The model: a centre and a scale in log minutes, and the empirical distribution of what is left over.

duration: log(D) = shrunk mean + centre + scale x residual.
remaining: log(R + 1) = centre + scale x residual, one such model for each stage in the room, trained on moments
of running cases (landmarks) with what was known then; its residuals are kept apart by how far beyond its
expected length the case has come, so that overrunning cases are as well covered as others.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from orloop_common.domain.features import STAGES, FeatureValues
from orloop_common.domain.plan import Quantiles

from .encoding import Encoded, Encoder
from .fallback import quantiles
from .residuals import Residuals

_NONE = math.nan
LEAST_SCALE = 0.02
IN_ROOM: tuple[str, ...] = STAGES[1:]
EDGES: dict[str, tuple[float, ...]] = {
    "in_room": (0.1, 0.2, 0.35),
    "after_incision": (0.25, 0.5, 0.75, 1.0, 1.25, 1.5),
    "closing": (0.3, 0.6, 1.0, 1.5),
    "after_procedure_end": (0.3, 0.6, 1.0, 1.5),
}
"""Bins of the position: elapsed over expected length; since closing or since procedure end over USUAL."""
USUAL = {"closing": 12.0, "after_procedure_end": 8.0}
URGENCY = {"elective": 0.0, "expedited": 1.0, "urgent": 2.0, "immediate": 3.0}


class Booster(Protocol):
    """One number for one row."""

    def predict_one(self, row: Sequence[float]) -> float: ...


@dataclass(frozen=True, slots=True)
class Part:
    """A centre, a scale and the residuals that belong to them."""

    centre: Booster
    scale: Booster
    residuals: Residuals

    def spread(self, row: Sequence[float]) -> tuple[float, float]:
        """Centre and scale of a row."""
        return self.centre.predict_one(row), max(LEAST_SCALE, self.scale.predict_one(row))


@dataclass(frozen=True, slots=True)
class Answer:
    """Quantiles of the whole stay and, in the room, of what is left of it."""

    duration: Quantiles
    remaining: Quantiles | None
    low_confidence: bool


@dataclass(frozen=True, slots=True)
class Forecaster:
    """The encoder and the five parts of a bundle."""

    encoder: Encoder
    duration: Part
    remaining: Mapping[str, Part]

    def forecast(self, stage: str, values: FeatureValues) -> Answer:
        """Forecast a case in a stage from its features."""
        encoded = self.encoder.encode(values)
        row = duration_row(values, encoded)
        centre, scale = self.duration.spread(row)
        unsure = not encoded.service_known or not number(values, "booked_minutes") > 0
        whole = [
            math.exp(encoded.mean + centre + scale * self.duration.residuals.at(level)) for level in (0.5, 0.8, 0.95)
        ]
        part = self.remaining.get(stage)
        elapsed = number(values, "elapsed_minutes")
        if part is None or math.isnan(elapsed):
            return Answer(quantiles(*whole), None, unsure)
        expected = math.exp(encoded.mean + centre)
        middle, width = part.spread(remaining_row(values, encoded, centre, scale))
        where = position(stage, values, expected)
        left = [math.exp(middle + width * part.residuals.at(level, where)) - 1.0 for level in (0.5, 0.8, 0.95)]
        remaining = quantiles(*(max(0.0, minutes) for minutes in left))
        duration = quantiles(*(elapsed + max(0.0, minutes) for minutes in left))
        return Answer(duration, remaining, unsure)


def duration_row(values: FeatureValues, encoded: Encoded) -> list[float]:
    """The row of the duration models."""
    booked = _log(number(values, "booked_minutes"))
    return [
        encoded.mean,
        encoded.spread,
        math.log1p(encoded.seen),
        booked,
        booked - encoded.mean,
        number(values, "asa"),
        URGENCY.get(str(values.get("urgency")), 0.0),
        number(values, "add_on"),
        number(values, "procedures"),
        number(values, "age_from"),
    ]


def remaining_row(values: FeatureValues, encoded: Encoded, centre: float, scale: float) -> list[float]:
    """The row of the remaining-time models: what was expected, how much has passed, what has happened."""
    elapsed = number(values, "elapsed_minutes")
    expected = encoded.mean + centre
    return [
        expected,
        scale,
        elapsed,
        elapsed / math.exp(expected),
        (math.log(elapsed + 1.0) - expected) / scale,
        _log(number(values, "booked_minutes")),
        number(values, "lead_minutes"),
        number(values, "operation_minutes"),
        number(values, "since_incision_minutes"),
        number(values, "since_closing_minutes"),
        number(values, "since_procedure_end_minutes"),
    ]


def position(stage: str, values: FeatureValues, expected: float) -> float:
    """How far the case has come, in units of what is usual; 1 and more is an overrun."""
    if stage == "closing":
        return number(values, "since_closing_minutes") / USUAL[stage]
    if stage == "after_procedure_end":
        return number(values, "since_procedure_end_minutes") / USUAL[stage]
    return number(values, "elapsed_minutes") / expected


def number(values: FeatureValues, name: str) -> float:
    """A feature as a number; not a number where it is not known."""
    value = values.get(name)
    return float(value) if isinstance(value, int | float) else _NONE


def _log(minutes: float) -> float:
    return math.log(minutes) if minutes > 0 else _NONE
