"""Where each approved change stands, as the fold has it."""

from collections.abc import Mapping
from datetime import datetime

from orloop_common.domain.derived import WritebackStatus
from orloop_common.domain.records import DecisionRecord
from orloop_common.domain.suite_day import SuiteDay

_STATUS = {"applied": "echoed", "overtaken": "stopped"}
_TEXT = {
    "queued": "",
    "overtaken": "The case began or ended before the change could be made.",
    "stopped": "Held back because an earlier change of this plan went wrong.",
    "differs": "The hospital has put the case somewhere else.",
    "timed_out": "The hospital's system did not answer.",
    "unconfirmed": "The hospital's own feed has not shown the change in time.",
}
BY_HAND = "No interface takes this change: key it in from the worklist."
OFF = "Write-back is off: enter this change in the hospital's system by hand."


def statuses(
    day: SuiteDay,
    as_of: int,
    at: datetime,
    sent: frozenset[tuple[str, str]],
    texts: Mapping[tuple[str, str], str],
    by_hand: frozenset[tuple[str, str]],
    enabled: bool,
) -> tuple[WritebackStatus, ...]:
    """Of every change of the decisions in force that the fold remembers.

    Parameters
    ----------
    sent
        (proposal, case) of changes that are under way to the hospital and not answered yet.
    texts
        What the hospital said to (proposal, case), if it said something.
    by_hand
        (proposal, case) of what people key in.
    """
    return tuple(
        _status(day, as_of, at, proposal, record, order, sent, texts, by_hand, enabled)
        for proposal, record in sorted(day.decisions.items())
        if record.in_force
        for order in range(1, len(record.decided.changes) + 1)
    )


def _status(
    day: SuiteDay,
    as_of: int,
    at: datetime,
    proposal: str,
    record: DecisionRecord,
    order: int,
    sent: frozenset[tuple[str, str]],
    texts: Mapping[tuple[str, str], str],
    by_hand: frozenset[tuple[str, str]],
    enabled: bool,
) -> WritebackStatus:
    case = record.decided.changes[order - 1].case
    outcome = record.outcomes[case]
    status = "sent" if outcome == "queued" and (proposal, case) in sent else _STATUS.get(outcome, outcome)
    text = texts.get((proposal, case)) or _TEXT.get(outcome, "")
    if outcome == "queued" and (not enabled or (proposal, case) in by_hand):
        text = BY_HAND if enabled else OFF
    return WritebackStatus(
        suite=day.suite,
        as_of=as_of,
        at=at,
        case=case,
        proposal=proposal,
        status=status,
        order=order,
        of=len(record.decided.changes),
        text=text,
    )
