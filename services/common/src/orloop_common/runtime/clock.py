"""The injected clock: the only module that may ask the machine what time it is.

Event time is what the mesh lives by and may run faster than the wall; wall time is for time-outs,
debounce and the freshness of feeds.
"""

import json
import math
import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from .errors import ClockError


class Clock(Protocol):
    """Where every time in a service comes from."""

    def now(self) -> datetime:
        """Event time, aware, UTC."""

    def wall(self) -> datetime:
        """Wall time, aware, UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back; for durations on the wall clock."""

    def rate(self) -> float:
        """Seconds of event time that pass in one second of wall time."""


class SystemClock:
    """The machine's clock: event time is wall time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def rate(self) -> float:
        return 1.0


@dataclass(frozen=True, slots=True)
class Segment:
    """From `wall` (Unix seconds) on, event time is `sim` plus `rate` times what passed since."""

    wall: float
    sim: datetime
    rate: float

    def at(self, wall: float) -> datetime:
        return self.sim + timedelta(seconds=max(0.0, wall - self.wall) * self.rate)


class FileClock:
    """Event time from an append-only file of segments that only the launcher writes.

    A process that starts again is at the same event time as the rest. The file is read again when its
    size or time of change differs; a torn last line is left for the next look. `now` never goes back.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._seen: tuple[int, int] | None = None
        self._segments: tuple[Segment, ...] = ()
        self._latest: datetime | None = None
        self._lock = threading.Lock()

    def now(self) -> datetime:
        wall = time.time()
        with self._lock:
            now = self._segment(wall).at(wall)
            if self._latest is None or now > self._latest:
                self._latest = now
            return self._latest

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def rate(self) -> float:
        with self._lock:
            return self._segment(time.time()).rate

    def _segment(self, wall: float) -> Segment:
        self._refresh()
        if not self._segments:
            raise ClockError(
                f"Expected a segment in the clock file {self.path}, got none.\n"
                "Maybe the launcher has not written it yet, or ORLOOP_CLOCK names another run's file."
            )
        begun = [segment for segment in self._segments if segment.wall <= wall]
        if begun:
            return begun[-1]
        first = self._segments[0]
        return Segment(first.wall, first.sim, 0.0)

    def _refresh(self) -> None:
        try:
            stat = os.stat(self.path)
        except FileNotFoundError:
            return
        seen = (stat.st_size, stat.st_mtime_ns)
        if seen != self._seen:
            self._segments = read_segments(self.path)
            self._seen = seen


def read_segments(path: Path) -> tuple[Segment, ...]:
    """All whole segments of a clock file, in the order they were written."""
    lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last newline is torn
    return tuple(segment for line in lines if (segment := _parse(line)) is not None)


def _parse(line: bytes) -> Segment | None:
    try:
        raw = json.loads(line)
        sim = datetime.fromisoformat(raw["sim"])
        segment = Segment(float(raw["wall"]), sim, float(raw["rate"]))
    except (ValueError, KeyError, TypeError):
        return None  # torn by a full disk; the segment after it counts
    usable = sim.tzinfo is not None and math.isfinite(segment.wall) and 0 <= segment.rate < math.inf
    return segment if usable else None


def append_segment(path: Path | str, sim: datetime, rate: float, wall: float | None = None) -> Segment:
    """Start a new segment, from now on unless `wall` (Unix seconds) says otherwise; one atomic write."""
    if sim.tzinfo is None:
        raise ValueError(f"Expected an aware event time, got {sim}.\nMaybe add tzinfo=UTC.")
    if not 0 <= rate < math.inf:
        raise ValueError(f"Expected a rate of 0 or more, got {rate}.\nMaybe 1 (as the wall) or 60.")
    segment = Segment(time.time() if wall is None else wall, sim.astimezone(UTC), float(rate))
    text = {"wall": segment.wall, "sim": segment.sim.isoformat().replace("+00:00", "Z"), "rate": segment.rate}
    line = json.dumps(text).encode() + b"\n"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            line = b"\n" + line  # shut off a line that a full disk tore
        os.write(fd, line)
    finally:
        os.close(fd)
    return segment


def change_rate(path: Path | str, rate: float) -> Segment:
    """Go on from the present event time at another rate."""
    return append_segment(path, FileClock(path).now(), rate)


def open_clock(where: str) -> Clock:
    """The clock that ORLOOP_CLOCK names: `system`, or the path of a clock file."""
    return SystemClock() if where == "system" else FileClock(where)
