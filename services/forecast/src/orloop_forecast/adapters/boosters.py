"""LightGBM: the one file that knows it. One thread, numpy rows."""

from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np

_COMMON: dict[str, Any] = {
    "learning_rate": 0.08,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
Array = np.ndarray[Any, np.dtype[np.float64]]
Rows = Sequence[Sequence[float]] | Array


class LightGbm:
    """A trained booster."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._booster = lightgbm.Booster(model_str=text)

    def predict_one(self, row: Sequence[float]) -> float:
        return float(self.predict([row])[0])

    def predict(self, rows: Rows) -> Array:
        """One number for each row."""
        return np.asarray(self._booster.predict(np.asarray(rows, dtype=np.float64), num_threads=1))

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        return int(self._booster.num_feature())


def train_booster(
    rows: Rows,
    targets: Sequence[float] | np.ndarray[Any, np.dtype[np.float64]],
    *,
    objective: str,
    seed: int,
    rounds: int = 60,
    leaves: int = 8,
) -> LightGbm:
    """Fit a booster; the same rows and seed give the same text on one architecture."""
    parameters = _COMMON | {"objective": objective, "num_leaves": leaves, "seed": seed}
    data = lightgbm.Dataset(np.asarray(rows, dtype=np.float64), np.asarray(targets, dtype=np.float64))
    booster = lightgbm.train(parameters, data, rounds)
    return LightGbm(str(booster.model_to_string(importance_type="gain")))
