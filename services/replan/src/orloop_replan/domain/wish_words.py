"""What became of a wish, in sentences that a charge nurse would say."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.wording import clock_time, minutes, the, upper_first

from .comparing import Difference, worth
from .wishes import Wish, case_of, label_of

Plan = Mapping[str, Place]
SAID = 3
"""So many things that get worse are said, and so many that get better."""


def forbidden_sentence(problem: PlanProblem, wish: Wish, why: str) -> str:
    """`The hip cannot go to room 4: room 4 is down until 13:00.`"""
    itself = why.replace(the(case_of(problem, wish).label), "it")
    return f"{_who(problem, wish)} cannot {_doing(problem, wish)}: {itself}."


def unknown_sentence(problem: PlanProblem, wish: Wish, at_least: int | None, why: str) -> str:
    """No plan was found, and no rule forbids it by itself."""
    told = f"No way was found in time for {the(case_of(problem, wish).label)} to {_doing(problem, wish)}"
    if why:
        told += f": as things stand, {why}"
    if at_least is not None and at_least > 0:
        told += f". It would cost at least {_points(at_least)} more, {_as_much(problem, at_least)}"
    return f"{told}."


def already_sentence(problem: PlanProblem, plan: Plan, wish: Wish) -> str:
    """The plan grants the wish."""
    return f"{_who(problem, wish)} is planned that way already: {_where(problem, plan[wish.case])}."


def possible_sentence(
    problem: PlanProblem,
    wish: Wish,
    plan: Plan,
    terms: Sequence[Difference],
    at_least: int | None,
    at_most: int,
    *,
    better: bool,
) -> str:
    """The wish can be granted: where, what it costs, what gets worse and what gets better."""
    place = _still_open(problem, wish, plan[wish.case])
    told = f"{_who(problem, wish)} can {_doing(problem, wish)}{place}"
    first = sorted(terms, key=lambda d: d.term != "postponed")
    worse = [d.clause for d in first if d.delta > 0][:SAID]
    gains = [d.clause for d in first if d.delta < 0][:SAID]
    if better:
        price = f" {_points(-at_most)}, {_as_much(problem, -at_most)}" if at_most < 0 else ""
        told += f", and the plan gets better{' by' if price else ''}{price}: {'; '.join(gains)}."
        told += f" In return: {'; '.join(worse)}." if worse else ""
        return f"{told} It is offered as a proposal."
    told += f". {_price(problem, at_least, at_most)}"
    told += f": {'; '.join(worse)}." if worse else "."
    return told + (f" In return: {'; '.join(gains)}." if gains else "")


def _price(problem: PlanProblem, low: int | None, high: int) -> str:
    """In numbers, and as something that can be pictured."""
    if high <= 0:
        return "The price is the same" if high == 0 else f"It costs {_points(-high)} less"
    if low == high:
        return f"It costs {_points(high)} more, {_as_much(problem, high)}"
    if low is not None and low > 0:
        least, most = _waiting(problem, low), _waiting(problem, high)
        span = most if least == most else f"{least} to {most}"
        return f"It costs between {low} and {_points(high)} more, as much as {span} of one patient's waiting"
    perhaps = "" if low is None else ", perhaps nothing"
    return f"It costs at most {_points(high)} more, {_as_much(problem, high)}{perhaps}"


def _points(number: int) -> str:
    return f"{number} point{'' if number == 1 else 's'}"


def _as_much(problem: PlanProblem, points: int) -> str:
    return f"as much as {_waiting(problem, points)} of one patient's waiting"


def _waiting(problem: PlanProblem, points: int) -> str:
    """Points as waiting, to the next five minutes where it is more than a few."""
    span, slot = worth(problem, points), timedelta(minutes=5)
    return minutes(span if span < 2 * slot else slot * round(span / slot))


def _who(problem: PlanProblem, wish: Wish) -> str:
    return upper_first(the(case_of(problem, wish).label))


def _doing(problem: PlanProblem, wish: Wish) -> str:
    """What the case would do: `go to room 4`, `stay where it is`, `come before the knee`, `start at 11:00`."""
    if wish.leave:
        current = case_of(problem, wish).current
        return f"stay in room {current.room} at {_at(problem, current)}"
    if wish.before is not None:
        return f"come before {label_of(problem, wish.before)}"
    if wish.room is not None:
        when = f" at {clock_time(wish.start, problem.timezone)}" if wish.start is not None else ""
        return f"go to room {wish.room}{when}"
    assert wish.start is not None
    return f"start at {clock_time(wish.start, problem.timezone)}"


def _where(problem: PlanProblem, place: Place) -> str:
    return f"in room {place.room} at {_at(problem, place)}"


def _still_open(problem: PlanProblem, wish: Wish, place: Place) -> str:
    """The part of the place that the wish leaves open."""
    if wish.leave or (wish.room is not None and wish.start is not None):
        return ""
    if wish.room is not None:
        return f" at {_at(problem, place)}"
    return f" in room {place.room}" if wish.start is not None else f", {_where(problem, place)}"


def _at(problem: PlanProblem, place: Place) -> str:
    return clock_time(place.start, problem.timezone) if place.start is not None else "no time yet"
