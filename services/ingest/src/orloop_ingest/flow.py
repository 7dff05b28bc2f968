"""Ingest's own fold of the log, its ticks of event time, and the watch over its feeds."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from threading import Event as Flag
from typing import Any
from zoneinfo import ZoneInfo

from orloop_common.domain.derived import CaseIdentity, DeadLetter, IngestJournal
from orloop_common.domain.digest import digest
from orloop_common.domain.events import CaseDoubted, Event, FeedWentSilent
from orloop_common.domain.site import Site
from orloop_common.messages import CASE_IDENTITY, HL7_RAW, INGEST_JOURNALS, SUITE_EVENTS, UnreadableMessage
from orloop_common.runtime.clock import Clock
from orloop_common.runtime.crypto import PayloadCipher
from orloop_common.runtime.errors import CannotDecrypt
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.records import Output, Record

from . import metrics
from .domain.identities import open_draft, open_tombstone
from .domain.letters import Letters
from .domain.silence import FeedWatch
from .domain.ticks import next_tick
from .journals import Journals
from .ledger import Ledger
from .watching import SourceWatch

_log = get_logger("flow")
LETTERS = f"{HL7_RAW}.dlq"
TOPICS = (SUITE_EVENTS, CASE_IDENTITY, LETTERS, INGEST_JOURNALS)
_LOOK_EVERY = timedelta(seconds=15)


class IngestFlow:
    """Folds suite-events and case-identity without a group; writes ticks once it has read to the end."""

    def __init__(
        self,
        site: Site,
        ledger: Ledger,
        cipher: PayloadCipher,
        clock: Clock,
        after: timedelta,
        floor: timedelta,
        sources: SourceWatch | None = None,
        others: Mapping[str, str] | None = None,
    ) -> None:
        self._ledger, self._cipher, self._clock = ledger, cipher, clock
        self._last: dict[str, datetime] = {}
        self._said: dict[str, str] = {}
        self._heard: dict[str, Any] = {}
        self.letters = Letters()
        self.journals = Journals(site.suites[0].id)
        self._looked: datetime | None = None
        self.sweep: Callable[[str, datetime], Iterable[Output]] = lambda suite, now: ()
        self.caught_up = Flag()
        known = {**(site.hl7.sources if site.hl7 else {}), **(others or {})}  # others: of FHIR
        self._feeds = {source: suite for source, suite in known.items() if suite in ledger.suites}
        self.sources = sources or SourceWatch(self._feeds, ZoneInfo(site.timezone))
        self._watches = {
            suite: FeedWatch(site.suite(suite), site.timezone, after, floor, self.sources.usual)
            for suite in ledger.suites
        }

    def fold(self, record: Record) -> None:
        message = record.message
        if record.topic == SUITE_EVENTS and isinstance(message, Event):
            self._ledger.fold(message)
            if isinstance(message, CaseDoubted) and (raw := record.headers.get("ce_causationid")):
                self.letters = self.letters.doubted(message, raw)
        elif record.topic == LETTERS and isinstance(message, DeadLetter):
            raw = record.headers.get("ce_causationid") or record.id
            self.letters = self.letters.heard(message, raw, record.key or "", record.suite)
        elif record.topic == INGEST_JOURNALS and isinstance(message, IngestJournal):
            self.journals.fold(message)
        elif record.topic == CASE_IDENTITY and isinstance(message, CaseIdentity):
            self._open(message)
        elif record.topic == CASE_IDENTITY and message is None and (gone := open_tombstone(record.key or "")):
            self._ledger.fold_record(gone)

    def outputs(self, record: Record) -> tuple[Output, ...]:
        return ()

    def idle(self) -> Iterator[Output]:
        self.caught_up.set()
        now, wall = self._clock.now(), self._clock.monotonic()
        for suite in self._ledger.suites:
            yield from self._tick(suite, now)
        self._look_after(now)
        for source, suite in self._feeds.items():
            yield from self._watch(source, suite, now, wall)

    def state(self) -> dict[str, Any]:
        days = {suite: self._ledger.day(suite) for suite in self._ledger.suites}
        return {
            suite: {"digest": digest(day), "now": day.now.isoformat() if day.now else None}
            for suite, day in days.items()
        }

    def hear(self, source: str, at: datetime | None = None) -> None:
        """A frame of this source arrived (at this event time, else now); called from the doors' thread."""
        suite = self._feeds.get(source)
        if suite is not None:
            now = at or self._clock.now()
            self._watches[suite].hear(source, now, self._clock.monotonic())
            self.sources.hear(source, now)
            heard = self._heard.get(source)
            if heard is None:
                heard = self._heard[source] = metrics.HEARD.labels(source)
            heard.set(now.timestamp())

    def _look_after(self, now: datetime) -> None:
        """Rates and gauges, once in a while: nothing that an event waits for."""
        if self._looked is not None and timedelta(0) <= now - self._looked < _LOOK_EVERY:
            return
        self._looked = now
        silent = {source for suite in self._ledger.suites for source in self._ledger.day(suite).silent_feeds}
        self.sources.advance(now, silent)
        waiting = self.letters.open()
        metrics.QUARANTINE_OPEN.set(len(waiting))
        metrics.QUARANTINE_AGE.set(max(0.0, (now - waiting[0].since).total_seconds()) if waiting else 0)

    def _tick(self, suite: str, now: datetime) -> Iterator[Output]:
        known = [t for t in (self._ledger.day(suite).now, self._last.get(suite)) if t is not None]
        tick = next_tick(suite, now, max(known, default=None))
        if tick is not None:
            yield from self.sweep(suite, now)
            self._last[suite] = tick.at
            metrics.TICKS.labels(suite).inc()
            yield Output(SUITE_EVENTS, suite, suite, tick, tick.id, at=tick.at)

    def _watch(self, source: str, suite: str, now: datetime, wall: float) -> Iterator[Output]:
        since = self._ledger.day(suite).silent_feeds.get(source)
        event = self._watches[suite].check(source, now, wall, since)
        if event is None or self._ledger.is_written(event) or event.id == self._said.get(source):
            return
        self._said[source] = event.id
        silent = isinstance(event, FeedWentSilent)
        metrics.FEED_SILENT.labels(source).set(1 if silent else 0)
        _log.warning("feed_went_silent" if silent else "feed_returned", source=source)
        yield Output(SUITE_EVENTS, suite, suite, event, event.id, at=event.at)

    def _open(self, record: CaseIdentity) -> None:
        try:
            draft = open_draft(record, self._cipher.decrypt)
        except (CannotDecrypt, UnreadableMessage) as error:
            metrics.UNOPENED.inc()
            _log.warning("identity_not_opened", case=record.case, error=type(error).__name__)
            return
        if draft is not None:
            self._ledger.fold_record(draft)
