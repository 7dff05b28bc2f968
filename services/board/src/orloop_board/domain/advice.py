"""The recommendation, or what stands in its place: withheld, the plan still holds, decided, none yet."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from orloop_common.domain.derived import Proposal, Trigger
from orloop_common.domain.records import DecisionRecord
from orloop_common.domain.vocabulary import Verdict

from .alternatives import alternative_views
from .heard import Heard
from .rooms import down_of
from .values import Advice
from .wording import clock, sentence, whole_minutes

SOON = timedelta(minutes=5)

_DECIDED_WORDS = {
    Verdict.APPROVED: "Approved",
    Verdict.OVERRIDDEN: "Approved with changes",
    Verdict.REJECTED: "Rejected",
    Verdict.EXPIRED: "Not decided in time",
    Verdict.WITHHELD: "Withheld",
}


def open_proposal(heard: Heard) -> Proposal | None:
    """The proposal that people may decide now: the gate opened it, and the log has no decision on it."""
    if heard.gate is None or heard.gate.open_proposal is None:
        return None
    if heard.gate.open_proposal in heard.day.decisions:
        return None
    return heard.proposals.get(heard.gate.open_proposal)


def advice_of(heard: Heard, now: datetime, zone: ZoneInfo) -> Advice:
    """What the panel says first."""
    proposal = open_proposal(heard)
    if proposal is not None:
        return _open(heard, proposal, now, zone)
    newest = heard.proposals.get(heard.newest_answer or "")
    withheld = _withheld(heard)
    if withheld is not None and (newest is None or newest.as_of <= withheld.as_of):
        because = tuple(sentence(b) + "." for b in _because(heard, withheld))
        return Advice(
            kind="withheld",
            headline="A recommendation is withheld",
            trigger=_trigger(withheld),
            proposal=withheld.id,
            because=because or ("The gate gave no reason.",),
            detail=f"It would have been: {sentence(withheld.headline)}.",
        )
    if newest is None:
        return Advice(kind="none", headline="No recommendation", detail="The planner has not answered anything yet.")
    if newest.answer != "proposal":
        return Advice(
            kind="holds",
            headline=_holds(newest.reason or newest.headline),
            trigger=_trigger(newest),
            detail=f"Looked at {clock(newest.at, zone)}.",
        )
    decision = heard.day.decisions.get(newest.id)
    if decision is not None:
        return _decided(newest, decision, zone)
    return Advice(
        kind="none",
        headline="A recommendation is being checked",
        trigger=_trigger(newest),
        detail="The gate has not opened it yet.",
    )


def _open(heard: Heard, proposal: Proposal, now: datetime, zone: ZoneInfo) -> Advice:
    left = proposal.decide_by - now if proposal.decide_by else None
    return Advice(
        kind="proposal",
        headline=sentence(proposal.headline),
        trigger=_trigger(proposal),
        more_triggers=tuple(sentence(t.sentence) for t in (*proposal.triggers[1:], *_failures_before(heard, proposal))),
        proposal=proposal.id,
        decide_by=clock(proposal.decide_by, zone) if proposal.decide_by else None,
        decide_in=_in_words(left) if left is not None else "",
        urgent=left is not None and left <= SOON,
        alternatives=alternative_views(proposal, heard.day, zone, heard.gate.closed if heard.gate else {}),
    )


def _failures_before(heard: Heard, proposal: Proposal) -> Iterator[Trigger]:
    """Failures that undecided proposals before it had answered, of rooms that are down still: it answers them, too."""
    told = {trigger.room for trigger in proposal.triggers}
    before = heard.proposals.get(proposal.supersedes or "")
    while before is not None and before.as_of < proposal.as_of:
        for trigger in before.triggers:
            if trigger.type == "RoomWentDown" and trigger.room is not None and trigger.room not in told:
                told.add(trigger.room)
                if down_of(heard, trigger.room) is not None:
                    yield trigger
        proposal, before = before, heard.proposals.get(before.supersedes or "")


def _in_words(left: timedelta) -> str:
    number = whole_minutes(left)
    return f"in {number} min" if number > 0 else "now" if left > timedelta(0) else "the time is over"


def _trigger(proposal: Proposal) -> str:
    return sentence(proposal.triggers[0].sentence) if proposal.triggers else ""


def _holds(reason: str) -> str:
    """`the plan still holds: ...` in front, once."""
    text = sentence(reason)
    return text if "still holds" in text.lower() else f"The plan still holds: {text[:1].lower()}{text[1:]}"


def _withheld(heard: Heard) -> Proposal | None:
    """The newest proposal that people may not see decided, as the gate says or as the log has it."""
    if heard.gate is None or heard.gate.withheld is None:
        return None
    decision = heard.day.decisions.get(heard.gate.withheld)
    if decision is not None and decision.decided.verdict is not Verdict.WITHHELD:
        return None
    return heard.proposals.get(heard.gate.withheld)


def _because(heard: Heard, withheld: Proposal) -> tuple[str, ...]:
    """The gate's sentences; the decision's reason where the status has none."""
    if heard.gate is not None and heard.gate.withheld_because:
        return heard.gate.withheld_because
    decision = heard.day.decisions.get(withheld.id)
    return (decision.decided.reason,) if decision and decision.decided.reason else ()


def _decided(proposal: Proposal, decision: DecisionRecord, zone: ZoneInfo) -> Advice:
    decided = decision.decided
    if decision.in_force:
        return Advice(kind="decided", headline="Nothing else to decide")
    word = _DECIDED_WORDS[decided.verdict]
    by = "" if decided.verdict in (Verdict.EXPIRED, Verdict.WITHHELD) else f" by {decided.decided_by}"
    why = [part for part in (decided.reason_code and decided.reason_code.replace("_", " "), decided.reason) if part]
    return Advice(
        kind="decided",
        headline="Nothing to decide",
        trigger=_trigger(proposal),
        detail=f"{word}{by} at {clock(decided.at, zone)}" + (f": {', '.join(why)}." if why else "."),
    )
