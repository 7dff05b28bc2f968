"""One day's operating list from a seed, with the scenario's disturbances built in.

Blocks are filled to 88-100 % with 2-5 cases a room on a five-minute grid, one or two surgeons a room,
rooms of one service may share a flip surgeon. A room that is to fail has been left by its first
patient before, and has at least two cases to come, none within the notice time: so there is
something to save and somewhere to take it.
"""

from dataclasses import dataclass, replace
from datetime import date, time

from orloop_common.domain.site import RoomLayout, SuiteLayout

from .cases import READY_ITEMS, Booking, CaseRecord, Day
from .draws import Draws
from .durations import booked_minutes, true_minutes
from .people import SURGEONS, Surgeon, draw_patient
from .procedures import PROCEDURES, Procedure, procedure
from .scenario import AddOn, RoomDown, Scenario, seconds

MINUTE = 60
_GRID = 5 * MINUTE
_FEWEST, _MOST = 2, 5
_TRIES = 4


def draw_day(day: date, seed: int, suite: SuiteLayout, scenario: Scenario) -> Day:
    """The whole list: what is booked at the start of the day, then the add-ons."""
    draws = Draws(seed)
    cases: list[CaseRecord] = []
    rooms_of: dict[str, int] = {}
    for room in suite.rooms:
        if room.id in scenario.light_rooms:
            continue
        service = room.service if room.service in PROCEDURES else room.services[0]
        house, nth = SURGEONS[service], rooms_of.get(service, 0)
        rooms_of[service] = nth + 1
        crew = (house[2 * nth % len(house)], house[(2 * nth + 1) % len(house)])
        cases += _Room(day, room, service, crew, scenario, draws, len(cases)).fill()
    told = seconds(scenario.bookings.first)
    cases = [
        replace(case, told_at=told + int(place * scenario.bookings.every_seconds))
        for place, case in enumerate(sorted(cases, key=lambda c: (c.first.start, c.number)))
    ]
    cases = _share_flip_surgeons(cases, draws)
    steady = {down.room for down in scenario.rooms_down}
    share = scenario.outstanding_readiness
    cases = [case if case.first.room in steady else _not_ready(case, share, draws) for case in cases]
    for add_on in scenario.add_ons:
        cases.append(_add_on(day, add_on, cases, draws, len(cases)))
    return Day(day, seed, tuple(cases))


def fails_at(down: RoomDown, draws: Draws) -> int:
    """When the room really fails: the scripted time give or take its jitter."""
    jitter = down.jitter_minutes * MINUTE
    return seconds(down.at) + int(draws.between(-jitter, jitter, "room down", down.room))


@dataclass(frozen=True)
class _Room:
    """Fills one room's block."""

    day: date
    room: RoomLayout
    service: str
    crew: tuple[Surgeon, Surgeon]
    scenario: Scenario
    draws: Draws
    drawn: int

    def fill(self) -> list[CaseRecord]:
        opens, ends = _of_day(self.room.block_start), _of_day(self.room.block_end)
        full = opens + self.draws.between(0.88, 1.0, self.room.id, "fill") * (ends - opens)
        switch = self.draws.choice((2, 3, _MOST), self.room.id, "second surgeon from case")
        down = next((d for d in self.scenario.rooms_down if d.room == self.room.id), None)
        fewest = _FEWEST if down is None else 4
        cases: list[CaseRecord] = []
        clean, opens_again = 0, opens
        while len(cases) < _MOST:
            case = self._fitting(clean, opens_again, full, len(cases), down)
            if case.first.end > full and len(cases) >= fewest:
                break
            cases.append(replace(case, surgeon=self.crew[0 if len(cases) < switch else 1]))
            clean = case.first.end + case.cleanup
            if down is not None and len(cases) == 1:
                opens_again = _up(fails_at(down, self.draws) + 40 * MINUTE)
        return cases

    def _fitting(self, clean: int, opens: int, full: float, place: int, down: RoomDown | None) -> CaseRecord:
        """The next case; a shorter procedure is tried a few times where the first does not fit."""
        case = self._draw(clean, opens, place, down, 0)
        for attempt in range(1, _TRIES):
            if case.first.end <= full:
                break
            case = self._draw(clean, opens, place, down, attempt)
        return case

    def _draw(self, clean: int, opens: int, place: int, down: RoomDown | None, attempt: int) -> CaseRecord:
        """A case that can start once the room is clean and set up for it, and open."""
        number = self.drawn + place
        kinds = PROCEDURES[self.service]
        key = (case_id(self.day, self.draws.seed, number), "procedure", attempt)
        kind = self.draws.weighted(kinds, [k.weight for k in kinds], *key)
        start = max(opens, _up(clean + kind.setup * MINUTE))
        case = draw_case(self.day, number, kind, self.crew[0], self.room.id, start, self.draws)
        overrun = next((o for o in self.scenario.overruns if o.room == self.room.id), None)
        if place == 0 and overrun is not None:
            low, high = overrun.extra_minutes
            extra = self.draws.between(low, high, "overrun", overrun.room)
            return _lasting(case, overrun.booked_minutes, int((overrun.booked_minutes + extra) * MINUTE))
        most = self.scenario.most_extra_minutes
        if most is not None:
            case = replace(case, stay=min(case.stay, case.first.booked + most * MINUTE))
        if down is None:
            return case
        if place == 0:  # out, and the room clean, before it fails
            left = (fails_at(down, self.draws) - start) // MINUTE - 30
            booked = max(20, 5 * (min(left, case.first.booked // MINUTE) // 5))
            return _lasting(case, booked, min(case.stay, (booked + 5) * MINUTE))
        booked = min(80, case.first.booked // MINUTE)
        return _lasting(case, booked, min(case.stay, (booked + 40) * MINUTE))


def case_id(day: date, seed: int, number: int) -> str:
    """The hospital's appointment id; no two seeds share one."""
    return f"A{day:%y%m%d}{seed % 100000:05d}{number:03d}"


def draw_case(
    day: date, number: int, kind: Procedure, surgeon: Surgeon, room: str, start: int, draws: Draws
) -> CaseRecord:
    """A case of this kind: patient, booked and true length, readiness."""
    case = case_id(day, draws.seed, number)
    inpatient = kind.recovery >= 60 or kind.bed == "icu"
    return CaseRecord(
        id=case,
        number=number,
        patient=draw_patient(draws, case, number, day.year),
        visit=f"V{case[1:]}",
        ward=f"W{1 + int(6 * draws.uniform(case, 'ward'))}" if inpatient else "DAY",
        inpatient=inpatient,
        service=kind.service,
        procedure=kind,
        surgeon=surgeon,
        first=Booking(room, start, booked_minutes(kind.archetype, draws, case) * MINUTE),
        stay=int(true_minutes(kind.archetype, draws, case) * MINUTE),
        setup=kind.setup * MINUTE,
        cleanup=kind.cleanup * MINUTE,
        readiness=dict.fromkeys(READY_ITEMS, "done"),
    )


def _not_ready(case: CaseRecord, share: float, draws: Draws) -> CaseRecord:
    """Something is outstanding for some of the later patients until an hour or two before their start."""
    if case.first.start < 9 * 3600 or not draws.chance(share, case.id, "outstanding"):
        return case
    item = draws.choice(READY_ITEMS[1:], case.id, "outstanding item")
    ahead = int(draws.between(60, 110, case.id, "ready before") * MINUTE)
    return replace(
        case,
        readiness={**case.readiness, item: "outstanding"},
        ready_at=max(case.told_at + 10 * MINUTE, case.first.start - ahead),
    )


def _lasting(case: CaseRecord, booked: int, stay: int) -> CaseRecord:
    return replace(case, first=replace(case.first, booked=booked * MINUTE), stay=stay)


def _share_flip_surgeons(cases: list[CaseRecord], draws: Draws) -> list[CaseRecord]:
    """In 30 % of rooms the last case belongs to a surgeon of a sister room who is free then."""
    shared = list(cases)
    for room in sorted({case.first.room for case in cases}):
        mine = [case for case in shared if case.first.room == room]
        last = max(mine, key=lambda c: c.first.start)
        others = {c.surgeon for c in shared if c.service == last.service and c.first.room != room}
        if len(mine) < 3 or not others or not draws.chance(0.3, room, "flip surgeon"):
            continue
        surgeon = draws.choice(sorted(others, key=lambda s: s.id), room, "which flip surgeon")
        if not any(_clash(last, c) for c in shared if c.surgeon.id == surgeon.id):
            shared[shared.index(last)] = replace(last, surgeon=surgeon)
    return shared


def _clash(one: CaseRecord, other: CaseRecord) -> bool:
    slack = 15 * MINUTE
    return one.first.start < other.first.end + slack and other.first.start < one.first.end + slack


def _add_on(day: date, add_on: AddOn, cases: list[CaseRecord], draws: Draws, number: int) -> CaseRecord:
    """A case that nobody expected, behind the last one of its room, by a surgeon of the service."""
    jitter = add_on.jitter_minutes * MINUTE
    told = seconds(add_on.at) + int(draws.between(-jitter, jitter, "add-on", number))
    kind = procedure(add_on.service, add_on.procedure)
    behind = [c.first.end + c.cleanup for c in cases if c.first.room == add_on.room]
    start = _up(max([told + 60 * MINUTE, *(end + kind.setup * MINUTE for end in behind)]))
    house = sorted({c.surgeon for c in cases if c.service == add_on.service}, key=lambda s: s.id)
    surgeon = draws.choice(house or SURGEONS[add_on.service], number, "add-on surgeon")
    case = draw_case(day, number, kind, surgeon, add_on.room, start, draws)
    return replace(
        case,
        first=replace(case.first, booked=add_on.booked_minutes * MINUTE),
        stay=min(case.stay, (add_on.booked_minutes + 30) * MINUTE),
        urgency=add_on.urgency,
        add_on=True,
        inpatient=True,
        told_at=told,
        waiting_since=told - 20 * MINUTE,
        earliest=_up(told + 30 * MINUTE),
        latest=_up(max(told + add_on.latest_minutes * MINUTE, start)),
    )


def _of_day(moment: time) -> int:
    return moment.hour * 3600 + moment.minute * MINUTE


def _up(moment: float) -> int:
    """The next full five minutes."""
    return int(-(-moment // _GRID) * _GRID)
