"""The only wiring: settings, bundle, gRPC, the loop."""

from pathlib import Path

from orloop_common.messages import CASE_FEATURES
from orloop_common.runtime.grpcserve import serve
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.records import LoopSettings
from orloop_common.runtime.service import Runtime, run_service

from . import metrics
from .adapters.bundle import BundleRefused, load_bundle
from .adapters.servicer import mounted
from .domain.fallback import MODEL
from .flow import ForecastFlow
from .predicting import Predictor
from .settings import Settings

_log = get_logger("forecast")
GROUP = "orloop.forecast"


def main() -> None:
    """Run the service until it is asked to stop."""
    run_service(Settings, run)


def run(runtime: Runtime[Settings]) -> None:
    """Wire the parts and work."""
    predictor = open_predictor(runtime.settings.bundle)
    server = serve([mounted(predictor)], runtime.settings.grpc_port)
    _log.info("grpc_serves", port=server.port)
    try:
        settings = LoopSettings(topics=[CASE_FEATURES], group=GROUP, dead_letters=frozenset({CASE_FEATURES}))
        runtime.run_flow(ForecastFlow(predictor), settings)
    finally:
        server.stop()


def open_predictor(folder: Path) -> Predictor:
    """The bundle's forecaster; without one the fallback rule, said loudly."""
    try:
        bundle = load_bundle(folder)
    except BundleRefused as refused:
        _log.error("fallback_forecasts", reason=str(refused))
        metrics.FALLBACK.set(1)
        metrics.BUNDLE.labels(MODEL).set(1)
        return Predictor()
    metrics.FALLBACK.set(0)
    metrics.BUNDLE.labels(bundle.digest[:12]).set(1)
    _log.info("bundle_loaded", digest=bundle.digest, cases=bundle.manifest.get("cases"))
    return Predictor(bundle.digest, bundle.forecaster)
