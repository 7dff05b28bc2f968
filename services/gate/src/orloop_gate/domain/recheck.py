"""The independent checker once more, on the newest fold; and whether the changes are still worth what they were.

What forecasts have drifted by less than the suite's materiality since the proposal counts as unchanged:
only facts move the log on. The planner has left people the time to decide before the frozen window.
"""

import zlib
from base64 import b64decode

from orloop_common.domain.building import build_problem
from orloop_common.domain.checker import Broken, check_changes, with_changes
from orloop_common.domain.cost import price
from orloop_common.domain.decision_rules import check_decision
from orloop_common.domain.derived import Alternative, Proposal
from orloop_common.domain.drift import without_drift
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.wording import minutes
from orloop_common.messages import from_json

from .sight import Sight

MATERIAL = 30
"""A material change of cost: half an hour of one room's overtime, as for the planner."""


def recheck(sight: Sight, proposal: Proposal, alternative: Alternative) -> tuple[Broken, ...]:
    """The hard rules that the alternative breaks now, for the cases it changes, or a material change of its cost;
    empty if it still holds.
    """
    stopped = tuple(b for b in check_decision(sight.day, alternative.changes) if b.rule != "no-doubted-case")
    if stopped:
        return stopped
    if sight.day.now is None:
        return ()  # without event time nothing can be judged; the stale clock withholds
    try:
        proposed = _problem_of(proposal)
    except (ValueError, zlib.error):
        return (Broken("problem-unreadable", "what it was worked out from cannot be read.", ()),)
    problem = build_problem(sight.day, sight.forecasts, sight.layout)
    if proposed is not None:
        problem = without_drift(problem, proposed, alternative, sight.layout.materiality)
    if broken := check_changes(problem, alternative.changes):
        return broken
    return dearer(problem, proposed, alternative) if proposed is not None else ()


def dearer(problem: PlanProblem, proposed: PlanProblem, alternative: Alternative) -> tuple[Broken, ...]:
    """Whether the changes cost materially more now, against leaving things as they are, than when proposed."""
    more = _worth(problem, alternative) - _worth(proposed, alternative)
    if more < MATERIAL:
        return ()
    late = minutes(problem.grid * (more / problem.weights.overtime))
    sentence = f"The changes have become dearer, by the worth of {late} of overtime."
    return (Broken("cost-changed", sentence, tuple(change.case for change in alternative.changes)),)


def _worth(problem: PlanProblem, alternative: Alternative) -> int:
    """What the changes add to the cost of the day as it is published; negative where they save."""
    known = {case.id for case in problem.cases}
    changes = [change for change in alternative.changes if change.case in known]
    return price(problem, with_changes(problem, changes)).total - price(problem, with_changes(problem, ())).total


def _problem_of(proposal: Proposal) -> PlanProblem | None:
    if not proposal.problem:
        return None
    return from_json(PlanProblem, zlib.decompress(b64decode(proposal.problem)))
