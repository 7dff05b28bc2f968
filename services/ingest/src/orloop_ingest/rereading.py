"""Kept messages read again: a retry after a profile was mended, or a replay of a span. The same road, no new raw.

Event ids come from content, so what is on the log already is not written again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, Protocol

from orloop_common.domain.derived import DeadLetter, RawMessage
from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import CaseDoubted
from orloop_common.messages import HL7_RAW
from orloop_common.runtime.clock import Clock
from orloop_common.runtime.records import Output

from .adapters.rawstore import Kept, RawGone, RawStore
from .domain.header import Header
from .domain.letters import MAPPED, Entry, Letters
from .domain.quarantine import Reason
from .flow import LETTERS
from .ledger import Ledger
from .reception import HL7, Arrival, Received, Reception, event_output

_BATCH = 100
_NOT_WHOLE = frozenset({Reason.BROKEN_FRAME.value, Reason.TOO_LONG.value})


class Writing(Protocol):
    """Returns when the broker has every output, or raises `NotDurable`."""

    def write(self, outputs: Sequence[Output]) -> Awaitable[Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """What a kept message says today.

    `outcome`: mended (it was in quarantine), added (it says more than it did), unchanged, still (in quarantine),
    worse (it was none), skipped (no whole HL7 message, or gone).
    """

    raw: str
    outcome: str
    events: int = 0
    reason: str = ""


class Rereading:
    """Reads kept messages again in the doors' thread; the store is asked in another.

    Parameters
    ----------
    rehearse
        A reception of its own on a copy of what is known: a dry run evolves that and leaves no trace.
    """

    def __init__(
        self,
        reception: Reception,
        rehearse: Callable[[], Reception],
        ledger: Ledger,
        writer: Writing,
        store: RawStore,
        clock: Clock,
        letters: Callable[[], Letters],
    ) -> None:
        self._reception, self._rehearse, self._ledger = reception, rehearse, ledger
        self._writer, self.store, self._clock, self.letters = writer, store, clock, letters

    async def fetch(self, entry: Entry) -> Kept:
        """The raw record of an entry; RawGone if it cannot be had."""
        return await asyncio.to_thread(self.store.at, entry.partition, entry.offset)

    async def retry(self, entries: Sequence[Entry], user: str, dry_run: bool) -> AsyncIterator[Reread]:
        """Read these again, in the order in which they came."""
        reception = self._rehearse() if dry_run else self._reception
        for entry in sorted(entries, key=lambda e: (e.partition, e.offset)):
            try:
                kept = await self.fetch(entry)
            except RawGone as gone:
                yield Reread(raw=entry.raw, outcome="skipped", reason=str(gone).partition("\n")[0])
                continue
            yield await self._again(kept, reception, user, dry_run)

    async def replay(
        self, since: datetime, until: datetime, source: str | None, user: str, dry_run: bool, wall: bool
    ) -> AsyncIterator[Reread]:
        """Read a span again in its original order."""
        reception = self._rehearse() if dry_run else self._reception
        records = self.store.scan(since, until, source, wall=wall)
        while batch := await asyncio.to_thread(_take, records):
            for kept in batch:
                yield await self._again(kept, reception, user, dry_run)
            await asyncio.sleep(0)  # senders wait for none

    async def close(self, entry: Entry, how: str) -> None:
        """Close an entry for good: its doubts are withdrawn, and a letter says who closed it and why."""
        await self._write_closing(entry, how)

    async def note(self, entry: Entry, what: str) -> None:
        """A letter about an entry that leaves it as it is."""
        await self._writer.write([self._letter(entry, what)])

    async def _again(self, kept: Kept, reception: Reception, user: str, dry_run: bool) -> Reread:
        raw, entry = kept.raw, self.letters().entries.get(kept.raw.id)
        waiting = entry is not None and entry.closed is None
        if not _readable(raw):
            return Reread(raw=raw.id, outcome="skipped", reason="no whole HL7 message")
        try:
            arrival = self._reopen(raw, reception)
        except RawGone as gone:
            return Reread(raw=raw.id, outcome="skipped", reason=str(gone).partition("\n")[0])
        done = reception.read(arrival)
        if done.problem is not None:
            reception.failed(done)
            reason = f"{done.problem.reason}: {done.problem}"
            return Reread(raw=raw.id, outcome="still" if waiting else "worse", reason=reason)
        outcome = "mended" if waiting else "added" if done.events else "unchanged"
        if not dry_run:
            await self._write(done, entry if waiting else None, user)
        return Reread(raw=raw.id, outcome=outcome, events=len(done.events))

    def _reopen(self, raw: RawMessage, reception: Reception) -> Arrival:
        self.store.open(raw)  # RawGone if no key opens it any more
        sealed = Arrival(raw.id, HL7, raw.received, "", raw.payload, Header()).sealed()
        arrival = reception.reopen(sealed)
        arrival.reread = True
        return arrival

    async def _write(self, done: Received, entry: Entry | None, user: str) -> None:
        try:
            if done.first:
                await self._writer.write(done.first)
            if done.then:
                await self._writer.write(done.then)
        except BaseException:
            self._reception.failed(done)
            raise
        self._reception.settled(done)
        if entry is not None:
            await self._write_closing(entry, f"{MAPPED}{user}")

    async def _write_closing(self, entry: Entry, how: str) -> None:
        doubts = [self._withdrawn(doubt) for doubt in self.letters().to_withdraw(entry)]
        doubts = [doubt for doubt in doubts if not self._ledger.is_written(doubt)]
        self._ledger.expect(doubts)
        try:
            await self._writer.write([*(event_output(d, entry.raw) for d in doubts), self._letter(entry, how)])
        except BaseException:
            self._ledger.forget(doubts)
            raise
        self._ledger.written(doubts)

    def _withdrawn(self, doubt: CaseDoubted) -> CaseDoubted:
        id = derived_id("CaseDoubted", doubt.id, "withdrawn")
        return replace(doubt, id=id, at=max(doubt.at, self._clock.now()), withdrawn=True)

    def _letter(self, entry: Entry, reason: str) -> Output:
        letter = DeadLetter(
            topic=HL7_RAW,
            partition=entry.partition,
            offset=entry.offset,
            reason=reason,
            service="ingest",
            at=self._clock.now(),
        )
        id = derived_id("DeadLetter", entry.raw, reason, letter.at.isoformat())
        return Output(LETTERS, entry.source, entry.suite, letter, id, entry.raw, letter.at)


def _readable(raw: RawMessage) -> bool:
    code = (raw.problem or "").partition(":")[0]
    return code not in _NOT_WHOLE and not raw.message_type.startswith(("fhir:", "file:"))


def _take(records: Iterator[Kept]) -> list[Kept]:
    return list(islice(records, _BATCH))
