"""The master problem of the bound in HiGHS: room-days by column, resource rows added where they are overdrawn."""

from dataclasses import dataclass, field
from typing import Any

import highspy
import numpy as np

from orloop_replan.domain.pricing import Arcs, Flags, Floats
from orloop_replan.domain.slots import Ints

from .columns import Columns

INF = highspy.kHighsInf
ENOUGH = 1e-6
WINDOW, TIER = -1, -2
"""Rows that are of no resource."""


class EngineFailed(Exception):
    """HiGHS refused the model: a fault of ours, never of the day."""


def asked(status: Any, what: str) -> None:
    """Asserts that HiGHS took what it was given.

    Raises
    ------
    EngineFailed
        If it did not.
    """
    if status == highspy.HighsStatus.kError:
        raise EngineFailed(f"Expected HiGHS to take {what}, got an error.\nMaybe an index occurs twice.")


@dataclass(frozen=True, slots=True)
class Prices:
    """Duals: of cases [n], rooms [R], groups [G], resources [K, T] and windows [W], and of what may be postponed
    together; floats, or whole numbers.
    """

    case: Any
    room: Any
    fair: Any
    resource: Any
    window: Any = field(default_factory=lambda: np.zeros(0))
    postponed: Any = 0


class Master:
    """Each case once or postponed, each room one day, fairness as the largest mean; solved as a linear program.

    `postpone` [n] is the price of postponing a case; where it is negative nobody may, and an artificial column of
    price `stand_in` keeps the problem feasible. Where `allowed` is above 0, what is postponed weighs no more than that
    in the tier above.
    """

    def __init__(self, arcs: Arcs, postpone: Ints, stand_in: float, allowed: int = 0) -> None:
        self.arcs, self.columns, self._stand_in = arcs, Columns(arcs), stand_in
        slots = arcs.slots
        self.n, self.rooms, self.groups = slots.n, len(slots.rooms), len(slots.fair_count)
        self._rows = self.n + self.rooms + self.groups
        self._active: list[tuple[int, int]] = []
        self.iterations = 0
        self._highs = highspy.Highs()  # type: ignore[no-untyped-call]
        options: list[tuple[str, Any]] = [("output_flag", False), ("threads", 1), ("presolve", "off")]
        for name, value in (*options, ("simplex_strategy", 0)):
            asked(self._highs.setOptionValue(name, value), f"option {name}")
        fair_row = self.n + self.rooms + np.arange(self.groups)
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = self.n + 3, self._rows
        lp.col_cost_ = np.concatenate([np.where(postpone < 0, stand_in, postpone), slots.fair_weight]).astype(float)
        lp.col_lower_, lp.col_upper_ = np.zeros(self.n + 3), np.full(self.n + 3, INF)
        lp.row_lower_ = np.concatenate([np.ones(self.n), np.full(self.rooms + self.groups, -INF)])
        lp.row_upper_ = np.concatenate([np.full(self.n, INF), np.ones(self.rooms), np.zeros(self.groups)])
        rows = np.concatenate([np.arange(self.n), fair_row])
        columns = np.concatenate([np.arange(self.n), self.n + slots.fair_measure])
        values = np.concatenate([np.ones(self.n), -slots.fair_count.astype(float)])
        order = np.lexsort((rows, columns))
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_ = _starts(columns, self.n + 3)
        lp.a_matrix_.index_, lp.a_matrix_.value_ = rows[order].astype(np.int32), values[order]
        lp.offset_ = float(arcs.base)
        asked(self._highs.passModel(lp), "the master")
        self._first = self.n + 3
        if allowed:
            self._limit(np.nonzero((postpone >= 0) & (slots.rank > 0))[0], allowed)

    def _limit(self, cases: Ints, allowed: int) -> None:
        """A row for what these cases weigh in the tier above, with a dear way out."""
        none = np.zeros(0, np.int32)
        asked(self._highs.addCol(self._stand_in, 0.0, INF, 0, none, np.zeros(0)), "a column")
        index = np.append(cases, self._first).astype(np.int32)
        value = np.append(self.arcs.slots.rank[cases], -1).astype(float)
        asked(self._highs.addRow(-INF, float(allowed), len(index), index, value), "a row")
        self._first += 1
        self._rows += 1
        self._active.append((TIER, 0))

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self._rows

    def add(self, days: list[Ints]) -> int:
        """Room-days that are not there yet; how many there were."""
        first = len(self.columns)
        new = self.columns.add(days)
        if not new:
            return 0
        row, column, value = self.columns.entries(
            first, self.columns.row_of, self.columns.window_row, self._rows, False
        )
        costs = self.columns.costs(first)
        added = self._highs.addCols(
            new,
            costs,
            np.zeros(new),
            np.full(new, INF),
            len(row),
            _starts(column, new)[:-1],
            row.astype(np.int32),
            value,
        )
        asked(added, "columns")
        return new

    def solve(self) -> float:
        """The optimum, with every resource row that it overdraws added on the way."""
        while True:
            self._run()
            overdrawn = self._overdrawn()
            if not len(overdrawn):
                return float(self._highs.getInfo().objective_function_value)
            self._add_rows(overdrawn)

    def restrict(self, left: Flags, low: Ints, high: Floats, postpone: Ints) -> None:
        """Only days of the places that are `left` [m], levels [3] in between, and postponing at other prices."""
        columns, given = self.columns, self._first
        index = np.arange(given + len(columns), dtype=np.int32)
        lower, upper = np.zeros(len(index)), np.full(len(index), INF)
        lower[self.n : self.n + 3], upper[self.n : self.n + 3] = low, high
        upper[given:] = np.where(columns.within(left), INF, 0.0)
        asked(self._highs.changeColsBounds(len(index), index, lower, upper), "limits of columns")
        costs = np.where(postpone < 0, self._stand_in, postpone).astype(float)
        asked(self._highs.changeColsCost(self.n, index[: self.n], costs), "prices of postponing")

    def relaxed(self) -> float:
        """The optimum over the columns and rows that are there."""
        self._run()
        return float(self._highs.getInfo().objective_function_value)

    def levels(self) -> tuple[Floats, Floats]:
        """The level of each measure [3] in the last optimum, and how much of each case is postponed [n]."""
        value = np.array(self._highs.getSolution().col_value)
        return value[self.n : self.n + 3], value[: self.n]

    def _run(self) -> None:
        self._highs.run()
        if self._highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            self._highs.clearSolver()
            asked(self._highs.run(), "a run")
        self.iterations += int(self._highs.getInfo().simplex_iteration_count)

    def weights(self) -> Floats:
        """How much of every place the optimum takes [m]."""
        x = np.array(self._highs.getSolution().col_value)[self._first :]
        return self.columns.weights(np.where(x > 1e-9, x, 0.0))

    def _overdrawn(self) -> Ints:
        """Resource and tick where each overdrawn stretch is overdrawn the most."""
        slots = self.arcs.slots
        over = self.columns.used(self.weights()) - slots.capacity
        over[~self.arcs.binding | (self.columns.row_of >= 0)] = 0.0
        found = []
        for k in np.nonzero((over > ENOUGH).any(axis=1))[0]:
            ticks = np.nonzero(over[k] > ENOUGH)[0]
            for run in np.split(ticks, np.nonzero(np.diff(ticks) > 1)[0] + 1):
                found.append((k, run[np.argmax(np.round(over[k, run], 6))]))
        return np.array(found, np.int64).reshape(-1, 2)

    def _add_rows(self, rows: Ints) -> None:
        row_of = np.full_like(self.columns.row_of, -1)
        numbers = self._rows + np.arange(len(rows))
        row_of[rows[:, 0], rows[:, 1]] = numbers
        self.columns.row_of[rows[:, 0], rows[:, 1]] = numbers
        hold = self.arcs.slots.capacity[rows[:, 0], rows[:, 1]].astype(float)
        self._append(hold, row_of, np.full(len(self.columns.windows), -1, np.int64))
        self._active += [(int(k), int(t)) for k, t in rows]

    def add_windows(self, windows: Ints) -> None:
        """Rows for windows [W, 4] that are not there yet."""
        columns = self.columns
        numbers = self._rows + np.arange(len(windows))
        new = np.concatenate([np.full(len(columns.windows), -1, np.int64), numbers])
        columns.windows = np.concatenate([columns.windows, windows])
        columns.window_row = np.concatenate([columns.window_row, numbers])
        self._active += [(WINDOW, w) for w in range(len(columns.windows) - len(windows), len(columns.windows))]
        self._append(np.ones(len(windows)), np.full_like(columns.row_of, -1), new)

    def _append(self, hold: Floats, row_of: Ints, window_row: Ints) -> None:
        """Rows of at most `hold`, with the entries of all columns."""
        count = len(hold)
        row, column, value = self.columns.entries(0, row_of, window_row, self._rows + count, True)
        order = np.lexsort((column, row))
        row, column, value = row[order] - self._rows, column[order] + self._first, value[order]
        added = self._highs.addRows(
            count,
            np.full(count, -INF),
            hold,
            len(row),
            _starts(row, count)[:-1],
            column.astype(np.int32),
            value,
        )
        asked(added, "rows")
        self._rows += count

    def prices(self) -> Prices:
        """The duals of the last optimum; of the sign that the bound needs, whatever the tolerance did."""
        dual = np.array(self._highs.getSolution().row_dual)
        fixed = self.n + self.rooms + self.groups
        resource = np.zeros(self.arcs.slots.capacity.shape)
        window = np.zeros(len(self.columns.windows))
        postponed = 0.0
        if self._active:
            at, paid = np.array(self._active), np.minimum(0.0, dual[fixed:])
            ticks, windows = at[:, 0] >= 0, at[:, 0] == WINDOW
            resource[at[ticks, 0], at[ticks, 1]] = paid[ticks]
            window[at[windows, 1]] = paid[windows]
            postponed = float(paid[at[:, 0] == TIER].sum())
        return Prices(
            np.maximum(0.0, dual[: self.n]),
            dual[self.n : self.n + self.rooms],
            np.minimum(0.0, dual[self.n + self.rooms : fixed]),
            resource,
            window,
            postponed,
        )


def _starts(sorted_index: Ints, size: int) -> Any:
    return np.concatenate([[0], np.cumsum(np.bincount(sorted_index, minlength=size))]).astype(np.int32)
