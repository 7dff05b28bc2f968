"""What the kernels write: where everybody is, what is left of everything, and states saved on the way."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .kernel_pack import Packed

Ints = npt.NDArray[np.int64]
STRIDE = 4
"""A state is saved every so many positions."""
TICK, ROOM, MODE, BEGIN, END, VALUE, FIELDS = 0, 1, 2, 3, 4, 5, 6


class State(NamedTuple):
    """What is placed, and what is left of everything; `small` holds per room how many cases and how many slots
    of overtime, then each group's sum and each measure's worst group.
    """

    order: Any  # [n] cases in the order in which they are placed
    position: Any  # [n] of each case in that order
    room: Any  # [n] wanted room, -1 to postpone
    want: Any  # [n] wanted tick, -1 as published
    place: Any  # [n, FIELDS] where each case is
    kept: Any  # [n, FIELDS] the same of the accepted plan
    here: Any  # [R, n] cases by room, as placed
    undo: Any  # [n, 3] what `here` held before
    left: Any  # [K, T] int16 units left
    full: Any  # [K, words] bit for each tick with none left
    small: Any  # [2R + G + 3]
    saved_left: Any  # [2, blocks, K, T]
    saved_full: Any  # [2, blocks, K, words]
    saved_small: Any  # [2, blocks, 2R + G + 3]
    saved_cost: Any  # [2, blocks]
    side: Any  # [blocks] which of the two saved states belongs to the accepted plan


def begin(g: Packed, order: Ints, room: Ints, want: Ints) -> State:
    """A state in which nobody has been placed yet."""
    n, (resources, horizon) = g.n, g.capacity.shape
    words, blocks = -(-horizon // 64), n // STRIDE + 1
    small = np.zeros(2 * g.rooms + len(g.fair_count) + 3, np.int64)
    small[g.rooms : 2 * g.rooms] = g.base_over
    short = np.zeros((resources, words * 64), np.bool_)
    short[:, :horizon] = g.capacity <= 0
    full = np.packbits(short, axis=1, bitorder="little").view("<u8").astype(np.uint64).reshape(resources, words)
    position = np.empty(n, np.int64)
    position[order] = np.arange(n)
    saved_left = np.zeros((2, blocks, resources, horizon), np.int16)
    saved_full = np.zeros((2, blocks, resources, words), np.uint64)
    saved_small, saved_cost = np.zeros((2, blocks, len(small)), np.int64), np.zeros((2, blocks), np.int64)
    saved_left[0, 0], saved_full[0, 0], saved_small[0, 0] = g.capacity, full, small
    saved_cost[0, 0] = g.floor.sum() + g.overtime * g.base_over.sum()
    return State(
        order=order.copy(),
        position=position,
        room=room.copy(),
        want=want.copy(),
        place=np.full((n, FIELDS), -1, np.int64),
        kept=np.full((n, FIELDS), -1, np.int64),
        here=np.zeros((g.rooms, n), np.int64),
        undo=np.zeros((n, 3), np.int64),
        left=g.capacity.copy(),
        full=full,
        small=small,
        saved_left=saved_left,
        saved_full=saved_full,
        saved_small=saved_small,
        saved_cost=saved_cost,
        side=np.zeros(blocks, np.int64),
    )
