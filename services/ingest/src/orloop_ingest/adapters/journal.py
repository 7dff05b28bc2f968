"""The journal: what was acknowledged and is not on the broker yet, in order, on our own disk.

A folder of segments (`segments`). A tail that was torn by a crash ends its segment: what
was never synced was never acknowledged. A record that the disk has spoilt is passed over, counted and told; what
follows it is found again. Payloads come encrypted. No threads here: `committing` has the one that writes.
"""

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orloop_common.runtime.errors import ConfigurationError
from orloop_common.runtime.logs import get_logger

from .segments import DRAINED, ENTRY, MAGIC, encode_record, read_records, sync_folder, write_all

SEGMENT_BYTES = 8 * 2**20
_log = get_logger("journal")


@dataclass(frozen=True, slots=True)
class Entry:
    """One acknowledged message: its place in the order, and its sealed payload."""

    sequence: int
    payload: bytes


@dataclass(slots=True)
class _Segment:
    path: Path
    size: int = 0
    last: int = 0  # the highest entry in it
    damaged: bool = False


@dataclass(slots=True)
class _Place:
    """How far a reader is."""

    path: Path
    offset: int
    after: int


class Journal:
    """One folder, one owner. Call `write` from one thread; `read` may be in another."""

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder, self._segment_bytes = folder, segment_bytes
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _own(folder)
        self.id = _identify(folder)
        self._segments: list[_Segment] = []
        self._file: int | None = None
        self.drained = self.noted = 0
        self.last = 0
        self.damaged = 0
        self._place: _Place | None = None
        for path in sorted(folder.glob("*.segment")):
            self._recover(path)
        self.last = max(self.last, self.drained)

    @property
    def size(self) -> int:
        """How much disk it takes."""
        return sum(segment.size for segment in self._segments)

    @property
    def waiting(self) -> int:
        """How many entries are not on the broker yet, as far as is known."""
        return self.last - self.drained

    def write(self, payloads: Sequence[bytes], drained: int) -> int:
        """Append entries and sync them to the disk; the sequence of the last one.

        Raises
        ------
        OSError
            If the disk does not take them: none of them is in the journal then.
        """
        try:
            return self._append(payloads, drained)
        except OSError:
            self._make_room(drained)
            raise

    def _append(self, payloads: Sequence[bytes], drained: int) -> int:
        sequence, parts = self.last, []
        if drained > self.noted:
            parts.append(encode_record(DRAINED, drained, b""))
        for payload in payloads:
            sequence += 1
            parts.append(encode_record(ENTRY, sequence, payload))
        segment = self._current()
        data = b"".join(parts)
        try:
            assert self._file is not None
            write_all(self._file, data)
            os.fdatasync(self._file)
        except OSError:
            self._abandon(segment)
            raise
        segment.size += len(data)
        if sequence > self.last:
            segment.last = self.last = sequence
        self.noted = self.drained = max(drained, self.drained)
        self._drop_drained()
        return sequence

    def read(self, after: int, most: int) -> list[Entry]:
        """The next entries after a sequence, from the disk; only what was synced."""
        if self._place is None or self._place.after != after:
            self._place = self._find(after)
        found: list[Entry] = []
        while self._place is not None and len(found) < most:
            segment = next((s for s in self._segments if s.path == self._place.path), None)
            if segment is None:
                self._place = self._find(max(after, self._place.after))
                continue
            for offset, kind, sequence, payload, _ in read_records(segment.path, self._place.offset, segment.size):
                self._place.offset = offset
                if kind == ENTRY and sequence > self._place.after:
                    self._place.after = sequence
                    found.append(Entry(sequence, payload))
                    if len(found) == most:
                        return found
            following = next((s for s in self._segments if s.path > segment.path), None)
            if following is None:
                return found
            self._place = _Place(following.path, len(MAGIC), self._place.after)
        return found

    def clear(self, upto: int | None = None) -> int:
        """Put segments aside, in a folder of their own: a person declared this journal lost. How many entries waited.

        Parameters
        ----------
        upto
            The last entry that was in it when this process began; None for all: what is newer is not lost and stays.
        """
        last = self.last if upto is None else upto
        kept, aside = max(0, last - self.drained), self.folder / f"lost-{self.id}"
        aside.mkdir(exist_ok=True)
        if upto is None:
            self._close()
        ours = self._segments[-1] if self._file is not None else None
        lost = [segment for segment in self._segments if segment is not ours and segment.last <= last]
        for segment in lost:
            segment.path.rename(aside / segment.path.name)
        self._segments = [segment for segment in self._segments if segment not in lost]
        (self.folder / "id").rename(aside / "id")
        self.id, self.drained, self._place = _identify(self.folder), max(self.drained, last), None
        return kept

    def close(self) -> None:
        """Let go of the folder; what is in it stays."""
        self._close()
        os.close(self._lock)

    def _recover(self, path: Path) -> None:
        segment = _Segment(path, len(MAGIC))
        size = path.stat().st_size
        for offset, kind, sequence, _, spoilt in read_records(path, len(MAGIC), size):
            segment.size = offset
            if spoilt:  # what was in it was acknowledged: a person must ask the senders for it
                self.damaged += 1
                _log.error("journal_record_spoilt", segment=path.name, bytes=spoilt, before=sequence)
            if kind == ENTRY:
                segment.last = max(segment.last, sequence)
            else:
                self.drained = self.noted = max(self.drained, sequence)
        self.last = max(self.last, segment.last)
        if segment.size < size:  # never synced, so never acknowledged; or the disk lost something, so say it
            self.damaged += 1
            _log.warning("journal_tail_dropped", segment=path.name, bytes=size - segment.size)
        self._segments.append(segment)

    def _current(self) -> _Segment:
        if self._file is None or self._segments[-1].size >= self._segment_bytes:
            self._close()
            path = self.folder / f"{self.last + 1:016d}-{len(self._segments):04d}.segment"
            number = len(self._segments)
            while path.exists():
                number += 1
                path = self.folder / f"{self.last + 1:016d}-{number:04d}.segment"
            file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
            try:
                write_all(file, MAGIC)
                os.fsync(file)
                sync_folder(self.folder)
            except OSError:
                os.close(file)
                path.unlink(missing_ok=True)
                raise
            self._file = file
            self._segments = [*self._segments, _Segment(path, len(MAGIC))]
        return self._segments[-1]

    def _abandon(self, segment: _Segment) -> None:
        """After a failed write or sync nobody knows what the disk holds: cut it off and never append there again."""
        assert self._file is not None
        try:
            os.ftruncate(self._file, segment.size)
        except OSError as error:
            _log.warning("journal_not_truncated", segment=segment.path.name, error=error.strerror)
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _drop_drained(self) -> None:
        while len(self._segments) > 1 and self._segments[0].last <= self.drained:
            done, self._segments = self._segments[0], self._segments[1:]  # a new list: a reader may hold the old one
            done.path.unlink(missing_ok=True)

    def _make_room(self, drained: int) -> None:
        """A disk that is full of what the broker has gets it back, although nothing can be noted on it."""
        self.drained = max(drained, self.drained)
        self._drop_drained()
        if self._file is None and len(self._segments) == 1 and self._segments[0].last <= self.drained:
            self._segments.pop().path.unlink(missing_ok=True)

    def _find(self, after: int) -> _Place | None:
        for segment in self._segments:
            if segment.last > after:
                return _Place(segment.path, len(MAGIC), after)
        return None


def _own(folder: Path) -> int:
    """Hold the folder for this process alone; the system lets go when it dies, however it dies."""
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise ConfigurationError(
            f"ORLOOP_JOURNAL: Expected a journal folder of our own, got {folder}, which another process holds.\n"
            "Maybe an older ingest still runs; each needs a folder of its own."
        ) from None
    return lock


def _identify(folder: Path) -> str:
    path = folder / "id"
    if path.exists() and (held := path.read_text().strip()):
        return held
    id = f"j{os.urandom(8).hex()}"
    path.write_text(id + "\n")
    sync_folder(folder)
    return id


__all__ = ["SEGMENT_BYTES", "Entry", "Journal"]
