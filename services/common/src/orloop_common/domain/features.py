"""Point-in-time features of a case: the one list that features publishes, forecast reads and training draws.

A feature says only what was known at the moment it is asked for. Minutes are floats, because these
values leave the house as numbers; a feature that is not known (yet) is None.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from .calendar import OperationalCalendar
from .digest import digest
from .events import CaseScheduled
from .reading import entered, stage
from .records import CaseRecord
from .suite_day import SuiteDay
from .vocabulary import Milestone

FeatureValues = Mapping[str, float | str | None]


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: `moving` ones change with the clock alone and do not make a case's features new."""

    name: str
    kind: Literal["word", "number"]
    sentence: str
    moving: bool = False


FEATURES: tuple[Feature, ...] = (
    Feature("service", "word", "The surgical service line."),
    Feature("procedure", "word", "The code of the first procedure."),
    Feature("surgeon", "word", "The staff id of the lead surgeon."),
    Feature("anaesthesia", "word", "The type of anaesthesia."),
    Feature("patient_class", "word", "Inpatient or outpatient."),
    Feature("urgency", "word", "The NCEPOD class."),
    Feature("booked_minutes", "number", "Booked length, patient in room to patient out of room."),
    Feature("procedures", "number", "How many procedures are booked in one."),
    Feature("equipment", "number", "How many kinds of equipment are booked."),
    Feature("asa", "number", "The ASA class."),
    Feature("age_from", "number", "The first year of the age band."),
    Feature("add_on", "number", "1 for a case added on the day of surgery."),
    Feature("start_hour", "number", "The scheduled start, in hours of site time."),
    Feature("lead_minutes", "number", "Patient in room to incision, once it is known."),
    Feature("operation_minutes", "number", "Incision to procedure end, once it is known."),
    Feature("elapsed_minutes", "number", "Since the patient entered the room.", moving=True),
    Feature("since_incision_minutes", "number", "Since incision.", moving=True),
    Feature("since_closing_minutes", "number", "Since closing began.", moving=True),
    Feature("since_procedure_end_minutes", "number", "Since procedure end.", moving=True),
)

SCHEMA: str = digest([(f.name, f.kind) for f in FEATURES])
"""The feature list's digest: a forecast bundle serves only features of the list it was trained on."""

MOVING: frozenset[str] = frozenset(f.name for f in FEATURES if f.moving)
STAGES: tuple[str, ...] = ("scheduled", "in_room", "after_incision", "closing", "after_procedure_end")
"""The states in which a forecast is made, in their order."""


def case_features(day: SuiteDay, case: str) -> dict[str, float | str | None] | None:
    """The case's features as of the day's `now`; None if it is not booked, has ended or has left the room."""
    record = day.cases.get(case)
    if record is None or record.schedule is None or stage(record) == "done":
        return None
    if record.status != "scheduled" and entered(record) is None:
        return None
    return record_features(record.schedule, record, day.now or record.schedule.at, day.calendar)


def record_features(
    schedule: CaseScheduled, record: CaseRecord, now: datetime, calendar: OperationalCalendar
) -> dict[str, float | str | None]:
    """The same for one record of a case, such as one drawn for training."""
    came = entered(record)
    incision, closing, end = (
        record.when(m) for m in (Milestone.PROCEDURE_START, Milestone.CLOSING, Milestone.PROCEDURE_END)
    )
    start = schedule.start.astimezone(calendar.zone)
    return {
        "service": schedule.service,
        "procedure": schedule.procedures[0].code if schedule.procedures else None,
        "surgeon": lead_surgeon(schedule),
        "anaesthesia": schedule.anaesthesia,
        "patient_class": schedule.patient_class,
        "urgency": str(schedule.urgency),
        "booked_minutes": _minutes(schedule.booked),
        "procedures": float(len(schedule.procedures)),
        "equipment": float(len(schedule.equipment)),
        "asa": None if schedule.asa is None else float(schedule.asa),
        "age_from": _age_from(schedule.age_band),
        "add_on": float(schedule.add_on),
        "start_hour": start.hour + start.minute / 60,
        "lead_minutes": _between(came, incision),
        "operation_minutes": _between(incision, end),
        "elapsed_minutes": _between(came, now),
        "since_incision_minutes": _between(incision, now),
        "since_closing_minutes": _between(closing, now),
        "since_procedure_end_minutes": _between(end, now),
    }


def lead_surgeon(schedule: CaseScheduled) -> str | None:
    """The id of the first person whose role is surgeon."""
    return next((s.id for s in schedule.surgeons if s.role == "surgeon"), None)


def without_moving(values: FeatureValues) -> dict[str, float | str | None]:
    """What only an event can change."""
    return {name: value for name, value in values.items() if name not in MOVING}


def _minutes(length: timedelta) -> float:
    return round(length.total_seconds() / 60, 3)


def _between(start: datetime | None, end: datetime | None) -> float | None:
    """Minutes from `start` to `end`, never below zero; None if either is missing."""
    return None if start is None or end is None else max(0.0, _minutes(end - start))


def _age_from(band: str | None) -> float | None:
    digits = "".join(c if c.isdigit() else " " for c in band or "").split()
    return float(digits[0]) if digits else None
