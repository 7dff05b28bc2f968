"""The independent checker once more, on the newest fold.

What forecasts have drifted by less than the suite's materiality since the proposal counts as unchanged:
only facts move the log on. The planner has left people the time to decide before the frozen window.
"""

import zlib
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from orloop_common.domain.building import build_problem
from orloop_common.domain.checker import Broken, check_changes
from orloop_common.domain.decision_rules import check_decision
from orloop_common.domain.derived import Alternative, Proposal
from orloop_common.domain.plan import Interval
from orloop_common.domain.problem import Committed, PlanProblem
from orloop_common.messages import from_json

from .sight import Sight


def recheck(sight: Sight, proposal: Proposal, alternative: Alternative) -> tuple[Broken, ...]:
    """The hard rules that the alternative breaks now, for the cases it changes; empty if it still holds."""
    stopped = tuple(b for b in check_decision(sight.day, alternative.changes) if b.rule != "no-doubted-case")
    if stopped:
        return stopped
    if sight.day.now is None:
        return ()  # without event time nothing can be judged; the stale clock withholds
    proposed = _problem_of(proposal)
    problem = build_problem(sight.day, sight.forecasts, sight.layout)
    if proposed is not None:
        problem = _without_drift(problem, proposed, alternative, sight.layout.materiality)
    return check_changes(problem, alternative.changes)


def _problem_of(proposal: Proposal) -> PlanProblem | None:
    if not proposal.problem:
        return None
    return from_json(PlanProblem, zlib.decompress(b64decode(proposal.problem)))


def _without_drift(
    problem: PlanProblem, proposed: PlanProblem, alternative: Alternative, material: timedelta
) -> PlanProblem:
    """The newest problem with the proposal's expectations where they differ by less than `material`."""
    expected = _expected(proposed, alternative)
    before = {case.id: case for case in proposed.cases}
    cases = tuple(
        replace(case, length=then.length, length_p80=then.length_p80)
        if (then := before.get(case.id)) and abs(case.length - then.length) < material
        else case
        for case in problem.cases
    )
    committed = tuple(_settled(one, expected, material) for one in problem.committed)
    return replace(problem, cases=cases, committed=committed)


def _settled(one: Committed, expected: Mapping[str, Committed], material: timedelta) -> Committed:
    then = expected.get(one.id)
    if then is None or then.room != one.room:
        return one
    moved = max(abs(one.patient.start - then.patient.start), abs(one.patient.end - then.patient.end))
    if moved >= material:
        return one
    return replace(one, occupied=then.occupied, patient=then.patient, recovery=then.recovery)


def _expected(proposed: PlanProblem, alternative: Alternative) -> dict[str, Committed]:
    """Each case as the proposal expected it: committed then, or at its place in the alternative."""
    planned = {a.case: a.place for a in alternative.plan}
    expected = {one.id: one for one in proposed.committed}
    for case in proposed.cases:
        place = planned.get(case.id, case.current)
        if place.room is None or place.start is None:
            continue
        out = place.start + case.length
        expected[case.id] = Committed(
            id=case.id,
            label=case.label,
            room=place.room,
            occupied=Interval(start=place.start - case.setup, end=out + case.cleanup),
            patient=Interval(start=place.start, end=out),
            surgeons=case.surgeons,
            recovery=Interval(start=out, end=out + case.recovery) if case.recovery else None,
        )
    return expected
