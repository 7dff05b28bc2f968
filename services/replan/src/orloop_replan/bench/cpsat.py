"""CP-SAT as a peer, in a process of its own: `python -m orloop_replan.bench.cpsat PROBLEM.json --seconds 60`.

ortools and highspy do not go into one process, and ortools wants an older protobuf than the services: it is
installed in a directory of its own (requirements/peers.txt), which only this process has on its path. The model is
the complete `core` problem with optional intervals: start, room and presence of each case, no overlap in rooms and
of surgeons, cumulative teams and beds, overtime, and the worst mean delay of a service. Prints one JSON document.
"""

import argparse
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from ortools.sat.python import cp_model  # type: ignore[import-not-found]

from orloop_common.domain.cost import told
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.vocabulary import Urgency
from orloop_replan.domain import slots as arrays
from orloop_replan.domain.slot_uses import SURGEON
from orloop_replan.domain.slots import Slots
from orloop_replan.plan_files import read_problem


class Model:
    """One problem as CP-SAT sees it."""

    def __init__(self, slots: Slots) -> None:
        longer = (slots.stay[: slots.n] != slots.stay[slots.n :]).any()
        if longer or slots.extra.any() or slots.rank.any() or (slots.fair_measure != 0).any():
            raise ValueError("Expected a core problem, got one with slack, turnover, tiers or more kinds of fairness.")
        self.slots, self.model = slots, cp_model.CpModel()
        self.terms: list[Any] = []
        self.rooms: list[list[Any]] = [[] for _ in slots.rooms]
        self.held: list[list[tuple[Any, int]]] = [[] for _ in slots.resources]
        self.start: list[Any] = []
        self.there: list[Any] = []
        self.room: list[dict[int, Any]] = []
        self.late: list[tuple[Any, int]] = []
        self.early: dict[int, tuple[Any, int]] = {}
        self.over = [self.model.new_int_var(max(0, int(b)), slots.T, "") for b in slots.base_end - slots.block_end]
        for case in range(slots.n):
            self._case(case)
        for room in range(len(slots.rooms)):
            self.model.add_no_overlap(self.rooms[room])
            self.terms.append(slots.overtime * self.over[room])
        for resource in range(len(slots.resources)):
            self._resource(resource)
        self._fairness()
        self.model.minimize(sum(self.terms))

    def _case(self, i: int) -> None:
        s, m = self.slots, self.model
        places = np.nonzero(s.case == i)[0]
        stay, setup, cleanup = int(s.stay[i]), int(s.setup[i]), int(s.cleanup[i])
        starts = np.unique(s.start[places]) if len(places) else np.zeros(1, np.int64)
        start = m.new_int_var_from_domain(cp_model.Domain.from_values(starts.tolist()), "")
        there = m.new_bool_var("")
        rooms: dict[int, Any] = {}
        for r in np.unique(s.room[places]).tolist():
            rooms[r] = literal = m.new_bool_var("")
            here = cp_model.Domain.from_values(s.start[places[s.room[places] == r]].tolist())
            m.add_linear_expression_in_domain(start, here).only_enforce_if(literal)
            self.rooms[r].append(
                m.new_optional_interval_var(start - setup, setup + stay + cleanup, start + stay + cleanup, literal, "")
            )
            m.add(self.over[r] >= start + stay + cleanup - int(s.block_end[r])).only_enforce_if(literal)
        m.add(sum(rooms.values()) == there)
        if s.must[i]:
            m.add(there == 1)
        self.terms.append(int(s.postpone[i]) * (1 - there))
        for use in range(int(s.use_ptr[i]), int(s.use_ptr[i + 1])):
            begin, until = int(s.use_from[use]), int(s.use_until[use])
            interval = m.new_optional_fixed_size_interval_var(start + begin, until - begin, there, "")
            self.held[int(s.use_resource[use])].append((interval, int(s.use_amount[use])))
        self.start.append(start)
        self.there.append(there)
        self.room.append(rooms)
        self._waiting(i, start, there, rooms)

    def _waiting(self, i: int, start: Any, there: Any, rooms: dict[int, Any]) -> None:
        """Delay, early start and change of room: exact on the grid, where everything here lies."""
        s, m, case = self.slots, self.model, self.slots.problem.cases[i]
        weights, immediate = s.problem.weights, case.urgency is Urgency.IMMEDIATE
        moment = (case.waiting_since or told(case) or s.problem.now) if immediate else told(case)
        since = 0 if moment is None else (moment - s.origin) // s.tick
        rate = case.priority if case.priority is not None else weights.delay[case.urgency]
        late = m.new_int_var(0, 2 * s.T, "")
        m.add(late >= start - since).only_enforce_if(there)
        self.late.append((late, since))
        self.terms.append((weights.emergency_wait if immediate else rate) * late)
        if not immediate and moment is not None:
            early = m.new_int_var(0, s.T, "")
            m.add(early >= since - start).only_enforce_if(there)
            self.early[i] = (early, since)
            self.terms.append(weights.early * early)
        if case.current.room is not None:
            own = case.current.room
            self.terms.extend(weights.room_change * literal for r, literal in rooms.items() if s.rooms[r] != own)

    def _resource(self, k: int) -> None:
        """What committed cases leave: the missing part of the largest capacity is held by fixed intervals."""
        s, m = self.slots, self.model
        held = [interval for interval, _ in self.held[k]]
        amounts = [amount for _, amount in self.held[k]]
        if not held:
            return
        left = np.maximum(0, s.capacity[k])
        most = int(left.max())
        edges = [0, *(np.nonzero(np.diff(left))[0] + 1).tolist(), s.T]
        for a, b in itertools.pairwise(edges):
            if left[a] < most:
                held.append(m.new_fixed_size_interval_var(a, b - a, ""))
                amounts.append(most - int(left[a]))
        if s.resources[k].startswith(SURGEON) and most == 1:
            m.add_no_overlap(held)
        else:
            m.add_cumulative(held, amounts, most)

    def _fairness(self) -> None:
        s, m = self.slots, self.model
        if not len(s.fair_count):
            return
        self.worst = m.new_int_var(0, 2 * s.T, "")
        self.terms.append(int(s.fair_weight[0]) * self.worst)
        for g in range(len(s.fair_count)):
            members = np.nonzero(s.fair_member[g])[0].tolist()
            m.add(int(s.fair_count[g]) * self.worst >= sum(self.late[i][0] for i in members))

    def hint(self, chosen: list[int]) -> None:
        """Begin from a plan [n]: every variable gets its value."""
        s, m = self.slots, self.model
        last, late = s.base_end.copy(), np.zeros(s.n, np.int64)
        for i, place in enumerate(chosen):
            m.add_hint(self.there[i], place >= 0)
            at = int(s.start[place]) if place >= 0 else 0
            for r, literal in self.room[i].items():
                m.add_hint(literal, place >= 0 and int(s.room[place]) == r)
            if place >= 0:
                m.add_hint(self.start[i], at)
                last[s.room[place]] = max(last[s.room[place]], s.end[place])
                late[i] = max(0, at - self.late[i][1])
            m.add_hint(self.late[i][0], int(late[i]))
            if i in self.early:
                m.add_hint(self.early[i][0], max(0, self.early[i][1] - at) if place >= 0 else 0)
        for r, over in enumerate(self.over):
            m.add_hint(over, max(0, int(last[r] - s.block_end[r])))
        if len(s.fair_count):
            m.add_hint(self.worst, int((-(-(s.fair_member * late).sum(axis=1) // s.fair_count)).max()))

    def chosen(self, solver: Any) -> list[int]:
        """The plan [n] that a solver holds."""
        s = self.slots
        places = {(int(s.case[k]), int(s.room[k]), int(s.start[k])): k for k in range(s.places)}
        found = []
        for i in range(s.n):
            room = next((r for r, literal in self.room[i].items() if solver.value(literal)), None)
            found.append(-1 if room is None else places[i, room, int(solver.value(self.start[i]))])
        return found


class _Watch(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
    """Cost and bound each time a better plan is found, by wall and CPU seconds since the model was begun."""

    def __init__(self, begun: tuple[float, float]) -> None:
        super().__init__()
        self.begun = begun
        self.curve: list[tuple[float, float, float, float]] = []

    def on_solution_callback(self) -> None:
        wall, cpu = time.monotonic() - self.begun[0], time.process_time() - self.begun[1]
        self.curve.append((round(wall, 3), round(cpu, 3), self.objective_value, self.best_objective_bound))


def solve(problem: PlanProblem, seconds: float, workers: int, seed: int, hint: list[int] | None) -> dict[str, Any]:
    """The best plan in so many wall seconds, its curve and CP-SAT's own bound."""
    begun = time.monotonic(), time.process_time()
    model = Model(arrays.build(problem))
    if hint is not None:
        model.hint(hint)
    solver, watch = cp_model.CpSolver(), _Watch(begun)
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = seed
    status = solver.solve(model.model, watch)
    found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    return {
        "status": solver.status_name(status),
        "chosen": model.chosen(solver) if found else None,
        "objective": round(solver.objective_value) if found else None,
        "bound": solver.best_objective_bound,
        "curve": watch.curve,
        "wall_seconds": round(time.monotonic() - begun[0], 3),
        "cpu_seconds": round(time.process_time() - begun[1], 3),
    }


def main() -> None:
    """Solve one problem file; `--hint` is a file with a plan [n] as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problem", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hint", type=Path)
    given = parser.parse_args()
    hint = json.loads(given.hint.read_text()) if given.hint else None
    json.dump(solve(read_problem(given.problem), given.seconds, given.workers, given.seed, hint), sys.stdout)


if __name__ == "__main__":
    main()
