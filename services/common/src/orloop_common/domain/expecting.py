"""Room for what the day still brings: how much of the usual add-on work would find no free room time."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from .plan import Interval
from .problem import ExpectedWork, PlanProblem, ProblemCase, ProblemRoom


def add_on_shortage(problem: PlanProblem, occupied: Mapping[str, Sequence[Interval]]) -> timedelta:
    """Room time that expected add-ons lack, hour by hour; `occupied` is what the plan and committed cases take.

    A case that may well be cancelled leaves a part of its published place free, by its risk. It is the
    published place that counts: where the plan puts that patient makes no difference.
    """
    short = timedelta(0)
    for hour in problem.expected:
        short += max(timedelta(0), hour.work - free_time(problem, hour, occupied) - likely_free(problem, hour))
    return short


def free_time(problem: PlanProblem, hour: ExpectedWork, occupied: Mapping[str, Sequence[Interval]]) -> timedelta:
    """Room time of an hour that nothing takes, all rooms together."""
    window = Interval(start=hour.start, end=hour.end)
    return sum((_free(room, window, occupied.get(room.id, ())) for room in problem.rooms), timedelta(0))


def likely_free(problem: PlanProblem, hour: ExpectedWork) -> timedelta:
    """What cancellations will leave free of an hour, by their risk."""
    window = Interval(start=hour.start, end=hour.end)
    return sum((_overlap(_published(c), window) * c.cancellation_risk for c in _risky(problem)), timedelta(0))


def _free(room: ProblemRoom, window: Interval, occupied: Sequence[Interval]) -> timedelta:
    """Time of the window in which the room is budgeted, usable and not taken."""
    start, end = max(room.opens, window.start), min(room.block_end, window.end)
    free, here = timedelta(0), start
    for taken in sorted((*occupied, *room.down), key=lambda i: i.start):
        free += max(timedelta(0), min(taken.start, end) - here)
        here = max(here, min(taken.end, end))
    return free + max(timedelta(0), end - here)


def _risky(problem: PlanProblem) -> list[ProblemCase]:
    return [c for c in problem.cases if c.cancellation_risk > 0 and c.current.room is not None and c.current.start]


def _published(case: ProblemCase) -> Interval:
    start = case.current.start
    assert start is not None
    return Interval(start=start - case.setup, end=start + case.length + case.cleanup)


def _overlap(one: Interval, two: Interval) -> timedelta:
    return max(timedelta(0), min(one.end, two.end) - max(one.start, two.start))
