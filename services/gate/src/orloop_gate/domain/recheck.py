"""The independent checker once more, on the newest fold.

What forecasts have drifted by less than the suite's materiality since the proposal counts as unchanged:
only facts move the log on. The planner has left people the time to decide before the frozen window.
"""

import zlib
from base64 import b64decode

from orloop_common.domain.building import build_problem
from orloop_common.domain.checker import Broken, check_changes
from orloop_common.domain.decision_rules import check_decision
from orloop_common.domain.derived import Alternative, Proposal
from orloop_common.domain.drift import without_drift
from orloop_common.domain.problem import PlanProblem
from orloop_common.messages import from_json

from .sight import Sight


def recheck(sight: Sight, proposal: Proposal, alternative: Alternative) -> tuple[Broken, ...]:
    """The hard rules that the alternative breaks now, for the cases it changes; empty if it still holds."""
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
    return check_changes(problem, alternative.changes)


def _problem_of(proposal: Proposal) -> PlanProblem | None:
    if not proposal.problem:
        return None
    return from_json(PlanProblem, zlib.decompress(b64decode(proposal.problem)))
