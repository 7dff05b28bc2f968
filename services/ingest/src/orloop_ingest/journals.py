"""One active owner for each source: which journals are open, whose turn it is, and who may declare one lost.

A journal is open from before its first entry until its owner ended with nothing in it. While a journal is open that
was opened before ours and speaks for one of our sources, we acknowledge and keep, and emit nothing: what it holds
is older than what we hold.
"""

from collections.abc import Iterable
from datetime import datetime

from orloop_common.domain.derived import IngestJournal
from orloop_common.domain.digest import derived_id
from orloop_common.messages import INGEST_JOURNALS
from orloop_common.runtime.errors import OrloopError
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.records import Output

OPEN, DRAINED, LOST = "open", "drained", "lost"
_log = get_logger("journals")


class NotOpen(OrloopError):
    """There is no such journal to declare lost."""


class Journals:
    """The fold of `orloop.ingest-journals`; the loop's thread folds, the doors' thread asks."""

    def __init__(self, suite: str) -> None:
        self._suite = suite
        self.known: dict[str, IngestJournal] = {}

    def fold(self, record: IngestJournal) -> None:
        """In the order of the log; opened anew, it comes after those that are open."""
        known = dict(self.known)
        held = known.get(record.id)
        if held is not None and (held.state != OPEN or record.state != OPEN):
            known.pop(record.id)
        known[record.id] = record
        self.known = known  # replaced, never changed: others may be reading it

    def all(self) -> list[IngestJournal]:
        """Every journal that was ever told of, oldest opening first."""
        return list(self.known.values())

    def of(self, id: str) -> IngestJournal | None:
        """What is known of one."""
        return self.known.get(id)

    def before(self, id: str, sources: Iterable[str]) -> list[IngestJournal]:
        """Open journals whose turn comes before this one's."""
        mine, found = frozenset(sources), []
        for record in self.known.values():
            if record.id == id and record.state == OPEN:
                break
            if record.id != id and record.state == OPEN and mine.intersection(record.sources):
                found.append(record)
        return found

    def is_my_turn(self, id: str, sources: Iterable[str]) -> bool:
        """Whether ours is known to be open and none comes before it."""
        mine = self.known.get(id)
        return mine is not None and mine.state == OPEN and not self.before(id, sources)

    def told(
        self, id: str, owner: str, state: str, sources: Iterable[str], at: datetime, by: str | None = None
    ) -> Output:
        """The record that says so."""
        record = IngestJournal(id=id, owner=owner, state=state, sources=tuple(sorted(sources)), at=at, declared_by=by)
        name = derived_id("IngestJournal", id, owner, state, at.isoformat())
        return Output(INGEST_JOURNALS, id, self._suite, record, name, at=at)

    def declare_lost(self, id: str, by: str, at: datetime) -> Output:
        """The record by which a person says that a journal will not come back: its successor then goes on.

        What the journal held is lost with it, unless its senders send it again.

        Raises
        ------
        NotOpen
            If no such journal is open.
        """
        record = self.known.get(id)
        if record is None or record.state != OPEN:
            state = "is not known" if record is None else f"is {record.state}"
            raise NotOpen(f"Expected an open journal, got one that {state}.\nMaybe look at GET /v1/journals.")
        _log.warning("journal_declared_lost", journal=id, by=by)
        return self.told(id, record.owner, LOST, record.sources, at, by)
