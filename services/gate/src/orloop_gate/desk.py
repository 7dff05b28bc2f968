"""Where commands of people wait for the newest fold, and callers for their answers."""

from collections import deque
from collections.abc import Iterator
from datetime import timedelta

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import ModeChanged, PlanDecided
from orloop_common.runtime import Clock

from .domain.commands import ChangeMode, ModeSet, Refused, answer_for, wanted_mode
from .domain.decide import Recheck
from .domain.sight import Sight
from .domain.suite import SuiteView
from .domain.verdicts import decide
from .ports import Answer, Call, Command

_TICK = timedelta(microseconds=1)


class Desk:
    """`submit` is for any thread; the rest belongs to the loop's.

    A decision that was sent is remembered until it is folded, so that the second caller of a race is
    told of the first one's, whatever the fold says then.
    """

    def __init__(self, clock: Clock, recheck: Recheck) -> None:
        self._clock = clock
        self._recheck = recheck
        self._calls: deque[Call] = deque()
        self._waiting: list[Call] = []
        self._sent: dict[str, PlanDecided | ModeChanged] = {}

    def submit(self, command: Command, timeout: float) -> Call:
        """Hand over a command; its `answer` comes once the record was folded."""
        call = Call(command, self._clock.monotonic() + timeout)
        self._calls.append(call)
        return call

    def forget(self, suite: str) -> None:
        """Another gate has the suite now."""
        self._sent = {key: event for key, event in self._sent.items() if event.suite != suite}

    def sent(self, proposal: str) -> bool:
        """Whether a decision on this proposal is on its way."""
        return proposal in self._sent

    def remember(self, event: PlanDecided) -> None:
        """A decision that the gate itself has made is on its way."""
        self._sent[event.proposal] = event

    def work(self, views: dict[str, SuiteView], sights: dict[str, Sight]) -> Iterator[PlanDecided | ModeChanged]:
        """Carry out what was asked, on the newest fold; yields the records to write."""
        while self._calls:
            call = self._calls.popleft()
            if self._clock.monotonic() > call.until or not call.answer.set_running_or_notify_cancel():
                continue  # nobody waits any more: a person who was told of a failure must not have decided
            try:
                event = self._carry_out(call.command, views, sights)
            except Refused as refusal:
                call.answer.set_exception(refusal)
                continue
            self._waiting.append(call)
            if event is not None:
                yield event
        self.answer(views)

    def answer(self, views: dict[str, SuiteView]) -> None:
        """Tell the callers whose records have been folded."""
        for call in list(self._waiting):
            try:
                answer = self._folded(call.command, views)
            except Refused as refusal:
                call.answer.set_exception(refusal)
                self._waiting.remove(call)
                continue
            if answer is not None:
                call.answer.set_result(answer)
                self._waiting.remove(call)
            elif self._clock.monotonic() > call.until:
                self._waiting.remove(call)
        for key, event in list(self._sent.items()):
            view = views.get(event.suite)
            if view is not None and event.id in view.day.seen:
                del self._sent[key]

    def _carry_out(
        self, command: Command, views: dict[str, SuiteView], sights: dict[str, Sight]
    ) -> PlanDecided | ModeChanged | None:
        view = views.get(command.suite)
        if view is None:
            raise Refused("unknown", f"Expected a suite that this gate serves, got {command.suite or 'none'}.")
        if isinstance(command, ChangeMode):
            return self._set_mode(view, command)
        if command.proposal in view.decided or command.proposal in self._sent:
            return None
        proposal = view.undecided.get(command.proposal)
        if proposal is None:
            raise Refused(
                "unknown",
                "Expected a proposal that waits for a decision, got one that is not known here.",
                "Maybe it is of an earlier day: reload the board.",
            )
        event = decide(view, sights[view.suite], proposal, command, self._recheck, self._clock.now())
        self._sent[proposal.id] = event
        return event

    def _set_mode(self, view: SuiteView, command: ChangeMode) -> ModeChanged | None:
        mode = wanted_mode(command)
        id = _mode_id(command)
        if id in view.day.seen or id in self._sent:
            return None
        held = view.day.mode.at + _TICK if view.day.mode else None
        now = self._clock.now()
        event = ModeChanged(
            id=id,
            suite=view.suite,
            at=max(now, held) if held else now,
            mode=mode,
            decided_by=command.user,
            reason=command.reason,
        )
        self._sent[id] = event
        return event

    def _folded(self, command: Command, views: dict[str, SuiteView]) -> Answer | None:
        view = views.get(command.suite)
        if view is None:
            raise Refused("late", "The suite moved to another gate before this was confirmed.", "Maybe ask again.")
        if isinstance(command, ChangeMode):
            id = _mode_id(command)
            return ModeSet(event=id, mode=wanted_mode(command)) if id in view.day.seen else None
        record = view.day.decisions.get(command.proposal)
        if record is None:
            if command.proposal in view.decided:
                raise Refused("unknown", "This proposal was decided on an earlier day.", "Maybe reload the board.")
            return None
        told = answer_for(command, record.decided)
        if record.voided and not told.already:
            raise Refused(
                "stopped",
                f"Things moved on in the very moment of the decision ({', '.join(record.voided)}): it is void.",
                "Maybe wait for the next proposal.",
            )
        return told


def _mode_id(command: ChangeMode) -> str:
    return derived_id("mode", command.suite, command.user, command.key)
