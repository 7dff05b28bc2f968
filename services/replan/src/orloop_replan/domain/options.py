"""Every place that a case may have, read from the problem rule by rule: what the reference model chooses from.

Written apart from `slots` on purpose, in moments and intervals instead of ticks, so that agreement of
the two means something. Slower, and meant to be read.
"""

from collections.abc import Callable, Iterator

from orloop_common.domain.grid import ceil_moment
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem, ProblemCase, ProblemRoom

from .option_limits import RESOURCES, Limited
from .option_rules import FILTERS, Option, option, room_eligible, too_soon

__all__ = ["FILTERS", "RESOURCES", "Limited", "Option", "options", "too_soon"]


def options(problem: PlanProblem, go_on: Callable[[], None] = lambda: None) -> list[Option]:
    """All options that keep every rule by themselves and beside what is committed.

    `go_on` is called before each case: what it raises goes through.
    """
    resources = [limited for rule in RESOURCES.values() for limited in rule(problem)]
    found = []
    for case in problem.cases:
        go_on()
        for room in problem.rooms:
            any_time = option(case, room, room.opens)
            if not room_eligible(problem, any_time):
                continue
            needed = [limited for limited in resources if limited.holds(any_time)]
            for one in _at_any_time(problem, case, room):
                if all(keeps(problem, one) for keeps in FILTERS.values()) and all(r.leaves(one) for r in needed):
                    found.append(one)
    return found


def _at_any_time(problem: PlanProblem, case: ProblemCase, room: ProblemRoom) -> Iterator[Option]:
    if case.current.room == room.id and case.current.start is not None:
        yield option(case, room, case.current.start)
    start = ceil_moment(max(room.opens, min(problem.now, problem.earliest_start)), problem.grid)
    while start < room.closes:
        if case.current != Place(room=room.id, start=start):
            yield option(case, room, start)
        start += problem.grid
