"""What went wrong at `now`, what can no longer move, and how much there is of everything."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .generate_day import LAST, SERVICES, TRAIL, Day, Drawn, slots, spread

EVENTS = ("down", "overrun", "emergency", "staff", "storm", "none")
NOTICE = 6
"""Half an hour: what starts before is frozen."""
EMERGENCY_NOTICE = 2
TEAM_SHARE = ((108, 1.0), (132, 0.75), (156, 0.45), (LAST, 0.25))
"""Anaesthesia teams by room until 16:00, 18:00, 20:00 and after."""
_ADD_ON_SERVICES = {"general": 40, "orthopaedics": 30, "vascular": 10, "gynaecology": 15, "neurosurgery": 5}
Down = tuple[int, int, int]  # room, from, until


@dataclass
class State:
    """The day at `now`: what stays, what may move, which rooms are down, capacities before committed use."""

    day: Day
    frozen: list[Drawn]
    movable: list[Drawn]
    emergencies: list[Drawn]
    urgent: list[Drawn]
    down: list[Down]
    teams: list[int]
    beds: list[int]


def make_state(day: Day, event: str) -> State:
    """The state of a day after an event; frozen cases have `began` and `ended` as they are expected."""
    teams, beds = planned_teams(day), _planned_beds(day)
    if event in ("overrun", "storm"):
        _overrun(day)
    down = _down(day) if event in ("down", "storm") else []
    if event in ("staff", "storm"):
        missing = max(1, round(day.rooms * 0.15))
        teams = [max(1, n - missing) if t >= day.now else n for t, n in enumerate(teams)]
    emergencies, urgent = _add_ons(day, event)
    frozen, movable = _freeze(day, {room for room, _, _ in down}, teams, beds)
    return State(day, frozen, movable, emergencies, urgent, down, teams, beds)


def planned_teams(day: Day) -> list[int]:
    """Anaesthesia teams by slot: by the hour, never below what the morning's plan needs."""
    use = in_use(((case.start, case.start + case.length) for case in day.cases), LAST)
    shares = [next(share for until, share in TEAM_SHARE if t < until) for t in range(LAST)]
    return [max(2, math.ceil(day.rooms * share), used) for share, used in zip(shares, use, strict=True)]


def _planned_beds(day: Day) -> list[int]:
    """Recovery beds by slot: 1.05 times the planned peak, 60 % of it after 19:00, never below plan."""
    stays = [(c.start + c.length, c.start + c.length + c.recovery) for c in day.cases]
    use = in_use(stays, LAST)
    peak = max(use)
    return [
        max(2, math.ceil(peak * 1.05)) if t < 144 else max(2, math.ceil(peak * 0.6), used) for t, used in enumerate(use)
    ]


def in_use(spans: Iterable[tuple[int, int]], until: int) -> list[int]:
    """How many half-open spans hold each slot."""
    use = [0] * until
    for start, end in spans:
        for t in range(max(0, start), min(until, end)):
            use[t] += 1
    return use


def _overrun(day: Day) -> None:
    """A tenth of the rooms: running cases with most waiting behind them take one to two hours longer."""
    waiting = [case.room for case in day.of("waiting")]
    behind = sorted(day.of("running"), key=lambda case: (-waiting.count(case.room), case.room))
    for case in behind[: max(1, day.rooms // 10)]:
        case.overrun = day.draw.randint(12, 24)
        case.ended = min(case.ended + case.overrun, LAST - 30)
        day.free[case.room] = max(day.free[case.room], case.ended + case.cleanup)


def _down(day: Day) -> list[Down]:
    """Among the third of the rooms with most waiting: R/20 are down for two hours, four, or the day."""
    waiting = [case.room for case in day.of("waiting")]
    busiest = sorted(range(day.rooms), key=lambda room: (-waiting.count(room), -room))[: max(3, day.rooms // 3)]
    chosen = day.draw.sample(busiest, min(len(busiest), max(1, day.rooms // 20)))
    return [(r, day.free[r], min(LAST, day.free[r] + day.draw.choice((24, 48, LAST)))) for r in chosen]


def _add_ons(day: Day, event: str) -> tuple[list[Drawn], list[Drawn]]:
    """Emergencies, and with every event R/10 urgent add-ons."""
    if event == "none":
        return [], []
    emergencies = {"emergency": max(1, day.rooms // 10), "storm": max(1, day.rooms // 20)}.get(event, 0)
    made = [_add_on(day) for _ in range(emergencies + day.rooms // 10)]
    for number, case in enumerate(made):
        case.arrived = day.now - day.draw.randrange(3)
        case.start = day.now + (NOTICE if number < emergencies else day.draw.randrange(12, 48))
    return made[:emergencies], made[emergencies:]


def _add_on(day: Day) -> Drawn:
    draw = day.draw
    service = draw.choices(list(_ADD_ON_SERVICES), list(_ADD_ON_SERVICES.values()))[0]
    if not any(service in takes for takes in day.takes):
        service = day.services[0]
    _, mean, cv, recovery = SERVICES[service]
    sigma = spread(cv * 0.8)
    own = [s for room in range(day.rooms) if day.services[room] == service for s in day.surgeons[room]]
    if not own or draw.random() < 0.5:  # an on-call surgeon with nothing else to do
        own, day.surgeon_count = [day.surgeon_count], day.surgeon_count + 1
    return Drawn(
        service=service,
        surgeon=draw.choice(own),
        mu=math.log(mean * draw.uniform(0.7, 1.3)) - sigma**2 / 2,
        sigma=sigma,
        setup=2,
        cleanup=5,
        recovery=slots(draw.lognormvariate(math.log(recovery), 0.3)),
        weight=1.0,
    )


def _freeze(day: Day, down: set[int], teams: Sequence[int], beds: Sequence[int]) -> tuple[list[Drawn], list[Drawn]]:
    """A room's next case stays if it was to start inside the notice and everything for it is there."""
    busy: dict[int, list[tuple[int, int]]] = {}
    stays = [(c.began, c.ended) for c in day.of("running")]
    recoveries = [(c.ended, c.ended + c.recovery) for c in (*day.of("done"), *day.of("running"))]
    for case in day.of("running"):
        busy.setdefault(case.surgeon, []).append((day.now, max(day.now, case.ended - TRAIL)))
    frozen, movable, seen = list[Drawn](), list[Drawn](), set[int]()
    for case in day.of("waiting"):
        first = case.room not in seen
        seen.add(case.room)
        start = max(case.start, day.free[case.room] + case.setup, day.now + 1)
        out = start + case.length
        bound = (start + case.bound[0], start + case.bound[1])
        fits = (
            first
            and case.start <= day.now + NOTICE
            and case.room not in down
            and not any(bound[0] < end and begin < bound[1] for begin, end in busy.get(case.surgeon, ()))
            and _room_for(teams, stays, (start, out))
            and _room_for(beds, recoveries, (out, out + case.recovery))
        )
        if not fits:
            movable.append(case)
            continue
        case.began, case.ended = start, out
        busy.setdefault(case.surgeon, []).append(bound)
        stays.append((start, out))
        recoveries.append((out, out + case.recovery))
        day.free[case.room] = max(day.free[case.room], out + case.cleanup)
        frozen.append(case)
    return frozen, movable


def _room_for(capacity: Sequence[int], taken: Iterable[tuple[int, int]], wanted: tuple[int, int]) -> bool:
    use = in_use(taken, LAST)
    return all(use[t] < capacity[t] for t in range(wanted[0], min(LAST, wanted[1])))
