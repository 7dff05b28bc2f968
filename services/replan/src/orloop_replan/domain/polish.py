"""A quick search before the model: place cases one after another, cheapest place first, in many orders.

Annealing over the order in which cases choose (facts of the planner: stage 3). It gives the model a good
plan to begin from and the places that good plans use. Time is a mask of minutes, so that a place is
tried in well under a microsecond. Seeded: the same problem gives the same plans.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from orloop_common.domain.plan import Place

from .candidates import Candidate, Span, Timeline, left_over, postponing_cost
from .ordering import Circle, in_order

TIER = 100_000
"""One postponement weighs more than any cost: postponements come before the published cost."""
MINUTES = 48 * 60
HOTTEST, COLDEST = 30.0, 1.0


@dataclass(frozen=True, slots=True)
class Polished:
    """The best plan found that can be carried out, and every place that a good plan used."""

    plan: Mapping[str, Place]
    places: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Option:
    number: int
    room: int
    cost: int
    occupied: int
    stay: int
    recovery: int
    end: int
    people: tuple[int, ...]


class _Board:
    """What the search needs to know of a problem, as numbers."""

    def __init__(self, line: Timeline, candidates: Sequence[Candidate]) -> None:
        problem = line.problem
        rooms = {room.id: n for n, room in enumerate(problem.rooms)}
        people = {s: n for n, s in enumerate(sorted({s for case in problem.cases for s in case.surgeons}))}
        self.people = len(people)
        self.slot = line.grid // 60
        self.weight = problem.weights.overtime
        self.last = [
            max([line.at(room.block_end), *(end for _, end in line.room_taken[room.id])]) // 60
            for room in problem.rooms
        ]
        self.postponing = [TIER + postponing_cost(line, case) for case in problem.cases]
        self.options: list[list[_Option]] = [[] for _ in problem.cases]
        for number, one in enumerate(candidates):
            self.options[one.case].append(
                _Option(
                    number=number,
                    room=rooms[one.place.room or ""],
                    cost=one.cost,
                    occupied=_mask(one.occupied),
                    stay=_mask(one.stay),
                    recovery=_mask(one.recovery),
                    end=-(-one.occupied[1] // 60),
                    people=tuple(people[s] for s in problem.cases[one.case].surgeons),
                )
            )
        for options in self.options:
            options.sort(key=lambda o: (o.cost, o.end, o.room, o.number))
        self.teams = _full(line.teams, line.patients, len(problem.rooms))
        self.beds = _full(line.beds, line.recoveries, len(problem.cases))


def polish(
    line: Timeline, candidates: Sequence[Candidate], start: Mapping[str, Place], seed: int, rounds: int
) -> Polished:
    """The best of `rounds` plans; `start` itself if none is better."""
    problem, draw = line.problem, Random(seed)
    board = _Board(line, candidates)
    count = len(problem.cases)
    order = sorted(range(count), key=lambda i: (_start_of(start[problem.cases[i].id]), problem.cases[i].id))
    barred = [-1] * count
    taken, cost = _place(board, order, barred)
    best, best_cost = _checked(line, candidates, taken), cost
    seen: list[tuple[int, tuple[int, ...]]] = [(cost, tuple(taken))]
    if best is None:
        best, best_cost = dict(start), 10**12
    for number in range(rounds if count > 1 else 0):
        heat = HOTTEST * (COLDEST / HOTTEST) ** (number / rounds)
        new_order, new_barred = list(order), list(barred)
        if draw.random() < 0.75:
            moved = new_order.pop(draw.randrange(count))
            new_order.insert(draw.randrange(count), moved)
        else:
            case = draw.randrange(count)
            room = draw.randrange(len(board.last))
            new_barred[case] = -1 if new_barred[case] >= 0 else room
        new_taken, new_cost = _place(board, new_order, new_barred)
        if new_cost <= cost or draw.random() < math.exp((cost - new_cost) / heat):
            order, barred, cost = new_order, new_barred, new_cost
            seen.append((new_cost, tuple(new_taken)))
            if new_cost < best_cost and (plan := _checked(line, candidates, new_taken)) is not None:
                best, best_cost = plan, new_cost
    good = sorted(set(seen))[:60]
    return Polished(best, frozenset(n for _, taken in good for n in taken if n >= 0))


def _place(board: _Board, order: Sequence[int], barred: Sequence[int]) -> tuple[list[int], int]:
    """Each case in turn takes the place that costs least now; -1 is postponed."""
    rooms, people = [0] * len(board.last), [0] * board.people
    last = list(board.last)
    patients, beds = [-1] + [0] * len(board.teams), [-1] + [0] * len(board.beds)
    taken, total = [-1] * len(order), 0
    for case in order:
        found, least = None, 1 << 60
        for option in board.options[case]:
            if option.cost >= least:
                break
            if option.room == barred[case] or rooms[option.room] & option.occupied:
                continue
            if any(people[p] & option.stay for p in option.people):
                continue
            late = option.end - last[option.room]
            cost = option.cost + (board.weight * -(-late // board.slot) if late > 0 else 0)
            if cost >= least:
                continue
            if _too_many(board.teams, patients, option.stay) or _too_many(board.beds, beds, option.recovery):
                continue
            found, least = option, cost
        if found is None:
            total += board.postponing[case]
            continue
        total += least
        taken[case] = found.number
        rooms[found.room] |= found.occupied
        last[found.room] = max(last[found.room], found.end)
        for person in found.people:
            people[person] |= found.stay
        _count(patients, found.stay)
        _count(beds, found.recovery)
    return taken, total


def _checked(line: Timeline, candidates: Sequence[Candidate], taken: Sequence[int]) -> dict[str, Place] | None:
    """The plan of these places, if it can be carried out one change at a time."""
    plan = {case.id: Place(room=None, start=None) for case in line.problem.cases}
    for number in taken:
        if number >= 0:
            one = candidates[number]
            plan[line.problem.cases[one.case].id] = one.place
    return None if isinstance(in_order(line.problem, plan), Circle) else plan


def _mask(span: Span) -> int:
    start, end = span[0] // 60, -(-span[1] // 60)
    return ((1 << (end - start)) - 1) << start if 0 <= start < end <= MINUTES else 0


def _full(steps: list[tuple[int, int, int]], taken: list[Span], most: int) -> list[int]:
    """Entry n: the minutes in which n more are already too many to add another; empty if nothing can bind."""
    if not steps:
        return []
    marks = sorted({0, MINUTES * 60, *(m for step in steps for m in step[:2]), *(m for span in taken for m in span)})
    full = [0] * most
    for start, end in itertools.pairwise(marks):
        for already in range(max(0, left_over(steps, taken, start)), most):
            full[already] |= _mask((max(0, start), min(end, MINUTES * 60)))
    return full


def _too_many(full: list[int], held: list[int], wanted: int) -> bool:
    """Whether one more would be too many in some minute of `wanted`."""
    for minutes, used in zip(full, held, strict=False):
        if not used:
            return False
        if minutes & used & wanted:
            return True
    return False


def _count(held: list[int], wanted: int) -> None:
    """Entry n of `held`: the minutes in which at least n are in use; entry 0 is every minute."""
    n = 1
    while wanted and n < len(held):
        wanted, held[n] = held[n] & wanted, held[n] | wanted
        n += 1


def _start_of(place: Place) -> float:
    return place.start.timestamp() if place.start else math.inf
