"""The columns of the master problem: timed room-days, and which rows of it they touch."""

import numpy as np
import numpy.typing as npt

from orloop_replan.domain import pricing_kernels as compiled
from orloop_replan.domain.pricing import Arcs, Flags, Floats, no_windows
from orloop_replan.domain.slots import Ints


class Columns:
    """Room-days found so far, each once: `room` and places by column; rows of the master by resource and tick.

    Row i < n is case i, row n + r the room r, then the groups of fairness, then resources as they are added.
    """

    def __init__(self, arcs: Arcs) -> None:
        self.arcs = arcs
        self._known: set[bytes] = set()
        self.room: list[int] = []
        self.days: list[Ints] = []
        self.row_of = np.full(arcs.slots.capacity.shape, -1, np.int64)
        self.windows = no_windows()
        self.window_row = np.zeros(0, np.int64)
        self._flat = np.zeros(0, np.int64)
        self._ptr = np.zeros(1, np.int64)

    def __len__(self) -> int:
        return len(self.days)

    def add(self, days: list[Ints]) -> int:
        """Takes the room-days that are new; how many there were."""
        slots, fresh = self.arcs.slots, []
        for day in days:
            key = day.tobytes()
            if len(day) and key not in self._known:
                self._known.add(key)
                self.room.append(int(slots.room[day[0]]))
                self.days.append(day)
                fresh.append(day)
        if fresh:
            ends = self._ptr[-1] + np.cumsum([len(day) for day in fresh])
            self._flat = np.concatenate([self._flat, *fresh])
            self._ptr = np.concatenate([self._ptr, ends])
        return len(fresh)

    def costs(self, first: int) -> Floats:
        """The published cost of the columns from `first` on, overtime included."""
        slots, arcs = self.arcs.slots, self.arcs
        own = [
            int(slots.cost[day].sum() + arcs.over[slots.room[day[0]], slots.end[day].max()])
            for day in self.days[first:]
        ]
        return np.array(own, float)

    def entries(
        self, first: int, row_of: Ints, window_row: Ints, rows: int, only_resources: bool
    ) -> tuple[Ints, Ints, Floats]:
        """Row, column (counted from `first`) and value of what the columns from `first` on have in the master.

        `row_of` [K, T] and `window_row` [W] say which row a resource at a tick and a window are, -1 for none.
        """
        slots, arcs = self.arcs.slots, self.arcs
        given = (
            self._ptr[first:], self._flat, slots.case, slots.mode, slots.start, slots.room, slots.use_ptr,
            slots.use_resource, slots.use_from, slots.use_until, slots.use_amount, arcs.fair_ptr, arcs.fair_of,
            slots.fair_measure, arcs.coef, row_of, self.windows, window_row, slots.n, len(arcs.kinds), only_resources,
        )  # fmt: skip
        size = 0
        row, column, value = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        for _ in range(2):  # counts first, then writes
            row, column, value = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size)
            size = compiled.entries(*given, np.zeros(rows), np.zeros(rows, np.int64), row, column, value)
        return row, column, value

    def within(self, left: Flags) -> Flags:
        """Which columns take only places that are `left` [m]."""
        if not self.days:
            return np.zeros(0, bool)
        found: Flags = np.logical_and.reduceat(left[self._flat], self._ptr[:-1])
        return found

    def weights(self, x: Floats) -> Floats:
        """How much of every place [m] a fractional choice of columns takes."""
        found = np.zeros(self.arcs.slots.places)
        np.add.at(found, self._flat, np.repeat(x, np.diff(self._ptr)))
        return found

    def used(self, weights: Floats) -> Floats:
        """What places in these weights hold of every resource at every tick [K, T]."""
        slots = self.arcs.slots
        change = np.zeros((len(slots.resources), slots.T + 1))
        taken = np.nonzero(weights > 0)[0]
        compiled.use(
            taken, weights, slots.mode, slots.start, slots.use_ptr, slots.use_resource, slots.use_from, slots.use_until,
            slots.use_amount, change,
        )  # fmt: skip
        held: npt.NDArray[np.float64] = np.cumsum(change, axis=1)[:, :-1]
        return held
