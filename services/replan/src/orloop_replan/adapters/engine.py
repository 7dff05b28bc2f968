"""The planner's engines in the order in which they are asked; right-shift comes after the last of them."""

from orloop_replan.ports import Engine, Limits, Stop, never

from .highs_engine import HighsEngine
from .price_engine import PriceAndFix


def open_engines(limits: Limits, stop: Stop = never) -> tuple[Engine, ...]:
    """The engines for one job: price and fix, then the whole model through Pyomo over fewer places."""
    return PriceAndFix(limits, stop), HighsEngine(limits, stop)
