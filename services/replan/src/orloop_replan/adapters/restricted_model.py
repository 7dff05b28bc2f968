"""The restricted model as columns and rows of numbers, straight from the arrays.

Columns: one per case that may be postponed, per place, one for the largest mean of each measure of fairness, and
per overtime slot of a room. A row that cannot bind, or that another one implies, is left out.
"""

from typing import Any

import highspy
import numpy as np

from orloop_replan.domain.pricing import TENTHS, Floats
from orloop_replan.domain.slots import Ints, Slots

from .bound import postponing_prices
from .master import INF


class Rows:
    """Rows by entries."""

    def __init__(self) -> None:
        self.row: list[Any] = []
        self.column: list[Any] = []
        self.value: list[Any] = []
        self.lower: list[Any] = []
        self.upper: list[Any] = []
        self.count = 0

    def add(self, lower: Any, upper: Any, row: Any, column: Any, value: Any) -> None:
        """More rows; `row` counts from the first of them."""
        self.row.append(np.asarray(row, np.int64) + self.count)
        self.column.append(np.asarray(column, np.int64))
        self.value.append(np.broadcast_to(np.asarray(value, float), np.shape(column)))
        self.lower.append(np.asarray(lower, float))
        self.upper.append(np.asarray(upper, float))
        self.count += len(self.lower[-1])


class Model:
    """The restricted problem of some places [sorted] for a plan to begin with, as columns and rows."""

    def __init__(self, slots: Slots, places: Ints, start: Ints, costs: Ints) -> None:
        self.slots, self.places = slots, places
        self.postpone = postponing_prices(slots, [start])
        self.may = np.nonzero(self.postpone >= 0)[0]
        self.allowed = int(slots.rank[start < 0].sum())
        self.x0 = len(self.may)
        self.f0 = self.x0 + len(places)
        self.u0 = self.f0 + 3
        self.late: list[tuple[int, int, int]] = []
        self.rows = Rows()
        self.case, self.room = slots.case[places], slots.room[places]
        self.begin, self.end = slots.begin[places], slots.end[places]
        self._cases()
        self._rooms()
        self._resources()
        self._fairness()
        late = np.full(len(self.late), float(slots.overtime))
        self.costs = np.concatenate([self.postpone[self.may], costs[places], slots.fair_weight, late]).astype(float)
        whole = [True] * self.f0 + [True] * 3 + [False] * len(self.late)
        self.whole = [highspy.HighsVarType.kInteger if w else highspy.HighsVarType.kContinuous for w in whole]

    def _cases(self) -> None:
        ones = np.ones(self.slots.n)
        row = np.concatenate([self.may, self.case])
        self.rows.add(ones, ones, row, np.arange(len(row)), 1.0)
        rank = self.slots.rank[self.may]
        if rank.any():
            # what postpones more than the start is worse, whatever it costs
            at = np.nonzero(rank)[0]
            self.rows.add([-INF], [float(self.allowed)], np.zeros(len(at), np.int64), at, rank[at])

    def _rooms(self) -> None:
        """One case at a time; what covers a slot of overtime pays for it, and for those before."""
        slots = self.slots
        for r in range(len(slots.rooms)):
            here = np.nonzero(self.room == r)[0]
            if not len(here):
                continue
            begin, end = self.begin[here], self.end[here]
            free = max(0, -(-(int(slots.base_end[r]) - int(slots.block_end[r])) // slots.step))
            first = int(slots.block_end[r]) + free * slots.step
            count = max(0, -(-(int(end.max()) - first) // slots.step))
            u = self.u0 + len(self.late)
            self.late += [(r, first, s) for s in range(count)]
            marks = np.unique(np.concatenate([begin, first + slots.step * np.arange(count)]))
            cover = (begin[:, None] <= marks) & (marks < end[:, None])
            needed = np.ones(len(marks), bool)
            needed[:-1] = (cover[:, :-1] & ~cover[:, 1:]).any(axis=0)
            late = marks >= first
            needed &= late | (cover.sum(axis=0) > 1)
            marks, cover, late = marks[needed], cover[:, needed], late[needed]
            at, row = np.nonzero(cover)
            paid = np.nonzero(late)[0]
            self.rows.add(
                np.full(len(marks), -INF),
                np.where(late, 0.0, 1.0),
                np.concatenate([row, paid]),
                np.concatenate([self.x0 + here[at], u + (marks[paid] - first) // slots.step]),
                np.concatenate([np.ones(len(row)), -np.ones(len(paid))]),
            )
            if count > 1:
                step = np.arange(count - 1)
                both = np.concatenate([u + step, u + step + 1])
                sign = np.repeat([1.0, -1.0], count - 1)
                self.rows.add(np.zeros(count - 1), np.full(count - 1, INF), np.tile(step, 2), both, sign)
            if slots.extra.any():
                self._turnover(here, begin, end)

    def _turnover(self, here: Ints, begin: Ints, end: Ints) -> None:
        """Before a case of class b the room rests after those that it must not follow at once."""
        slots = self.slots
        classes = slots.turnover_class[self.case[here]]
        for b in np.unique(classes):
            extra = slots.extra[classes, b]
            if not extra.any():
                continue
            marks = np.unique(np.concatenate([begin[classes == b], end[extra > 0]]))
            cover = (classes == b)[:, None] & (begin[:, None] <= marks) & (marks < end[:, None])
            cover |= (end[:, None] <= marks) & (marks < (end + extra)[:, None])
            needed = cover.sum(axis=0) > 1
            needed[:-1] &= (cover[:, :-1] & ~cover[:, 1:]).any(axis=0)
            at, row = np.nonzero(cover[:, needed])
            self.rows.add(np.full(needed.sum(), -INF), np.ones(needed.sum()), row, self.x0 + here[at], 1.0)

    def _resources(self) -> None:
        """No more of anything than there is, at every tick at which more of it begins or less is there."""
        slots = self.slots
        mode, start = slots.mode[self.places], slots.start[self.places]
        count = slots.use_ptr[mode + 1] - slots.use_ptr[mode]
        place = np.repeat(np.arange(len(self.places)), count)
        use = np.repeat(slots.use_ptr[mode] - np.cumsum(count) + count, count) + np.arange(count.sum())
        since = np.clip(start[place] + slots.use_from[use], 0, slots.T)
        until = np.clip(start[place] + slots.use_until[use], 0, slots.T)
        for k in np.unique(slots.use_resource[use]):
            mine = np.nonzero(slots.use_resource[use] == k)[0]
            if len(np.unique(self.case[place[mine]])) > 1:
                self._resource(slots.capacity[k], place[mine], since[mine], until[mine], slots.use_amount[use[mine]])

    def _resource(self, capacity: Ints, place: Ints, since: Ints, until: Ints, amount: Ints) -> None:
        falls = np.nonzero(np.diff(capacity) < 0)[0] + 1
        marks = np.unique(np.concatenate([since[since < until], falls]))
        if not len(marks):
            return
        cover = ((since[:, None] <= marks) & (marks < until[:, None])) * amount[:, None]
        by_case = np.zeros((self.slots.n, len(marks)), np.int64)
        np.maximum.at(by_case, self.case[place], cover)
        hold = capacity[marks]
        needed = by_case.sum(axis=0) > hold
        needed[:-1] &= (cover[:, :-1] > cover[:, 1:]).any(axis=0) | (hold[:-1] < hold[1:])
        at, row = np.nonzero(cover[:, needed])
        value = cover[:, needed][at, row]
        key, where = np.unique(row * (len(self.places) + 1) + place[at], return_inverse=True)
        total = np.bincount(where, weights=value)
        row, at = key // (len(self.places) + 1), key % (len(self.places) + 1)
        self.rows.add(np.full(needed.sum(), -INF), hold[needed], row, self.x0 + at, total)

    def _fairness(self) -> None:
        slots = self.slots
        for g, measure in enumerate(slots.fair_measure):
            coef = fair_counts(slots, self.places, int(g))
            at = np.nonzero(coef)[0]
            if len(at):
                column = np.append(self.x0 + at, self.f0 + measure)
                value = np.append(coef[at], -slots.fair_count[g]).astype(float)
                self.rows.add([-INF], [0.0], np.zeros(len(column), np.int64), column, value)

    def cut(self, places: Ints, postponed: Ints, at_most: int) -> None:
        """Of these places and postponements of cases, at most so many."""
        at = np.nonzero(np.isin(self.places, places))[0]
        column = np.concatenate([np.nonzero(np.isin(self.may, postponed))[0], self.x0 + at])
        self.rows.add([-INF], [float(at_most)], np.zeros(len(column), np.int64), column, 1.0)

    @property
    def entries(self) -> int:
        """How many numbers the matrix holds: what one look at the model costs."""
        return sum(len(row) for row in self.rows.row)

    def transfer(self) -> Any:
        columns = len(self.costs)
        row, column = np.concatenate(self.rows.row), np.concatenate(self.rows.column)
        order = np.lexsort((row, column))
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = columns, self.rows.count
        lp.col_cost_, lp.col_lower_ = self.costs, np.zeros(columns)
        lp.col_upper_ = np.concatenate(
            [np.ones(self.f0), np.full(3, float(self.slots.T * TENTHS)), np.ones(len(self.late))]
        )
        lp.row_lower_, lp.row_upper_ = np.concatenate(self.rows.lower), np.concatenate(self.rows.upper)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=columns))]).astype(np.int32)
        lp.a_matrix_.index_ = row[order].astype(np.int32)
        lp.a_matrix_.value_ = np.concatenate(self.rows.value)[order]
        lp.integrality_ = self.whole
        lp.offset_ = float(base_overtime(self.slots))
        return lp

    def values(self, start: Ints) -> Floats:
        """The columns of a plan: places, postponements, and what follows from them."""
        slots, values = self.slots, np.zeros(len(self.costs))
        values[np.nonzero(start[self.may] < 0)[0]] = 1.0
        taken = start[start >= 0]
        values[self.x0 + np.searchsorted(self.places, np.sort(taken))] = 1.0
        for m, level in enumerate(fair_levels(slots, start)):
            values[self.f0 + m] = level
        last = np.zeros(len(slots.rooms), np.int64)
        np.maximum.at(last, slots.room[taken], slots.end[taken])
        for at, (r, first, s) in enumerate(self.late):
            values[self.u0 + at] = float(last[r] > first + s * slots.step)
        return values


def fair_counts(slots: Slots, places: Ints, group: int) -> Ints:
    """What fairness counts of each place for a group: slots of delay or lateness, or tenths of late starts."""
    measured = (slots.delay, slots.late, TENTHS * slots.prime)[int(slots.fair_measure[group])][places]
    return np.where(slots.fair_member[group, slots.case[places]] > 0, measured, 0)


def fair_levels(slots: Slots, chosen: Ints) -> list[int]:
    """The largest mean of each measure over its groups, rounded up."""
    levels, taken = [0, 0, 0], chosen[chosen >= 0]
    for g, measure in enumerate(slots.fair_measure):
        mean = -(-int(fair_counts(slots, taken, g).sum()) // int(slots.fair_count[g]))
        levels[int(measure)] = max(levels[int(measure)], mean)
    return levels


def base_overtime(slots: Slots) -> int:
    """The overtime that committed cases need whatever the plan is."""
    return int(slots.overtime * np.maximum(0, -(-(slots.base_end - slots.block_end) // slots.step)).sum())
