"""What write-back knows of one suite: the fold, sealed identities, and when changes were acknowledged."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orloop_common.domain import events as e
from orloop_common.domain.carrying import booked_place, next_step
from orloop_common.domain.derived import CaseIdentity
from orloop_common.domain.records import Pending
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import ChangeAnswer, Mode

from .message import Step


@dataclass
class SuiteBook:
    """Changed by records alone, so that a restart knows the same."""

    day: SuiteDay
    offset: int = 0
    identities: dict[str, CaseIdentity] = field(default_factory=dict)
    acknowledged: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def take_event(self, event: e.Event, offset: int) -> None:
        """Fold an event of the suite's log."""
        fresh = event.id not in self.day.seen
        self.day = self.day.apply(event)
        self.offset = offset + 1
        if isinstance(event, e.ChangeAnswered) and event.answer is ChangeAnswer.ACKNOWLEDGED and fresh:
            self.acknowledged[event.proposal, event.case] = event.at
        elif isinstance(event, e.ClockTicked) and fresh:
            self._forget()

    def take_identity(self, identity: CaseIdentity) -> None:
        """Keep the sender's newest ids of a case, sealed."""
        self.identities[identity.case] = identity

    @property
    def frozen(self) -> bool:
        """A person has frozen everything: nothing new leaves."""
        return self.day.mode is not None and self.day.mode.mode is Mode.FROZEN

    def next_step(self) -> Step | None:
        """What to send now: nothing while a change waits for its echo, or while everything is frozen."""
        pending = tuple(self.day.pending.values())
        if self.frozen or any(p.status == "acknowledged" for p in pending):
            return None
        found = next_step(self.day, pending)
        if found is None:
            return None
        one, place = found
        record = self.day.cases.get(one.change.case)
        booked = record.schedule.booked if record and record.schedule else one.change.length
        return Step(suite=self.day.suite, pending=one, place=place, booked=booked)

    def stuck(self) -> Pending | None:
        """A change that nothing will ever free: all wait for each other and none may wait on its way."""
        pending = sorted(self.day.pending.values(), key=lambda p: (p.decided, p.proposal, p.order))
        queued = pending and not self.frozen and all(p.status == "queued" for p in pending)
        return pending[0] if queued and next_step(self.day, pending) is None else None

    def unechoed(self, within: timedelta) -> Pending | None:
        """An acknowledged change whose echo has not come in time."""
        if self.day.now is None:
            return None
        for pending in sorted(self.day.pending.values(), key=lambda p: (p.decided, p.order)):
            at = self.acknowledged.get((pending.proposal, pending.change.case))
            if pending.status == "acknowledged" and at is not None and self.day.now - at > within:
                return pending
        return None

    def objection(self, step: Step) -> str | None:
        """Why a step must not be sent any more, whatever was decided."""
        change = step.pending.change
        if step.place.room is None or step.place.start is None:
            return "Postponing is agreed with the patient: enter it in the hospital's system by hand."
        if self.day.now is not None and step.place.start <= self.day.now:
            return "The time to move to has passed before this could be sent."
        room = self.day.rooms.get(step.place.room)
        down = room.down if room else None
        if down is not None and (down.until is None or step.place.start < down.until):
            return f"Room {step.place.room} went down before this could be sent."
        if change.case not in self.identities:
            return "The sender's id of this case is not known here: enter the change by hand."
        return None

    def arrived(self, step: Step) -> bool:
        """Whether the hospital's book has the case where the step puts it."""
        return booked_place(self.day, step.case) == step.place

    def _forget(self) -> None:
        waiting = {(p.proposal, p.change.case) for p in self.day.pending.values()}
        self.acknowledged = {key: at for key, at in self.acknowledged.items() if key in waiting}
