"""Case duration and remaining time forecasts (LightGBM)."""
