"""Made-up suites at ten in the morning, after something went wrong: for tests and for the bench.

Parameters of the planner's facts (shares, lognormal durations, blocks, flip surgeons, recovery),
drawn from a seeded generator; the same seed gives the same problem.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from orloop_common.domain.cost import DEFAULT_WEIGHTS
from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import Capacity, Committed, PlanProblem, ProblemCase, ProblemRoom
from orloop_common.domain.vocabulary import Urgency

GRID = timedelta(minutes=5)
SEVEN = datetime(2026, 3, 2, 7, tzinfo=UTC)
DISTURBANCES = ("down", "overrun", "emergency", "staff", "storm")
_SERVICES = {  # share, mean minutes, coefficient of variation, mean recovery minutes
    "orthopaedics": (0.22, 105, 0.45, 70),
    "general": (0.22, 100, 0.55, 75),
    "urology": (0.14, 70, 0.55, 60),
    "gynaecology": (0.12, 85, 0.50, 65),
    "ent": (0.11, 65, 0.55, 55),
    "eye": (0.07, 35, 0.35, 25),
    "plastic": (0.07, 90, 0.60, 60),
    "vascular": (0.05, 120, 0.50, 85),
}
_COMPATIBLE = {
    "orthopaedics": ("plastic", "general"),
    "general": ("urology", "gynaecology", "plastic", "ent"),
    "urology": ("general", "gynaecology"),
    "gynaecology": ("general", "urology"),
    "ent": ("plastic", "general", "eye"),
    "eye": ("ent",),
    "plastic": ("ent", "orthopaedics", "general"),
    "vascular": ("general",),
}


def generate(
    seed: int,
    rooms: int = 10,
    disturbance: str = "down",
    now: timedelta = timedelta(hours=3),
    notice: timedelta = timedelta(minutes=30),
) -> PlanProblem:
    """A suite of `rooms` at 07:00 + `now` on the demo's Monday.

    Raises
    ------
    ValueError
        If the disturbance is not one of `DISTURBANCES` or `none`.
    """
    if disturbance not in (*DISTURBANCES, "none"):
        raise ValueError(f"Expected one of {', '.join(DISTURBANCES)} or none, got {disturbance!r}.")
    return _Maker(Random(f"{seed}/{rooms}/{disturbance}"), rooms, SEVEN + now, notice).problem(disturbance)


@dataclass
class _Drawn:
    service: str
    room: int
    surgeon: str
    length: timedelta
    setup: timedelta
    cleanup: timedelta
    recovery: timedelta
    urgency: Urgency
    start: datetime = SEVEN
    actual: timedelta = GRID
    add_on: bool = False
    needs: tuple[str, ...] = ()


@dataclass
class _Maker:
    draw: Random
    count: int
    now: datetime
    notice: timedelta
    cases: list[_Drawn] = field(default_factory=list)

    def problem(self, disturbance: str) -> PlanProblem:
        self.services = self.draw.choices(list(_SERVICES), [s[0] for s in _SERVICES.values()], k=self.count)
        self.block_ends = [
            SEVEN + timedelta(hours=h) for h in self.draw.choices((8.5, 10, 12), (45, 45, 10), k=self.count)
        ]
        self.laminar = [s == "orthopaedics" or self.draw.random() < 0.3 for s in self.services]
        self.takes = [self._takes(service) for service in self.services]
        self.surgeons = self._surgeons()
        for room in range(self.count):
            self._fill(room)
        self._publish()
        return self._state(disturbance)

    def _takes(self, own: str) -> tuple[str, ...]:
        others = [s for s, hosts in _COMPATIBLE.items() if own in hosts and self.draw.random() < 0.6]
        return tuple(sorted({own, *others}))

    def _surgeons(self) -> list[list[str]]:
        names = [
            [f"S{room:02d}{k}" for k in range(1 if self.draw.random() < 0.55 else 2)] for room in range(self.count)
        ]
        for room, service in enumerate(self.services):
            peers = [r for r in range(self.count) if r != room and self.services[r] == service]
            if peers and self.draw.random() < 0.3:
                names[room].append(self.draw.choice(names[self.draw.choice(peers)]))
        return names

    def _length(self, mean: float, cv: float) -> tuple[timedelta, float]:
        spread = math.sqrt(math.log(1 + (cv * 0.8) ** 2))
        typical = min(480.0, max(20.0, self.draw.lognormvariate(math.log(mean) - spread**2 / 2, spread)))
        return GRID * math.ceil(typical / 5), cv * self.draw.uniform(0.5, 0.9)

    def _fill(self, room: int) -> None:
        service = self.services[room]
        _, mean, cv, recovery = _SERVICES[service]
        budget = (self.block_ends[room] - SEVEN - timedelta(minutes=30)) * self.draw.uniform(0.8, 1.05)
        used = timedelta(0)
        while True:
            length, own_cv = self._length(mean, cv)
            dirty = self.draw.random() < 0.08
            cleanup = timedelta(minutes=45 if dirty else 10 if service == "eye" else 25)
            setup = timedelta(minutes=10 if service == "orthopaedics" else 5)
            urgency = Urgency.EXPEDITED if self.draw.random() < 0.2 else Urgency.ELECTIVE
            skips = self.draw.random() < 0.12
            bed = 0.0 if skips else min(240.0, max(15.0, self.draw.lognormvariate(math.log(recovery) - 0.08, 0.4)))
            if used and used + length + setup + cleanup > budget:
                return
            used += length + setup + cleanup
            case = _Drawn(
                service=service,
                room=room,
                surgeon=self.draw.choice(self.surgeons[room]),
                length=length,
                setup=setup,
                cleanup=cleanup,
                recovery=GRID * math.ceil(bed / 5),
                urgency=urgency,
                needs=("laminar",) if service == "orthopaedics" and self.draw.random() < 0.6 else (),
            )
            spread = math.sqrt(math.log(1 + own_cv**2))
            case.actual = GRID * math.ceil(self.draw.lognormvariate(math.log(length / GRID) - spread**2 / 2, spread))
            self.cases.append(case)

    def _publish(self) -> None:
        """The morning's plan: rooms in turn, no surgeon in two places."""
        free = [SEVEN + timedelta(minutes=30)] * self.count
        busy: dict[str, list[Interval]] = {}
        queues = [[c for c in self.cases if c.room == room] for room in range(self.count)]
        while any(queues):
            room = min((r for r in range(self.count) if queues[r]), key=lambda r: (free[r], r))
            case = queues[room].pop(0)
            start = free[room] + (case.setup if free[room] > SEVEN + timedelta(minutes=30) else timedelta(0))
            start = _first_free(start, case.length, busy.get(case.surgeon, ()))
            case.start = start
            busy.setdefault(case.surgeon, []).append(Interval(start=start, end=start + case.length))
            free[room] = start + case.length + case.cleanup
        last = SEVEN + timedelta(hours=14.5)
        self.cases = [c for c in self.cases if c.start + c.length + c.cleanup < last]

    def _state(self, disturbance: str) -> PlanProblem:
        committed, waiting = self._play(overrun=disturbance in ("overrun", "storm"))
        down: dict[int, tuple[Interval, ...]] = {}
        if disturbance in ("down", "storm"):
            busiest = sorted(range(self.count), key=lambda r: (-sum(c.room == r for _, c in waiting), r))
            for room in self.draw.sample(busiest[: max(2, self.count // 3)], max(1, self.count // 20)):
                hours = self.draw.choice((2, 4, 14))
                down[room] = (
                    Interval(start=self.now, end=min(self.now + timedelta(hours=hours), SEVEN + timedelta(hours=16))),
                )
        earliest = self.now + self.notice
        movable = []
        for number, (expected, case) in enumerate(waiting):
            hit = any(d.start < case.start + case.length and case.start < d.end for d in down.get(case.room, ()))
            if expected < earliest and not hit:
                committed.append(_committed(f"w{number:03d}", case, expected, "notice"))
            else:
                movable.append(self._movable(f"m{number:03d}", case))
        movable += self._add_ons(disturbance)
        teams = self._teams(disturbance in ("staff", "storm"))
        return PlanProblem(
            suite="main",
            now=self.now,
            grid=GRID,
            earliest_start=earliest,
            horizon=SEVEN + timedelta(hours=16),
            rooms=tuple(self._room(r, down.get(r, ())) for r in range(self.count)),
            cases=tuple(movable),
            committed=tuple(committed),
            teams=teams,
            beds=self._beds(),
            weights=DEFAULT_WEIGHTS,
            staff={f"S{r:02d}{k}": f"Surgeon{r}{'AB'[k]}" for r in range(self.count) for k in (0, 1)},
        )

    def _play(self, *, overrun: bool) -> tuple[list[Committed], list[tuple[datetime, _Drawn]]]:
        """The day until now: who is done, who is in a room, who waits and since when he could start."""
        free = [SEVEN] * self.count
        surgeon_free: dict[str, datetime] = {}
        committed: list[Committed] = []
        waiting: list[tuple[datetime, _Drawn]] = []
        overrunning = set(self.draw.sample(range(self.count), max(1, self.count // 10))) if overrun else set()
        for number, case in enumerate(sorted(self.cases, key=lambda c: (c.start, c.room))):
            start = max(case.start, free[case.room] + case.setup, surgeon_free.get(case.surgeon, SEVEN))
            if start > self.now or any(w.room == case.room for _, w in waiting):
                waiting.append((start, case))
                free[case.room] = start + case.length + case.cleanup
                continue
            end = start + case.actual
            if end > self.now and case.room in overrunning:
                end += GRID * self.draw.randint(12, 24)
            free[case.room], surgeon_free[case.surgeon] = end + case.cleanup, end
            if end > self.now:
                committed.append(_committed(f"r{number:03d}", case, start, "in_room", end))
            elif end + max(case.cleanup, case.recovery) > self.now:
                committed.append(_committed(f"d{number:03d}", case, start, "done", end))
        return committed, waiting

    def _movable(self, name: str, case: _Drawn) -> ProblemCase:
        place = Place(room=str(case.room + 1), start=case.start)
        latest = None
        if self.draw.random() < 0.25:
            latest = max(case.start + timedelta(hours=2), SEVEN + timedelta(hours=self.draw.choice((9, 11))))
        return _stated(name, case, place, latest)

    def _add_ons(self, disturbance: str) -> list[ProblemCase]:
        emergencies = {"emergency": max(1, self.count // 10), "storm": max(1, self.count // 20)}.get(disturbance, 0)
        made = []
        for number in range(emergencies + (self.count // 10 if disturbance != "none" else 0)):
            service = self.draw.choice(
                [s for s in ("general", "orthopaedics", "gynaecology") if self._hosts(s)] or self.services
            )
            _, mean, _, recovery = _SERVICES[service]
            immediate = number < emergencies
            case = _Drawn(
                service=service,
                room=-1,
                surgeon=f"ON{number}",
                length=GRID * math.ceil(mean * self.draw.uniform(0.7, 1.3) / 5),
                setup=timedelta(minutes=10),
                cleanup=timedelta(minutes=25),
                recovery=GRID * math.ceil(recovery / 5),
                urgency=Urgency.IMMEDIATE if immediate else Urgency.URGENT,
                start=self.now + GRID * (6 if immediate else self.draw.randint(12, 48)),
                add_on=True,
            )
            made.append(_stated(f"a{number:03d}", case, Place(room=None, start=None), None, self.now))
        return made

    def _hosts(self, service: str) -> bool:
        return any(service in takes for takes in self.takes)

    def _room(self, room: int, down: tuple[Interval, ...]) -> ProblemRoom:
        return ProblemRoom(
            id=str(room + 1),
            services=self.takes[room],
            opens=SEVEN + timedelta(minutes=30),
            block_end=self.block_ends[room],
            closes=SEVEN + timedelta(hours=16),
            capabilities=("laminar",) if self.laminar[room] else (),
            down=down,
        )

    def _teams(self, short: bool) -> tuple[Capacity, ...]:
        """One team a room until 16:00, then fewer, but never fewer than the morning's plan needs."""
        missing = max(1, round(self.count * 0.15)) if short else 0
        steps = []
        marks = [SEVEN + timedelta(hours=h) for h in (0, 9, 11, 13, 16)]
        for share, begin, end in zip((1.0, 0.75, 0.45, 0.25), marks, marks[1:], strict=False):
            moments = [begin, *(c.start for c in self.cases if begin <= c.start < end)]
            planned = max(sum(c.start <= m < c.start + c.length for c in self.cases) for m in moments)
            number = max(2, math.ceil(self.count * share), planned) - missing
            steps.append(Capacity(start=begin, end=end, count=max(1, number)))
        return tuple(steps)

    def _beds(self) -> tuple[Capacity, ...]:
        stays = [
            Interval(start=c.start + c.length, end=c.start + c.length + c.recovery) for c in self.cases if c.recovery
        ]
        peak = max((sum(s.start <= m.start < s.end for s in stays) for m in stays), default=1)
        return (Capacity(start=SEVEN, end=SEVEN + timedelta(hours=28), count=max(2, math.ceil(peak * 1.05))),)


def _first_free(start: datetime, length: timedelta, busy: Sequence[Interval]) -> datetime:
    while clash := next((b for b in busy if b.overlaps(Interval(start=start, end=start + length))), None):
        start = clash.end
    return start


def _committed(name: str, case: _Drawn, start: datetime, why: str, end: datetime | None = None) -> Committed:
    out = end or start + case.length
    return Committed(
        id=name,
        label=f"{case.service.capitalize()} case {name}",
        room=str(case.room + 1),
        occupied=Interval(start=start - case.setup, end=out + case.cleanup),
        patient=Interval(start=start, end=out),
        surgeons=(case.surgeon,),
        recovery=Interval(start=out, end=out + case.recovery) if case.recovery else None,
        why=why,
    )


def _stated(
    name: str, case: _Drawn, place: Place, latest: datetime | None, waiting_since: datetime | None = None
) -> ProblemCase:
    return ProblemCase(
        id=name,
        version=1,
        service=case.service,
        label=f"{case.service.capitalize()} case {name}",
        urgency=case.urgency,
        surgeons=(case.surgeon,),
        length=case.length,
        length_p80=case.length + GRID * 3,
        setup=case.setup,
        cleanup=case.cleanup,
        current=place,
        scheduled=Place(room=place.room, start=case.start),
        needs=case.needs,
        latest=latest,
        recovery=case.recovery,
        waiting_since=waiting_since,
        add_on=case.add_on,
    )
