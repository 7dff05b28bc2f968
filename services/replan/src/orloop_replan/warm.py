"""Compile the planner's kernels ahead of time: `python -m orloop_replan.warm`.

`make install` runs it, so that the first start of the service loads compiled code and compiles nothing. What is
compiled is kept beside the source, or in `NUMBA_CACHE_DIR`. Exit code 1 if the engine does not work here.
"""

import pkgutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from . import domain
from .domain.solving import Told, solve
from .generate import generate
from .ports import Engine, Job, Limits, Solved

WARM_UP = ((2, "down", 1), (6, "storm", 1))
"""Made-up suites (rooms, what happened, seed) that between them use every part of the engine."""


def warm_up(engine: Engine, limits: Limits, told: Told = lambda _: None) -> Iterator[Solved]:
    """Use every part of the engine once, so that the next problem costs its solve and nothing else."""
    for rooms, event, seed in WARM_UP:
        yield solve(Job(id="warm", problem=generate(rooms, event, seed)), engine, limits, told)


@dataclass(frozen=True, slots=True)
class Compiled:
    """How many kernels this process has compiled, and how many it has loaded."""

    compiled: int
    loaded: int

    def __str__(self) -> str:
        return f"{self.compiled} kernels compiled, {self.loaded} loaded"


def compiled() -> Compiled:
    """What has become of the kernels so far."""
    stats = [kernel.stats for kernel in kernels()]
    return Compiled(
        sum(sum(one.cache_misses.values()) for one in stats), sum(sum(one.cache_hits.values()) for one in stats)
    )


def kernels() -> list[Any]:
    """The planner's compiled functions."""
    from numba.core.dispatcher import Dispatcher

    modules = (import_module(one.name) for one in pkgutil.iter_modules(domain.__path__, f"{domain.__name__}."))
    found = {id(value): value for module in modules for value in vars(module).values() if isinstance(value, Dispatcher)}
    return list(found.values())


def warm(say: Callable[[str], None]) -> bool:
    """Load or compile every kernel; whether the engine works."""
    from .adapters.price_engine import PriceAndFix

    limits, works = Limits(), True
    for solved in warm_up(PriceAndFix(limits), limits):
        works = works and solved.solver.path == PriceAndFix.path
        say(" ".join((f"{compiled()}.", solved.solver.note)).strip())
    return works


def main() -> int:
    """Say how far it is; return the exit code."""
    print("Getting the planner's kernels ready (compiled once; under a minute)", flush=True)
    return 0 if warm(lambda line: print(f"  {line}", flush=True)) else 1


if __name__ == "__main__":
    sys.exit(main())
