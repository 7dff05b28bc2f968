"""Rule `class-order` on arrays: who waits longest for a place may take it from a lower class in its stead."""

import numpy as np
import numpy.typing as npt

from orloop_common.domain.vocabulary import Urgency

from .slots import Slots

Ints = npt.NDArray[np.int64]
_CLASSES = {Urgency.ELECTIVE: 0, Urgency.EXPEDITED: 1, Urgency.URGENT: 2, Urgency.IMMEDIATE: 3}
_KEEPS = 2
"""From this class on nobody gives up a place."""


def in_class_order(slots: Slots, chosen: Ints) -> Ints:
    """The plan [n] in which no elective or expedited case keeps a place that a postponed higher class could take.

    Only where postponements are a tier of their own; else the price of postponing says who goes first.
    """
    out = np.nonzero(chosen < 0)[0]
    if not slots.problem.weights.strict or not len(out):
        return chosen
    level = np.array([_CLASSES[case.urgency] for case in slots.problem.cases], np.int64)
    plan = chosen
    for i in sorted(out.tolist(), key=lambda i: (-level[i], i)):
        lower = np.nonzero((plan >= 0) & (level < min(_KEEPS, level[i])))[0]
        for j in sorted(lower.tolist(), key=lambda j: (level[j], j)):
            place = _instead(slots, i, int(plan[j]))
            if place < 0:
                continue
            trial = plan.copy()
            trial[i], trial[j] = place, -1
            if feasible_chosen(slots, trial):
                return in_class_order(slots, trial)
    return plan


def feasible_chosen(slots: Slots, chosen: Ints) -> bool:
    """Whether the places of a plan [n] keep all rules between cases: rooms, turnover, limited resources."""
    placed = chosen[chosen >= 0]
    order = placed[np.lexsort((slots.begin[placed], slots.room[placed]))]
    one, two = order[:-1], order[1:]
    kinds = slots.turnover_class[slots.case[one]], slots.turnover_class[slots.case[two]]
    if ((slots.room[one] == slots.room[two]) & (slots.end[one] + slots.extra[kinds] > slots.begin[two])).any():
        return False
    use = np.zeros((len(slots.resources), slots.T + 1), np.int64)
    for place in placed.tolist():
        mode, start = slots.mode[place], slots.start[place]
        for u in range(slots.use_ptr[mode], slots.use_ptr[mode + 1]):
            k, amount = slots.use_resource[u], slots.use_amount[u]
            use[k, min(slots.T, start + slots.use_from[u])] += amount
            use[k, min(slots.T, start + slots.use_until[u])] -= amount
    used = np.cumsum(use, axis=1)[:, : slots.T]
    return not ((used > 0) & (used > slots.capacity)).any()


def _instead(slots: Slots, i: int, place: int) -> int:
    """The place of case i at the room and start of another place (off the grid: right after it), or -1."""
    own = int(slots.published[i])
    room, start = slots.room[place], slots.start[place]
    if own >= 0 and slots.room[own] == room and slots.start[own] == start:
        return own
    after = -(-start // slots.step)
    return int(slots.table[i, room, after]) if after < slots.table.shape[2] else -1
