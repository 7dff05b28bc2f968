"""Topics in, one frozen `Heard` per suite out; the board writes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from orloop_common import messages
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.derived import (
    CaseForecast,
    CaseStatus,
    GateStatus,
    Proposal,
    RoomStatus,
    WritebackStatus,
)
from orloop_common.domain.digest import digest
from orloop_common.domain.events import ClockTicked, Event
from orloop_common.domain.site import Site, SuiteLayout
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.runtime.clock import Clock
from orloop_common.runtime.records import Output, Record

from .domain.header import beat_limit
from .domain.heard import Heard, Pulse

TOPICS = (
    messages.SUITE_EVENTS,
    messages.ROOM_STATE,
    messages.CASE_STATE,
    messages.CASE_FORECASTS,
    messages.PLAN_PROPOSALS,
    messages.GATE_STATUS,
    messages.WRITEBACK_STATUS,
)
KEPT_PROPOSALS = 50


class BoardFlow:
    """Folds every topic the board subscribes to; other threads read the newest frozen value."""

    def __init__(self, site: Site, suites: Sequence[str], clock: Clock) -> None:
        self._clock = clock
        self._layouts = tuple(s for s in site.suites if not suites or s.id in suites)
        calendar = OperationalCalendar(site.timezone, site.day_boundary)
        self._heard = {s.id: Heard(day=SuiteDay(suite=s.id, calendar=calendar)) for s in self._layouts}
        self._ticked: dict[str, float] = {}
        self._live = False

    @property
    def live(self) -> bool:
        return self._live

    @property
    def suites(self) -> tuple[SuiteLayout, ...]:
        return self._layouts

    def heard(self, suite: str) -> Heard:
        return self._heard[suite]

    def pulse(self, suite: str) -> Pulse:
        """Time on the wall since the last tick was received."""
        limit = beat_limit(self._clock.rate())
        heard = self._ticked.get(suite)
        silent = timedelta(seconds=self._clock.monotonic() - heard) if heard is not None else None
        return Pulse(silent_for=silent, limit=limit)

    def fold(self, record: Record) -> None:
        heard = self._heard.get(record.suite)
        if heard is None:
            return
        if record.topic == messages.SUITE_EVENTS:
            self._heard[record.suite] = self._event(heard, record)
        else:
            self._heard[record.suite] = _take(heard, record.message)

    def _event(self, heard: Heard, record: Record) -> Heard:
        event = record.message
        if not isinstance(event, Event):
            return replace(heard, as_of=record.offset + 1)
        if isinstance(event, ClockTicked):
            self._ticked[record.suite] = self._clock.monotonic() - self._age(record)
        return replace(heard, day=heard.day.apply(event), as_of=record.offset + 1)

    def _age(self, record: Record) -> float:
        """How old a tick already was when we read it; only history is, and then its append time says so."""
        if self._live:
            return 0.0
        return max(0.0, (self._clock.wall() - record.received).total_seconds())

    def outputs(self, record: Record) -> Iterable[Output]:
        return ()

    def idle(self) -> Iterable[Output]:
        self._live = True
        return ()

    def state(self) -> dict[str, Any]:
        return {suite: {"digest": digest(heard.day), "as_of": heard.as_of} for suite, heard in self._heard.items()}


def _take(heard: Heard, message: object) -> Heard:
    """Keep, per room, case and proposal, the record that stands on the highest offset of the log."""
    match message:
        case RoomStatus():
            held = heard.rooms.get(message.room)
            return (
                heard
                if held and held.as_of > message.as_of
                else replace(heard, rooms=heard.rooms.set(message.room, message))
            )
        case CaseStatus():
            known = heard.cases.get(message.case)
            return (
                heard
                if known and known.as_of > message.as_of
                else replace(heard, cases=heard.cases.set(message.case, message))
            )
        case CaseForecast():
            before = heard.forecasts.get(message.case)
            return (
                heard
                if before and before.as_of > message.as_of
                else replace(heard, forecasts=heard.forecasts.set(message.case, message))
            )
        case GateStatus():
            return heard if heard.gate and heard.gate.as_of > message.as_of else replace(heard, gate=message)
        case WritebackStatus():
            return replace(heard, writeback=heard.writeback.set((message.proposal, message.case), message))
        case Proposal():
            return _answer(heard, message)
    return heard


def _answer(heard: Heard, proposal: Proposal) -> Heard:
    """Keep the newest answers; the problem is for `orloop replay`, not for the board."""
    kept = heard.proposals.set(proposal.id, replace(proposal, problem=""))
    if len(kept) > KEPT_PROPOSALS:
        kept = kept.delete(min(kept.values(), key=lambda p: (p.as_of, p.at)).id)
    newest = kept.get(heard.newest_answer or "")
    if newest is not None and newest.as_of > proposal.as_of:
        return replace(heard, proposals=kept)
    return replace(heard, proposals=kept, newest_answer=proposal.id)
