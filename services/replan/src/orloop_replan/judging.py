"""What a trigger is answered: at sight, or from what a search has found; when it is answered is the flow's."""

from orloop_common.domain.derived import Proposal

from .domain.answers import (
    MINOR,
    ROUTINE,
    Asked,
    no_change,
    not_worth_it,
    propose,
    rejected_before,
    same_as,
    still_stands,
    without_solving,
)
from .ports import Solved
from .watch import Watch, weighty


def at_sight(watch: Watch, asked: Asked) -> Proposal | None:
    """The answer that takes no search, if there is one. A fact may end what is open; a forecast, which drifts to
    and fro while people read, does not.
    """
    reason = without_solving(asked.problem, asked.triggers)
    if reason is not None:
        return no_change(asked, reason, ends=weighty(asked.triggers, ROUTINE))
    open_proposal = watch.open_proposal()
    if open_proposal is None or weighty(asked.triggers, MINOR):
        return None
    if not watch.stands(open_proposal, asked.problem, None):
        return None
    return no_change(asked, still_stands(open_proposal))


def judge(watch: Watch, asked: Asked, solved: Solved) -> Proposal:
    """A proposal, unless nothing material changes, an open one still stands, or it was turned down."""
    reason = not_worth_it(asked.problem, solved, watch.layout)
    if reason is not None:
        known = bool(solved.alternatives) and solved.solver.path != "right_shift"
        return no_change(asked, reason, solved.solver, ends=known and weighty(asked.triggers, ROUTINE))
    best = solved.alternatives[0]
    open_proposal = watch.open_proposal()
    if open_proposal is not None and watch.stands(open_proposal, asked.problem, best):
        return no_change(asked, still_stands(open_proposal), solved.solver)
    if not weighty(asked.triggers, MINOR):
        for at, proposal in watch.turned_down():
            if same_as(best, proposal.alternatives[0]):
                return no_change(asked, rejected_before(at, asked.problem), solved.solver)
    return propose(asked, solved, watch.layout)
