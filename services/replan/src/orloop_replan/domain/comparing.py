"""Two plans side by side, in words: what is worse in the other one and what is better, with its size."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from orloop_common.domain.cost import Cost, break_in_gap, overtime, price, surgeons_idle, told
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem, ProblemCase
from orloop_common.domain.vocabulary import Urgency
from orloop_common.domain.wording import listed, minutes, the

Plan = Mapping[str, Place]
ZERO = timedelta(0)
NAMED = 2
"""So many cases or rooms are named one by one; of more there is the sum and the largest."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One cost term that differs: by how much in the published unit, by how many minutes, and a clause for it.

    `clause` says what the other plan does (`20 min more overtime in room 6`).
    """

    term: str
    delta: int
    size: timedelta | None
    clause: str


def differences(problem: PlanProblem, base: Plan, other: Plan) -> tuple[Difference, ...]:
    """What `other` costs more (delta > 0) or less than `base`, the largest first; terms that are equal are left out."""
    one, two = price(problem, base), price(problem, other)
    found = []
    for field in fields(Cost):
        delta = getattr(two, field.name) - getattr(one, field.name)
        if delta:
            size, clause = _told(problem, base, other, field.name, delta)
            found.append(Difference(field.name, delta, size, clause))
    return tuple(sorted(found, key=lambda d: (-abs(d.delta), d.term)))


def gone(problem: PlanProblem, base: Plan, other: Plan) -> list[ProblemCase]:
    """Who has a place in `base` and goes to another day in `other`."""
    return [c for c in problem.cases if base[c.id].start is not None and other[c.id].start is None]


def worth(problem: PlanProblem, points: int) -> timedelta:
    """So many points of the published cost as minutes that one elective patient waits."""
    rate = max(1, min(problem.weights.delay.values(), default=1))
    return problem.grid * points / rate


def rooms_overtime(problem: PlanProblem, base: Plan, other: Plan) -> dict[str, timedelta]:
    """By room, how much longer past its block it is in use in `other`; rooms that differ only."""
    before, after = overtime(problem, base), overtime(problem, other)
    return {room: after[room] - before[room] for room in before if after[room] != before[room]}


def _told(problem: PlanProblem, base: Plan, other: Plan, term: str, delta: int) -> tuple[timedelta | None, str]:
    """Size and clause of one term."""
    more = delta > 0
    if term == "overtime":
        rooms = rooms_overtime(problem, base, other)
        span = sum(rooms.values(), ZERO)
        if (span > ZERO) == more and span:
            return span, _overtime(rooms)
        return span, f"{'more' if more else 'less'} overtime, in other rooms"
    if term in ("delay", "emergency_wait"):
        urgent = term == "emergency_wait"
        span, told = _waiting(problem, base, other, urgent=urgent)
        if (span > ZERO) == more and span:
            return span, told
        return span, f"patients who are {'more' if more else 'less'} urgent wait instead of others"
    if term == "early":
        span = _sum_early(problem, other) - _sum_early(problem, base)
        return span, f"patients come {minutes(abs(span))} {'earlier' if more else 'less early'} than they were told"
    if term == "postponed":
        return None, _postponed(problem, base, other)
    if term == "room_change":
        number = delta // problem.weights.room_change
        changes = "changes" if abs(number) == 1 else "change"
        return None, f"{abs(number)} {'more' if more else 'fewer'} {_cases(number)} {changes} rooms"
    if term in ("changed", "moved_again"):
        return None, _changes(problem, base, other, term, more)
    if term == "surgeon_idle":
        span = surgeons_idle(problem, other) - surgeons_idle(problem, base)
        return span, f"surgeons wait {_than(span)} between their cases"
    if term == "break_in":
        span = break_in_gap(problem, other) - break_in_gap(problem, base)
        return span, f"an emergency could have to wait {_than(span)} for a room"
    if term == "add_on_slack":
        span = problem.grid * (delta // max(1, problem.weights.add_on_slack))
        return span, f"{minutes(abs(span))} {'less' if more else 'more'} room for add-ons to come"
    return None, _PLAIN.get(term, ("", ""))[not more] or f"{term.replace('_', ' ')} is {'worse' if more else 'better'}"


_PLAIN = {  # worse, better
    "fairness": (
        "the burden is shared less evenly between services",
        "the burden is shared more evenly between services",
    ),
    "preference": ("fewer wishes for a time or a room are met", "more wishes for a time or a room are met"),
    "continuity": ("more patients leave the rooms of their team", "more patients stay with their team"),
}


def _overtime(rooms: Mapping[str, timedelta]) -> str:
    total = sum(rooms.values(), ZERO)
    named = sorted(rooms, key=lambda room: (-abs(rooms[room]), room))
    where = f" in room {named[0]}" if len(named) == 1 else " in all"
    more = f"{minutes(abs(total))} {'more' if total > ZERO else 'less'} overtime{where}"
    if 1 < len(named) <= NAMED + 1:
        parts = [f"room {room} {_signed(rooms[room])}" for room in sorted(named)]
        return f"{more} ({', '.join(parts)})"
    return more


def _waiting(problem: PlanProblem, base: Plan, other: Plan, *, urgent: bool) -> tuple[timedelta, str]:
    spans: dict[str, timedelta] = {}
    total = ZERO
    for case in problem.cases:
        before, after = base[case.id], other[case.id]
        if (case.urgency is Urgency.IMMEDIATE) != urgent:
            continue
        if span := _late(problem, case, after.start) - _late(problem, case, before.start):
            total += span
            if after.start is not None:
                spans[case.label] = span
    named = sorted(spans, key=lambda label: (-abs(spans[label]), label))
    if not named:
        return total, f"patients wait {_than(total)} in all"
    if len(named) == 1 and spans[named[0]] == total:
        return total, f"{the(named[0])} waits {_than(total)}"
    if len(named) == NAMED and len({spans[n] > ZERO for n in named}) == 1 and sum(spans.values(), ZERO) == total:
        return total, " and ".join(f"{the(n)} waits {_than(spans[n])}" for n in named)
    most = max(named, key=lambda n: (spans[n] if total > ZERO else -spans[n], n))
    example = f" ({the(most)} {minutes(abs(spans[most]))})" if (spans[most] > ZERO) == (total > ZERO) else ""
    return total, f"patients wait {_than(total)} in all{example}"


def _postponed(problem: PlanProblem, base: Plan, other: Plan) -> str:
    lost = [the(c.label) for c in gone(problem, base, other)]
    won = [the(c.label) for c in gone(problem, other, base)]
    parts = [f"{listed(lost)} {'goes' if len(lost) == 1 else 'go'} to another day"] if lost else []
    parts += [f"{listed(won)} {'is' if len(won) == 1 else 'are'} done today"] if won else []
    return " and ".join(parts)


def _changes(problem: PlanProblem, base: Plan, other: Plan, term: str, more: bool) -> str:
    if term == "moved_again":
        return f"{'more' if more else 'fewer'} of those who were moved before are moved again"
    number = sum((other[c.id] != c.current) - (base[c.id] != c.current) for c in problem.cases if c.current.start)
    return f"{abs(number)} {'more' if more else 'fewer'} {_cases(number)} {'is' if abs(number) == 1 else 'are'} moved"


def _cases(number: int) -> str:
    return "case" if abs(number) == 1 else "cases"


def _late(problem: PlanProblem, case: ProblemCase, start: datetime | None) -> timedelta:
    """How long the patient waits; nobody waits who goes to another day."""
    since = told(case)
    if case.urgency is Urgency.IMMEDIATE:
        since = case.waiting_since or since or problem.now
    return max(ZERO, start - since) if since and start else ZERO


def _early(problem: PlanProblem, case: ProblemCase, start: datetime) -> timedelta:
    since = told(case)
    return max(ZERO, since - start) if since and case.urgency is not Urgency.IMMEDIATE else ZERO


def _sum_early(problem: PlanProblem, plan: Plan) -> timedelta:
    return sum((_early(problem, c, s) for c in problem.cases if (s := plan[c.id].start)), ZERO)


def _than(span: timedelta) -> str:
    return f"{minutes(abs(span))} {'longer' if span > ZERO else 'less'}"


def _signed(span: timedelta) -> str:
    return f"{minutes(abs(span))} {'more' if span > ZERO else 'less'}"
