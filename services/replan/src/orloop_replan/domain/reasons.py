"""Why a case leaves its place and why it goes where it goes: a sentence that a charge nurse would say."""

from collections.abc import Mapping

from orloop_common.domain.checker import Broken, check
from orloop_common.domain.cost import price
from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import Committed, PlanProblem, ProblemCase
from orloop_common.domain.rightshift import why_postponed
from orloop_common.domain.wording import clock_time, doctor, minutes, the, upper_first

Plan = Mapping[str, Place]
_FIRST = ("room-usable", "room-one-patient", "surgeon-one-place", "anaesthesia-teams", "recovery-beds", "room-open")


def reason(problem: PlanProblem, plan: Plan, case: ProblemCase) -> str:
    """`Room 3 is down until 12:00; room 8 is free and takes urology`."""
    parts = [why_it_leaves(problem, plan, case), why_it_goes_there(problem, plan, case)]
    return upper_first("; ".join(part for part in parts if part))


def undone(problem: PlanProblem, plan: Plan, case: ProblemCase) -> tuple[Broken, ...]:
    """The hard rules that break if this change alone is left out."""
    return tuple(b for b in check(problem, {**plan, case.id: case.current}) if case.id in b.cases)


def why_it_leaves(problem: PlanProblem, plan: Plan, case: ProblemCase) -> str:
    """What keeps the case from staying where it is, or what its leaving is good for."""
    if case.current.start is None:
        return _add_on(problem, case)
    broken = sorted(
        undone(problem, plan, case), key=lambda b: _FIRST.index(b.rule) if b.rule in _FIRST else len(_FIRST)
    )
    if not broken:
        return _worth(problem, plan, case)
    if broken[0].rule == "room-usable":
        return _down(problem, case)
    others = {id_ for b in broken if b.rule == broken[0].rule for id_ in b.cases} - {case.id}
    held = [c for c in problem.committed if c.id in others]
    if held and broken[0].rule == "room-one-patient":
        return _kept(problem, max(held, key=lambda c: c.occupied.end))
    if broken[0].rule == "room-one-patient":
        other = next(c for c in problem.cases if c.id in others)
        return f"{the(other.label)} has room {case.current.room} then"
    if broken[0].rule == "surgeon-one-place":
        return _busy_surgeon(problem, plan, case, others)
    return broken[0].sentence.rstrip(".")


def why_it_goes_there(problem: PlanProblem, plan: Plan, case: ProblemCase) -> str:
    """What is good about the new place."""
    target = plan[case.id]
    if target.room is None or target.start is None:
        return why_postponed(problem, case).rstrip(".")
    if target.room == case.current.room:
        room = next(r for r in problem.rooms if r.id == target.room)
        if any(down.end <= target.start and case.current.start and down.end > case.current.start for down in room.down):
            return f"it starts once room {target.room} is back"
        return ""
    free_from = _free_from(problem, plan, case, target)
    when = f"free from {clock_time(free_from.end, problem.timezone)}" if free_from else "free"
    put_there = target.room == case.scheduled.room
    return f"room {target.room} is {when} and {'is its own' if put_there else f'takes {case.service}'}"


def _add_on(problem: PlanProblem, case: ProblemCase) -> str:
    if case.waiting_since is not None:
        return f"{case.urgency} add-on, waiting since {clock_time(case.waiting_since, problem.timezone)}"
    return f"{case.urgency} add-on without a room"


def _down(problem: PlanProblem, case: ProblemCase) -> str:
    room = next(r for r in problem.rooms if r.id == case.current.room)
    until = max(down.end for down in room.down)
    if until >= room.closes:
        return f"room {room.id} is down for the rest of the day"
    return f"room {room.id} is down until {clock_time(until, problem.timezone)}"


def _kept(problem: PlanProblem, held: Committed) -> str:
    ready = clock_time(held.occupied.end, problem.timezone)
    if held.why == "done":
        return f"room {held.room} is being cleaned until {ready}"
    out = clock_time(held.patient.end, problem.timezone)
    return f"{the(held.label)} is in room {held.room} until {out} and the room is clean at {ready}"


def _busy_surgeon(problem: PlanProblem, plan: Plan, case: ProblemCase, others: set[str]) -> str:
    for held in problem.committed:
        shared = [s for s in held.surgeons if s in case.surgeons]
        if held.id in others and shared:
            until = clock_time(held.patient.end, problem.timezone)
            return f"{doctor(problem, shared[0])} is in room {held.room} until {until}"
    for other in problem.cases:
        place = plan[other.id]
        shared = [s for s in other.surgeons if s in case.surgeons]
        if other.id in others and shared and place.start is not None:
            until = clock_time(place.start + other.length, problem.timezone)
            return f"{doctor(problem, shared[0])} is in room {place.room} until {until}"
    return "the surgeon is busy then"


def _worth(problem: PlanProblem, plan: Plan, case: ProblemCase) -> str:
    """The case could stay: what would be lost if it did."""
    with_it, without = price(problem, plan), price(problem, {**plan, case.id: case.current})
    slots = (without.overtime - with_it.overtime) // max(1, problem.weights.overtime)
    if slots > 0:
        return f"saves {minutes(slots * problem.grid)} of overtime"
    return "makes way for others"


def _free_from(problem: PlanProblem, plan: Plan, case: ProblemCase, target: Place) -> Interval | None:
    """Who has the room last before the case comes, from now on."""
    before = [c.occupied for c in problem.committed if c.room == target.room]
    for other in problem.cases:
        place = plan[other.id]
        if other.id != case.id and place.room == target.room and place.start is not None:
            length = other.length - other.slack if place == other.current else other.length
            before.append(Interval(start=place.start - other.setup, end=place.start + length + other.cleanup))
    begin = target.start
    earlier = [i for i in before if begin is not None and problem.now < i.end <= begin]
    return max(earlier, key=lambda i: i.end, default=None)
