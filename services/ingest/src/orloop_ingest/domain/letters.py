"""What lies in quarantine: an index of the dead letters of raw messages, rebuilt from their topic at start. Pure.

A letter opens an entry, or closes the one of the same raw message: its reason then starts with one of `CLOSING`.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from immutables import Map

from orloop_common.domain.derived import DeadLetter
from orloop_common.domain.events import CaseDoubted

DROPPED, MAPPED, SHOWN = "dropped by ", "mapped on retry by ", "shown to "
CLOSING = (DROPPED, MAPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One quarantined message: its raw record's place, why it is here, which doubts it raised, who looked."""

    raw: str
    source: str
    suite: str
    partition: int
    offset: int
    reason: str
    since: datetime
    closed: str | None = None
    looks: tuple[str, ...] = ()
    doubts: tuple[CaseDoubted, ...] = ()

    @property
    def code(self) -> str:
        """The reason's label, such as unknown_room."""
        return self.reason.partition(":")[0]

    @property
    def sentence(self) -> str:
        """The reason for a person; also the reason of the doubts that it raised."""
        return self.reason.partition(": ")[2]


@dataclass(frozen=True, slots=True)
class Letters:
    """All entries by raw id; a value, so that one thread folds while another reads."""

    entries: Map[str, Entry] = Map()
    doubts: Map[str, tuple[CaseDoubted, ...]] = Map()

    def heard(self, letter: DeadLetter, raw: str, source: str, suite: str) -> "Letters":
        """After a letter about the raw message `raw`."""
        held = self.entries.get(raw)
        if letter.reason.startswith(SHOWN):
            if held is None:
                return self
            return replace(self, entries=self.entries.set(raw, replace(held, looks=(*held.looks, letter.reason))))
        if letter.reason.startswith(CLOSING):
            if held is None:
                return self
            return replace(self, entries=self.entries.set(raw, replace(held, closed=letter.reason)))
        entry = Entry(
            raw=raw,
            source=source,
            suite=suite,
            partition=letter.partition,
            offset=letter.offset,
            reason=letter.reason,
            since=held.since if held is not None else letter.at,
            looks=held.looks if held is not None else (),
            doubts=self.doubts.get(raw, ()),
        )
        return replace(self, entries=self.entries.set(raw, entry))

    def doubted(self, doubt: CaseDoubted, raw: str) -> "Letters":
        """After a doubt that the raw message `raw` raised, or that was withdrawn for its sake."""
        doubts = tuple(d for d in self.doubts.get(raw, ()) if (d.case, d.reason) != (doubt.case, doubt.reason))
        if not doubt.withdrawn:
            doubts = (*doubts, doubt)
        held = self.entries.get(raw)
        entries = self.entries if held is None else self.entries.set(raw, replace(held, doubts=doubts))
        return Letters(
            entries,
            self.doubts.set(raw, doubts) if doubts else self.doubts.delete(raw) if raw in self.doubts else self.doubts,
        )

    def open(self, suite: str | None = None, source: str | None = None, code: str | None = None) -> list[Entry]:
        """What still waits for a person, oldest first."""
        found = [
            entry
            for entry in self.entries.values()
            if entry.closed is None
            and suite in (None, entry.suite)
            and source in (None, entry.source)
            and code in (None, entry.code)
        ]
        return sorted(found, key=lambda entry: (entry.since, entry.partition, entry.offset))

    def to_withdraw(self, entry: Entry) -> tuple[CaseDoubted, ...]:
        """The doubts that end with this entry: those that no other open entry holds, too."""
        others = {(d.case, d.reason) for e in self.open(entry.suite) if e.raw != entry.raw for d in e.doubts}
        return tuple(d for d in entry.doubts if (d.case, d.reason) not in others)

    def find(self, start: str) -> list[Entry]:
        """Entries, closed ones too, whose raw id begins so."""
        return [entry for raw, entry in sorted(self.entries.items()) if raw.startswith(start)]
