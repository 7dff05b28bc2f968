"""What the doors know while they settle: the fold of the log, and on top of it what they wrote a moment ago.

The loop's thread folds, the doors' thread asks and expects. Days are frozen values; only the small
bookkeeping here is locked.
"""

import threading
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta

from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.events import Event
from orloop_common.domain.site import Site
from orloop_common.domain.suite_day import SuiteDay

from .domain.identities import CaseIdentityDraft
from .domain.known import Identities, Known
from .domain.past import Pasts

_Key = tuple[str, str, str]


@dataclass
class _Suite:
    """`day` and `pasts` are the log's; those `ahead` also have what was written but not read back (`unfolded`)."""

    day: SuiteDay
    ahead: SuiteDay
    pasts: Pasts = field(default_factory=Pasts)
    pasts_ahead: Pasts = field(default_factory=Pasts)
    unfolded: dict[str, Event] = field(default_factory=dict)
    durable: set[str] = field(default_factory=set)

    def fold(self, event: Event) -> None:
        own = self.unfolded.pop(event.id, None)
        if own == event:  # one object for both: its words are shared with others', those that were just read are not
            event = own
        self.day, self.pasts = self.day.apply(event), self.pasts.apply(event)
        self.durable.discard(event.id)
        if self.unfolded:
            self.ahead, self.pasts_ahead = self.ahead.apply(event), self.pasts_ahead.apply(event)
        else:
            self.ahead, self.pasts_ahead = self.day, self.pasts

    def expect(self, event: Event) -> None:
        if event.id not in self.day.seen:
            self.unfolded[event.id] = event
            self.ahead, self.pasts_ahead = self.ahead.apply(event), self.pasts_ahead.apply(event)

    def drop(self, ids: set[str]) -> None:
        self.unfolded = {k: e for k, e in self.unfolded.items() if k not in ids or k in self.durable}
        self.ahead, self.pasts_ahead = self.day, self.pasts
        for event in self.unfolded.values():
            self.ahead, self.pasts_ahead = self.ahead.apply(event), self.pasts_ahead.apply(event)


class Ledger:
    """Thread-safe view of the suites that this process serves."""

    def __init__(self, site: Site, suites: Iterable[str], remembered: timedelta | None = None) -> None:
        calendar = OperationalCalendar(site.timezone, site.day_boundary)
        self._lock = threading.Lock()
        self._truth, self._remembered = site.truth, remembered
        self._suites: dict[str, _Suite] = {}
        for suite in suites:
            empty = SuiteDay(suite=suite, calendar=calendar)
            self._suites[suite] = _Suite(empty, empty)
        self._identities = Identities()
        self._identities_ahead = self._identities
        self._unfolded_records: dict[_Key, CaseIdentityDraft] = {}

    @property
    def suites(self) -> tuple[str, ...]:
        return tuple(self._suites)

    def day(self, suite: str) -> SuiteDay:
        """The fold of the log, and nothing else."""
        return self._suites[suite].day

    def known(self, suite: str) -> Known:
        """The newest state, with what was just written."""
        with self._lock:
            held = self._suites[suite]
            return Known(held.ahead, self._identities_ahead, held.pasts_ahead, self._truth, self._remembered)

    def copy(self) -> "Ledger":
        """A ledger of its own that begins with what is known now: for a dry run."""
        with self._lock:
            made = copy(self)
            made._lock = threading.Lock()
            made._suites = {
                name: _Suite(held.ahead, held.ahead, held.pasts_ahead, held.pasts_ahead)
                for name, held in self._suites.items()
            }
            made._identities = self._identities_ahead
            made._unfolded_records = {}
        return made

    def fold(self, event: Event) -> None:
        """An event was read from the log."""
        with self._lock:
            if (suite := self._suites.get(event.suite)) is not None:
                suite.fold(event)

    def fold_record(self, draft: CaseIdentityDraft) -> None:
        """A record was read from the identity topic."""
        with self._lock:
            self._identities = self._identities.with_draft(draft)
            key = _key(draft)
            if key not in self._unfolded_records:
                self._identities_ahead = self._identities_ahead.with_draft(draft)
            elif self._unfolded_records[key] == draft:
                del self._unfolded_records[key]
            if not self._unfolded_records:
                self._identities_ahead = self._identities

    def expect(self, events: Iterable[Event], *, records: Iterable[CaseIdentityDraft] = ()) -> None:
        """These are about to be written."""
        with self._lock:
            for event in events:
                self._suites[event.suite].expect(event)
            for draft in records:
                self._unfolded_records[_key(draft)] = draft
                self._identities_ahead = self._identities_ahead.with_draft(draft)

    def is_written(self, event: Event) -> bool:
        """Whether the broker is known to have this event."""
        with self._lock:
            suite = self._suites[event.suite]
            return event.id in suite.day.seen or event.id in suite.durable

    def written(self, events: Iterable[Event]) -> None:
        """The broker has them."""
        with self._lock:
            for event in events:
                suite = self._suites[event.suite]
                if event.id in suite.unfolded:
                    suite.durable.add(event.id)

    def forget(self, events: Iterable[Event]) -> None:
        """Whether the broker has them is not known: as if they had not been told, so that they are sent again."""
        with self._lock:
            by_suite: dict[str, set[str]] = {}
            for event in events:
                by_suite.setdefault(event.suite, set()).add(event.id)
            for name, ids in by_suite.items():
                self._suites[name].drop(ids)


def _key(draft: CaseIdentityDraft) -> _Key:
    return draft.kind, draft.suite, draft.name
