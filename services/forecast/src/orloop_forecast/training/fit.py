"""Fit the forecaster: every residual is out of fold, by case."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orloop_forecast.adapters.boosters import LightGbm, train_booster
from orloop_forecast.domain.encoding import Encoded, Encoder
from orloop_forecast.domain.forecasting import (
    EDGES,
    IN_ROOM,
    LEAST_SCALE,
    Forecaster,
    Part,
    duration_row,
    position,
    remaining_row,
)
from orloop_forecast.domain.residuals import Residuals

from .draw import Case, Values

FOLDS = 4
EVERY = {"in_room": 3.0, "after_incision": 6.0, "closing": 2.0, "after_procedure_end": 2.0}
"""Minutes between two landmarks of a case, by stage."""
Matrix = np.ndarray[Any, np.dtype[np.float64]]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Rows:
    rows: list[list[float]]
    targets: list[float]
    positions: list[float]
    folds: list[int]


def fit(cases: Sequence[Case], seed: int, progress: Progress = lambda _: None) -> Forecaster:
    """Train the encoder, the duration part and one remaining-time part for each stage."""
    values = [case.features(None)[1] for case in cases]
    minutes = [case.minutes for case in cases]
    folds = [number % FOLDS for number in range(len(cases))]
    encoded = _encode_out_of_fold(values, minutes, folds)
    progress("encoded")
    logs = [math.log(m) - e.mean for m, e in zip(minutes, encoded, strict=True)]
    whole = _Rows([duration_row(v, e) for v, e in zip(values, encoded, strict=True)], logs, [0.0] * len(cases), folds)
    duration, centres, scales = _fit_part(whole, (), seed)
    progress("duration")
    remaining = {}
    for number, stage in enumerate(IN_ROOM, start=1):
        rows = _landmarks(cases, stage, encoded, centres, scales, seed + number)
        remaining[stage], _, _ = _fit_part(rows, EDGES[stage], seed + number)
        progress(f"{stage} ({len(rows.rows)} moments)")
    return Forecaster(Encoder.fit(zip(values, minutes, strict=True)), duration, remaining)


def _encode_out_of_fold(values: Sequence[Values], minutes: Sequence[float], folds: Sequence[int]) -> list[Encoded]:
    encoders = [
        Encoder.fit((v, m) for v, m, f in zip(values, minutes, folds, strict=True) if f != fold)
        for fold in range(FOLDS)
    ]
    return [encoders[f].encode(v) for v, f in zip(values, folds, strict=True)]


def _landmarks(
    cases: Sequence[Case],
    stage: str,
    encoded: Sequence[Encoded],
    centres: Sequence[float],
    scales: Sequence[float],
    seed: int,
) -> _Rows:
    """Moments of running cases in one stage: what was known then, and what was still to come."""
    offsets = np.random.default_rng(seed).uniform(0.0, 1.0, len(cases))
    found = _Rows([], [], [], [])
    for number, case in enumerate(cases):
        for elapsed in case.landmarks(EVERY[stage], float(offsets[number])):
            if _stage_at(case, elapsed) != stage:
                continue
            _, values = case.features(elapsed)
            expected = math.exp(encoded[number].mean + centres[number])
            found.rows.append(remaining_row(values, encoded[number], centres[number], scales[number]))
            found.targets.append(math.log(case.minutes - elapsed + 1.0))
            found.positions.append(position(stage, values, expected))
            found.folds.append(number % FOLDS)
    return found


def _stage_at(case: Case, elapsed: float) -> str:
    """Cheap pre-check; the features say the same."""
    if elapsed >= case.end:
        return "after_procedure_end"
    if elapsed >= case.closing:
        return "closing"
    return "after_incision" if elapsed >= case.incision else "in_room"


def _fit_part(rows: _Rows, edges: Sequence[float], seed: int) -> tuple[Part, list[float], list[float]]:
    """A part fitted on everything, its residuals and the returned centres and scales out of fold."""
    targets, folds = np.array(rows.targets), np.array(rows.folds)
    matrix = np.array(rows.rows)
    centres, scales = np.zeros(len(targets)), np.zeros(len(targets))
    for fold in range(FOLDS):
        inside, outside = folds != fold, folds == fold
        centres[outside] = _train(matrix[inside], targets[inside], "l1", seed).predict(matrix[outside])
    off = np.abs(targets - centres)
    for fold in range(FOLDS):
        inside, outside = folds != fold, folds == fold
        scales[outside] = _train(matrix[inside], off[inside], "l2", seed).predict(matrix[outside])
    scales = np.maximum(scales, LEAST_SCALE)
    residuals = Residuals.fit(((targets - centres) / scales).tolist(), rows.positions, edges)
    part = Part(_train(matrix, targets, "l1", seed), _train(matrix, off, "l2", seed), residuals)
    return part, centres.tolist(), scales.tolist()


def _train(matrix: Matrix, targets: Matrix, objective: str, seed: int) -> LightGbm:
    return train_booster(matrix, targets, objective=objective, seed=seed)
