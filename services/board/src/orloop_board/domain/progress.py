"""How far the newest approved plan has been carried out: `n of m applied` first."""

from collections import Counter
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from orloop_common.domain.records import DecisionRecord
from orloop_common.domain.vocabulary import Verdict

from .alternatives import change_view
from .heard import Heard
from .values import Progress, StepView
from .wording import clock, listing, sentence

SHOWN_FOR = timedelta(minutes=20)  # after all is applied, unless something else was approved since

_WORDS: dict[str, tuple[str, str]] = {  # word, symbol
    "queued": ("waits to be sent", "queued"),
    "sent": ("sent, no answer yet", "queued"),
    "acknowledged": ("confirmed, not echoed yet", "acknowledged"),
    "applied": ("applied", "applied"),
    "echoed": ("applied", "applied"),
    "refused": ("refused by the hospital", "failed"),
    "timed_out": ("no answer in time", "failed"),
    "unconfirmed": ("accepted, but never echoed", "failed"),
    "differs": ("the hospital did something else", "failed"),
    "overtaken": ("overtaken by the hospital", "failed"),
    "stopped": ("not sent: an earlier one failed", "stopped"),
}
_FAILED = ("refused", "timed_out", "unconfirmed", "differs", "overtaken", "stopped")
_FAILED_WORDS = {
    "refused": "refused",
    "timed_out": "without answer",
    "unconfirmed": "not confirmed",
    "differs": "changed by the hospital",
    "overtaken": "overtaken",
    "stopped": "stopped",
}
_VOID = {
    "case-open": "a case was cancelled meanwhile",
    "not-started": "a patient had entered the room meanwhile",
    "version-unchanged": "the hospital had changed a case meanwhile",
    "one-change-at-a-time": "an earlier change of a case was still on its way",
    "room-usable": "a room went down meanwhile",
}


def progress_of(heard: Heard, now: datetime, zone: ZoneInfo) -> Progress | None:
    """The newest approval, while it is under way, for a while after, and while its failure is news."""
    approved = [d for d in heard.day.decisions.values() if d.outcomes or d.voided]
    newest = max(approved, key=lambda d: (d.decided.at, d.decided.proposal), default=None)
    if newest is None:
        return None
    over = newest.settled and now - newest.decided.at > SHOWN_FOR
    return None if over else _progress(heard, newest, zone)


def _progress(heard: Heard, record: DecisionRecord, zone: ZoneInfo) -> Progress:
    decided = record.decided
    detail = f"{_verdict(decided.verdict)} by {decided.decided_by} at {clock(decided.at, zone)}"
    if name := _alternative(heard, decided.proposal, decided.alternative):
        detail = f"{name}, {detail[:1].lower()}{detail[1:]}"
    if record.voided:
        why = listing([_VOID.get(rule, rule) for rule in record.voided])
        return Progress(
            proposal=decided.proposal,
            headline="The approval did not take effect",
            detail=f"{sentence(why)}. {sentence(detail)}.",
            state="void",
            steps=(),
        )
    failed = Counter(o for o in record.outcomes.values() if o in _FAILED)
    headline = f"{record.applied} of {len(record.outcomes)} applied"
    for outcome in _FAILED:
        if failed[outcome]:
            headline += f", {failed[outcome]} {_FAILED_WORDS[outcome]}"
    state = "failed" if failed else "done" if record.applied == len(record.outcomes) else "working"
    return Progress(
        proposal=decided.proposal,
        headline=headline,
        detail=sentence(detail) + ".",
        state=state,
        steps=_steps(heard, record, zone),
    )


def _verdict(verdict: Verdict) -> str:
    return "Approved with changes" if verdict is Verdict.OVERRIDDEN else "Approved"


def _alternative(heard: Heard, proposal: str, alternative: str | None) -> str:
    known = heard.proposals.get(proposal)
    found = next((a for a in known.alternatives if a.id == alternative), None) if known else None
    return sentence(found.title) if found else ""


def _steps(heard: Heard, record: DecisionRecord, zone: ZoneInfo) -> tuple[StepView, ...]:
    steps = []
    for change in record.decided.changes:
        outcome = record.outcomes.get(change.case, "queued")
        status = heard.writeback.get((record.decided.proposal, change.case))
        if outcome == "queued" and status is not None and status.status == "sent":
            outcome = "sent"
        word, symbol = _WORDS.get(outcome, (outcome.replace("_", " "), "queued"))
        shown = change_view(heard.day, change, zone)
        text = status.text if status is not None and outcome in _FAILED else ""
        steps.append(
            StepView(
                case=change.case,
                title=shown.title,
                where=shown.where,
                will=shown.will,
                status=outcome,
                word=word,
                symbol=symbol,
                text=sentence(text),
            )
        )
    return tuple(steps)
