"""Whether a problem makes sense as a document: what is wrong with it, by name."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import timedelta

from .plan import Interval, Quantiles
from .problem import Capacity, PlanProblem, ProblemCase, Weights
from .vocabulary import Urgency

_ZERO = timedelta(0)


def named_errors(problem: PlanProblem) -> tuple[str, ...]:
    """Why no plan can be judged by this document, each as `Expected ..., got ...`; empty if nothing speaks against it.

    Meant for documents from outside. A problem of the fold may well hold two patients in one room (somebody
    mistyped): it is planned around them, and `committed_faults` names them.
    """
    checks = (_of_times, _of_rooms, _of_cases, _of_committed, _of_names, _of_capacities, _of_weights)
    return tuple(error for errors in checks for error in errors(problem))


def _of_times(problem: PlanProblem) -> Iterator[str]:
    if problem.grid <= _ZERO:
        yield f"Expected a grid of more than 0 min, got {_span(problem.grid)}."
    if problem.now > problem.horizon:
        yield f"Expected now not to be after the horizon, got {problem.now} and {problem.horizon}."
    if problem.earliest_start < problem.now:
        yield f"Expected an end of the notice from now on, got {problem.earliest_start} at {problem.now}."
    if problem.max_early < _ZERO:
        yield f"Expected max_early of at least 0 min, got {_span(problem.max_early)}."


def _of_rooms(problem: PlanProblem) -> Iterator[str]:
    if not problem.rooms:
        yield "Expected at least one room, got none."
    yield from _twice("room", (room.id for room in problem.rooms))
    for room in problem.rooms:
        if not room.opens < room.closes:
            yield f"Expected room {room.id} to close after it opens, got {room.opens} and {room.closes}."
        if room.block_end > room.closes:
            yield f"Expected the block of room {room.id} to end by {room.closes}, got {room.block_end}."
        yield from _turned(f"a downtime of room {room.id}", room.down)


def _of_cases(problem: PlanProblem) -> Iterator[str]:
    yield from _twice("case", [*(case.id for case in problem.cases), *(held.id for held in problem.committed)])
    rooms = {room.id for room in problem.rooms}
    for case in problem.cases:
        yield from _of_lengths(case)
        for what, place in (("published", case.current), ("scheduled", case.scheduled)):
            if place.room is not None and place.room not in rooms:
                yield f"Expected the {what} room of case {case.id} to be one of the suite, got {place.room!r}."
        if (case.current.room is None) != (case.current.start is None):
            yield f"Expected case {case.id} to be published with a room and a start, or neither, got one of them."
        if case.slack >= case.length > _ZERO:
            yield f"Expected a slack of case {case.id} below its length, got {_span(case.slack)}."
        if not 0 <= case.cancellation_risk <= 1:
            yield f"Expected a cancellation risk of case {case.id} between 0 and 1, got {case.cancellation_risk}."
        yield from _turned(f"the implant window of case {case.id}", [case.implant] if case.implant else [])
        if case.duration is not None and not _rising(case.duration):
            yield f"Expected quantiles of case {case.id} in rising order, got {_quantiles(case.duration)}."
        for need in case.equipment:
            if need.count < 1 or need.reprocessing < _ZERO:
                yield f"Expected case {case.id} to need units that exist, reprocessed in 0 min or more, got {need}."


def _of_lengths(case: ProblemCase) -> Iterator[str]:
    if case.length <= _ZERO:
        yield f"Expected a length of case {case.id} of more than 0 min, got {_span(case.length)}."
    names = ("setup", "cleanup", "recovery", "slack", "transport", "surgeon_after", "surgeon_before")
    for name in names:
        span = getattr(case, name)
        if span < _ZERO:
            yield f"Expected {name} of case {case.id} of at least 0 min, got {_span(span)}."


def _of_committed(problem: PlanProblem) -> Iterator[str]:
    rooms = {room.id for room in problem.rooms}
    by_room: dict[str, list[tuple[Interval, str]]] = {}
    for held in problem.committed:
        if held.room not in rooms:
            yield f"Expected the room of committed case {held.id} to be one of the suite, got {held.room!r}."
        inside = held.occupied.start <= held.patient.start and held.patient.end <= held.occupied.end
        if not inside:
            yield f"Expected the patient of case {held.id} in the room while it is taken, got {held.patient}."
        spans = [span for span in (held.occupied, held.patient, held.recovery, held.surgeon) if span]
        yield from _turned(f"a time of committed case {held.id}", spans)
        by_room.setdefault(held.room, []).append((held.occupied, held.id))
    for room, taken in sorted(by_room.items()):
        ordered = sorted(taken, key=lambda t: (t[0].start, t[1]))
        for (one, first), (two, second) in itertools.pairwise(ordered):
            if one.overlaps(two):
                yield f"Expected one committed case at a time in room {room}, got {first} and {second} at {two.start}."


def _of_names(problem: PlanProblem) -> Iterator[str]:
    for surgeon, hours in sorted(problem.hours.items()):
        yield from _turned(f"a break of surgeon {surgeon}", hours.breaks)
    for hour in problem.expected:
        if hour.work < _ZERO or hour.end <= hour.start:
            yield f"Expected add-on work of at least 0 min in an hour that ends after it starts, got {hour}."
    rule = problem.turnover
    for name in ("service_change", "after_contaminated", "before_latex"):
        if rule is not None and getattr(rule, name) < _ZERO:
            yield f"Expected turnover {name} of at least 0 min, got {_span(getattr(rule, name))}."


def _of_capacities(problem: PlanProblem) -> Iterator[str]:
    alone = [("anaesthesia teams", problem.teams), ("recovery beds", problem.beds), ("cleaning", problem.cleaning)]
    named = (("equipment", problem.equipment), ("skill", problem.skills), ("unit", problem.units))
    alone += [(f"{kind} {name}", steps) for kind, limits in named for name, steps in sorted(limits.items())]
    for what, steps in alone:
        for step in steps:
            if step.count < 0:
                yield f"Expected {what} of at least 0, got {step.count} from {step.start} on."
            if step.end <= step.start:
                yield f"Expected a step of {what} to end after it starts, got {step.start} and {step.end}."
        ordered: Sequence[Capacity] = sorted(steps, key=lambda s: s.start)
        for one, two in itertools.pairwise(ordered):
            if two.start < one.end:
                yield f"Expected one step of {what} at a time, got two from {two.start} on."


def _of_weights(problem: PlanProblem) -> Iterator[str]:
    weights = problem.weights
    for field in fields(Weights):
        value = getattr(weights, field.name)
        if isinstance(value, int) and value < 0:
            yield f"Expected a weight {field.name} of at least 0, got {value}."
    for urgency in Urgency:
        value = weights.delay.get(urgency)
        if value is None or value < (urgency is Urgency.ELECTIVE):
            least = 1 if urgency is Urgency.ELECTIVE else 0
            yield f"Expected a weight of delay of {urgency} cases of at least {least}, got {value}."


def _twice(what: str, names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield f"Expected each {what} once, got {name!r} twice."
        seen.add(name)


def _turned(what: str, intervals: Iterable[Interval]) -> Iterator[str]:
    for interval in intervals:
        if interval.end < interval.start:
            yield f"Expected {what} to end after it starts, got {interval.start} and {interval.end}."


def _rising(q: Quantiles) -> bool:
    return _ZERO <= q.p50 <= q.p80 <= q.p95


def _quantiles(q: Quantiles) -> str:
    return ", ".join(_span(span) for span in (q.p50, q.p80, q.p95))


def _span(span: timedelta) -> str:
    return f"{span / timedelta(minutes=1):g} min"
