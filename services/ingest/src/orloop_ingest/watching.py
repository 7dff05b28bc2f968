"""What is known of each source besides its cases: rate, age, clock, gaps. Fed by the doors, asked by loop and desk."""

import json
import threading
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from orloop_common.runtime.logs import get_logger

from . import metrics
from .domain.rates import HOURS, HourlyRates

_log = get_logger("watching")
_SAMPLES, _EVERY, _FEW = 51, 16, 3
_PARTS = ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))
_SAVE_EVERY = timedelta(minutes=30)


@dataclass
class SourceSeen:
    """One source as it was heard."""

    rates: HourlyRates
    last: datetime | None = None
    messages: int = 0
    sequence: int | None = None
    gaps: int = 0
    skews: deque[float] = field(default_factory=lambda: deque(maxlen=_SAMPLES))


class SourceWatch:
    """Thread-safe. `path` keeps the learned rates over a restart; it is a cache, and may be missing.

    Parameters
    ----------
    expected
        Rates that the site has written down, per source and hour of the day; they are known from the first minute.
    """

    def __init__(
        self,
        sources: Iterable[str],
        zone: ZoneInfo,
        path: Path | None = None,
        expected: Mapping[str, Mapping[int, float]] | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._zone, self._path, self._saved = zone, path, datetime.min.replace(tzinfo=UTC)
        self._seen = {source: SourceSeen(HourlyRates(zone)) for source in sources}
        for source, rates in (expected or {}).items():
            if source in self._seen:
                _write_down(self._seen[source].rates, rates)
        self._load()

    def hear(self, source: str, at: datetime) -> None:
        """A message came."""
        with self._lock:
            seen = self._seen.get(source)
            if seen is not None:
                seen.last = at
                seen.messages += 1
                seen.rates.hear(at)

    def stamp(self, source: str, sent: str, sequence: str, received: datetime) -> None:
        """What its header says of its clock (MSH-7, looked at now and then) and of its count (MSH-13)."""
        with self._lock:
            seen = self._seen.get(source)
            if seen is None:
                return
            if (seen.messages % _EVERY == 0 or len(seen.skews) < _FEW) and (told := _moment(sent, self._zone)):
                seen.skews.append((received - told).total_seconds())
            if sequence.isascii() and sequence.isdigit():
                self._count(source, seen, int(sequence))

    def usual(self, source: str, start: datetime, end: datetime) -> float | None:
        """How many messages the source usually sends in a span; None if that is not known."""
        with self._lock:
            seen = self._seen.get(source)
            return seen.rates.expected(start, end) if seen is not None else None

    def advance(self, now: datetime, silent: Collection[str] = ()) -> None:
        """Time went on; what was learned is saved now and then, and the gauges are set."""
        with self._lock:
            for source, seen in self._seen.items():
                seen.rates.advance(now)
                if source in silent:
                    seen.rates.skip()
                usual, skew = seen.rates.at(now), _skew(seen)
                if seen.last is not None:
                    metrics.SOURCE_AGE.labels(source).set(max(0.0, (now - seen.last).total_seconds()))
                if usual is not None:
                    metrics.SOURCE_RATE.labels(source).set(usual)
                if skew is not None:
                    metrics.SOURCE_SKEW.labels(source).set(skew)
            if now - self._saved >= _SAVE_EVERY:
                self._saved = now
                self._save()

    def table(self, now: datetime) -> list[dict[str, Any]]:
        """One line for each source."""
        with self._lock:
            return [
                {
                    "source": source,
                    "messages": seen.messages,
                    "last_heard": seen.last.isoformat() if seen.last else None,
                    "age_seconds": int((now - seen.last).total_seconds()) if seen.last else None,
                    "usual_this_hour": _round(seen.rates.at(now)),
                    "usual_by_hour": [
                        _round(mean) if count else None
                        for mean, count in zip(seen.rates.means, seen.rates.seen, strict=True)
                    ],
                    "clock_skew_seconds": _round(_skew(seen)),
                    "sequence_gaps": seen.gaps,
                }
                for source, seen in sorted(self._seen.items())
            ]

    def _count(self, source: str, seen: SourceSeen, number: int) -> None:
        before, seen.sequence = seen.sequence, number
        if before is not None and number > before + 1:
            seen.gaps += 1
            metrics.SEQUENCE_GAPS.labels(source).inc()

    def _save(self) -> None:
        if self._path is None:
            return
        told = {s: {"means": seen.rates.means, "seen": seen.rates.seen} for s, seen in self._seen.items()}
        try:
            partial = self._path.with_suffix(".new")
            partial.write_text(json.dumps(told))
            partial.replace(self._path)
        except OSError as error:  # it is learned again
            _log.warning("rates_not_saved", reason=error.strerror)

    def _load(self) -> None:
        try:
            told = json.loads(self._path.read_text()) if self._path is not None else {}
        except (OSError, ValueError):
            return
        for source, kept in told.items() if isinstance(told, dict) else ():
            means, seen = kept.get("means", []), kept.get("seen", [])
            if source in self._seen and len(means) == len(seen) == HOURS:
                rates = self._seen[source].rates
                rates.means, rates.seen = [float(m) for m in means], [int(n) for n in seen]


def _write_down(rates: HourlyRates, by_hour: Mapping[int, float]) -> None:
    """Written rates hold on weekends, too, and are learned on from there."""
    for kind in range(HOURS):
        rates.means[kind], rates.seen[kind] = float(by_hour.get(kind % 24, 0.0)), 10


def _skew(seen: SourceSeen) -> float | None:
    """The middle of what it takes from MSH-7 to our door: delivery and a clock that is off look alike."""
    return median(seen.skews) if len(seen.skews) >= _FEW else None


def _moment(sent: str, zone: ZoneInfo) -> datetime | None:
    """MSH-7, to the second; None if it is not that precise."""
    try:
        year, month, day, hour, minute, second = (int(sent[i:j]) for i, j in _PARTS)
        told = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        sign = sent[-5:-4]
        if sign in ("+", "-"):
            offset = timedelta(hours=int(sent[-4:-2]), minutes=int(sent[-2:]))
            return told.replace(tzinfo=timezone(offset if sign == "+" else -offset))
    except ValueError:
        return None
    return told


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
