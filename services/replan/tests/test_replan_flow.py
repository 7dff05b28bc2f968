"""The planner's flow: triggers in, answers out, each once."""

from datetime import timedelta

from .conftest import Suite, at, case, down, forecast, milestone, morning, tick  # type: ignore[import-not-found]
