"""What write-back knows of one suite: the fold, sealed identities, and when changes were acknowledged."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orloop_common.domain import events as e
from orloop_common.domain.carrying import booked_place, next_step
from orloop_common.domain.derived import CaseIdentity
from orloop_common.domain.plan import Place
from orloop_common.domain.records import Pending
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import ChangeAnswer, Mode

from .message import Step
from .routes import Postponements, Route, Routes, Way, source_of

POSTPONE_BY_HAND = "Postponing is agreed with the patient: enter it in the hospital's system by hand."


@dataclass
class SuiteBook:
    """Changed by records alone, so that a restart knows the same."""

    day: SuiteDay
    routes: Routes = field(default_factory=Routes)
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
        """Keep the sender's newest ids of a case, sealed; ingest's other records are none of ours."""
        if identity.kind == "case":
            self.identities[identity.case] = identity

    def forget_identity(self, case: str) -> None:
        """Ingest has let go of a case whose day is long over."""
        self.identities.pop(case, None)

    def awaited_tasks(self) -> tuple[Step, ...]:
        """Tasks that an inbox has taken and whose echo has not come."""
        waiting = (p for p in self.day.pending.values() if p.status == "acknowledged" and not self.by_hand(p))
        return tuple(step for step in map(self.step_of, waiting) if step.route.tasks)

    @property
    def frozen(self) -> bool:
        """A person has frozen everything: nothing new leaves."""
        return self.day.mode is not None and self.day.mode.mode is Mode.FROZEN

    def route(self, case: str) -> Route:
        """The way that changes of this case leave."""
        return self.routes.of(self.day, case)

    def by_hand(self, pending: Pending) -> bool:
        """Whether a person keys this change in."""
        return self.routes.by_hand(self.day, pending.change.case, postponed=pending.change.target.room is None)

    def next_step(self) -> Step | None:
        """What to send now: nothing while a change waits for its echo, or while everything is frozen."""
        pending = tuple(self.day.pending.values())
        if self.frozen or any(p.status == "acknowledged" for p in pending):
            return None
        found = next_step(self.day, pending, lambda one: not self.by_hand(one))
        return self._step(*found) if found else None

    def step_of(self, pending: Pending) -> Step:
        """The step that brings a change to its target, whatever is in its way."""
        return self._step(pending, pending.change.target)

    def stuck(self) -> Pending | None:
        """A change that nothing will ever free: all wait for each other and none may wait on its way."""
        pending = sorted(self.day.pending.values(), key=lambda p: (p.decided, p.proposal, p.order))
        queued = pending and not self.frozen and all(p.status == "queued" for p in pending)
        return pending[0] if queued and next_step(self.day, pending) is None else None

    def unechoed(self, within: timedelta) -> tuple[Pending, timedelta] | None:
        """An acknowledged change whose echo has not come in its time, and that time."""
        if self.day.now is None:
            return None
        for pending in sorted(self.day.pending.values(), key=lambda p: (p.decided, p.order)):
            at = self.acknowledged.get((pending.proposal, pending.change.case))
            limit = self.route(pending.change.case).confirm_within or within
            if pending.status == "acknowledged" and at is not None and self.day.now - at > limit:
                return pending, limit
        return None

    def expired(self, within: timedelta) -> Pending | None:
        """A change for people to key in whose time has gone by, and with it the time to tell us so."""
        if self.day.now is None:
            return None
        for pending in sorted(self.day.pending.values(), key=lambda p: (p.decided, p.order)):
            start = pending.change.target.start or pending.change.origin.start
            if self.by_hand(pending) and pending.status == "queued" and start and self.day.now > start + within:
                return pending
        return None

    def objection(self, step: Step) -> str | None:
        """Why a step must not be sent any more, whatever was decided."""
        change = step.pending.change
        held = self.day.pending.get(change.case)
        if held is None or held.proposal != step.proposal:
            return "The case began, ended or was moved before this could be sent."
        if change.case not in self.identities:
            return "The sender's id of this case is not known here: enter the change by hand."
        if step.cancels:
            return None if step.route.postponements is Postponements.CANCEL else POSTPONE_BY_HAND
        if step.route.way is Way.MANUAL:
            return "No interface takes changes of this case: enter the change by hand."
        assert step.place.start is not None
        if self.day.now is not None and step.place.start <= self.day.now:
            return "The time to move to has passed before this could be sent."
        room = self.day.rooms.get(step.place.room or "")
        down = room.down if room else None
        if down is not None and (down.until is None or step.place.start < down.until):
            return f"Room {step.place.room} went down before this could be sent."
        return None

    def delay(self, step: Step) -> str | None:
        """Why a step waits although nothing speaks against it."""
        if self.frozen:
            return "Waits: everything is frozen."
        if source_of(self.day, step.case) in self.day.silent_feeds:
            return "Waits: the hospital's feed is silent, so that nobody would see the echo."
        if self.day.doubted(step.case):
            return "Waits: what is known of this case is in doubt."
        return None

    def arrived(self, step: Step) -> bool:
        """Whether the hospital's book has the case where the step puts it."""
        return booked_place(self.day, step.case) == step.place

    def _step(self, pending: Pending, place: Place) -> Step:
        case = pending.change.case
        record = self.day.cases.get(case)
        booked = record.schedule.booked if record and record.schedule else pending.change.length
        return Step(
            suite=self.day.suite,
            pending=pending,
            place=place,
            booked=booked,
            held=booked_place(self.day, case),
            route=self.route(case),
        )

    def _forget(self) -> None:
        waiting = {(p.proposal, p.change.case) for p in self.day.pending.values()}
        self.acknowledged = {key: at for key, at in self.acknowledged.items() if key in waiting}
