"""A child with engines that misbehave: `python odd_engines.py hungry|broken|deaf SETTINGS`."""

import sys
import time
from collections.abc import Callable, Sequence

from orloop_common.domain.problem import PlanProblem
from orloop_common.messages import from_json
from orloop_replan.adapters.second_route import SecondRoute
from orloop_replan.child import ChildSettings, serve
from orloop_replan.ports import Engine, Limits, Plan, Search, Stop


class Odd:
    """Does something else than search."""

    name, path = "odd", "odd"

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act

    def search(self, problem: PlanProblem, seed: int, start: Plan | None = None) -> Search:
        if len(problem.rooms) == 4:  # the warm-up is left alone
            self._act()
        raise ZeroDivisionError


def eat() -> None:
    """Memory until there is none; no more than eight gigabytes of it."""
    held = [bytearray(64 << 20) for _ in range(128)]
    assert not held


def sleep() -> None:
    time.sleep(60)


def engines_of(kind: str) -> Callable[[Limits, Stop], Sequence[Engine]]:
    if kind == "hungry":
        return lambda limits, stop: (Odd(eat), SecondRoute(limits, stop))
    return lambda limits, stop: (Odd(sleep if kind == "deaf" else lambda: None),)


if __name__ == "__main__":
    serve(engines_of(sys.argv[1]), from_json(ChildSettings, sys.argv[2]))
