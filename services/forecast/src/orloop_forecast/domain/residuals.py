"""The empirical distribution of standardised residuals, apart for each bin of how far a case has come."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEVELS: tuple[float, ...] = tuple(round(0.005 * step, 3) for step in range(1, 200))
LEAST = 200
"""Rows below which a bin takes the residuals of all bins: fewer calibrate nothing."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """`tables[i]` holds the residual at each of LEVELS for positions in [edges[i-1], edges[i]).

    Each table is sorted, so quantiles never cross.
    """

    edges: tuple[float, ...]
    tables: tuple[tuple[float, ...], ...]
    counts: tuple[int, ...]

    def at(self, level: float, position: float = 0.0) -> float:
        """The residual at probability `level`, interpolated; the ends beyond .005 and .995."""
        table = self.tables[bisect_right(self.edges, position)]
        place = min(max(level / 0.005 - 1.0, 0.0), len(table) - 1.0)
        low = int(place)
        high = min(low + 1, len(table) - 1)
        return table[low] + (place - low) * (table[high] - table[low])

    @classmethod
    def fit(cls, residuals: Sequence[float], positions: Sequence[float], edges: Sequence[float] = ()) -> "Residuals":
        """From out-of-fold residuals and where each case stood."""
        bins: list[list[float]] = [[] for _ in range(len(edges) + 1)]
        for residual, position in zip(residuals, positions, strict=True):
            bins[bisect_right(list(edges), position)].append(residual)
        everything = list(residuals)
        tables = tuple(_table(rows if len(rows) >= LEAST else everything) for rows in bins)
        return cls(tuple(edges), tables, tuple(len(rows) for rows in bins))

    def to_plain(self) -> dict[str, Any]:
        """For JSON, to five digits."""
        tables = [[round(x, 5) for x in table] for table in self.tables]
        return {"edges": list(self.edges), "tables": tables, "counts": list(self.counts)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Residuals":
        """What `to_plain` made."""
        tables = tuple(tuple(float(x) for x in table) for table in plain["tables"])
        return cls(tuple(plain["edges"]), tables, tuple(plain["counts"]))


def _table(rows: list[float]) -> tuple[float, ...]:
    ordered = sorted(rows)
    return tuple(_quantile(ordered, level) for level in LEVELS)


def _quantile(ordered: list[float], level: float) -> float:
    place = level * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
