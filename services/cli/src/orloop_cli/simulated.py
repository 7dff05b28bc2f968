"""The run's clock file: held until the mesh is ready, then played at a speed; only the launcher writes it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from orloop_common.runtime.clock import FileClock, append_segment, read_segments

_BEAT_EVERY = 1.0


class SimulatedDay:
    """Event time of one run.

    A beat file says until when a launcher was there: a run that goes on after a crash goes on from then, however
    long nobody played it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clock = FileClock(path)
        self._beat = path.with_suffix(".beat")
        self._beaten = 0.0
        self.rate = 0.0

    def hold(self, start: datetime) -> None:
        """Stand still at `start`, or where the run was left."""
        append_segment(self.path, self._left_at() or start, 0.0)
        self.rate = 0.0

    def play(self, rate: float) -> None:
        """Go on from the present event time at `rate`; does nothing when that is the rate already."""
        if rate != self.rate:
            append_segment(self.path, self._clock.now(), rate)
            self.rate = rate

    def now(self) -> datetime:
        """Event time now."""
        return self._clock.now()

    def beat(self) -> None:
        """Say that the launcher is still there; cheap enough to call often."""
        moment = self._clock.monotonic()
        if moment - self._beaten >= _BEAT_EVERY:
            self._beaten = moment
            self._beat.write_text(self._clock.wall().isoformat())

    def _left_at(self) -> datetime | None:
        if not self.path.exists() or not (segments := read_segments(self.path)):
            return None
        last = segments[-1]
        if not self._beat.exists():
            return last.sim
        seen = datetime.fromisoformat(self._beat.read_text()).timestamp()
        return last.sim + timedelta(seconds=max(0.0, seen - last.wall) * last.rate)
