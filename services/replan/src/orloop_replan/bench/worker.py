"""One peer in a process of its own: `python -m orloop_replan.bench.worker PEER NAME...`, one JSON line a problem.

A line says what was found (`chosen` [n], `cost` is counted by the parent), what the peer proves, its CPU and wall
seconds with everything warm, and its curve: seconds, cost and bound after each stage.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from orloop_common.domain.problem import PlanProblem
from orloop_replan.adapters.price_and_fix import FixLimits, Stage, solve
from orloop_replan.domain import kernels, slots
from orloop_replan.domain.slots import Slots

from .greedy import best_insertion
from .sets import load

SEED = 0
Line = dict[str, Any]


def ours(problem: PlanProblem) -> Line:
    """Price and fix with the limits of the service, from a problem document to a plan with its proof."""
    found = solve(problem, SEED, FixLimits())
    return {
        "chosen": found.chosen.tolist(),
        "bound": found.bound,
        "certified": found.certified,
        "curve": [_stage(stage) for stage in found.stages],
    }


def right_shift(problem: PlanProblem) -> Line:
    """Everybody waits in turn."""
    return {"chosen": kernels.right_shift_chosen(slots.build(problem)).tolist()}


def greedy(problem: PlanProblem) -> Line:
    """The coordinator's day, begun from right-shift."""
    arrays = slots.build(problem)
    return {"chosen": best_insertion(arrays, kernels.right_shift_chosen(arrays)).tolist()}


def annealed(problem: PlanProblem) -> Line:
    """Our annealed start, which CP-SAT is given as a hint."""
    arrays = slots.build(problem)
    return {"chosen": kernels.anneal(arrays, kernels.right_shift_chosen(arrays), SEED, 15_000).chosen.tolist()}


PEERS: dict[str, Callable[[PlanProblem], Line]] = {
    "ours": ours,
    "right_shift": right_shift,
    "greedy": greedy,
    "annealed": annealed,
}


def right_shift_milliseconds(arrays: Slots) -> float:
    """The decode alone, best of five."""
    best = min(_timed(lambda: kernels.right_shift_chosen(arrays)) for _ in range(5))
    return round(1000 * best, 3)


def _timed(run: Callable[[], object]) -> float:
    begun = time.process_time()
    run()
    return time.process_time() - begun


def _stage(stage: Stage) -> list[Any]:
    return [round(stage.seconds, 4), stage.cost, stage.bound, stage.name]


def main() -> None:
    """Solve the named problems one after the other, after one that warms everything."""
    peer, folder, *names = sys.argv[1:]
    run = PEERS[peer]
    kernels.warm()
    run(load(names[0], Path(folder)))
    for name in names:
        problem = load(name, Path(folder))
        cpu, wall = time.process_time(), time.monotonic()
        line = run(problem)
        line["cpu_seconds"] = round(time.process_time() - cpu, 4)
        line["wall_seconds"] = round(time.monotonic() - wall, 4)
        if peer == "right_shift":
            line["milliseconds"] = right_shift_milliseconds(slots.build(problem))
        line["postponed"] = int(np.sum(np.array(line["chosen"]) < 0))
        print(json.dumps({"instance": name, "peer": peer, **line}), flush=True)


if __name__ == "__main__":
    main()
