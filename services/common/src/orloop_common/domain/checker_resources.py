"""What the judge asks of people, beds and things that can run out; one function per hard rule.

A rule is broken only where a placed case uses what is short: what committed cases overdraw among
themselves (an overrun into a full recovery) is not the plan's fault.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from .checker_rooms import Held, clashes
from .checker_sheet import Broken, Holding, Sheet
from .problem import Capacity
from .wording import count, doctor

Use = tuple[datetime, datetime, int, str]
"""From when until when, how many, and by which case: empty where the judge is not asked about it."""


def surgeon_one_place(sheet: Sheet) -> Iterator[Broken]:
    """A surgeon is bound to one patient at a time."""
    days: dict[str, list[Held]] = {s: [] for placed in sheet.asked for s in placed.case.surgeons}
    for held in sheet.problem.committed:
        for surgeon in held.surgeons:
            if surgeon in days:
                days[surgeon].append((held.surgeon or held.patient, held.room, held.id, False))
    for placed, asked in sheet.others():
        for surgeon in placed.case.surgeons:
            if surgeon in days:
                days[surgeon].append((placed.bound, placed.room, placed.case.id, asked))
    for surgeon in sorted(days):
        for (one, first, a, _), (two, second, b, _) in clashes(days[surgeon]):
            when = sheet.clock(max(one.start, two.start))
            rooms = f"in rooms {first} and {second}" if first != second else f"with two patients in room {first}"
            yield Broken("surgeon-one-place", f"{doctor(sheet.problem, surgeon)} would be {rooms} at {when}.", (a, b))


def surgeon_hours(sheet: Sheet) -> Iterator[Broken]:
    """A surgeon is bound only within working hours, and not during a break."""
    for placed in sheet.asked:
        for surgeon in placed.case.surgeons:
            hours = sheet.problem.hours.get(surgeon)
            if hours is None:
                continue
            name = doctor(sheet.problem, surgeon)
            if hours.until is not None and placed.bound.end > hours.until:
                until, needed = sheet.clock(hours.until), sheet.clock(placed.bound.end)
                sentence = f"{name} is there until {until}; {placed.the} would need the surgeon until {needed}."
                yield Broken("surgeon-hours", sentence, (placed.case.id,))
            for pause in hours.breaks:
                if pause.overlaps(placed.bound):
                    sentence = f"{name} has a break from {sheet.clock(pause.start)}, during {placed.the}."
                    yield Broken("surgeon-hours", sentence, (placed.case.id,))


def anaesthesia_teams(sheet: Sheet) -> Iterator[Broken]:
    """There is an anaesthesia team for every patient in a room."""
    for short in overdrawn(sheet.problem.teams, teams_used(sheet.held)):
        rooms = f"{count(short.needed, 'room')} would need an anaesthesia team"
        yield _broken(sheet, "anaesthesia-teams", short, rooms, "team")


def recovery_beds(sheet: Sheet) -> Iterator[Broken]:
    """There is a recovery bed for every patient who leaves a room and needs one."""
    for short in overdrawn(sheet.problem.beds, beds_used(sheet.held)):
        patients = f"{count(short.needed, 'patient')} would need a recovery bed"
        yield _broken(sheet, "recovery-beds", short, patients, "bed")


def staff_skills(sheet: Sheet) -> Iterator[Broken]:
    """Whoever is needed for a special skill is there for every patient in a room who needs it."""
    for skill, capacity in sheet.problem.skills.items():
        for short in overdrawn(capacity, skill_used(sheet.held, skill)):
            people = f"{count(short.needed, 'person', 'people')} with the skill {skill} would be needed"
            yield _broken(sheet, "staff-skills", short, people)


def equipment_units(sheet: Sheet) -> Iterator[Broken]:
    """There is a unit of equipment for every case that holds one, from patient in until it is reprocessed."""
    for kind, capacity in sheet.problem.equipment.items():
        for short in overdrawn(capacity, equipment_used(sheet.held, kind)):
            yield _broken(sheet, "equipment-units", short, f"{count(short.needed, 'unit')} of {kind} would be needed")


def cleaning_teams(sheet: Sheet) -> Iterator[Broken]:
    """There is a cleaning team for every room between patient out and the end of cleanup."""
    for short in overdrawn(sheet.problem.cleaning, cleaning_used(sheet.held)):
        rooms = f"{count(short.needed, 'room')} would have to be cleaned"
        yield _broken(sheet, "cleaning-teams", short, rooms, "cleaning team")


def unit_beds(sheet: Sheet) -> Iterator[Broken]:
    """There is a bed on the unit for every patient who goes there, until the end of the day (the horizon)."""
    for unit, capacity in sheet.problem.units.items():
        name = unit.upper() if unit == "icu" else unit
        for short in overdrawn(capacity, unit_used(sheet.held, unit, sheet.problem.horizon)):
            patients = f"{count(short.needed, 'patient')} would need {_a(name)} bed"
            yield _broken(sheet, "unit-beds", short, patients, "bed")


# --- who uses what -----------------------------------------------------------------------------------


def teams_used(held: Sequence[Holding]) -> list[Use]:
    return [(h.patient.start, h.patient.end, 1, h.case) for h in held]


def beds_used(held: Sequence[Holding]) -> list[Use]:
    return [(h.recovery.start, h.recovery.end, 1, h.case) for h in held if h.recovery is not None]


def skill_used(held: Sequence[Holding], skill: str) -> list[Use]:
    return [(h.patient.start, h.patient.end, h.skills.count(skill), h.case) for h in held if skill in h.skills]


def equipment_used(held: Sequence[Holding], kind: str) -> list[Use]:
    return [
        (h.patient.start, h.patient.end + need.reprocessing, need.count, h.case)
        for h in held
        for need in h.equipment
        if need.kind == kind
    ]


def cleaning_used(held: Sequence[Holding]) -> list[Use]:
    return [(h.patient.end, h.clean, 1, h.case) for h in held if h.clean > h.patient.end]


def unit_used(held: Sequence[Holding], unit: str, last: datetime) -> list[Use]:
    return [(h.to_unit, last, 1, h.case) for h in held if h.unit == unit and h.to_unit < last]


# --- counting ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Short:
    """From `moment` on `needed` are more than `there`; `cases` in question use some of them."""

    moment: datetime
    needed: int
    there: int
    cases: tuple[str, ...]


def overdrawn(capacity: Sequence[Capacity], uses: Sequence[Use]) -> Iterator[Short]:
    """When more is needed than there is, and a case in question needs it; each run of such moments once."""
    if not capacity or not any(case for *_, case in uses):
        return
    starts = sorted((start, amount) for start, _, amount, _ in uses)
    ends = sorted((end, amount) for _, end, amount, _ in uses)
    marks = {start for start, _ in starts} | {c.start for c in capacity} | {c.end for c in capacity}
    needed = begun = ended = 0
    told: set[str] = set()
    for moment in sorted(marks):
        while begun < len(starts) and starts[begun][0] <= moment:
            needed += starts[begun][1]
            begun += 1
        while ended < len(ends) and ends[ended][0] <= moment:
            needed -= ends[ended][1]
            ended += 1
        there = next((c.count for c in capacity if c.start <= moment < c.end), 0)
        if needed <= there:
            continue
        here = tuple(case for start, end, _, case in uses if case and start <= moment < end)
        if here and not told.issuperset(here):
            told.update(here)
            yield Short(moment, needed, there, here)


def _broken(sheet: Sheet, rule: str, short: Short, needed: str, noun: str = "") -> Broken:
    return Broken(rule, f"At {sheet.clock(short.moment)} {needed}; there {_are(short.there, noun)}.", short.cases)


def _are(number: int, noun: str) -> str:
    """`is none`, `is 1 bed`, `are 3 beds`; without a noun only the number."""
    told = count(number, noun) if noun else str(number)
    return "is none" if number == 0 else f"{'is' if number == 1 else 'are'} {told}"


def _a(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiouAEIOU' else 'a'} {noun}"
