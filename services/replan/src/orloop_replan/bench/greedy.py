"""A greedy coordinator: every case in turn goes where it costs least at that moment; room changes are allowed."""

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from orloop_common.domain.vocabulary import Urgency
from orloop_replan.domain.class_order import in_class_order
from orloop_replan.domain.slots import Slots

Ints = npt.NDArray[np.int64]
ROUNDS = 10
_LAST = datetime.max.replace(tzinfo=UTC)


def best_insertion(slots: Slots, start: Ints | None = None) -> Ints:
    """A plan [n] by best insertion: immediate emergencies first, then by the time that patients were told.

    A case's place is the cheapest one left, its own cost and the overtime that it adds; a case that has none, or none
    cheaper than postponing, is postponed. Then cases are taken out one by one and put back where they cost least,
    until nothing gets cheaper. `start` is a plan to begin from instead of an empty day. Room, surgeon, team, bed and
    all other limits are kept; fairness between services is not looked at, as nobody does so at a whiteboard.
    """
    cases = slots.problem.cases
    order = sorted(
        range(slots.n),
        key=lambda i: (
            cases[i].urgency is not Urgency.IMMEDIATE,
            cases[i].current.start or cases[i].scheduled.start or _LAST,
            i,
        ),
    )
    day = _Taken(slots)
    chosen = np.full(slots.n, -1, np.int64)
    if start is not None:
        chosen = start.copy()
        for place in chosen[chosen >= 0].tolist():
            day.take(place)
    for _ in range(ROUNDS):
        before = chosen.copy()
        for i in order:
            _insert(slots, day, chosen, i)
        if (before == chosen).all():
            break
    return in_class_order(slots, chosen)


def _insert(slots: Slots, day: "_Taken", chosen: Ints, i: int) -> None:
    """Put one case where it costs least, from wherever it is now."""
    if chosen[i] >= 0:
        day.give_back(int(chosen[i]))
        chosen[i] = -1
    places = np.nonzero(slots.case == i)[0]
    places = places[day.free(i, places)]
    if not len(places):
        return
    prices = slots.cost[places] + slots.overtime * day.overtime(places)
    best = int(np.argmin(prices))
    if slots.must[i] or slots.rank[i] or prices[best] < slots.postpone[i]:
        chosen[i] = places[best]
        day.take(int(places[best]))


class _Taken:
    """What the placed cases have taken: rooms by tick with their turnover, resources by tick."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.left = slots.capacity.copy()
        self.placed: list[list[int]] = [[] for _ in slots.rooms]

    def free(self, case: int, places: Ints) -> npt.NDArray[np.bool_]:
        """Which places of a case clash with nothing that is taken."""
        s = self.slots
        fits = np.ones(len(places), bool)
        kind = s.turnover_class[case]
        for r in np.unique(s.room[places]):
            here = s.room[places] == r
            begin, end = s.begin[places[here]], s.end[places[here]]
            clear = np.ones(int(here.sum()), bool)
            for other in self.placed[int(r)]:
                theirs = s.turnover_class[s.case[other]]
                before = end + s.extra[kind, theirs] <= s.begin[other]
                clear &= before | (begin >= s.end[other] + s.extra[theirs, kind])
            fits[here] = clear
        for mode in np.unique(s.mode[places]):
            here = np.nonzero((s.mode[places] == mode) & fits)[0]
            for use in range(int(s.use_ptr[mode]), int(s.use_ptr[mode + 1])):
                short = self.left[s.use_resource[use]] < s.use_amount[use]
                lacking = np.concatenate([[0], np.cumsum(short)])
                a = np.clip(s.start[places[here]] + s.use_from[use], 0, s.T)
                b = np.clip(s.start[places[here]] + s.use_until[use], 0, s.T)
                fits[here] &= lacking[b] == lacking[a]
        return fits

    def overtime(self, places: Ints) -> Ints:
        """Begun slots that each place adds past its room's block."""
        s = self.slots
        last = s.base_end.copy()
        for room, placed in enumerate(self.placed):
            last[room] = max([int(last[room]), *(int(s.end[place]) for place in placed)])
        past = np.maximum(last, s.block_end)[s.room[places]]
        return np.maximum(0, -((past - s.end[places]) // s.step))

    def take(self, place: int) -> None:
        """This place is held from now on."""
        self.placed[int(self.slots.room[place])].append(place)
        self._hold(place, 1)

    def give_back(self, place: int) -> None:
        """This place is free again."""
        self.placed[int(self.slots.room[place])].remove(place)
        self._hold(place, -1)

    def _hold(self, place: int, times: int) -> None:
        s = self.slots
        mode, start = int(s.mode[place]), int(s.start[place])
        for use in range(int(s.use_ptr[mode]), int(s.use_ptr[mode + 1])):
            a, b = max(0, start + int(s.use_from[use])), min(s.T, start + int(s.use_until[use]))
            self.left[s.use_resource[use], a:b] -= times * s.use_amount[use]
