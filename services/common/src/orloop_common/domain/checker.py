"""The independent judge of a plan: one function per hard rule, the rule's id in its name.

Shares no code with the planner's model. A plan is judged where it places somebody: what committed
cases do among themselves (an overrun into a full recovery) is not the plan's fault. Rules of rooms are in
`checker_rooms`, of people, beds and things in `checker_resources`; here are those of the cases themselves.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from . import checker_resources as resources
from . import checker_rooms as rooms
from .checker_sheet import EMERGENCIES, Assignments, Broken, Placed, Sheet, instead, lay_out, put
from .plan import Change, Place
from .problem import PlanProblem, ProblemCase
from .vocabulary import Urgency
from .wording import the, upper_first

__all__ = ["EMERGENCIES", "PLAN_RULES", "Assignments", "Broken", "check", "check_changes", "outranked", "with_changes"]


def check(problem: PlanProblem, assignments: Assignments) -> tuple[Broken, ...]:
    """Every hard rule that the plan breaks, in the catalogue's order; empty if the plan is sound."""
    sheet = lay_out(problem, assignments)
    return tuple(broken for rule in PLAN_RULES.values() for broken in rule(sheet))


def check_changes(problem: PlanProblem, changes: Iterable[Change]) -> tuple[Broken, ...]:
    """What breaks, and involves a changed case, if `changes` are made to the current plan of `problem`."""
    moves = tuple(changes)
    moved = {change.case for change in moves}
    return tuple(b for b in check(problem, with_changes(problem, moves)) if moved.intersection(b.cases))


def with_changes(problem: PlanProblem, changes: Iterable[Change]) -> dict[str, Place]:
    """The current plan with some changes made: every movable case has a place."""
    places = {case.id: case.current for case in problem.cases}
    return places | {change.case: change.target for change in changes}


def outranked(problem: PlanProblem, assignments: Assignments) -> tuple[str, str] | None:
    """A postponed case, and one of a lower class whose place it could have (rule `class-order`), if any."""
    if not problem.weights.strict or all(place.room is not None for place in assignments.values()):
        return None
    found = next(_outranked(lay_out(problem, assignments)), None)
    return (found[0].id, found[1].case.id) if found is not None else None


# --- one function per rule -------------------------------------------------------------------------


def case_once(sheet: Sheet) -> Iterator[Broken]:
    """Every movable case has exactly one place, or is postponed."""
    problem, assignments = sheet.problem, sheet.assignments
    for case in problem.cases:
        place = assignments.get(case.id)
        if place is None:
            yield Broken("case-once", f"{_The(case)} is missing in the plan.", (case.id,))
        elif (place.room is None) != (place.start is None):
            yield Broken("case-once", f"{_The(case)} has a room or a time, but not both.", (case.id,))
    known = {case.id for case in problem.cases} | {held.id for held in problem.committed}
    for other in sorted(assignments.keys() - known):
        yield Broken("case-once", "The plan places a case that is not among today's open ones.", (other,))


def frozen_window(sheet: Sheet) -> Iterator[Broken]:
    """Nothing is moved to before its notice is over, and what is committed stays where it is."""
    problem = sheet.problem
    for placed in sheet.asked:
        notice = problem.earliest_start
        if placed.case.urgency is Urgency.IMMEDIATE and problem.earliest_emergency is not None:
            notice = problem.earliest_emergency
        if not placed.stays and placed.start < notice:
            sentence = f"It is too late to move {placed.the} to before {sheet.clock(notice)}."
            yield Broken("frozen-window", sentence, (placed.case.id,))
    for held in problem.committed:
        if held.id in sheet.assignments:
            why = _WHY.get(held.why, "it is too close to its start")
            yield Broken("frozen-window", f"{upper_first(the(held.label))} can no longer move: {why}.", (held.id,))


def latest_start(sheet: Sheet) -> Iterator[Broken]:
    """A case with a hard latest start begins by then."""
    for placed in sheet.asked:
        latest = placed.case.latest
        if latest is not None and placed.start > latest:
            yield Broken("latest-start", f"{placed.The} has to start by {sheet.clock(latest)}.", (placed.case.id,))


def earliest_start(sheet: Sheet) -> Iterator[Broken]:
    """No case is moved to before its patient can be there, nor too long before the time the patient was told."""
    for placed in sheet.asked:
        case, problem = placed.case, sheet.problem
        if placed.stays:
            continue
        told = case.current.start - problem.max_early if case.current.start else None
        brought = problem.now + case.transport if case.transport > timedelta(0) else None
        limit = max((moment for moment in (case.earliest, told, case.ready, brought) if moment), default=None)
        if limit is not None and placed.start < limit:
            yield Broken("earliest-start", f"{placed.The} cannot start before {sheet.clock(limit)}.", (case.id,))


def implant_there(sheet: Sheet) -> Iterator[Broken]:
    """No case starts before its implant has arrived for sure."""
    for placed in sheet.asked:
        implant = placed.case.implant
        if implant is not None and placed.start < implant.end:
            sentence = f"The implant for {placed.the} may arrive as late as {sheet.clock(implant.end)}."
            yield Broken("implant-there", sentence, (placed.case.id,))


def emergency_never_postponed(sheet: Sheet) -> Iterator[Broken]:
    """An urgent or immediate case is not left to another day."""
    for case in _postponed(sheet):
        if case.urgency in EMERGENCIES:
            yield Broken("emergency-never-postponed", f"{_The(case)} is {case.urgency} and has no room.", (case.id,))


def class_order(sheet: Sheet) -> Iterator[Broken]:
    """No case keeps a place that a postponed one of a higher class could take, where classes come in strict order."""
    for case, lower in _outranked(sheet):
        place = f"room {lower.room} at {sheet.clock(lower.start)}"
        sentence = f"{_The(case)} ({case.urgency}) is postponed and could have the place of {lower.the}: {place}."
        yield Broken("class-order", sentence, (case.id,))


PlanRule = Callable[[Sheet], Iterator[Broken]]
PLAN_RULES: dict[str, PlanRule] = {
    "case-once": case_once,
    "room-one-patient": rooms.room_one_patient,
    "room-usable": rooms.room_usable,
    "room-eligible": rooms.room_eligible,
    "room-open": rooms.room_open,
    "turnover-between": rooms.turnover_between,
    "surgeon-one-place": resources.surgeon_one_place,
    "surgeon-hours": resources.surgeon_hours,
    "anaesthesia-teams": resources.anaesthesia_teams,
    "staff-skills": resources.staff_skills,
    "equipment-units": resources.equipment_units,
    "implant-there": implant_there,
    "cleaning-teams": resources.cleaning_teams,
    "recovery-beds": resources.recovery_beds,
    "unit-beds": resources.unit_beds,
    "frozen-window": frozen_window,
    "latest-start": latest_start,
    "earliest-start": earliest_start,
    "emergency-never-postponed": emergency_never_postponed,
    "class-order": class_order,
}

CLASSES = {Urgency.ELECTIVE: 0, Urgency.EXPEDITED: 1, Urgency.URGENT: 2, Urgency.IMMEDIATE: 2}
"""A higher class outranks the lower ones; no emergency outranks another."""
_OF_ONE_PLACE = tuple(judge for rule, judge in PLAN_RULES.items() if rule not in ("case-once", "class-order"))
_WHY = {
    "in_room": "its patient is in the room",
    "called": "its patient has been called",
    "pending": "the hospital has not answered its last change yet",
    "doubted": "what is known of it may be wrong",
    "done": "it is done",
}


def _postponed(sheet: Sheet) -> Iterator[ProblemCase]:
    for case in sheet.problem.cases:
        place = sheet.assignments.get(case.id)
        if place is not None and place.room is None and place.start is None:
            yield case


def _outranked(sheet: Sheet) -> Iterator[tuple[ProblemCase, Placed]]:
    """Each postponed case that could have the place of one of a lower class, highest class first; and that one."""
    if not sheet.problem.weights.strict:
        return
    for case in sorted(_postponed(sheet), key=lambda c: -CLASSES[c.urgency]):
        lower = (p for p in sheet.placed if CLASSES[p.case.urgency] < CLASSES[case.urgency])
        taken = next((p for p in lower if _could_take(sheet, case, p)), None)
        if taken is not None:
            yield case, taken


def _could_take(sheet: Sheet, case: ProblemCase, lower: Placed) -> bool:
    """Whether `case` keeps every rule in the room and at the start of `lower`, which leaves the plan."""
    place = Place(room=lower.room, start=lower.start)
    swapped = instead(sheet, put(sheet.problem, case, place, lower.room, lower.start), lower.case.id)
    return not any(next(rule(swapped), None) for rule in _OF_ONE_PLACE)


def _The(case: ProblemCase) -> str:
    return upper_first(the(case.label))
