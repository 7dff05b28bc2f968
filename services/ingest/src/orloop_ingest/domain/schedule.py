"""SIU: the hospital's schedule of a case, and how it ends."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from orloop_common.domain.digest import derived_id, digest
from orloop_common.domain.events import (
    CaseCancelled,
    CaseEnteredInError,
    CaseNoShow,
    CaseScheduled,
    Event,
    Procedure,
    Surgeon,
)
from orloop_common.domain.records import CaseRecord
from orloop_common.domain.vocabulary import Urgency

from . import profile as p
from .pseudonyms import age_band
from .quarantine import Quarantined, Reason
from .reading import Reading
from .times import parse_length, parse_time
from .tokens import Segment

_RESOURCES = frozenset({b"AIS", b"AIL", b"AIP", b"AIG"})
_MOST_RESOURCES = 600  # more would not fit one record of the log
_DISAGREES = timedelta(minutes=1)
_EPOCH_VERSIONS = 10**8  # a version from here on is a time, not a count


def ended(r: Reading, case: str) -> list[Event]:
    """The case was cancelled, did not come, or was never real."""
    record = r.known.case(case)
    version, _ = _version(r, record)
    sch, trigger = r.segment("SCH"), r.header.trigger
    kind: type[CaseCancelled | CaseNoShow | CaseEnteredInError]
    status = "cancelled"
    kind = CaseCancelled
    if trigger in p.NO_SHOW:
        status, kind = "no_show", CaseNoShow
    elif trigger in p.ENTERED_IN_ERROR:
        status, kind = "entered_in_error", CaseEnteredInError
    if record.ended_version is not None and record.status == status and version <= record.ended_version:
        return []
    reason = r.code(sch, 6)
    id = derived_id(kind.__name__, r.suite, case, str(version), reason or "")
    return [kind(id=id, suite=r.suite, at=r.told, case=case, version=version, reason_code=reason)]


def scheduled(r: Reading, case: str) -> list[Event]:
    """The newest version of the schedule, if this message holds one that is not known yet."""
    record = r.known.case(case)
    held = record.schedule
    version, counted = _version(r, record)
    if held is None and not _has_start(r):
        if r.header.trigger == "S14" and any(True for _ in r.message.all(b"OBX")):
            return []  # a milestone that overtook its booking
        raise Quarantined(Reason.NO_START, "TQ1-7")
    if _superseded(record, version):
        r.notes.append("superseded")
        return []
    new = _draft(r, case, version, held)
    if held is not None:
        same = replace(new, id=held.id, at=held.at, version=held.version) == held
        if same and (version == held.version or not counted):
            return []
        if not same and version == held.version:
            raise Quarantined(Reason.SAME_VERSION_DIFFERS, "SCH-5")
    return [replace(new, id=derived_id("CaseScheduled", r.suite, case, str(version), _content(new)))]


def _content(event: CaseScheduled) -> str:
    return digest(replace(event, id="", at=event.start))


def _superseded(record: CaseRecord, version: int) -> bool:
    if record.ended_version is not None and version <= record.ended_version:
        return True
    return record.schedule is not None and version < record.schedule.version


def _version(r: Reading, record: CaseRecord) -> tuple[int, bool]:
    """The schedule's version, and whether the sender counts them (SCH-5 `V7`) or MSH-7 stands in."""
    told = r.text(r.segment("SCH"), 5)
    found = re.fullmatch(r"V(\d{1,7})", told)
    if told and found is None:
        raise Quarantined(Reason.BAD_VERSION, "SCH-5")
    version = int(found[1]) if found else int(r.told.timestamp())
    versions = [
        v for v in (record.ended_version, record.schedule.version if record.schedule else None) if v is not None
    ]
    if any((v < _EPOCH_VERSIONS) != (version < _EPOCH_VERSIONS) for v in versions):
        raise Quarantined(Reason.BAD_VERSION, "SCH-5")
    return version, found is not None


def _starts(r: Reading) -> list[tuple[Segment | None, int, int, str]]:
    tq1, sch = r.segment("TQ1"), r.segment("SCH")
    ail, ais = _one(r, "AIL"), _one(r, "AIS")
    return [(tq1, 7, 1, "TQ1-7"), (sch, 11, 4, "SCH-11.4"), (ail, 6, 1, "AIL-6"), (ais, 4, 1, "AIS-4")]


def _has_start(r: Reading) -> bool:
    return any(r.text(segment, field, component) for segment, field, component, _ in _starts(r))


def _one(r: Reading, name: str) -> Segment | None:
    return next(iter(r.segments(name)), None)


def _draft(r: Reading, case: str, version: int, held: CaseScheduled | None) -> CaseScheduled:
    start, booked = _when(r, held)
    pid, pv1, sch, tq1 = (r.segment(name) for name in ("PID", "PV1", "SCH", "TQ1"))
    told: dict[str, Any] = {}
    if patient := r.text(pid, 3):
        told["patient_key"] = r.pseudonyms.patient_key(r.text(pid, 3, 4, 1), r.text(pid, 3, 5), patient)
    if birth := r.text(pid, 7):
        told["age_band"] = age_band(birth, start.date())
    if patient_class := r.text(pv1, 2):
        told["patient_class"] = p.PATIENT_CLASSES.get(patient_class, "other")
    if reason := r.text(sch, 7):
        told["add_on"] = reason == "ADDON"
    told |= _service(r, pv1, held) | _priority(r, tq1) | _resources(r) | _attributes(r)
    if held is not None:
        return replace(held, version=version, start=start, booked=booked, at=r.told, **told)
    basis: dict[str, Any] = {"procedures": (), "surgeons": (), "room": None, "site": r.site.site, "source": r.source}
    return CaseScheduled(
        id="", suite=r.suite, at=r.told, case=case, version=version, start=start, booked=booked, **{**basis, **told}
    )


def _when(r: Reading, held: CaseScheduled | None) -> tuple[datetime, timedelta]:
    """Start and booked length; end minus start wins over a stated length."""
    starts = (r.time(s, n, place, c) for s, n, c, place in _starts(r) if r.text(s, n, c))
    start = next(starts, None) or (held.start if held else None)
    assert start is not None  # `scheduled` looked
    end = r.time(r.segment("TQ1"), 8, "TQ1-8") or r.time(r.segment("SCH"), 11, "SCH-11.5", 5)
    length = _length(r)
    if end is not None:
        if end <= start or end - start > timedelta(hours=24):
            raise Quarantined(Reason.BAD_LENGTH, "TQ1-8")
        if length is not None and abs(end - start - length) > _DISAGREES:
            r.notes.append("length_disagrees")
        return start, end - start
    booked = length or (held.booked if held else None)
    if not booked:
        raise Quarantined(Reason.BAD_LENGTH, "SCH-9")
    return start, booked


def _length(r: Reading) -> timedelta | None:
    for segment, number, place in (
        (r.segment("SCH"), 9, "SCH-9"),
        (_one(r, "AIL"), 9, "AIL-9"),
        (_one(r, "AIS"), 7, "AIS-7"),
    ):
        if value := r.text(segment, number):
            unit = r.text(segment, number, 2) or r.text(segment, number + 1)
            length = parse_length(value, unit, place)
            if length <= timedelta(0):
                raise Quarantined(Reason.BAD_LENGTH, place)
            return length
    return None


def _service(r: Reading, pv1: Segment | None, held: CaseScheduled | None) -> dict[str, Any]:
    code = r.text(pv1, 10)
    if not code and held is not None:
        return {}
    service = r.profile.services.get(code)
    if service is None:
        raise Quarantined(Reason.UNKNOWN_SERVICE, "PV1-10")
    return {"service": service}


def _priority(r: Reading, tq1: Segment | None) -> dict[str, Any]:
    code = r.text(tq1, 9)
    if not code:
        return {"urgency": Urgency.ELECTIVE} if r.clears(tq1, 9) else {}
    urgency = p.URGENCIES.get(code)
    if urgency is None:
        raise Quarantined(Reason.UNKNOWN_PRIORITY, "TQ1-9")
    return {"urgency": urgency}


def _resources(r: Reading) -> dict[str, Any]:
    """A message with resource groups is a snapshot of all of them; without any, what was known stays."""
    count = sum(1 for s in r.message.segments if s.name in _RESOURCES)
    if not count:
        return {}
    if count > _MOST_RESOURCES:
        raise Quarantined(Reason.WRONG_BODY, "AIS")
    rooms = {r.room(s, 3, 1, "AIL-3") for s in r.segments("AIL")} - {None}
    if len(rooms) > 1:
        raise Quarantined(Reason.WRONG_BODY, "AIL-3")
    return {
        "procedures": tuple(_procedure(r, s) for s in r.segments("AIS")),
        "room": next(iter(rooms), None),
        "surgeons": tuple(_surgeon(r, s) for s in r.segments("AIP")),
        "equipment": tuple(code for s in r.segments("AIG") if (code := r.code(s, 3))),
    }


def _procedure(r: Reading, ais: Segment) -> Procedure:
    return Procedure(code=r.text(ais, 3), text=r.text(ais, 3, 2), system=r.text(ais, 3, 3) or "local")


def _surgeon(r: Reading, aip: Segment) -> Surgeon:
    id, family, given = (r.text(aip, 3, n) for n in (1, 2, 3))
    if not id:
        raise Quarantined(Reason.WRONG_BODY, "AIP-3")
    role = p.ROLES.get(r.text(aip, 4).upper())
    if role is None:
        r.notes.append("unknown_role")
    return Surgeon(id=id, role=role or "other", name=" ".join(part for part in (given, family) if part) or None)


def _attributes(r: Reading) -> dict[str, Any]:
    """What OBX says of the case itself: ASA, anaesthesia, setup and clean-up, bed, windows."""
    told: dict[str, Any] = {}
    for obx in r.segments("OBX"):
        code = r.text(obx, 3).upper()
        if code in p.ATTRIBUTES:
            if r.clears(obx, 5):
                told |= _cleared(code)
            elif value := r.text(obx, 5):
                told |= _attribute(r, code, value)
    return told


def _cleared(code: str) -> dict[str, Any]:
    if code in p.TIMES:
        return {p.TIMES[code]: None}
    defaults: dict[str, dict[str, Any]] = {
        "ASA": {"asa": None},
        "ANAESTHESIA": {"anaesthesia": None},
        "BED_NEED": {"bed": None},
        "PACU_MIN": {"recovery": None},
    }
    return defaults.get(code, {})


def _attribute(r: Reading, code: str, value: str) -> dict[str, Any]:
    place = f"OBX-5 of {code}"
    if code in p.TIMES:
        return {p.TIMES[code]: parse_time(value, r.zone, place, day_is_enough=code == "WAITING_SINCE")}
    if code in p.MINUTES:
        return {p.MINUTES[code]: parse_length(value, "min", place)}
    if code == "ASA":
        if value not in {"1", "2", "3", "4", "5", "6"}:
            raise Quarantined(Reason.UNKNOWN_CODE, place)
        return {"asa": int(value)}
    if code == "ANAESTHESIA":
        if value.lower() not in p.ANAESTHESIA:
            r.notes.append("unknown_anaesthesia")
            return {"anaesthesia": None}
        return {"anaesthesia": value.lower()}
    if value.lower() not in p.BEDS:
        raise Quarantined(Reason.UNKNOWN_CODE, place)
    return {"bed": p.BEDS[value.lower()]}
