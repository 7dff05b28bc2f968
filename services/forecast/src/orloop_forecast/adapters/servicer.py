"""gRPC: forecasts on demand, for cases described by their features."""

from datetime import timedelta

import grpc
from google.protobuf.duration_pb2 import Duration

from orloop.forecast.v1 import forecast_pb2, forecast_pb2_grpc
from orloop_common.domain.features import FEATURES, SCHEMA, STAGES
from orloop_common.domain.plan import Quantiles
from orloop_common.runtime.grpcserve import Mounted, abort
from orloop_forecast.predicting import Predictor

_KINDS = {feature.name: feature.kind for feature in FEATURES}
MOST = 500


class ForecastServicer(forecast_pb2_grpc.ForecastServiceServicer):
    """Answers `Predict`; unknown features and stages are refused by name."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def Predict(
        self, request: forecast_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> forecast_pb2.PredictResponse:
        """Forecast each case of the request, in its order."""
        if len(request.cases) > MOST:
            _refuse(context, f"Expected at most {MOST} cases, got {len(request.cases)}.", "ask in several calls")
        return forecast_pb2.PredictResponse(forecasts=[self._one(case, context) for case in request.cases])

    def _one(self, case: forecast_pb2.CaseFeatures, context: grpc.ServicerContext) -> forecast_pb2.CaseForecast:
        if case.stage not in STAGES:
            _refuse(context, f"Expected a stage, got {case.stage!r}.", f"one of {', '.join(STAGES)}")
        values: dict[str, float | str | None] = dict.fromkeys(_KINDS)
        for kind, given in (("number", case.numbers), ("word", case.words)):
            for name, value in given.items():
                if _KINDS.get(name) != kind:
                    _refuse(context, f"Expected a {kind} feature, got {name!r}.", f"one of {', '.join(_KINDS)}")
                values[name] = value
        if case.stage != "scheduled" and values["elapsed_minutes"] is None:
            _refuse(context, f"Expected elapsed_minutes in stage {case.stage}, got none.", "add it to numbers")
        predicted = self._predictor.predict(SCHEMA, case.stage, values)
        answer = forecast_pb2.CaseForecast(
            case_uid=case.case_uid,
            duration=_quantiles(predicted.duration),
            model=predicted.model,
            low_confidence=predicted.low_confidence,
        )
        if predicted.remaining is not None:
            answer.remaining.CopyFrom(_quantiles(predicted.remaining))
        return answer


def mounted(predictor: Predictor) -> Mounted:
    """For `serve`."""
    return Mounted(
        forecast_pb2_grpc.add_ForecastServiceServicer_to_server,
        ForecastServicer(predictor),
        "orloop.forecast.v1.ForecastService",
    )


def _refuse(context: grpc.ServicerContext, problem: str, maybe: str) -> None:
    abort(context, grpc.StatusCode.INVALID_ARGUMENT, problem, f"Maybe {maybe}.")


def _quantiles(q: Quantiles) -> forecast_pb2.Quantiles:
    return forecast_pb2.Quantiles(p50=_duration(q.p50), p80=_duration(q.p80), p95=_duration(q.p95))


def _duration(span: timedelta) -> Duration:
    made = Duration()
    made.FromTimedelta(span)
    return made
