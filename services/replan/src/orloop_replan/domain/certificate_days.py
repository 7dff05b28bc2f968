"""The cheapest day of a room at given prices, for the certificate's judge: one dynamic program by begin of setup."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .certificate_limits import Ints

_NEVER = 1 << 60
_Way = tuple[int, int, int]
"""The cheapest way so far, the case that it ends with (-1: none), and the cheapest that ends with another one."""
_NONE: _Way = (_NEVER, -1, _NEVER)


@dataclass(frozen=True, eq=False, slots=True)
class Day:
    """Places [q] in one room: the room is taken for `case` from `begin` to `end`; `surplus` is the overtime of a day
    that ends with it. `kind` is the turnover class of a place, `extra` the time between two classes.
    """

    case: Ints
    start: Ints
    begin: Ints
    end: Ints
    surplus: Ints
    kind: Ints
    extra: Sequence[Sequence[int]]

    def cheapest(self, price: Ints) -> int:
        """The price of the cheapest sequence of places, or 0 for an empty day."""
        return _least(self._reached(price) + self.surplus)

    def through(self, price: Ints) -> Ints:
        """How much dearer [q] than the cheapest day the cheapest one through each place is."""
        reached = self._reached(price)
        turned = tuple(zip(*self.extra, strict=True))
        rest = _sweep(self.case, -self.end, -self.begin, price, self.surplus, self.kind, turned)
        return reached + rest - price - _least(reached + self.surplus)

    def _reached(self, price: Ints) -> Ints:
        nothing = np.zeros(len(price), np.int64)
        return _sweep(self.case, self.begin, self.end, price, nothing, self.kind, self.extra)


def _least(sums: Ints) -> int:
    return min(0, int(sums.min(initial=0)))


def _sweep(
    case: Ints, begin: Ints, end: Ints, price: Ints, alone: Ints, kind: Ints, extra: Sequence[Sequence[int]]
) -> Ints:
    """The cheapest sequence [q] that ends with each place; `alone` [q] is what it costs that nothing is before."""
    order = np.argsort(begin, kind="stable")
    by_end = order[np.argsort(end[order], kind="stable")].tolist()
    begins, ends, cases, costs = begin.tolist(), end.tolist(), case.tolist(), price.tolist()
    firsts, kinds = alone.tolist(), kind.tolist()
    reach = [0] * len(costs)
    ways = [_Ways() for _ in extra]
    ended, now = 0, None
    ahead: dict[int, _Way] = {}
    for p in order.tolist():
        if begins[p] != now:
            now, ahead = begins[p], {}
            while ended < len(by_end) and ends[by_end[ended]] <= now:
                q = by_end[ended]
                ways[kinds[q]].add(ends[q], reach[q], cases[q])
                ended += 1
        if kinds[p] not in ahead:
            ahead[kinds[p]] = _before(ways, extra, kinds[p], begins[p])
        way = ahead[kinds[p]]
        reach[p] = costs[p] + min(firsts[p], way[2] if way[1] == cases[p] else way[0])
    return np.array(reach, np.int64)


class _Ways:
    """Of one turnover class, the cheapest ways that end by a time; times come in order."""

    def __init__(self) -> None:
        self.ends: list[int] = []
        self.best: list[_Way] = []

    def add(self, end: int, price: int, case: int) -> None:
        way = _better(self.best[-1] if self.best else _NONE, price, case)
        if self.ends and self.ends[-1] == end:
            self.best[-1] = way
        else:
            self.ends.append(end)
            self.best.append(way)

    def by(self, time: int) -> _Way:
        index = bisect_right(self.ends, time)
        return self.best[index - 1] if index else _NONE


def _before(ways: Sequence[_Ways], extra: Sequence[Sequence[int]], kind: int, begin: int) -> _Way:
    """The cheapest ways after which a case of this class may begin."""
    found = _NONE
    for other, own in enumerate(ways):
        price, case, second = own.by(begin - extra[other][kind])
        if price < found[0]:  # a case has one class: whoever comes from another one differs
            found = (price, case, min(found[0], second))
        else:
            found = (found[0], found[1], min(found[2], price))
    return found


def _better(way: _Way, price: int, case: int) -> _Way:
    """Keeps the two cheapest ways whose last cases differ."""
    first, whose, second = way
    if price < first:
        return price, case, second if whose == case else first
    return way if whose == case or price >= second else (first, whose, price)


def taken(day: Day, kept: Any) -> Day:
    """The same day with fewer places."""
    return Day(
        day.case[kept], day.start[kept], day.begin[kept], day.end[kept], day.surplus[kept], day.kind[kept], day.extra
    )
