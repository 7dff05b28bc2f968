"""What each option costs by itself, and what fairness counts: one function a term, named as in the published cost."""

from collections.abc import Callable, Mapping
from datetime import datetime

from orloop_common.domain.grid import slots_past
from orloop_common.domain.problem import PlanProblem, ProblemCase
from orloop_common.domain.vocabulary import Urgency

from .options import Option

Price = Callable[[PlanProblem, Option], int]
SMALLEST_GROUP = 3


def delay(problem: PlanProblem, one: Option) -> int:
    case = one.case
    if case.urgency is Urgency.IMMEDIATE:
        return 0
    rate = case.priority if case.priority is not None else problem.weights.delay[case.urgency]
    return rate * slots_past(one.start - promised(one), problem.grid)


def early(problem: PlanProblem, one: Option) -> int:
    if one.case.urgency is Urgency.IMMEDIATE:
        return 0
    return problem.weights.early * slots_past(promised(one) - one.start, problem.grid)


def emergency_wait(problem: PlanProblem, one: Option) -> int:
    return problem.weights.emergency_wait * waiting(problem, one) if one.case.urgency is Urgency.IMMEDIATE else 0


def room_change(problem: PlanProblem, one: Option) -> int:
    return problem.weights.room_change * (one.case.current.room not in (None, one.room.id))


def moved_again(problem: PlanProblem, one: Option) -> int:
    return problem.weights.moved_again * one.case.moved_today * leaves_its_place(one)


def changed(problem: PlanProblem, one: Option) -> int:
    return problem.weights.changed * leaves_its_place(one)


def preference(problem: PlanProblem, one: Option) -> int:
    wish, weights = one.case.preferred, problem.weights
    if wish is None:
        return 0
    apart = slots_past(abs(one.start - wish.start), problem.grid) if wish.start else 0
    return weights.preferred_start * apart + weights.preferred_room * (wish.room not in (None, one.room.id))


def continuity(problem: PlanProblem, one: Option) -> int:
    return problem.weights.continuity * bool(one.case.team_rooms and one.room.id not in one.case.team_rooms)


BY_OPTION: Mapping[str, Price] = {
    "delay": delay,
    "early": early,
    "emergency_wait": emergency_wait,
    "room_change": room_change,
    "moved_again": moved_again,
    "changed": changed,
    "preference": preference,
    "continuity": continuity,
}
"""Terms that are sums over the places taken."""


def postponing(problem: PlanProblem, case: ProblemCase) -> int:
    """What leaving a case to another day costs, by its length and its urgency; a published place is left as well."""
    weights = problem.weights
    base = weights.postpone + weights.postpone_per_slot * slots_past(case.length, problem.grid)
    price = base * weights.delay[case.urgency] // weights.delay[Urgency.ELECTIVE]
    left = 0 if case.current.room is None else weights.changed + weights.moved_again * case.moved_today
    return price + left


def ranks(problem: PlanProblem) -> dict[str, int]:
    """In the tier above the cost, one postponed case of a class outweighs everybody of the classes below."""
    cases = problem.cases
    electives = sum(case.urgency is Urgency.ELECTIVE for case in cases)
    rank = {Urgency.ELECTIVE: 1, Urgency.EXPEDITED: electives + 1}
    return {case.id: rank.get(case.urgency, (electives + 1) * (len(cases) + 1)) for case in cases}


def promised(one: Option) -> datetime:
    """When the patient expects to enter the room; who was told nothing is neither late nor early."""
    return one.case.current.start or one.case.scheduled.start or one.start


def waiting(problem: PlanProblem, one: Option) -> int:
    """Slots that an immediate case has waited when it starts."""
    case = one.case
    since = case.waiting_since or case.current.start or case.scheduled.start or problem.now
    return slots_past(one.start - since, problem.grid)


def leaves_its_place(one: Option) -> bool:
    return one.changed and one.case.current.room is not None


def committed_slots(problem: PlanProblem) -> dict[str, int]:
    """Slots past its block that each room is in use whatever is planned."""
    ends = {room.id: room.block_end for room in problem.rooms}
    late = dict.fromkeys(ends, 0)
    for held in problem.committed:
        if held.room in ends:
            late[held.room] = max(late[held.room], slots_past(held.occupied.end - ends[held.room], problem.grid))
    return late


def groups(problem: PlanProblem) -> list[set[str]]:
    """Cases by service, and by site where one is named; three of them at least."""
    found: dict[tuple[str, str], set[str]] = {}
    for case in problem.cases:
        for name in (("service", case.service), ("site", case.site)):
            if name[1]:
                found.setdefault(name, set()).add(case.id)
    return [members for members in found.values() if len(members) >= SMALLEST_GROUP]


def measures(problem: PlanProblem) -> dict[str, tuple[int, Callable[[PlanProblem, Option], int]]]:
    """What fairness compares groups by: its price, and what an option counts for."""
    weights = problem.weights
    return {
        "delay": (weights.fairness, _slots_of_delay),
        "late": (weights.fairness_late, lambda p, one: slots_past(one.occupied.end - one.room.block_end, p.grid)),
        "prime": (weights.fairness_prime, lambda _, one: 10 * (one.start > one.room.block_end)),
    }


def _slots_of_delay(problem: PlanProblem, one: Option) -> int:
    if one.case.urgency is Urgency.IMMEDIATE:
        return waiting(problem, one)
    return slots_past(one.start - promised(one), problem.grid)
