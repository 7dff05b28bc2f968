"""The planner's engines in the order in which they are asked; right-shift comes after the last of them."""

from orloop_replan.ports import Engine, Limits, Stop, never

from .second_route import SecondRoute


def open_engines(limits: Limits, stop: Stop = never) -> tuple[Engine, ...]:
    """The engines for one job: price and fix, then the reference model."""
    from .price_engine import PriceAndFix

    return PriceAndFix(limits, stop), SecondRoute(limits, stop)


def engine_of(path: str, limits: Limits) -> Engine:
    """The engine that a record names; the first one where it is not known (a record of another program)."""
    engines = open_engines(limits)
    return next((engine for engine in engines if engine.path == path), engines[0])
