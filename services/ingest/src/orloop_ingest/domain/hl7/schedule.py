"""SIU: what the hospital's schedule says of a case, and how the case ends."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import Act, CaseRef, CaseTold, MilestoneTold, Statement

from . import words as w
from .attributes import attributes
from .observations import observed
from .profile import Mode, VersionForm
from .reading import Reading
from .resources import MOST_RESOURCES, actions, room_of, snapshot
from .times import parse_length

_DISAGREES = timedelta(minutes=1)
_DAY = timedelta(hours=24)
_V_NUMBER = re.compile(r"V(\d{1,7})")
_NUMBER = re.compile(r"0*(\d{1,7})")


def scheduled(r: Reading) -> Iterator[Statement]:
    """The version of the case that a SIU tells, then the milestones and readiness that came with it."""
    r.need("SCH")
    ids, visit, patient = r.ids(), r.pick("visit")[0], r.patient()
    if not ids:
        raise Quarantined(Reason.NO_CASE_ID, "SCH-2, OBR-3")
    trigger = r.header.trigger
    act, milestone = _status(r)
    version, counted = _version(r)
    fields: dict[str, Any] = {}
    start = booked = None
    acts: tuple[Any, ...] = ()
    room = None
    if act is Act.BOOKED:
        start, booked = when(r)
        if len(r.message.segments) > MOST_RESOURCES and _too_many(r):
            raise Quarantined(Reason.WRONG_BODY, "AIS")
        room, told_room = room_of(r)
        fields = _fields(r)
        by_action = r.profile.mode is Mode.ACTION_CODE or trigger in w.RESOURCE_TRIGGERS
        if by_action:
            acts = actions(r, start or r.at)
        else:
            fields |= snapshot(r, start or r.at)
        if told_room and not (by_action and (room is None or any(a.room for a in acts))):
            fields["room"] = room
    ref = CaseRef(ids=ids, visit=visit, patient=patient, room=room, at=start)
    creates = act is not Act.BOOKED or not (
        trigger in w.RESOURCE_TRIGGERS or (r.profile.mode is Mode.ACTION_CODE and trigger != "S12")
    )
    yield CaseTold(
        ref=ref,
        identity=r.identity(ids, visit, patient),
        act=act,
        creates=creates,
        version=version,
        counted=counted,
        start=start,
        booked=booked,
        fields=fields,
        defaults=r.profile.defaults,
        actions=acts,
        reason_code=r.code("reason_code"),
    )
    if act is Act.BOOKED:
        yield from observed(r, ref, room)
        if milestone is not None:
            yield MilestoneTold(ref=ref, milestone=milestone, at=r.at, room=room, fills_gap_only=True)


def _too_many(r: Reading) -> bool:
    return sum(len(r.message.all(name)) for name in r.resource_names) > MOST_RESOURCES


def _status(r: Reading) -> tuple[Act, Any]:
    """What happened to the case: the trigger first, then the status fields; and the milestone that a status means."""
    declared = w.ACTS.get(r.header.trigger)
    word = r.pick("status")[0].lower()
    tables = r.profile.tables
    milestone = tables.status_milestones.get(word) if word else None
    stated = Act.BOOKED if milestone is not None else tables.status.get(word) if word else None
    if declared is None or (stated is not None and not r.profile.trigger_decides):
        return stated or Act.BOOKED, milestone
    if stated is not None and stated is not declared:
        r.notes.append("status_disagrees")
    return declared, milestone if declared is Act.BOOKED else None


def _version(r: Reading) -> tuple[int | None, bool]:
    """The schedule's version, and whether the sender counts them; None where MSH-7 must stand in."""
    told, place = r.pick("version")
    if place is None:
        return None, False
    if r.profile.version_form is VersionForm.TIME:
        return int(r.instant(told, place.text).timestamp()), False
    form = _V_NUMBER if r.profile.version_form is VersionForm.V_NUMBER else _NUMBER
    found = form.fullmatch(told)
    if found is None:
        raise Quarantined(Reason.BAD_VERSION, place.text)
    return int(found[1]), True


def when(r: Reading) -> tuple[datetime | None, timedelta | None]:
    """Start and booked length, each as far as it is told; end minus start wins over a stated length."""
    start = r.time("start")
    end = r.time("end")
    length = _length(r)
    if end is None or start is None:
        return start, length
    if not timedelta(0) < end - start <= _DAY:
        raise Quarantined(Reason.BAD_LENGTH, r.pick("end")[1].text)  # type: ignore[union-attr]
    if length is not None and abs(end - start - length) > _DISAGREES:
        r.notes.append("length_disagrees")
    return start, end - start


def _length(r: Reading) -> timedelta | None:
    """Number and unit: `90^min` in one field, or the unit in the field after it."""
    value, place = r.pick("length")
    if place is None:
        return None
    unit = ""
    if place.component == 1 and not place.word and (segment := r.one(place.segment)) is not None:
        unit = r.text(segment, place.field, 2) or r.text(segment, place.field + 1)
    length = parse_length(value, unit, place.text, r.profile.length_unit)
    if length <= timedelta(0):
        raise Quarantined(Reason.BAD_LENGTH, place.text)
    return length


def _fields(r: Reading) -> dict[str, Any]:
    told: dict[str, Any] = {"site": r.site}
    tables = r.profile.tables
    if patient_class := r.pick("patient_class")[0]:
        told["patient_class"] = tables.patient_classes.get(patient_class, "other")
    if reason := r.pick("add_on")[0]:
        told["add_on"] = reason.upper() in r.profile.add_on_words
    service, place = r.pick("service")
    if place is not None:
        told["service"] = _service(r, service, place.text)
    urgency, place = r.pick("urgency")
    if place is not None:
        if urgency not in tables.urgencies:
            raise Quarantined(Reason.UNKNOWN_PRIORITY, place.text)
        told["urgency"] = tables.urgencies[urgency]
    elif r.cleared("urgency"):
        told["urgency"] = w.URGENCIES["4"]
    return told | attributes(r)


def _service(r: Reading, word: str, place: str) -> str:
    service = r.profile.tables.services.get(word)
    if service is None:
        if r.profile.default_service is None:
            raise Quarantined(Reason.UNKNOWN_SERVICE, place)
        r.flag("unknown_service", word, place)
        return r.profile.default_service
    return service
