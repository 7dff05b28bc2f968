"""What keeps a case from being somewhere: a clause a charge nurse would say, by the rule that forbids it."""

from collections.abc import Iterable, Mapping

from orloop_common.domain.checker import Broken
from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import Committed, PlanProblem, ProblemCase, ProblemRoom
from orloop_common.domain.wording import clock_time, doctor, the

Plan = Mapping[str, Place]
SEVERITY = (
    "case-once",
    "room-usable",
    "room-eligible",
    "room-one-patient",
    "turnover-between",
    "surgeon-one-place",
    "surgeon-hours",
    "implant-there",
    "latest-start",
    "frozen-window",
    "earliest-start",
    "anaesthesia-teams",
    "staff-skills",
    "equipment-units",
    "cleaning-teams",
    "recovery-beds",
    "unit-beds",
    "room-open",
    "emergency-never-postponed",
    "class-order",
)
"""Of several rules the first is named: what nobody can change before what somebody could arrange."""


def severest(broken: Iterable[Broken]) -> Broken | None:
    """The first that binds; None if nothing is broken."""
    return min(broken, key=lambda b: SEVERITY.index(b.rule) if b.rule in SEVERITY else len(SEVERITY), default=None)


def clause(problem: PlanProblem, plan: Plan, case: ProblemCase, broken: Broken) -> str:
    """Why `case` cannot be where `plan` puts it, given the rule that this breaks: `room 3 is down until 13:00`."""
    place = plan[case.id]
    if broken.rule == "room-usable" and place.room is not None:
        return down(problem, case, place)
    others = [name for name in broken.cases if name != case.id]
    if broken.rule in ("room-one-patient", "turnover-between"):
        held = [c for c in problem.committed if c.id in others]
        if held and broken.rule == "room-one-patient":
            return kept(problem, max(held, key=lambda c: c.occupied.end))
        if (other := moving(problem, others)) is not None and broken.rule == "room-one-patient":
            return has_room(problem, plan, other)
    if broken.rule == "surgeon-one-place":
        return busy_surgeon(problem, plan, case, others)
    return lower_first(broken.sentence.partition("; the plan leaves")[0].rstrip("."))


def down(problem: PlanProblem, case: ProblemCase, place: Place) -> str:
    """`room 3 is down until 13:00`, by the downtime that hits the stay."""
    room = room_of(problem, place)
    assert room is not None
    stay = stay_of(case, place)
    hit = [d for d in room.down if stay is None or stay.overlaps(d)] or list(room.down)
    until = max(d.end for d in hit)
    if until >= room.closes:
        return f"room {room.id} is down for the rest of the day"
    return f"room {room.id} is down until {clock_time(until, problem.timezone)}"


def kept(problem: PlanProblem, held: Committed) -> str:
    """Who is in the room, and when it is clean again."""
    ready = clock_time(held.occupied.end, problem.timezone)
    if held.why == "done":
        return f"room {held.room} is being cleaned until {ready}"
    out = clock_time(held.patient.end, problem.timezone)
    is_in = "is" if held.patient.start <= problem.now else "will be"
    return f"{the(held.label)} {is_in} in room {held.room} until {out} and the room is clean at {ready}"


def has_room(problem: PlanProblem, plan: Plan, other: ProblemCase) -> str:
    """Another case that can move has the room."""
    place = plan[other.id]
    stay = stay_of(other, place)
    if stay is None:
        return f"{the(other.label)} needs the room then"
    return f"{the(other.label)} is in room {place.room} {during(problem, stay)}"


def busy_surgeon(problem: PlanProblem, plan: Plan, case: ProblemCase, others: Iterable[str]) -> str:
    """Where the surgeon is instead."""
    names = set(others)
    for held in problem.committed:
        shared = [s for s in held.surgeons if s in case.surgeons]
        if held.id in names and shared:
            until = (held.surgeon or held.patient).end
            return f"{doctor(problem, shared[0])} is in room {held.room} until {clock_time(until, problem.timezone)}"
    for other in problem.cases:
        shared = [s for s in other.surgeons if s in case.surgeons]
        stay = stay_of(other, plan[other.id])
        if other.id in names and shared and stay is not None:
            return f"{doctor(problem, shared[0])} is in room {plan[other.id].room} {during(problem, stay)}"
    return "the surgeon is busy then"


def during(problem: PlanProblem, stay: Interval) -> str:
    """`from 11:00 until 12:20`."""
    return f"from {clock_time(stay.start, problem.timezone)} until {clock_time(stay.end, problem.timezone)}"


def stay_of(case: ProblemCase, place: Place) -> Interval | None:
    """Patient in to patient out at a place; None where there is none."""
    if place.start is None:
        return None
    length = case.length - case.slack if place == case.current else case.length
    return Interval(start=place.start, end=place.start + length)


def occupied_of(case: ProblemCase, place: Place) -> Interval | None:
    """Setup to cleanup at a place."""
    stay = stay_of(case, place)
    return None if stay is None else Interval(start=stay.start - case.setup, end=stay.end + case.cleanup)


def moving(problem: PlanProblem, names: Iterable[str]) -> ProblemCase | None:
    """The first of these cases that can move."""
    wanted = set(names)
    return next((c for c in problem.cases if c.id in wanted), None)


def room_of(problem: PlanProblem, place: Place) -> ProblemRoom | None:
    return next((room for room in problem.rooms if room.id == place.room), None)


def lower_first(sentence: str) -> str:
    """A sentence as a clause: names, titles and abbreviations keep their capitals."""
    first = sentence.split(" ", 1)[0]
    keeps = first in ("Dr", "Prof", "Surgeon") or (first.isupper() and len(first) > 1)
    return sentence if keeps else sentence[:1].lower() + sentence[1:]
