"""Decisions as events: what people decided, and what the gate decides when time or facts have."""

from dataclasses import replace
from datetime import datetime

from orloop_common.domain.carrying import in_order
from orloop_common.domain.derived import Alternative, Proposal
from orloop_common.domain.events import PlanDecided
from orloop_common.domain.plan import Change
from orloop_common.domain.vocabulary import Verdict

from .commands import AUTOMATIC, Decide, Refused, check_reason, chosen, decision_id, kept
from .decide import Recheck, Withhold, why_not
from .sight import Sight
from .suite import SuiteView
from .wording import clock_time


def decide(
    view: SuiteView, sight: Sight, proposal: Proposal, command: Decide, recheck: Recheck, at: datetime
) -> PlanDecided:
    """The decision a person asks for.

    Raises
    ------
    Refused
        If it is malformed, or a stop condition or a hard rule stands against it on the newest fold.
    """
    check_reason(command)
    changes: tuple[Change, ...] = ()
    if command.verdict is not Verdict.REJECTED:
        alternative = chosen(command, proposal)
        changes = kept(command, alternative)
        reduced = _with(alternative, changes)
        against = why_not(sight, proposal, reduced, recheck)
        if against:
            raise Refused("stopped", " ".join(against), "Maybe wait for the next proposal.")
        changes = in_order(sight.day, changes, view.layout)
    return PlanDecided(
        id=decision_id(proposal.id),
        suite=view.suite,
        at=at,
        proposal=proposal.id,
        verdict=command.verdict,
        based_on=view.offset,
        decided_by=command.user,
        alternative=command.alternative or None,
        reason_code=command.reason_code or None,
        reason=command.reason,
        changes=changes,
        request=command.request,
    )


def withheld(view: SuiteView, proposal: Proposal, judged: Withhold, at: datetime) -> PlanDecided:
    """For a reason that lies in the proposal, so that it will never be shown."""
    return _automatic(view, proposal, Verdict.WITHHELD, judged.stops[0].id, " ".join(judged.sentences), at)


def expired(view: SuiteView, proposal: Proposal, now: datetime, at: datetime) -> PlanDecided | None:
    """The decision that time makes: replaced by a newer proposal, not needed any more, or not answered in time; None
    if it still holds.
    """
    newest = view.newest
    if newest is not None and newest.id != proposal.id:
        told = clock_time(view.day, newest.at)
        return _automatic(view, proposal, Verdict.EXPIRED, "superseded", f"A newer proposal came at {told}.", at)
    if reason := view.moot.get(proposal.id):
        return _automatic(view, proposal, Verdict.EXPIRED, "not_needed", f"Not needed any more: {reason}", at)
    until = proposal.decide_by or proposal.at + view.layout.decide_within
    if now < until:
        return None
    told = clock_time(view.day, until)
    return _automatic(view, proposal, Verdict.EXPIRED, "not_decided", f"Nobody decided by {told}.", at)


def _automatic(
    view: SuiteView, proposal: Proposal, verdict: Verdict, code: str, reason: str, at: datetime
) -> PlanDecided:
    return PlanDecided(
        id=decision_id(proposal.id),
        suite=view.suite,
        at=at,
        proposal=proposal.id,
        verdict=verdict,
        based_on=view.offset,
        decided_by=AUTOMATIC,
        reason_code=code,
        reason=reason,
    )


def _with(alternative: Alternative, changes: tuple[Change, ...]) -> Alternative:
    return replace(alternative, changes=changes)
