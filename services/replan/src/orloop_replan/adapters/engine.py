"""The planner's engines in the order in which they are asked; right-shift comes after the last of them."""

from orloop_replan.ports import Engine, Limits, Stop, never

from .highs_engine import HighsEngine


def open_engines(limits: Limits, stop: Stop = never) -> tuple[Engine, ...]:
    """The engines for one job."""
    return (HighsEngine(limits, stop),)
