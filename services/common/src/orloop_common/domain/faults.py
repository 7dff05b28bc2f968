"""What committed cases break among themselves: no plan's fault, but people should hear of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from .checker import PLAN_RULES
from .checker_rooms import Held, clashes
from .checker_sheet import Broken, Holding, lay_out, of_committed
from .plan import Interval
from .problem import Committed, PlanProblem
from .wording import clock_time, doctor, listed, the, upper_first

_COUNTED = ("anaesthesia-teams", "staff-skills", "equipment-units", "cleaning-teams", "recovery-beds", "unit-beds")


def committed_faults(problem: PlanProblem) -> tuple[Broken, ...]:
    """The smallest set of broken rules that says why committed work cannot go as it stands; empty if it can.

    From now on only. A pair of cases is named once, by the first rule that keeps them apart (one room before
    one surgeon); of what runs short, the first moment by rule.
    """
    named: set[frozenset[str]] = set()
    found = []
    for broken in (*_rooms(problem), *_surgeons(problem)):
        pair = frozenset(broken.cases)
        if pair not in named:
            named.add(pair)
            found.append(broken)
    return (*found, *_short(problem))


def _rooms(problem: PlanProblem) -> Iterator[Broken]:
    for room in sorted({held.room for held in problem.committed}):
        here = [(h.occupied, h) for h in problem.committed if h.room == room]
        for first, second, when in _pairs(problem, here):
            sentence = f"{upper_first(the(first.label))} and {the(second.label)} both have room {room} at {when}."
            yield Broken("room-one-patient", sentence, (first.id, second.id))


def _surgeons(problem: PlanProblem) -> Iterator[Broken]:
    for surgeon in sorted({s for held in problem.committed for s in held.surgeons}):
        mine = [(h.surgeon or h.patient, h) for h in problem.committed if surgeon in h.surgeons]
        for first, second, when in _pairs(problem, mine):
            rooms = listed(sorted({first.room, second.room}))
            sentence = f"{doctor(problem, surgeon)} is needed in room{'s' * (' ' in rooms)} {rooms} at {when}, twice."
            yield Broken("surgeon-one-place", sentence, (first.id, second.id))


def _short(problem: PlanProblem) -> Iterator[Broken]:
    held = [_from_now(problem, held) for held in problem.committed]
    sheet = replace(lay_out(problem, {}), held=held)
    for rule in _COUNTED:
        first = next(PLAN_RULES[rule](sheet), None)
        if first is not None:
            yield replace(first, sentence=first.sentence.replace("would need", "need").replace("would", "will"))


def _from_now(problem: PlanProblem, held: Committed) -> Holding:
    """What a committed case still uses up, under its own name."""
    whole, now = of_committed(held), problem.now
    recovery = whole.recovery
    return replace(
        whole,
        case=held.id,
        patient=_left(whole.patient, problem),
        clean=max(now, whole.clean),
        recovery=_left(recovery, problem) if recovery is not None and recovery.end > now else None,
    )


def _left(interval: Interval, problem: PlanProblem) -> Interval:
    return Interval(start=max(problem.now, interval.start), end=max(problem.now, interval.end))


def _pairs(
    problem: PlanProblem, taken: Sequence[tuple[Interval, Committed]]
) -> Iterator[tuple[Committed, Committed, str]]:
    by_id = {held.id: held for _, held in taken}
    spans = [(_left(interval, problem), held.id) for interval, held in taken]
    judged: list[Held] = [(span, "", name, True) for span, name in spans if span.end > span.start]
    for one, two in clashes(judged):
        when = clock_time(max(one[0].start, two[0].start), problem.timezone)
        yield by_id[one[2]], by_id[two[2]], when
