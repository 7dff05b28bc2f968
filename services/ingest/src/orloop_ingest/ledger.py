"""What the doors know while they map: the fold of the log, and on top of it what they wrote a moment ago.

The loop's thread folds, the doors' thread asks and expects. Days are frozen values; only the small
bookkeeping here is locked.
"""

import threading
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field

from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.events import Event
from orloop_common.domain.site import Site
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.messages.identity import SenderIdentity

from .domain.known import Identities, Known


@dataclass
class _Suite:
    """`day` is the log's; `ahead` also has what was written but not read back yet (`unfolded`)."""

    day: SuiteDay
    ahead: SuiteDay
    unfolded: dict[str, Event] = field(default_factory=dict)
    durable: set[str] = field(default_factory=set)

    def fold(self, event: Event) -> None:
        self.day = self.day.apply(event)
        self.unfolded.pop(event.id, None)
        self.durable.discard(event.id)
        self.ahead = self.ahead.apply(event) if self.unfolded else self.day

    def expect(self, event: Event) -> None:
        if event.id not in self.day.seen:
            self.unfolded[event.id] = event
            self.ahead = self.ahead.apply(event)

    def drop(self, ids: set[str]) -> None:
        self.unfolded = {k: e for k, e in self.unfolded.items() if k not in ids or k in self.durable}
        self.ahead = self.day
        for event in self.unfolded.values():
            self.ahead = self.ahead.apply(event)


class Ledger:
    """Thread-safe view of the suites that this process serves."""

    def __init__(self, site: Site, suites: Iterable[str]) -> None:
        calendar = OperationalCalendar(site.timezone, site.day_boundary)
        self._lock = threading.Lock()
        self._suites: dict[str, _Suite] = {}
        for suite in suites:
            empty = SuiteDay(suite=suite, calendar=calendar)
            self._suites[suite] = _Suite(empty, empty)
        self._identities = Identities()
        self._identities_ahead = self._identities
        self._unfolded_identities: dict[str, SenderIdentity] = {}

    @property
    def suites(self) -> tuple[str, ...]:
        return tuple(self._suites)

    def day(self, suite: str) -> SuiteDay:
        """The fold of the log, and nothing else."""
        return self._suites[suite].day

    def known(self, suite: str) -> Known:
        """The newest state, with what was just written."""
        with self._lock:
            return Known(self._suites[suite].ahead, self._identities_ahead)

    def copy(self) -> "Ledger":
        """A ledger of its own that begins with what is known now: for a dry run."""
        with self._lock:
            made = copy(self)
            made._lock = threading.Lock()
            made._suites = {name: _Suite(suite.ahead, suite.ahead) for name, suite in self._suites.items()}
            made._identities = self._identities_ahead
            made._unfolded_identities = {}
        return made

    def fold(self, event: Event) -> None:
        """An event was read from the log."""
        with self._lock:
            if (suite := self._suites.get(event.suite)) is not None:
                suite.fold(event)

    def fold_identity(self, case: str, identity: SenderIdentity) -> None:
        """An identity was read from its topic."""
        with self._lock:
            self._identities = self._identities.with_identity(case, identity)
            if self._unfolded_identities.get(case) == identity:
                del self._unfolded_identities[case]
            if not self._unfolded_identities:
                self._identities_ahead = self._identities

    def expect(self, events: Iterable[Event], case: str | None = None, identity: SenderIdentity | None = None) -> None:
        """These are about to be written."""
        with self._lock:
            for event in events:
                self._suites[event.suite].expect(event)
            if case is not None and identity is not None:
                self._unfolded_identities[case] = identity
                self._identities_ahead = self._identities_ahead.with_identity(case, identity)

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

    def forget(self, events: Iterable[Event], case: str | None = None) -> None:
        """Whether the broker has them is not known: as if they had not been told, so that they are sent again."""
        with self._lock:
            by_suite: dict[str, set[str]] = {}
            for event in events:
                by_suite.setdefault(event.suite, set()).add(event.id)
            for name, ids in by_suite.items():
                self._suites[name].drop(ids)
            if case is not None and self._unfolded_identities.pop(case, None) is not None:
                self._identities_ahead = self._identities
                for other, identity in self._unfolded_identities.items():
                    self._identities_ahead = self._identities_ahead.with_identity(other, identity)
