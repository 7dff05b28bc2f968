"""From triggers and a solved problem to the record on the log: a proposal, or `no_change` with its reason."""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orloop_common.domain.checker import check, with_changes
from orloop_common.domain.cost import overtime, price, who_pays
from orloop_common.domain.derived import Alternative, CaseForecast, Proposal, SolverRecord, Trigger
from orloop_common.domain.digest import derived_id, digest
from orloop_common.domain.grid import slots_past
from orloop_common.domain.plan import Assignment, Change
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.rightshift import right_shift
from orloop_common.domain.site import SuiteLayout
from orloop_common.domain.triggers import PERIODIC
from orloop_common.domain.wording import clock_time, count, minutes
from orloop_common.messages import from_json, to_json

from .search import Limits, Solved
from .words import against_waiting, headline

WORTH = 30
"""A plan that still holds is only questioned for a saving of this much: half an hour of one room's overtime."""
OPPORTUNITIES = frozenset({"ReplanRequested", "RoomRestored", "CaseCancelled", "CaseNoShow", "CaseEnteredInError"})
"""After these it is worth asking whether a plan that holds could be better."""
MINOR = frozenset({PERIODIC, "ReadinessChanged", "CleaningStatusChanged", "EquipmentChanged", "ImplantExpected"})
"""These alone do not question a recommendation that people are looking at."""
ROUTINE = MINOR | {"CaseForecast", "MilestoneRecorded"}
"""These come all day long: they wait for the running solve instead of dropping it."""
LARGEST = 900_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be answered, and on what it stands.

    `forecasts_stale` marks forecasts that are not of the triggers' state, `forecasts_old` those that people have to
    be told about. `start` is the plan of a back-up that the search begins from.
    """

    problem: PlanProblem
    triggers: tuple[Trigger, ...]
    as_of: int
    rules_digest: str
    forecasts_digest: str
    forecasts_stale: bool
    seed: int
    limits: Limits
    supersedes: str | None = None
    forecasts_old: bool = False
    start: tuple[Assignment, ...] = ()

    @property
    def id(self) -> str:
        """The digest of the inputs: the same question has the same answer under the same name."""
        triggers = sorted(t.event for t in self.triggers)
        begun = (digest(self.start),) if self.start else ()
        return derived_id(
            "proposal", digest(self.problem), str(self.seed), digest(self.limits), digest(triggers), *begun
        )


def without_solving(problem: PlanProblem, triggers: Sequence[Trigger]) -> str | None:
    """The reason for `no_change` that can be given at once, or None if it takes a search to know."""
    if not problem.cases:
        return "No case can still move today."
    if not holds(problem):
        return None
    current = with_changes(problem, ())
    possible = price(problem, current).total - _unavoidable(problem)
    if possible < WORTH or not OPPORTUNITIES.intersection(t.type for t in triggers):
        return "The plan still holds: every case can start within the agreed limits of its time."
    return None


def holds(problem: PlanProblem) -> bool:
    """Whether the published plan breaks no hard rule, and no add-on waits for a place."""
    return all(case.current.start for case in problem.cases) and not check(problem, with_changes(problem, ()))


def not_worth_it(problem: PlanProblem, solved: Solved, layout: SuiteLayout) -> str | None:
    """Why the best plan found is not proposed; None if it is."""
    if not solved.alternatives:
        return f"No plan keeps every hard rule. {solved.solver.note}".strip()
    best = solved.alternatives[0]
    if not best.changes:
        return "The plan still holds; nothing better was found."
    if holds(problem):
        saved = price(problem, with_changes(problem, ())).total - best.cost
        if saved < WORTH:
            worth = problem.grid * max(0, saved) / problem.weights.overtime
            return f"The plan still holds; the best other one saves the worth of {minutes(worth)} of overtime."
    return left_to_the_day(best.changes, layout)


def left_to_the_day(changes: Sequence[Change], layout: SuiteLayout) -> str | None:
    """Why there is nothing to decide, if so: nobody goes elsewhere or earlier, and those who wait do not wait long.

    A person is asked for a shift by the materiality where others move too, and from twice that on where
    everybody merely waits in turn: nobody has to approve what happens by itself.
    """
    moves = [change.origin.room != change.target.room or change.target.start is None for change in changes]
    shifts = [
        change.target.start - change.origin.start
        for change in changes
        if change.target.start is not None and change.origin.start is not None
    ]
    longest = max((abs(shift) for shift in shifts), default=timedelta(0))
    if any(moves):
        return None
    if longest < layout.materiality:
        return f"The plan still holds: no start moves by {minutes(layout.materiality)} or more."
    if min(shifts) >= timedelta(0) and longest < 2 * layout.materiality:
        return (
            f"The order of the day still holds: {count(len(shifts), 'case')} may start up to {minutes(longest)} later."
        )
    return None


def others(best: Alternative, known: Sequence[Change]) -> tuple[Change, ...]:
    """What a plan changes for cases that the `known` changes leave where they are."""
    cases = {change.case for change in known}
    return tuple(change for change in best.changes if change.case not in cases)


def same_as(best: Alternative, other: Alternative) -> bool:
    """Whether two alternatives send the same cases to the same rooms."""
    return _moves(best) == _moves(other)


def no_change(asked: Asked, reason: str, solver: SolverRecord | None = None, *, ends: bool = False) -> Proposal:
    """The explicit answer that nothing is to be changed; `ends` says that what is open is not needed any more."""
    answer = _proposal(asked, "no_change", "No change", reason, (), None, solver)
    return replace(answer, supersedes=asked.supersedes) if ends else answer


def propose(asked: Asked, solved: Solved, layout: SuiteLayout) -> Proposal:
    """The answer that people are to decide on."""
    best = solved.alternatives[0]
    waiting = who_pays(asked.problem, right_shift(asked.problem))
    why = " ".join(
        part
        for part in (
            f"{'; '.join(t.sentence for t in _telling(asked.triggers))}.",
            against_waiting(best, waiting),
            "Forecasts are old, lengths may be off." if asked.forecasts_old else "",
            "Time ran out: this is everybody waiting in turn." if solved.solver.path == "right_shift" else "",
        )
        if part
    )
    decide_by = decision_time(asked.problem, best, layout)
    return _proposal(asked, "proposal", headline(best), why, solved.alternatives, decide_by, solved.solver)


def decision_time(problem: PlanProblem, best: Alternative, layout: SuiteLayout) -> datetime:
    """By when people have to decide: before the first changed case is called for, and within the agreed time."""
    starts = [change.target.start for change in best.changes if change.target.start]
    starts += [c.origin.start for c in best.changes if c.origin.start and c.origin.start >= problem.earliest_start]
    called = min(starts, default=problem.horizon) - layout.notice
    return max(problem.now, min(called, problem.now + layout.decide_within))


def pack(problem: PlanProblem) -> str:
    """The exact problem as it travels: zlib-compressed JSON in base64; empty if it is too large."""
    packed = b64encode(zlib.compress(to_json(problem), 9)).decode()
    return packed if len(packed) <= LARGEST else ""


def unpack(packed: str) -> PlanProblem:
    """The problem of a proposal's record."""
    return from_json(PlanProblem, zlib.decompress(b64decode(packed)))


def forecasts_digest(problem: PlanProblem, forecasts: Mapping[str, CaseForecast]) -> str:
    """Names the forecasts that the problem was built from."""
    used = sorted({c.id for c in problem.cases} | {c.id for c in problem.committed})
    return digest([forecasts[case] for case in used if case in forecasts])


def _proposal(
    asked: Asked,
    answer: str,
    head: str,
    reason: str,
    alternatives: tuple[Alternative, ...],
    decide_by: datetime | None,
    solver: SolverRecord | None,
) -> Proposal:
    problem = asked.problem
    return Proposal(
        suite=problem.suite,
        as_of=asked.as_of,
        at=problem.now,
        id=asked.id,
        answer=answer,
        triggers=asked.triggers,
        headline=head,
        reason=reason,
        alternatives=alternatives,
        decide_by=decide_by,
        supersedes=asked.supersedes if answer == "proposal" else None,
        problem=pack(problem),
        problem_digest=digest(problem),
        forecasts_digest=asked.forecasts_digest,
        rules_digest=asked.rules_digest,
        forecasts_stale=asked.forecasts_stale,
        solver=solver,
    )


def _telling(triggers: Sequence[Trigger]) -> list[Trigger]:
    """The triggers worth naming: the weighty ones, newest last, three at most."""
    weighty = [t for t in triggers if t.type not in MINOR] or list(triggers)
    return sorted(weighty, key=lambda t: (t.at, t.event))[-3:]


def _moves(alternative: Alternative) -> set[tuple[str, str | None]]:
    return {(change.case, change.target.room) for change in alternative.changes}


def _unavoidable(problem: PlanProblem) -> int:
    """Overtime that committed cases alone cause."""
    late = sum(slots_past(past, problem.grid) for past in overtime(problem, {}).values())
    return problem.weights.overtime * late


def rejected_before(at: datetime, problem: PlanProblem) -> str:
    """Why the same proposal is not made again."""
    return f"The same plan was turned down at {clock_time(at, problem.timezone)}, and nothing new has happened since."


def still_stands(open_proposal: Proposal) -> str:
    """Why an open recommendation is left alone."""
    best = open_proposal.alternatives[0]
    return f"The recommendation that is open still stands: {count(len(best.changes), 'change')}."


def timed(solved: Solved, seconds: float) -> Solved:
    """With the wall time it took."""
    return replace(solved, solver=replace(solved.solver, seconds=round(seconds, 3)))
