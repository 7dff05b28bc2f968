"""A hospital's extract of a day against the fold: what is missing here, extra here, or different. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from orloop_common.domain.events import CaseScheduled
from orloop_common.domain.records import CaseRecord
from orloop_common.domain.suite_day import SuiteDay

from .booked import length_of
from .known import Identities
from .tables import Row
from .told import Act

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference: `place` is the extract's row, `theirs` and `ours` are words, never of a patient."""

    kind: str
    case: str | None
    place: str = ""
    field: str = ""
    theirs: str = ""
    ours: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What came of it: findings, how many cases agree, and of which day."""

    day: date
    compared: int
    agreeing: int
    findings: tuple[Finding, ...]


def cases_named(identities: Identities, namespace: str, sender_case: str) -> frozenset[str]:
    """Our cases that a sender's id names; more than one only if ids were used twice."""
    return frozenset(identities.by_id.get((namespace, sender_case), ()))


def day_of(rows: Iterable[Row], day: SuiteDay) -> date | None:
    """The operational day on which most of the extract's cases start."""
    days = [day.calendar.day(row.cells["start"]) for row in rows if row.cells["start"] is not None]
    return max(sorted(set(days)), key=days.count, default=None)


def reconcile(rows: Iterable[Row], day: SuiteDay, identities: Identities, namespace: str, on: date) -> Reconciled:
    """Compare what both know; a column that the extract leaves empty is not compared.

    A case of ours that ended, or starts on another day, is not extra.
    """
    findings: list[Finding] = []
    met: set[str] = set()
    compared = agreeing = 0
    for row in rows:
        found = cases_named(identities, namespace, row.cells["case_id"])
        case = min(found) if len(found) == 1 else None
        record = day.cases.get(case) if case is not None else None
        theirs_open = row.cells["status"] in (None, Act.BOOKED)
        compared += 1
        if case is None or record is None or (record.schedule is None and record.status == "scheduled"):
            if theirs_open:
                findings.append(Finding(kind="missing", case=case, place=row.place, theirs=_summary(row)))
            else:
                agreeing += 1
            continue
        met.add(case)
        different = list(_different(row, record))
        findings += different
        agreeing += not different
    for case, record in sorted(day.cases.items()):
        schedule = record.schedule
        if case in met or schedule is None or not record.active or day.calendar.day(schedule.start) != on:
            continue
        findings.append(Finding(kind="extra", case=case, ours=_ours(schedule)))
    return Reconciled(day=on, compared=compared, agreeing=agreeing, findings=tuple(findings))


def _different(row: Row, record: CaseRecord) -> Iterable[Finding]:
    cells, schedule = row.cells, record.schedule
    status = cells["status"].value if cells["status"] is not None else "booked"
    ours = "booked" if record.status == "scheduled" else record.status
    if status != ours:
        yield Finding(kind="different", case=record.case, place=row.place, field="status", theirs=status, ours=ours)
        return
    if status != "booked" or schedule is None:
        return
    for name, (theirs, held, same) in _FIELDS.items():
        told, known = theirs(cells), held(schedule)
        if told is not None and not same(told, known):
            yield Finding(
                kind="different",
                case=record.case,
                place=row.place,
                field=name,
                theirs=_word(told),
                ours=_word(known),
            )


def _equal(theirs: Any, ours: Any) -> bool:
    return bool(theirs == ours)


def _about(theirs: Any, ours: Any) -> bool:
    return ours is not None and bool(abs(theirs - ours) < _MINUTE)


def _cell(name: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda cells: cells[name]


_Field = tuple[Callable[[dict[str, Any]], Any], Callable[[CaseScheduled], Any], Callable[[Any, Any], bool]]
_FIELDS: dict[str, _Field] = {
    "start": (_cell("start"), lambda s: s.start, _about),
    "length": (length_of, lambda s: s.booked, _about),
    "room": (_cell("room"), lambda s: s.room, _equal),
    "service": (_cell("service"), lambda s: s.service, _equal),
    "urgency": (_cell("urgency"), lambda s: s.urgency.value, _equal),
    "surgeons": (
        lambda cells: tuple(sorted(cells["surgeon_id"])) if cells["surgeon_id"] else None,
        lambda s: tuple(sorted(surgeon.id for surgeon in s.surgeons if surgeon.role == "surgeon")),
        _equal,
    ),
    "procedure": (
        _cell("procedure_code"),
        lambda s: s.procedures[0].code if s.procedures else None,
        _equal,
    ),
    "anaesthesia": (_cell("anaesthesia"), lambda s: s.anaesthesia, _equal),
    "asa": (_cell("asa"), lambda s: s.asa, _equal),
    "add_on": (_cell("add_on"), lambda s: s.add_on, _equal),
    "bed": (_cell("bed"), lambda s: s.bed, _equal),
}


def _summary(row: Row) -> str:
    parts = [row.cells["room"] and f"room {row.cells['room']}", row.cells["service"], _word(row.cells["start"])]
    return ", ".join(part for part in parts if part)


def _ours(schedule: CaseScheduled) -> str:
    return f"room {schedule.room or 'none'}, {schedule.service}, {_word(schedule.start)}"


def _word(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%MZ")
    if isinstance(value, timedelta):
        return f"{value.total_seconds() / 60:g} min"
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value)
