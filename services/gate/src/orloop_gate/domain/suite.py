"""All that the gate knows of one suite: its fold, forecasts, proposals, and the audit chain over its log."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orloop_common.domain import events as e
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.derived import AuditEntry, CaseForecast, Proposal
from orloop_common.domain.digest import digest
from orloop_common.domain.features import case_features, without_moving
from orloop_common.domain.reading import stage
from orloop_common.domain.site import SuiteLayout
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import Mode

from .audit import Head, chain, facts_of
from .decide import mode_in_force
from .sight import Heard, Limits, Sight


@dataclass
class SuiteView:
    """Changed by records alone. `offset` is the next of the suite's log; `version` grows with each record.

    `moot` says of undecided proposals why they are not needed any more.
    `decided` holds the id of every proposal ever decided on the log: the fold forgets them, this does not.
    """

    layout: SuiteLayout
    day: SuiteDay
    initial_mode: Mode = Mode.ADVISORY
    limits: Limits = field(default_factory=Limits)
    offset: int = 0
    version: int = 0
    ticked: datetime | None = None
    forecasts: dict[str, CaseForecast] = field(default_factory=dict)
    heard: dict[str, Heard] = field(default_factory=dict)
    undecided: dict[str, Proposal] = field(default_factory=dict)
    moot: dict[str, str] = field(default_factory=dict)
    decided: set[str] = field(default_factory=set)
    head: Head = field(default_factory=Head)
    entries: tuple[AuditEntry, ...] = ()

    @classmethod
    def empty(cls, layout: SuiteLayout, calendar: OperationalCalendar, mode: Mode, limits: Limits) -> "SuiteView":
        return cls(layout=layout, day=SuiteDay(suite=layout.id, calendar=calendar), initial_mode=mode, limits=limits)

    @property
    def suite(self) -> str:
        return self.layout.id

    def take_event(self, event: e.Event, offset: int, received: datetime) -> None:
        """Fold an event of the suite's log; `entries` are the audit entries that follow from it."""
        before, self.day = self.day, self.day.apply(event)
        self.offset, self.version = offset + 1, self.version + 1
        entries = []
        for fact in facts_of(before, event, self.day):
            entry = chain(self.head, fact, event, self.offset)
            self.head = Head(sequence=entry.sequence, hash=entry.hash)
            entries.append(entry)
        self.entries = tuple(entries)
        if isinstance(event, e.ClockTicked):
            self.ticked = received
        elif isinstance(event, e.CaseScheduled | e.MilestoneRecorded):
            if _told(before, event.case) != _told(self.day, event.case):
                self.heard[event.case] = Heard(as_of=self.offset, at=self.day.now or event.at)
        elif isinstance(event, e.PlanDecided):
            self.decided.add(event.proposal)
            self.undecided.pop(event.proposal, None)
            self.moot.pop(event.proposal, None)
        if before.now and self.day.now and before.calendar.day(before.now) != before.calendar.day(self.day.now):
            self._forget()

    def take_forecast(self, forecast: CaseForecast) -> None:
        """Keep the forecast that stands on the highest offset."""
        held = self.forecasts.get(forecast.case)
        if held is None or forecast.as_of >= held.as_of:
            self.forecasts[forecast.case] = forecast
            self.version += 1

    def take_proposal(self, proposal: Proposal) -> None:
        """A proposal waits until it is decided; the answer that nothing is to be changed may end its wait."""
        if proposal.answer == "no_change" and proposal.supersedes in self.undecided:
            self.moot[proposal.supersedes] = proposal.reason
            self.version += 1
        if proposal.answer == "proposal" and proposal.id not in self.decided:
            self.undecided[proposal.id] = proposal
            self.version += 1

    @property
    def newest(self) -> Proposal | None:
        """The proposal that stands on the highest offset; all other undecided ones are superseded."""
        return max(self.undecided.values(), key=lambda p: (p.as_of, p.at, p.id), default=None)

    @property
    def mode(self) -> Mode:
        return mode_in_force(self.day, self.initial_mode)

    def sight(self, tick_age: timedelta | None, tick_limit: timedelta, fallback: datetime) -> Sight:
        """What may be judged now; `fallback` stands in for event time before the first tick."""
        return Sight(
            day=self.day,
            layout=self.layout,
            now=self.day.now or fallback,
            mode=self.mode,
            tick_age=tick_age,
            tick_limit=tick_limit,
            forecasts=self.forecasts,
            heard=self.heard,
            limits=self.limits,
        )

    def digest(self) -> str:
        """Equal for equal logs: of the fold alone, as every service shows it."""
        return digest(self.day)

    def _forget(self) -> None:
        """With a new operational day, drop what was known of cases that the fold has dropped."""
        self.forecasts = {k: f for k, f in self.forecasts.items() if k in self.day.cases}
        self.heard = {k: h for k, h in self.heard.items() if k in self.day.cases}


def _told(day: SuiteDay, case: str) -> tuple[str, dict[str, float | str | None]] | None:
    """What a forecast of the case is made from: the same, and no new forecast is due."""
    values = case_features(day, case)
    return None if values is None else (stage(day.cases[case]), without_moving(values))
