"""Every metric of the service."""

from orloop_common.runtime.metrics import counter, gauge, histogram

FORECASTS = counter(
    "orloop_forecast_made_total", "Forecasts made, by state of the case and by what made them.", ["stage", "by"]
)
SECONDS = histogram(
    "orloop_forecast_seconds", "Wall time of one forecast.", buckets=(0.0001, 0.0003, 0.001, 0.003, 0.01, 0.1)
)
FALLBACK = gauge("orloop_forecast_fallback", "1 while no bundle is served and booked times are used instead.")
LOW_CONFIDENCE = counter("orloop_forecast_low_confidence_total", "Forecasts that say of themselves to doubt them.")
BUNDLE = gauge("orloop_forecast_bundle_info", "1 for the bundle that is served, or for fallback.", ["digest"])
