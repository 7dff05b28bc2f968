"""What happened to each trigger of the day, from the log and the proposals: pure, no IO."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from orloop_common.domain.derived import GateStatus, Proposal, Trigger
from orloop_common.domain.events import Event, PlanDecided, RoomWentDown
from orloop_common.domain.records import DecisionRecord
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import Verdict

_DECIDED_FOR = (Verdict.APPROVED, Verdict.OVERRIDDEN)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to tell: event time, sentence, and the wall seconds since its trigger."""

    at: datetime
    text: str
    trigger: str = ""
    kind: str = "note"
    seconds: float | None = None


@dataclass
class SuiteStory:
    """One suite: its fold, when the broker had each event, its proposals, and what the gate says.

    `received` times are the broker's own (log append time), so that seconds are those of the mesh and not of the
    reader.
    """

    suite: str
    day: SuiteDay
    received: dict[str, datetime] = field(default_factory=dict)
    proposals: dict[str, Proposal] = field(default_factory=dict)
    proposed: dict[str, datetime] = field(default_factory=dict)
    downs: dict[str, RoomWentDown] = field(default_factory=dict)
    gate: GateStatus | None = None
    _applied: set[str] = field(default_factory=set)
    _ended: set[str] = field(default_factory=set)

    def event(self, event: Event, received: datetime) -> Iterator[Line]:
        """Fold an event of the log and tell what is worth telling."""
        self.received.setdefault(event.id, received)
        self.day = self.day.apply(event)
        if isinstance(event, RoomWentDown):
            self.downs[event.id] = event
            yield Line(event.at, f"room {event.room} went down ({event.cause})", event.id, "trigger")
        if isinstance(event, PlanDecided):
            yield from self._decision(event)
        yield from self._progress(received)

    def proposal(self, proposal: Proposal, received: datetime) -> Iterator[Line]:
        """Take a proposal; tell how long each of its triggers waited for it."""
        if proposal.id in self.proposals:
            return
        self.proposals[proposal.id], self.proposed[proposal.id] = proposal, received
        for trigger in proposal.triggers:
            waited = self._since(trigger, received)
            what = "proposal" if proposal.answer == "proposal" else "no change"
            text = f"{trigger.sentence}: {what}" + (f" after {waited:.1f} s" if waited is not None else "")
            yield Line(proposal.at, text, trigger.event, proposal.answer, waited)

    def status(self, status: GateStatus) -> Iterator[Line]:
        """Take the gate's newest word; tell what it withholds."""
        held, self.gate = self.gate, status
        if status.withheld and (held is None or held.withheld != status.withheld):
            yield Line(status.at, "the gate withholds: " + "; ".join(status.withheld_because), kind="withheld")

    @property
    def open_proposal(self) -> Proposal | None:
        """The proposal that waits for an answer."""
        if self.gate is None or self.gate.open_proposal is None or self.gate.open_proposal in self.day.decisions:
            return None
        return self.proposals.get(self.gate.open_proposal)

    def answered_room_down(self) -> str | None:
        """The applied plan that moved a case out of a room that had gone down, or None so far."""
        for proposal, decision in self.day.decisions.items():
            if proposal in self._applied and self._leaves_a_room_that_is_down(decision):
                return proposal
        return None

    def why_not(self) -> str:
        """Why no plan has yet been applied that answers a room going down."""
        if not self.downs:
            return "no room went down"
        down = max(self.downs.values(), key=lambda event: event.at)
        start = f"room {down.room} went down at {down.at:%H:%M}, "
        answers = [p for p in self.proposals.values() if any(t.event == down.id for t in p.triggers)]
        decisions = [d for d in self.day.decisions.values() if self._leaves_a_room_that_is_down(d)]
        if decisions:
            last = max(decisions, key=lambda decision: decision.decided.at)
            if last.voided:
                return start + f"but the plan was void by the time it was approved: {', '.join(last.voided)}"
            of = len(last.outcomes)
            rest = ", ".join(sorted({o for o in last.outcomes.values() if o != "applied"}))
            return start + f"{last.applied} of {of} changes were applied, the rest: {rest or 'none'}"
        if self.gate is not None and self.gate.withheld_because:
            return start + "but the gate withholds: " + "; ".join(self.gate.withheld_because)
        if not answers:
            return start + "and no proposal answered it"
        newest = max(answers, key=lambda p: p.at)
        if newest.answer != "proposal":
            return start + f"and was answered: {newest.reason or newest.headline}"
        return start + "and no plan that moves a case out of it was approved"

    def _leaves_a_room_that_is_down(self, decision: DecisionRecord) -> bool:
        decided = decision.decided
        if decided.verdict not in _DECIDED_FOR:
            return False
        rooms = {down.room for down in self.downs.values() if down.at <= decided.at}
        return any(c.origin.room in rooms and c.target.room not in (None, c.origin.room) for c in decided.changes)

    def _since(self, trigger: Trigger, moment: datetime) -> float | None:
        told = self.received.get(trigger.event)
        return (moment - told).total_seconds() if told is not None else None

    def _decision(self, event: PlanDecided) -> Iterator[Line]:
        decision = self.day.decisions.get(event.proposal)
        if decision is None or decision.decided.id != event.id:
            return
        text = f"{event.verdict} by {event.decided_by}"
        if decision.voided:
            text += f", but void: {', '.join(decision.voided)}"
        elif event.changes:
            text += f": {len(event.changes)} changes"
        yield Line(event.at, text, kind="decision")

    def _progress(self, received: datetime) -> Iterator[Line]:
        for proposal, decision in self.day.decisions.items():
            if proposal in self._ended or not decision.in_force or not decision.settled:
                continue
            self._ended.add(proposal)
            whole = decision.applied == len(decision.outcomes)
            if whole:
                self._applied.add(proposal)
            yield from self._outcome(proposal, decision, whole, received)

    def _outcome(self, proposal: str, decision: DecisionRecord, whole: bool, received: datetime) -> Iterator[Line]:
        at = self.day.now or decision.decided.at
        if not whole:
            rest = ", ".join(sorted({o for o in decision.outcomes.values() if o != "applied"}))
            yield Line(at, f"{decision.applied} of {len(decision.outcomes)} changes applied ({rest})", kind="partly")
            return
        known = self.proposals.get(proposal)
        for trigger in known.triggers if known is not None else ():
            waited = self._since(trigger, received)
            text = f"{trigger.sentence}: applied" + (f" after {waited:.1f} s" if waited is not None else "")
            yield Line(at, text, trigger.event, "applied", waited)
