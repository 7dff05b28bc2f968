"""The rest of what a problem can hold, on top of the study's model: `enrich`, for `generate(kind="full")`.

Every capacity is drawn around what the published plan and the committed cases need, so that the published plan is
neither impossible nor free of care. Extra turnover adds up to less than the shortest occupancy of a room.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from orloop_common.domain.cost import DEFAULT_WEIGHTS
from orloop_common.domain.plan import Interval, Place, Quantiles
from orloop_common.domain.problem import (
    Capacity,
    Committed,
    EquipmentNeed,
    ExpectedWork,
    PlanProblem,
    ProblemCase,
    ProblemRoom,
    StaffHours,
    Turnover,
)
from orloop_common.domain.vocabulary import Urgency

from .generate_day import GRID, LAST, SEVEN, at, steps
from .generate_events import State, in_use

_MINUTE = timedelta(minutes=1)
_EQUIPMENT = {  # kind: share by service, reprocessing
    "c-arm": ({"orthopaedics": 0.5, "vascular": 0.7, "neurosurgery": 0.4}, 0),
    "laparoscopy-tower": ({"general": 0.5, "gynaecology": 0.5, "urology": 0.3}, 0),
    "arthroscopy-set": ({"orthopaedics": 0.25}, 90),
    "microscope": ({"ent": 0.4, "eye": 0.6, "neurosurgery": 0.6, "plastic": 0.2}, 10),
}
_SKILLS = {"scrub-cardiac": {"cardiac": 1.0, "vascular": 0.2}, "scrub-endoscopy": {"general": 0.3, "urology": 0.5}}
_ICU = {"cardiac": 0.8, "neurosurgery": 0.5, "vascular": 0.25}
_TARGET = {Urgency.IMMEDIATE: 30, Urgency.URGENT: 240, Urgency.EXPEDITED: 2880, Urgency.ELECTIVE: 43200}
Held = tuple[datetime, datetime]


def enrich(problem: PlanProblem, state: State, draw: Random) -> PlanProblem:
    """The same day with equipment, skills, cleaning, hours, turnover, units, wishes, sites and expected add-ons."""
    rooms = tuple(_room(room, k, len(problem.rooms), draw) for k, room in enumerate(problem.rooms))
    sites = {room.id: room.site for room in rooms}
    teams = _rooms_of_surgeons(problem)
    held = tuple(_committed(c, draw) for c in problem.committed)
    cases = tuple(_case(c, problem, sites, teams, draw) for c in problem.cases)
    richer = replace(problem, rooms=rooms, cases=cases, committed=held)
    icu = sum(c.unit == "icu" for c in cases) + sum(c.unit == "icu" for c in held)
    return replace(
        richer,
        weights=replace(DEFAULT_WEIGHTS, strict=True),
        equipment={kind: _around(richer, _equipment(richer, kind), 1) for kind in sorted(_EQUIPMENT)},
        skills={skill: _around(richer, _skill(richer, skill), 1) for skill in sorted(_SKILLS)},
        units={"icu": (Capacity(start=SEVEN, end=at(LAST) + timedelta(hours=12), count=icu + 1),)},
        cleaning=_cleaning(richer, state),
        hours=_hours(richer, draw),
        expected=_expected(richer, draw),
        turnover=Turnover(service_change=5 * _MINUTE, after_contaminated=15 * _MINUTE, before_latex=10 * _MINUTE),
    )


def _room(room: ProblemRoom, number: int, rooms: int, draw: Random) -> ProblemRoom:
    late = draw.randint(2, 8)
    starts = Quantiles(p50=late * _MINUTE, p80=2 * late * _MINUTE, p95=4 * late * _MINUTE)
    return replace(room, site="north" if number < (rooms + 1) // 2 else "south", late_start=starts)


def _rooms_of_surgeons(problem: PlanProblem) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for case in problem.cases:
        for surgeon in case.surgeons if case.current.room else ():
            found.setdefault(surgeon, set()).add(str(case.current.room))
    return {surgeon: tuple(sorted(rooms)) for surgeon, rooms in found.items()}


def _needs(service: str, draw: Random) -> tuple[tuple[EquipmentNeed, ...], tuple[str, ...], str | None]:
    equipment = tuple(
        EquipmentNeed(kind=kind, reprocessing=reprocessing * _MINUTE)
        for kind, (shares, reprocessing) in _EQUIPMENT.items()
        if draw.random() < shares.get(service, 0.0)
    )
    skills = tuple(skill for skill, shares in _SKILLS.items() if draw.random() < shares.get(service, 0.0))
    return equipment, skills, "icu" if draw.random() < _ICU.get(service, 0.02) else None


def _committed(held: Committed, draw: Random) -> Committed:
    equipment, skills, unit = _needs(held.service, draw)
    return replace(held, equipment=equipment, skills=skills, unit=unit, latex=draw.random() < 0.03)


def _case(
    case: ProblemCase,
    problem: PlanProblem,
    sites: Mapping[str, str],
    teams: Mapping[str, tuple[str, ...]],
    draw: Random,
) -> ProblemCase:
    equipment, skills, unit = _needs(case.service, draw)
    start, room = case.current.start, case.current.room
    preferred, ready, implant = None, None, None
    wishes, waits, implants, risky, dirty, latex, team = (draw.random() for _ in range(7))
    shift, later, risk = draw.randint(-12, 12), draw.randint(0, 12), draw.random()
    moved = draw.choices((0, 1, 2), (85, 12, 3))[0]
    if start is not None and room is not None:
        if wishes < 0.2:
            preferred = Place(room=room if wishes < 0.1 else None, start=start + GRID * shift)
        if waits < 0.1:
            ready = problem.now + GRID * later
        if implants < 0.04:
            implant = Interval(start=problem.now, end=min(start, problem.earliest_start + GRID * later))
    else:
        moved = 0
    surgeon_rooms = teams.get(case.surgeons[0], ()) if case.surgeons else ()
    return replace(
        case,
        equipment=equipment,
        skills=skills,
        unit=unit,
        moved_today=moved,
        contaminated=dirty < 0.08,
        latex=latex < 0.03,
        preferred=preferred,
        ready=ready,
        implant=implant,
        transport=timedelta(minutes=10),
        site=sites[room] if room is not None else "",
        team_rooms=surgeon_rooms if team < 0.25 else (),
        target_wait=_TARGET[case.urgency] * _MINUTE,
        cancellation_risk=round(0.1 + 0.3 * risk if risky < 0.15 else 0.04 * risk, 2),
    )


# --- capacities ------------------------------------------------------------------------------------


def _planned(case: ProblemCase) -> datetime | None:
    return case.current.start or case.scheduled.start


def _equipment(problem: PlanProblem, kind: str) -> list[Held]:
    found = []
    for held in problem.committed:
        found += [(held.patient.start, held.patient.end + n.reprocessing) for n in held.equipment if n.kind == kind]
    for case in problem.cases:
        for need in case.equipment:
            if need.kind == kind and (start := _planned(case)) is not None:
                found.append((start, start + case.length + need.reprocessing))
    return found


def _skill(problem: PlanProblem, skill: str) -> list[Held]:
    found = [(held.patient.start, held.patient.end) for held in problem.committed if skill in held.skills]
    starts = [(case, _planned(case)) for case in problem.cases if skill in case.skills]
    return found + [(start, start + case.length) for case, start in starts if start is not None]


def _around(problem: PlanProblem, use: Iterable[Held], least: int) -> tuple[Capacity, ...]:
    """As many all day long as are needed at once after now."""
    peak = max(in_use((_span(span) for span in use), 2 * LAST)[_slot(problem.now) :])
    return (Capacity(start=SEVEN, end=at(LAST) + timedelta(hours=12), count=max(least, peak)),)


def _cleaning(problem: PlanProblem, state: State) -> tuple[Capacity, ...]:
    """Cleaning teams for 40 % of the rooms until 18:00, then for half of these; never below plan."""
    use = in_use((_span((c.patient.end, c.occupied.end)) for c in problem.committed), LAST)
    planned = [(start + c.length, c) for c in problem.cases if (start := _planned(c)) is not None]
    more = in_use((_span((out, out + case.cleanup)) for out, case in planned), LAST)
    teams = max(2, -(-2 * state.day.rooms // 5))
    counts = [max(teams if t < 132 else (teams + 1) // 2, a, b) for t, (a, b) in enumerate(zip(use, more, strict=True))]
    return steps(counts)


def _span(held: Held) -> tuple[int, int]:
    return _slot(held[0]), -((SEVEN - held[1]) // GRID)


def _slot(moment: datetime) -> int:
    return (moment - SEVEN) // GRID


def _hours(problem: PlanProblem, draw: Random) -> dict[str, StaffHours]:
    """Most surgeons stay two hours past their last planned case; a third have a break between two of their cases."""
    hours = {}
    for surgeon in sorted({s for case in problem.cases for s in case.surgeons}):
        own = [(start, start + c.length) for c in problem.cases if surgeon in c.surgeons and (start := _planned(c))]
        own += [(c.patient.start, c.patient.end) for c in problem.committed if surgeon in c.surgeons]
        goes, pauses, later = draw.random() < 0.6, draw.random() < 0.33, draw.randint(24, 36)
        last = max((end for _, end in own), default=at(132))
        until = min(at(LAST), max(last + GRID * later, at(120))) if goes else None
        breaks = _break(problem, own) if pauses else ()
        if until is not None or breaks:
            hours[surgeon] = StaffHours(until=until, breaks=breaks)
    return hours


def _break(problem: PlanProblem, own: Sequence[Held]) -> tuple[Interval, ...]:
    """The first free half hour between 12:00 and 14:00 after the notice, if there is one."""
    for slot in range(60, 78):
        pause = Interval(start=at(slot), end=at(slot + 6))
        if pause.start >= problem.earliest_start and not any(a < pause.end and pause.start < b for a, b in own):
            return (pause,)
    return ()


def _expected(problem: PlanProblem, draw: Random) -> tuple[ExpectedWork, ...]:
    """From the next full hour until 18:00: a little more than one add-on an hour in twenty rooms."""
    first = problem.now.replace(minute=0) + timedelta(hours=1)
    hours = [first + timedelta(hours=k) for k in range(max(0, (at(132) - first) // timedelta(hours=1)))]
    work = [GRID * round(len(problem.rooms) * draw.uniform(0.3, 1.0)) for _ in hours]
    return tuple(
        ExpectedWork(start=hour, end=hour + timedelta(hours=1), work=w) for hour, w in zip(hours, work, strict=True)
    )
