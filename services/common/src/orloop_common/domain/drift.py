"""What has drifted by less than the materiality counts as unchanged: only facts move the log on."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from .derived import Alternative
from .plan import Interval
from .problem import Committed, PlanProblem


def without_drift(
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
        out = place.start + case.length - (case.slack if place == case.current else timedelta(0))
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
