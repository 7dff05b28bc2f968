"""Why a case leaves its place and why it goes where it goes, tested by undoing the change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from orloop_common.domain.checker import Broken, check
from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import PlanProblem, ProblemCase
from orloop_common.domain.wording import clock_time, listed, minutes, the, upper_first

from .clauses import clause, moving, occupied_of, room_of, severest, stay_of
from .comparing import Difference, differences, worth
from .staying_away import why_not_today

Plan = Mapping[str, Place]
UNPLACED = Place(room=None, start=None)
LARGEST_SET = 6
"""Cases that are undone together before the first of them is named and the search ends."""
_OVERLOADS = frozenset(
    {"anaesthesia-teams", "staff-skills", "equipment-units", "cleaning-teams", "recovery-beds", "unit-beds"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why one case is moved. `sentence` is for people, everything else is what it was made from.

    `kind` is the rule that breaks if this change is undone and all others are kept, or else the cost term that
    grows most; `none` where nothing breaks and nothing grows. `rules` are all rules that break. `delta` is what
    the whole cost grows by, None where a rule forbids; `terms` are its parts that differ. `size` is the part of
    `kind` in minutes, where it is a time. `together` are the changed cases that would have to be undone with
    it: the change is part of a set, `because` is the rule that forbids undoing all of it and `for_case` whom it is
    about; where nothing does, `set_delta` is what undoing the whole set costs.
    """

    case: str
    kind: str
    sentence: str
    rules: tuple[str, ...] = ()
    delta: int | None = None
    terms: dict[str, int] | None = None
    size: timedelta | None = None
    together: tuple[str, ...] = ()
    because: str | None = None
    for_case: str | None = None
    set_delta: int | None = None


def reason(problem: PlanProblem, plan: Plan, case: ProblemCase) -> str:
    """`Room 3 is down until 12:00; room 8 is free and takes urology`."""
    return reason_of(problem, plan, case).sentence


def reason_of(problem: PlanProblem, plan: Plan, case: ProblemCase) -> Reason:
    """Why `case` is where `plan` has it and not where it is published; all other cases as in `plan`."""
    found = _leaves(problem, plan, case)
    parts = [found.sentence, why_it_goes_there(problem, plan, case)]
    return replace(found, sentence=upper_first("; ".join(part for part in parts if part)))


def undone(problem: PlanProblem, plan: Plan, case: ProblemCase) -> tuple[Broken, ...]:
    """The hard rules that break if this change alone is left out."""
    return tuple(b for b in check(problem, {**plan, case.id: case.current}) if case.id in b.cases)


def why_it_goes_there(problem: PlanProblem, plan: Plan, case: ProblemCase) -> str:
    """What is good about the new place."""
    target = plan[case.id]
    if target.room is None or target.start is None:
        return why_not_today(problem, plan, case)
    room = room_of(problem, target)
    if room is not None and target.room == case.current.room:
        before = case.current.start
        if any(down.end <= target.start and before and down.end > before for down in room.down):
            return f"it starts once room {target.room} is back"
        return ""
    free_from = _free_from(problem, plan, case, target)
    when = f"free from {clock_time(free_from.end, problem.timezone)}" if free_from else "free"
    put_there = target.room == case.scheduled.room
    return f"room {target.room} is {when} and {'is its own' if put_there else f'takes {case.service}'}"


# --- leaving the published place --------------------------------------------------------------------


def _leaves(problem: PlanProblem, plan: Plan, case: ProblemCase) -> Reason:
    broken = undone(problem, plan, case)
    if case.current.start is None:
        return _add_on(problem, plan, case, broken)
    if not broken:
        return _worth(problem, plan, case)
    rules = tuple(dict.fromkeys(b.rule for b in broken))
    trial = {**plan, case.id: case.current}
    if (first := severest(_by_itself(problem, case, broken))) is not None:
        return Reason(case=case.id, kind=first.rule, sentence=clause(problem, trial, case, first), rules=rules)
    first = severest(broken)
    assert first is not None
    partner = moving(problem, [c for c in first.cases if c != case.id and plan[c] != _published(problem, c)])
    if partner is None or first.rule in _OVERLOADS:
        return Reason(case=case.id, kind=first.rule, sentence=clause(problem, trial, case, first), rules=rules)
    return _in_a_set(problem, plan, case, first, partner, rules)


def _add_on(problem: PlanProblem, plan: Plan, case: ProblemCase, broken: Sequence[Broken]) -> Reason:
    """It has no published place: undoing is postponing."""
    rules = tuple(dict.fromkeys(b.rule for b in broken))
    if case.waiting_since is not None:
        told = f"{case.urgency} add-on, waiting since {clock_time(case.waiting_since, problem.timezone)}"
    else:
        told = f"{case.urgency} add-on without a room"
    if (first := severest(broken)) is not None:
        return Reason(case=case.id, kind=first.rule, sentence=told, rules=rules)
    terms = differences(problem, plan, {**plan, case.id: UNPLACED})
    return _priced(case, "postponed", told, terms)


def _worth(problem: PlanProblem, plan: Plan, case: ProblemCase) -> Reason:
    """The case could stay: what would be lost if it did."""
    terms = differences(problem, plan, {**plan, case.id: case.current})
    total = sum(d.delta for d in terms)
    largest = max((d for d in terms if d.delta > 0), key=lambda d: (d.delta, d.term), default=None)
    if largest is None:
        cheaper = f"; staying would save {_worth_of(problem, -total)}" if total < 0 else ""
        return _priced(case, "none", f"it could stay as well{cheaper}", terms)
    told = _gain(largest)
    if total <= 0:
        told += (
            f", though all in all staying would save {_worth_of(problem, -total)}"
            if total < 0
            else ", at the same price"
        )
    return _priced(case, largest.term, told, terms)


def _in_a_set(
    problem: PlanProblem, plan: Plan, case: ProblemCase, first: Broken, partner: ProblemCase, rules: tuple[str, ...]
) -> Reason:
    """Another changed case holds what this one would need: undo both, and so on, and see what then happens."""
    told = _makes_room(problem, plan, case, first, partner)
    members, root = _undo_together(problem, plan, case, partner)
    together = tuple(m.id for m in members[1:])
    trial = {**plan, **{m.id: m.current for m in members}}
    if root is not None:
        about = next((m for m in members[1:] if m.id in root.cases), members[0])
        own = _root_clause(problem, trial, about, root, moves=told.startswith("makes room") and about is not case)
        return Reason(
            case=case.id,
            kind=first.rule,
            sentence=f"{told}{own}",
            rules=rules,
            together=together,
            because=root.rule,
            for_case=about.id,
        )
    terms = differences(problem, plan, trial)
    total = sum(d.delta for d in terms)
    largest = max((d for d in terms if d.delta > 0), key=lambda d: (d.delta, d.term), default=None)
    if total > 0 and largest is not None:
        told += f"; together that {_gain(largest)}" if largest.term == "overtime" else f"; {_gain(largest)}"
    elif total <= 0:
        names = listed([the(m.label) for m in members[1:]])
        told += f"; without this change and {names} the plan would {_cheaper(problem, -total)}"
    return Reason(case=case.id, kind=first.rule, sentence=told, rules=rules, together=together, set_delta=total)


def _makes_room(problem: PlanProblem, plan: Plan, case: ProblemCase, first: Broken, partner: ProblemCase) -> str:
    """Whether it waits for the other one or leaves it its place."""
    theirs, mine = plan[partner.id], plan[case.id]
    if first.rule == "surgeon-one-place":
        return clause(problem, plan, case, first)
    follows = theirs.room == mine.room and theirs.start and mine.start and theirs.start < mine.start
    stay = stay_of(partner, theirs)
    if follows and stay is not None:
        return f"follows {the(partner.label)}, which is there until {clock_time(stay.end, problem.timezone)}"
    return f"makes room for {the(partner.label)}"


def _root_clause(problem: PlanProblem, trial: Plan, about: ProblemCase, root: Broken, *, moves: bool) -> str:
    if root.rule == "emergency-never-postponed":
        since = about.waiting_since
        waiting = f", waiting since {clock_time(since, problem.timezone)}" if since else ""
        return f" ({about.urgency} add-on{waiting})"
    return f"{', which has to move,' if moves else ''} because {clause(problem, trial, about, root)}"


def _undo_together(
    problem: PlanProblem, plan: Plan, case: ProblemCase, partner: ProblemCase
) -> tuple[list[ProblemCase], Broken | None]:
    """The cases that have to be undone for this one to stay, and the rule that forbids that all the same."""
    by_id = {c.id: c for c in problem.cases}
    members = [case, partner]
    while True:
        back = {m.id for m in members}
        trial = {**plan, **{m.id: m.current for m in members}}
        broken = [b for b in check(problem, trial) if back.intersection(b.cases)]
        changed = {c.id for c in problem.cases if trial[c.id] != c.current}
        forbids = [b for b in broken if b.rule in _OVERLOADS or not changed.intersection(b.cases)]
        if not broken or forbids or len(members) >= LARGEST_SET:
            return members, severest(forbids or broken)
        first = severest(broken)
        assert first is not None
        members += [by_id[name] for name in first.cases if name in changed]


def _by_itself(problem: PlanProblem, case: ProblemCase, broken: Sequence[Broken]) -> list[Broken]:
    """Of what breaks, what would break if nobody else could move: not because of this plan."""
    alone = {c.id: UNPLACED for c in problem.cases} | {case.id: case.current}
    rules = {b.rule for b in check(problem, alone) if case.id in b.cases and b.rule != "class-order"}
    fixed = {held.id for held in problem.committed}
    mine = [b for b in broken if b.rule in rules]
    return [b for b in mine if not (set(b.cases) - {case.id}) or fixed.intersection(b.cases)] or mine


def _published(problem: PlanProblem, name: str) -> Place | None:
    return next((c.current for c in problem.cases if c.id == name), None)


# --- words --------------------------------------------------------------------------------------------


def _gain(lost: Difference) -> str:
    """What the change is good for, from what staying would cost more."""
    if lost.term == "overtime" and lost.size is not None:
        return "saves " + lost.clause.partition(" (")[0].replace(" more overtime", " of overtime", 1)
    return f"otherwise {lost.clause}"


def _worth_of(problem: PlanProblem, points: int) -> str:
    return f"as much as {minutes(worth(problem, points))} of one patient's waiting"


def _cheaper(problem: PlanProblem, points: int) -> str:
    return f"cost {_worth_of(problem, points)} less" if points else "cost the same"


def _priced(case: ProblemCase, kind: str, sentence: str, terms: Sequence[Difference]) -> Reason:
    return Reason(
        case=case.id,
        kind=kind,
        sentence=sentence,
        delta=sum(d.delta for d in terms),
        terms={d.term: d.delta for d in terms},
        size=next((d.size for d in terms if d.term == kind), None),
    )


def _free_from(problem: PlanProblem, plan: Plan, case: ProblemCase, target: Place) -> Interval | None:
    """Who has the room last before the case comes, from now on."""
    before = [c.occupied for c in problem.committed if c.room == target.room]
    for other in problem.cases:
        held = occupied_of(other, plan[other.id])
        if other.id != case.id and plan[other.id].room == target.room and held is not None:
            before.append(held)
    begin = target.start
    earlier = [i for i in before if begin is not None and problem.now < i.end <= begin]
    return max(earlier, key=lambda i: i.end, default=None)
