"""One peer in a process of its own: `python -m orloop_replan.bench.worker PEER NAME...`, one JSON line a problem.

A line says what was found (`chosen` [n], `cost` is counted by the parent), what the peer proves, its CPU and wall
seconds with everything warm, and its curve: seconds, cost and bound after each stage.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from orloop_common.domain.checker import with_changes
from orloop_common.domain.plan import Assignment, Place
from orloop_common.domain.problem import PlanProblem, ProblemCase
from orloop_replan.adapters.price_and_fix import PROVING, FixLimits, Stage, solve
from orloop_replan.adapters.price_engine import PriceAndFix
from orloop_replan.adapters.resolving import say
from orloop_replan.adapters.servicer import WITHIN
from orloop_replan.domain import kernels, slots
from orloop_replan.domain.alternatives import LOWEST_COST
from orloop_replan.domain.alternatives import alternatives as alternatives_of
from orloop_replan.domain.search import never
from orloop_replan.domain.simulate import SCENARIOS, simulate
from orloop_replan.domain.slots import Slots
from orloop_replan.domain.wishes import Wish
from orloop_replan.ports import Job, Limits

from .greedy import best_insertion
from .sets import load

SEED = 0
ASKED = 5
"""Of so many cases questions are asked."""
Line = dict[str, Any]


def ours(problem: PlanProblem) -> Line:
    """Price and fix from a problem document to a plan that could be published, then on to what proves it.

    `plan_seconds` are CPU seconds until the first, the line's `cpu_seconds` until the last.
    """
    begun, early = time.process_time(), []
    found = solve(problem, SEED, PROVING, told=lambda _: early.append(time.process_time() - begun))
    return {
        "plan_seconds": round(early[0], 4),
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


def alternatives(problem: PlanProblem) -> Line:
    """All that leaves the service for one trigger, checked, simulated and told; how much of it is beyond the first."""
    begun = time.process_time()
    search = PriceAndFix(Limits()).search(problem, SEED)
    search.best(LOWEST_COST, (), with_changes(problem, ()))
    first = time.process_time() - begun
    found, note = alternatives_of(problem, search, Limits())
    return {
        "chosen": None,
        "first_seconds": round(first, 4),
        "more_seconds": round(time.process_time() - begun - first, 4),
        "kinds": [alternative.kind for alternative in found],
        "costs": [alternative.cost for alternative in found],
        "note": note,
    }


def realised(problem: PlanProblem) -> Line:
    """What our plan, right-shift's and the coordinator's come to in the same 500 scenarios."""
    arrays = slots.build(problem)
    shifted = kernels.right_shift_chosen(arrays)
    plans = [solve(arrays, SEED, FixLimits(growth=(8,))).chosen, shifted, best_insertion(arrays, shifted)]
    played = simulate(problem, [arrays.plan(plan[plan >= 0]) for plan in plans], SCENARIOS, SEED)
    means = [float(np.mean(outcome.cost)) for outcome in played.outcomes]
    apart = [played.difference(0, other) for other in (1, 2)]
    return {
        "chosen": None,
        "realised": dict(zip(("ours", "right_shift", "greedy"), means, strict=True)),
        "below": {peer: difference.high < 0 for peer, difference in zip(("right_shift", "greedy"), apart, strict=True)},
    }


def why_not(problem: PlanProblem) -> Line:
    """Of the first cases that the best plan moves: why not leave them, why not another room? Wall seconds of each
    answer, and how many say what breaks or between which bounds the price lies.
    """
    found = solve(problem, SEED, FixLimits())
    plan = tuple(Assignment(case=case, place=place) for case, place in sorted(found.plan.items()))
    moved = [case for case in problem.cases if found.plan[case.id] != case.current][:ASKED]
    wishes = [wish for case in moved for wish in _wishes(problem, case, found.plan[case.id])]
    job = Job(id="why_not", problem=problem, start=plan, within=WITHIN, known=found.bound)
    seconds, answered = [], 0
    for wish in wishes:
        begun = time.perf_counter()
        said = say(replace(job, wish=wish), never).said
        seconds.append(round(time.perf_counter() - begun, 4))
        answered += said is not None and (bool(said.rules) or None not in (said.at_least, said.at_most))
    return {"chosen": None, "why_not_seconds": seconds, "answered": answered}


def _wishes(problem: PlanProblem, case: ProblemCase, place: Place) -> Iterator[Wish]:
    if case.current.start is not None:
        yield Wish(case=case.id, leave=True)
    others = [room.id for room in problem.rooms if case.service in room.services and room.id != place.room]
    if others:
        yield Wish(case=case.id, room=others[0])


PEERS: dict[str, Callable[[PlanProblem], Line]] = {
    "ours": ours,
    "right_shift": right_shift,
    "greedy": greedy,
    "annealed": annealed,
    "alternatives": alternatives,
    "realised": realised,
    "why_not": why_not,
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
        if line["chosen"] is not None:
            line["postponed"] = int(np.sum(np.array(line["chosen"]) < 0))
        print(json.dumps({"instance": name, "peer": peer, **line}), flush=True)


if __name__ == "__main__":
    main()
