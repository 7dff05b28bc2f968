"""Booked cases out of a file: go-live's schedule, told by the same road as a message, or compared with the fold. Pure.

The ids are the sender's own, in the namespace of the feed that will speak of these cases later, so that its messages
find them. The file is a source of its own: it counts no versions of the feed's.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from orloop_common.domain.events import Procedure, Surgeon
from orloop_common.domain.site import Site
from orloop_common.domain.vocabulary import BedUnit, Milestone, Urgency
from orloop_common.messages.identity import PatientIdentity, SenderIdentity

from . import tables as t
from .hl7.profile import SourceProfile
from .told import Act, CaseRef, CaseTold, Told

KIND = "file:booked"
_DAY = timedelta(hours=24)
_ANAESTHESIA = ("general", "regional", "spinal", "epidural", "combined", "sedation", "local", "topical", "none")
_ACTS = {
    "booked": Act.BOOKED,
    "scheduled": Act.BOOKED,
    "cancelled": Act.CANCELLED,
    "no_show": Act.NO_SHOW,
    "entered_in_error": Act.ENTERED_IN_ERROR,
}
# Columns whose value goes into a field of the same name as it is.
_AS_THEY_ARE = (
    "asa",
    "anaesthesia",
    "patient_class",
    "add_on",
    "bed",
    "equipment",
    "waiting_since",
    "earliest",
    "latest",
)
_MINUTES = {"setup_minutes": "setup", "cleanup_minutes": "cleanup", "recovery_minutes": "recovery"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Whose cases these are: the feed that will speak of them, and the file that speaks of them now."""

    feed: str
    suite: str
    namespace: str
    source: str
    site: str
    facility: str = ""


def columns(site: Site, suite: str, profile: SourceProfile) -> Sequence[t.Column]:
    """The columns of a file of booked cases; rooms and services in the sender's words or in ours."""
    zone = ZoneInfo(site.timezone)
    at, minutes = t.moment(zone), t.count(1440)
    ours = {room.id: room.id for room in site.suite(suite).rooms}
    rooms = {**profile.tables.rooms, **ours}
    services = {**profile.tables.services, **{name: name for room in site.suite(suite).rooms for name in room.services}}
    urgencies = {**profile.tables.urgencies, **{each.value: each for each in Urgency}}

    def optional(name: str, read: Callable[[str], Any], *, private: bool = False) -> t.Column:
        return t.Column(name, read, required=False, private=private)

    return (
        t.Column("case_id", t.word, private=True),
        optional("start", at),
        optional("end", at),
        optional("minutes", t.count(1440, 1)),
        optional("room", _look(rooms)),
        optional("service", _look(services)),
        optional("procedure_code", t.word),
        optional("procedure_text", _text, private=True),
        optional("procedure_system", t.word),
        optional("laterality", t.word),
        optional("surgeon_id", t.words),
        optional("urgency", _look(urgencies)),
        optional("status", _look(_ACTS)),
        optional("reason_code", t.word),
        optional("add_on", _truth),
        optional("patient_class", t.one_of("inpatient", "outpatient", "emergency", "preadmit", "other")),
        optional("anaesthesia", t.one_of(*_ANAESTHESIA)),
        optional("asa", t.count(6, 1)),
        *(optional(name, minutes) for name in _MINUTES),
        optional("bed", t.member(BedUnit)),
        optional("equipment", t.words),
        optional("waiting_since", at),
        optional("earliest", at),
        optional("latest", at),
        optional("visit", t.word, private=True),
        optional("patient_id", t.word, private=True),
        optional("patient_assigner", t.word),
        optional("patient_id_type", t.word),
        optional("patient_name", _text, private=True),
        optional("birth_date", _birth, private=True),
        optional("sex", t.one_of("f", "m", "o", "u", "a", "n")),
    )


def check(table: t.Table, *, whole: bool = True) -> None:
    """What columns cannot say alone; `whole` for rows that book a case."""
    seen: dict[str, str] = {}
    for row in table.rows:
        cells = row.cells
        if (before := seen.setdefault(cells["case_id"], row.place)) != row.place:
            table.wrong(row.place, "case_id", "each case once", f"the same as in {before}")
        start, end, ends = cells["start"], cells["end"], cells["status"] not in (None, Act.BOOKED)
        if start is not None and end is not None and not timedelta(0) < end - start <= _DAY:
            table.wrong(row.place, "end", "a time after start, by a day at most", "another")
        if whole and not ends:
            if start is None:
                table.wrong(row.place, "start", "a value", "nothing")
            if cells["end"] is None and cells["minutes"] is None:
                table.wrong(row.place, "minutes", "a value here or in end", "nothing")
            if cells["service"] is None:
                table.wrong(row.place, "service", "a value", "nothing")


def length_of(cells: dict[str, Any]) -> timedelta | None:
    """End minus start, or the minutes; None if the row has neither."""
    if cells["start"] is not None and cells["end"] is not None:
        return timedelta(seconds=(cells["end"] - cells["start"]).total_seconds())
    return None if cells["minutes"] is None else timedelta(minutes=cells["minutes"])


def body_of(row: t.Row, origin: Origin, as_of: datetime | None) -> bytes:
    """What is stored of a row: enough to tell it again, whatever the tables say then."""
    cells = {name: _plain(value) for name, value in row.cells.items() if value is not None}
    head = {name: getattr(origin, name) for name in Origin.__dataclass_fields__}
    when = as_of.isoformat() if as_of is not None else None
    return json.dumps({"origin": head, "as_of": when, "cells": cells}, sort_keys=True).encode()


def told_by(body: bytes, received: datetime, raw: str) -> Told:
    """What a stored row says."""
    told = json.loads(body)
    origin, cells = Origin(**told["origin"]), _Cells(told["cells"])
    ids = (cells["case_id"],)
    patient = PatientIdentity(
        id=cells.text("patient_id"),
        assigner=cells.text("patient_assigner"),
        type=cells.text("patient_id_type"),
        name=cells.text("patient_name"),
        birth=cells.text("birth_date"),
        sex=cells.text("sex").upper(),
    )
    start, end, act = cells.moment("start"), cells.moment("end"), Act(cells.get("status") or Act.BOOKED)
    booked = end - start if start is not None and end is not None else cells.minutes("minutes")
    ref = CaseRef(ids=ids, visit=cells.text("visit"), patient=patient, room=cells.get("room"), at=start)
    identity = SenderIdentity(
        source=origin.feed,
        suite=origin.suite,
        filler=cells["case_id"],
        facility=origin.facility,
        visit=ref.visit,
        pid=patient,
    )
    case = CaseTold(
        ref=ref,
        identity=identity,
        act=act,
        start=start,
        booked=booked,
        fields=_fields(cells, origin) if act is Act.BOOKED else {},
        reason_code=cells.get("reason_code"),
    )
    at = min(datetime.fromisoformat(told["as_of"]), received) if told["as_of"] else received
    return Told(
        source=origin.source,
        suite=origin.suite,
        namespace=origin.namespace,
        at=at,
        received=received,
        raw=raw,
        statements=(case,),
    )


class _Cells(dict[str, Any]):
    """Cells as they were stored: what is absent stays as it is known."""

    def text(self, name: str) -> str:
        return str(self.get(name) or "")

    def moment(self, name: str) -> datetime | None:
        return datetime.fromisoformat(self[name]) if name in self else None

    def minutes(self, name: str) -> timedelta | None:
        return timedelta(minutes=self[name]) if name in self else None


def _fields(cells: _Cells, origin: Origin) -> dict[str, Any]:
    fields: dict[str, Any] = {"site": origin.site}
    for name in ("room", "service", *_AS_THEY_ARE):
        if name in cells:
            fields[name] = cells[name]
    for name in ("waiting_since", "earliest", "latest"):
        if name in cells:
            fields[name] = cells.moment(name)
    fields |= {field: cells.minutes(name) for name, field in _MINUTES.items() if name in cells}
    if "urgency" in cells:
        fields["urgency"] = Urgency(cells["urgency"])
    if "bed" in cells:
        fields["bed"] = BedUnit(cells["bed"])
    if "equipment" in cells:
        fields["equipment"] = tuple(cells["equipment"])
    if "surgeon_id" in cells:
        fields["surgeons"] = tuple(Surgeon(id=id) for id in cells["surgeon_id"])
    if "procedure_code" in cells:
        code = cells["procedure_code"]
        fields["procedures"] = (
            Procedure(
                code=code,
                text=cells.text("procedure_text") or code,
                system=cells.get("procedure_system") or "local",
                laterality=cells.get("laterality"),
            ),
        )
    return fields


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _look(table: dict[str, Any]) -> Callable[[str], Any]:
    folded = {word.casefold(): ours for word, ours in table.items()}

    def read(given: str) -> Any:
        if given.casefold() not in folded:
            raise t.Expected(f"one of {', '.join(sorted(table)[:20])}")
        return folded[given.casefold()]

    return read


def _text(given: str) -> str:
    if len(given) > 200 or not given.isprintable():
        raise t.Expected("at most 200 printable characters")
    return given


def _truth(given: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "y": True, "false": False, "no": False, "0": False, "n": False}
    if given.casefold() not in words:
        raise t.Expected("yes or no")
    return words[given.casefold()]


def _birth(given: str) -> str:
    digits = given.replace("-", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) in (4, 6, 8)):
        raise t.Expected("a birth date such as 1951-11-23")
    return digits


def milestone_columns(site: Site, suite: str, profile: SourceProfile) -> Sequence[t.Column]:
    """The columns of a file of milestones that a downtime kept back."""
    ours = {room.id: room.id for room in site.suite(suite).rooms}
    words = {**profile.tables.milestones, **{each.value: each for each in Milestone}}
    return (
        t.Column("case_id", t.word, private=True),
        t.Column("milestone", _look({word: Milestone(value) for word, value in words.items()})),
        t.Column("at", t.moment(ZoneInfo(site.timezone))),
        t.Column("room", _look({**profile.tables.rooms, **ours}), required=False),
    )
