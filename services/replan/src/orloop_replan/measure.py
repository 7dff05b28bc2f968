"""How long solves take and what they save: `python -m orloop_replan.measure [--n 30] [--rooms 10]`.

Made-up suites (`generate`, published starts moved off the grid, as in life), one warm process, one thread; wall and
CPU seconds from a problem to its checked and simulated alternatives, and their cost against right-shift.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from orloop_common.domain.checker import check
from orloop_common.domain.cost import price
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.rightshift import right_shift
from orloop_common.runtime.clock import Clock, SystemClock

from .adapters.engine import open_engines
from .domain.solving import solve
from .generate import generate
from .generate_events import EVENTS
from .ports import Job, Limits

DISTURBANCES = tuple(event for event in EVENTS if event != "none")


def measure(n: int, rooms: int, disturbances: Sequence[str], clock: Clock) -> dict[str, object]:
    """The figures of `n` problems, the disturbances in turn."""
    limits = Limits()
    engines = open_engines(limits)
    for rooms_warm in (2, 6):
        solve(Job(id="warm", problem=generate(rooms_warm, "storm", 1)), engines, limits)
    seconds, busy, gaps, ratios, counts, unsound, waiting = [], [], [], [], [], 0, 0
    for number in range(n):
        problem = off_grid(generate(rooms, disturbances[number % len(disturbances)], number))
        begun, worked = clock.monotonic(), time.process_time()
        solved = solve(Job(id=str(number), problem=problem), engines, limits)
        seconds.append(clock.monotonic() - begun)
        busy.append(time.process_time() - worked)
        counts.append(len(solved.alternatives))
        waiting += solved.solver.path == "right_shift"
        plans = [{a.case: a.place for a in alternative.plan} for alternative in solved.alternatives]
        unsound += sum(bool(check(problem, plan)) for plan in plans)
        gaps += [a.gap for a in solved.alternatives[:1] if a.gap is not None]
        if solved.alternatives:
            ratios.append(solved.alternatives[0].cost / max(1, price(problem, right_shift(problem)).total))
    return {
        "n": n,
        "rooms": rooms,
        "p50_seconds": round(_quantile(seconds, 0.5), 3),
        "p95_seconds": round(_quantile(seconds, 0.95), 3),
        "max_seconds": round(max(seconds), 3),
        "p50_cpu_seconds": round(_quantile(busy, 0.5), 3),
        "p95_cpu_seconds": round(_quantile(busy, 0.95), 3),
        "mean_gap": round(sum(gaps) / max(1, len(gaps)), 4),
        "three_alternatives": sum(count == 3 for count in counts),
        "right_shift_only": waiting,
        "unsound": unsound,
        "median_cost_against_right_shift": round(_quantile(ratios, 0.5), 3),
    }


def off_grid(problem: PlanProblem) -> PlanProblem:
    """Every published start a minute or two off the grid: the hospital's clock knows no grid."""
    cases = []
    for number, case in enumerate(problem.cases):
        start, moved = case.current.start, timedelta(minutes=number % 3)
        current = replace(case.current, start=start - moved) if start is not None else case.current
        same = case.current == case.scheduled
        cases.append(replace(case, current=current, scheduled=current if same else case.scheduled))
    return replace(problem, cases=tuple(cases))


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))] if ordered else 0.0


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=30)
    parser.add_argument("--rooms", type=int, default=10)
    parser.add_argument("--disturbance", choices=EVENTS, action="append")
    given = parser.parse_args()
    print(json.dumps(measure(given.n, given.rooms, given.disturbance or DISTURBANCES, SystemClock())))


if __name__ == "__main__":
    main()
