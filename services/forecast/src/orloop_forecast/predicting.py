"""One place where features become a forecast: by the bundle, or by the fallback rule when there is none."""

from dataclasses import dataclass
from datetime import timedelta

from orloop_common.domain.features import SCHEMA, FeatureValues
from orloop_common.domain.plan import Quantiles

from . import metrics
from .domain.fallback import MODEL, fallback_duration, fallback_remaining
from .domain.forecasting import IN_ROOM, Forecaster


@dataclass(frozen=True, slots=True)
class Predicted:
    """A forecast and what made it."""

    model: str
    duration: Quantiles
    remaining: Quantiles | None
    low_confidence: bool


@dataclass(frozen=True, slots=True)
class Predictor:
    """Answers always; `forecaster` None means by the fallback rule."""

    model: str = MODEL
    forecaster: Forecaster | None = None

    def predict(self, schema: str, stage: str, values: FeatureValues) -> Predicted:
        """Forecast a case; features of another list than the bundle's get the fallback."""
        with metrics.SECONDS.time():
            predicted = self._predict(schema, stage, values)
        metrics.FORECASTS.labels(stage, MODEL if predicted.model == MODEL else "bundle").inc()
        if predicted.low_confidence:
            metrics.LOW_CONFIDENCE.inc()
        return predicted

    def _predict(self, schema: str, stage: str, values: FeatureValues) -> Predicted:
        if self.forecaster is None or schema != SCHEMA:
            return by_rule(stage, values)
        answer = self.forecaster.forecast(stage, values)
        return Predicted(self.model, answer.duration, answer.remaining, answer.low_confidence)


def by_rule(stage: str, values: FeatureValues) -> Predicted:
    """The fallback: booked time by a service-line ratio, and what is left of such a case."""
    elapsed = values.get("elapsed_minutes")
    if stage not in IN_ROOM or not isinstance(elapsed, int | float):
        return Predicted(MODEL, fallback_duration(values), None, True)
    left, passed = fallback_remaining(stage, values), timedelta(minutes=elapsed)
    whole = Quantiles(p50=passed + left.p50, p80=passed + left.p80, p95=passed + left.p95)
    return Predicted(MODEL, whole, left, True)
