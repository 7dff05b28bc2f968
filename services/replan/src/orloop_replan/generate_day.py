"""A made-up day of operating, in five-minute slots from 07:00: lists, a published plan, what came of it so far.

Parameters are the planner study's: assumed plausible, not fitted to any hospital. Everything is drawn from the
`Random` that is passed in, in a fixed order, so that the same seed gives the same day.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import NormalDist

from orloop_common.domain.problem import Capacity

GRID = timedelta(minutes=5)
SEVEN = datetime(2026, 3, 2, 7, tzinfo=UTC)
LAST = 192
"""23:00: every room is closed."""
FIRST = 6
"""07:30: the first patients of the day."""
LATEST_END = 174
"""What the morning's plan would end later than 21:30 is not booked."""
LEAD = TRAIL = 2
"""The surgeon comes ten minutes after the patient and leaves ten minutes before."""
SERVICES = {  # share, mean minutes, coefficient of variation, mean recovery minutes
    "orthopaedics": (0.20, 105, 0.45, 70),
    "general": (0.20, 100, 0.55, 75),
    "urology": (0.12, 70, 0.55, 60),
    "gynaecology": (0.11, 85, 0.50, 65),
    "ent": (0.11, 65, 0.55, 55),
    "eye": (0.07, 35, 0.35, 25),
    "plastic": (0.07, 90, 0.60, 60),
    "vascular": (0.05, 120, 0.50, 85),
    "neurosurgery": (0.04, 165, 0.45, 95),
    "cardiac": (0.03, 210, 0.30, 10),
}
HOSTS = {  # whose rooms may take a service
    "orthopaedics": ("plastic", "neurosurgery", "general"),
    "general": ("urology", "gynaecology", "plastic", "ent"),
    "urology": ("general", "gynaecology"),
    "gynaecology": ("general", "urology"),
    "ent": ("plastic", "general", "eye"),
    "eye": ("ent",),
    "plastic": ("ent", "orthopaedics", "general"),
    "vascular": ("cardiac", "general"),
    "neurosurgery": ("orthopaedics",),
    "cardiac": ("vascular",),
}
_LAMINAR = ("orthopaedics", "neurosurgery", "cardiac")
_SETUP = {"cardiac": 4, "neurosurgery": 3, "orthopaedics": 2}
_NORMAL = NormalDist()


@dataclass
class Drawn:
    """A case of the day. `mu` and `sigma` are its lognormal duration in minutes; all else in slots from 07:00."""

    service: str
    surgeon: int
    mu: float
    sigma: float
    setup: int
    cleanup: int
    recovery: int
    weight: float
    room: int = -1
    needs: tuple[str, ...] = ()
    contaminated: bool = False
    start: int = 0
    actual: int = 0
    began: int = 0
    ended: int = 0
    overrun: int = 0
    state: str = "waiting"
    arrived: int = 0

    @property
    def length(self) -> int:
        """What the plan counts on: the median."""
        return slots(math.exp(self.mu))

    @property
    def bound(self) -> tuple[int, int]:
        """From when until when the surgeon is bound, counted from the patient's arrival in the room."""
        lead = min(LEAD, self.length - 1)
        return lead, max(self.length - TRAIL, lead + 1)

    def quantile(self, p: float, elapsed: float = 0.0) -> float:
        """Minutes that the patient stays with probability `p`, given that `elapsed` minutes have passed."""
        passed = _NORMAL.cdf((math.log(elapsed) - self.mu) / self.sigma) if elapsed > 0 else 0.0
        return math.exp(self.mu + self.sigma * _NORMAL.inv_cdf(min(passed + (1 - passed) * p, 0.999)))


@dataclass
class Day:
    """Rooms, their surgeons, and the cases of one day up to `now`."""

    draw: Random
    rooms: int
    now: int
    services: list[str] = field(default_factory=list)
    block_end: list[int] = field(default_factory=list)
    takes: list[tuple[str, ...]] = field(default_factory=list)
    laminar: list[bool] = field(default_factory=list)
    robot: list[bool] = field(default_factory=list)
    surgeons: list[list[int]] = field(default_factory=list)
    surgeon_count: int = 0
    cases: list[Drawn] = field(default_factory=list)
    free: list[int] = field(default_factory=list)

    def of(self, state: str) -> list[Drawn]:
        """Cases in one state: `done`, `running` or `waiting`, in the plan's order."""
        return [case for case in self.cases if case.state == state]


def slots(minutes: float) -> int:
    """Begun slots, at least one."""
    return max(1, math.ceil(minutes / 5 - 1e-9))


def at(slot: int) -> datetime:
    """The moment of a slot."""
    return SEVEN + GRID * slot


def steps(counts: Sequence[int], last: timedelta = timedelta(hours=12)) -> tuple[Capacity, ...]:
    """Runs of equal counts as capacity steps; the last one lasts `last` longer."""
    edges = [0, *(t for t in range(1, len(counts)) if counts[t] != counts[t - 1]), len(counts)]
    found = []
    for start, end in itertools.pairwise(edges):
        until = at(end) + (last if end == len(counts) else timedelta(0))
        found.append(Capacity(start=at(start), end=until, count=counts[start]))
    return tuple(found)


def make_day(draw: Random, rooms: int, now: int) -> Day:
    """A day with its published plan, played until `now`."""
    day = Day(draw, rooms, now)
    _staff(day)
    lists = [_list_of(day, room) for room in range(rooms)]
    _publish(day, lists)
    _play(day)
    return day


def spread(cv: float) -> float:
    """The sigma of a lognormal with this coefficient of variation."""
    return math.sqrt(math.log(1 + cv * cv))


def _staff(day: Day) -> None:
    draw, rooms = day.draw, day.rooms
    day.services = draw.choices(list(SERVICES), [share for share, *_ in SERVICES.values()], k=rooms)
    day.block_end = draw.choices((102, 120, 144), (45, 45, 10), k=rooms)
    for own in day.services:
        others = [name for name, hosts in HOSTS.items() if own in hosts and draw.random() < 0.6]
        day.takes.append(tuple(sorted({own, *others})))
        day.laminar.append(own in _LAMINAR or draw.random() < 0.3)
    robots = set(draw.sample(range(rooms), max(1, rooms // 8)))
    day.robot = [room in robots for room in range(rooms)]
    for _ in range(rooms):
        own_count = 1 if draw.random() < 0.55 else 2
        day.surgeons.append(list(range(day.surgeon_count, day.surgeon_count + own_count)))
        day.surgeon_count += own_count
    for room in range(rooms):
        peers = [other for other in range(rooms) if other != room and day.services[other] == day.services[room]]
        if draw.random() < 0.3 and peers:
            day.surgeons[room].append(draw.choice(day.surgeons[draw.choice(peers)]))


def _list_of(day: Day, room: int) -> list[Drawn]:
    """One room's cases: as many as fill 80 to 105 % of its block."""
    draw = day.draw
    budget = (day.block_end[room] - FIRST) * draw.uniform(0.80, 1.05)
    used, made = 0, list[Drawn]()
    while len(made) < 12:
        case = _case(day, room)
        used += case.setup + case.length + case.cleanup
        if made and used > budget:
            break
        made.append(case)
    return made


def _case(day: Day, room: int) -> Drawn:
    draw, service = day.draw, day.services[room]
    _, mean, cv, recovery = SERVICES[service]
    class_spread, own_spread = spread(cv * 0.8), spread(cv * draw.uniform(0.5, 0.9))
    class_mean = min(480.0, max(20.0, draw.lognormvariate(math.log(mean) - class_spread**2 / 2, class_spread)))
    dirty = draw.random() < 0.08
    skips = draw.random() < (0.9 if service == "cardiac" else 0.12)
    stay = min(240.0, max(15.0, draw.lognormvariate(math.log(recovery) - 0.08, 0.4)))
    needs: tuple[str, ...] = ("laminar",) if service in _LAMINAR and draw.random() < 0.6 else ()
    needs += ("robot",) if day.robot[room] and draw.random() < 0.5 else ()
    return Drawn(
        service=service,
        surgeon=draw.choice(day.surgeons[room]),
        mu=math.log(class_mean) - own_spread**2 / 2,
        sigma=own_spread,
        setup=_SETUP.get(service, 1),
        cleanup=2 if service == "eye" else 9 if dirty else 5,
        recovery=0 if skips else slots(stay),
        weight=draw.choices((1.0, 1.5, 2.0), (70, 20, 10))[0],
        room=room,
        needs=needs,
        contaminated=dirty,
    )


def _publish(day: Day, lists: Sequence[list[Drawn]]) -> None:
    """The morning's plan: whichever room is free first takes its next case that the surgeon is free for."""
    free = [FIRST] * day.rooms
    busy: list[list[tuple[int, int]]] = [[] for _ in range(day.surgeon_count)]
    while any(lists):
        room = min((r for r in range(day.rooms) if lists[r]), key=lambda r: (free[r], r))
        first = free[room] == FIRST
        offers = []
        for position, case in enumerate(lists[room][:3]):
            start = _surgeon_free(busy[case.surgeon], free[room] + (0 if first else case.setup), case.bound)
            offers.append((start, position))
        start, position = min(offers)
        case = lists[room].pop(position)
        case.start = start
        busy[case.surgeon].append((start + case.bound[0], start + case.bound[1]))
        free[room] = start + case.length + case.cleanup
        if free[room] < LATEST_END:
            day.cases.append(case)
    day.cases.sort(key=lambda case: (case.start, case.room))


def _surgeon_free(busy: Sequence[tuple[int, int]], start: int, bound: tuple[int, int]) -> int:
    while clash := next((b for b in busy if start + bound[0] < b[1] and b[0] < start + bound[1]), None):
        start = clash[1] - bound[0]
    return start


def _play(day: Day) -> None:
    """The day until now: what has begun takes its actual time, the rest waits in turn."""
    free, waits = [0] * day.rooms, [False] * day.rooms
    surgeon_free = [0] * day.surgeon_count
    for case in day.cases:
        case.actual = slots(day.draw.lognormvariate(case.mu, case.sigma))
    for case in day.cases:
        late = day.draw.randrange(4) if free[case.room] == 0 else 0
        after = free[case.room] + case.setup if free[case.room] else 0
        start = max(case.start + late, after, surgeon_free[case.surgeon] - LEAD)
        if start > day.now or waits[case.room]:
            waits[case.room] = True
            continue
        case.began, case.ended = start, start + case.actual
        case.state = "done" if case.ended <= day.now else "running"
        free[case.room], surgeon_free[case.surgeon] = case.ended + case.cleanup, case.ended - TRAIL
    day.free = [max(day.now, moment) for moment in free]
    for case in day.of("running"):
        expected = case.began + slots(case.quantile(0.5, 5.0 * (day.now - case.began)))
        case.ended = min(max(expected, day.now + 1), LAST - 30)
        day.free[case.room] = max(day.now, case.ended + case.cleanup)
