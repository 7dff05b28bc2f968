"""Kept messages read again: a retry after a profile was mended, or a replay of a span. The same road, no new raw.

Event ids come from content, so what is on the log already is not written again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
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
from .domain.letters import MAPPED, Entry, Letters
from .domain.quarantine import Reason
from .domain.told import Told
from .flow import LETTERS
from .intake import Taken
from .ledger import Ledger
from .reception import HL7, Arrival, Reception, event_output

_BATCH = 100
_NOT_WHOLE = frozenset({Reason.BROKEN_FRAME.value, Reason.TOO_LONG.value})


class Writing(Protocol):
    """Returns when the broker has every output, or raises `NotDurable`."""

    def write(self, outputs: Sequence[Output]) -> Awaitable[Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """What a kept message says today.

    `outcome`: mended (it was in quarantine), added (it says more than it did), unchanged, still (in quarantine),
    worse (it was none), skipped (no whole message, or gone).
    """

    raw: str
    outcome: str
    events: int = 0
    reason: str = ""


class Rereading:
    """Reads kept messages again; the store is asked in another thread.

    Parameters
    ----------
    again
        The intake's way for a raw record that is kept already: in the order of the calls, done when it is settled.
    rehearse
        A reception of its own on a copy of what is known: a dry run evolves that and leaves no trace.
    readers
        Who reads what is no HL7, by the first word of its kind.
    """

    def __init__(
        self,
        again: Callable[[RawMessage], Awaitable[Taken]],
        rehearse: Callable[[], Reception],
        ledger: Ledger,
        writer: Writing,
        store: RawStore,
        clock: Clock,
        letters: Callable[[], Letters],
        readers: Mapping[str, Callable[[Arrival], Told]],
    ) -> None:
        self._again, self._rehearse, self._ledger = again, rehearse, ledger
        self._writer, self.store, self._clock, self.letters = writer, store, clock, letters
        self._readers = readers

    async def fetch(self, entry: Entry) -> Kept:
        """The raw record of an entry; RawGone if it cannot be had."""
        return await asyncio.to_thread(self.store.at, entry.partition, entry.offset)

    async def retry(self, entries: Sequence[Entry], user: str, dry_run: bool) -> AsyncIterator[Reread]:
        """Read these again, in the order in which they came."""
        reader = self._reader(dry_run)
        for entry in sorted(entries, key=lambda e: (e.partition, e.offset)):
            try:
                kept = await self.fetch(entry)
            except RawGone as gone:
                yield Reread(raw=entry.raw, outcome="skipped", reason=str(gone).partition("\n")[0])
                continue
            yield await self._one(kept, reader, user, dry_run)

    async def replay(
        self, since: datetime, until: datetime, source: str | None, user: str, dry_run: bool, wall: bool
    ) -> AsyncIterator[Reread]:
        """Read a span again in its original order."""
        reader = self._reader(dry_run)
        records = self.store.scan(since, until, source, wall=wall)
        while batch := await asyncio.to_thread(_take, records):
            for one in await asyncio.gather(*(self._one(kept, reader, user, dry_run) for kept in batch)):
                yield one
            await asyncio.sleep(0)  # senders wait for none

    def _reader(self, dry_run: bool) -> Callable[[RawMessage], Awaitable[Taken]]:
        if not dry_run:
            return self._again
        reception = self._rehearse()

        async def read(raw: RawMessage) -> Taken:
            arrival = reception.arrive_again(raw)
            if arrival.kind != HL7:
                arrival.told = self._readers[arrival.kind.partition(":")[0]](arrival)
            done = reception.read(arrival)
            return Taken(done.id, done.events, done.problem)

        return read

    async def _one(
        self, kept: Kept, read: Callable[[RawMessage], Awaitable[Taken]], user: str, dry_run: bool
    ) -> Reread:
        raw, entry = kept.raw, self.letters().entries.get(kept.raw.id)
        waiting = entry is not None and entry.closed is None
        if (raw.problem or "").partition(":")[0] in _NOT_WHOLE:
            return Reread(raw=raw.id, outcome="skipped", reason="It is no whole message.")
        try:
            self.store.open(raw)
        except RawGone as gone:
            return Reread(raw=raw.id, outcome="skipped", reason=str(gone).partition("\n")[0])
        taken = await read(raw)
        if taken.problem is not None:
            reason = f"{taken.problem.reason}: {taken.problem}"
            return Reread(raw=raw.id, outcome="still" if waiting else "worse", reason=reason)
        if waiting and entry is not None and not dry_run:
            await self.close(entry, f"{MAPPED}{user}")
        outcome = "mended" if waiting else "added" if taken.events else "unchanged"
        return Reread(raw=raw.id, outcome=outcome, events=len(taken.events))

    async def close(self, entry: Entry, how: str) -> None:
        """Close an entry for good: its doubts are withdrawn, and a letter says who closed it and why."""
        doubts = [self._withdrawn(doubt) for doubt in self.letters().to_withdraw(entry) if self._stands(doubt)]
        self._ledger.expect(doubts)
        try:
            await self._writer.write([*(event_output(d, entry.raw) for d in doubts), self._letter(entry, how)])
        except BaseException:
            self._ledger.forget(doubts)
            raise
        self._ledger.written(doubts)

    async def note(self, entry: Entry, what: str) -> None:
        """A letter about an entry that leaves it as it is."""
        await self._writer.write([self._letter(entry, what)])

    def _stands(self, doubt: CaseDoubted) -> bool:
        """Settling may have withdrawn it: the message itself mended what was in doubt."""
        record = self._ledger.known(doubt.suite).day.cases.get(doubt.case)
        return record is not None and doubt.reason in record.doubts

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


def _take(records: Iterator[Kept]) -> list[Kept]:
    return list(islice(records, _BATCH))
