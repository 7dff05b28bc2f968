"""Appointment: the schedule of a case, and how it ends."""

from datetime import datetime, timedelta
from typing import Any

from orloop_common.domain.events import Procedure, Surgeon
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import Act, CaseTold, MilestoneTold, Statement

from . import elements as e
from .context import Context, is_a

_DISAGREES = timedelta(minutes=1)
_LONGEST = timedelta(hours=24)


def read(c: Context) -> list[Statement]:
    """A version of the case; a status before booking says nothing of the day yet."""
    status = c.text("status")
    act = c.profile.statuses.get(status)
    if act is None:
        c.notes.append("not_booked")
        return []
    ref, identity = c.ref(), c.identity()
    reason = _reason(c)
    if act is not Act.BOOKED:
        return [CaseTold(ref=ref, identity=identity, act=act, creates=False, version=_version(c), reason_code=reason)]
    start, booked = _when(c)
    case = CaseTold(
        ref=ref,
        identity=identity,
        act=act,
        version=_version(c),
        counted=c.profile.version == "versionId",
        start=start,
        booked=booked,
        fields=_fields(c),
    )
    told: list[Statement] = [case]
    if status in ("arrived", "checked-in") and c.profile.arrived is not None:
        told.append(MilestoneTold(ref=ref, milestone=c.profile.arrived, at=c.at, fills_gap_only=True))
    return told


def _version(c: Context) -> int | None:
    if c.profile.version != "versionId":
        return None
    told = e.text(e.element(c.resource, "meta", c.kind), "versionId", "Appointment.meta")
    if not told.isascii() or not told.isdigit() or len(told) > 9:
        raise Quarantined(Reason.BAD_VERSION, "Appointment.meta.versionId")
    return int(told)


def _reason(c: Context) -> str | None:
    concept = e.element(c.resource, "cancelationReason", c.kind)
    return next((e.code(v) for _, v, _ in e.codings(concept, "Appointment.cancelationReason") if e.code(v)), None)


def _when(c: Context) -> tuple[datetime | None, timedelta | None]:
    start, end = c.moment("start"), c.moment("end")
    length = _minutes(c)
    if start is not None and end is not None:
        if not timedelta(0) < end - start <= _LONGEST:
            raise Quarantined(Reason.BAD_LENGTH, "Appointment.end")
        if length is not None and abs(end - start - length) > _DISAGREES:
            c.notes.append("length_disagrees")
        return start, end - start
    return start, length


def _minutes(c: Context) -> timedelta | None:
    told = c.resource.get("minutesDuration")
    if told is None:
        return None
    if isinstance(told, bool) or not isinstance(told, int) or not 0 < told <= 1440:
        raise Quarantined(Reason.BAD_LENGTH, "Appointment.minutesDuration")
    return timedelta(minutes=told)


def _fields(c: Context) -> dict[str, Any]:
    told: dict[str, Any] = {}
    _service(c, told)
    if procedures := _procedures(c):
        told["procedures"] = procedures
    kind = e.element(c.resource, "appointmentType", c.kind)
    types = [value for _, value, _ in e.codings(kind, "Appointment.appointmentType")]
    if types:
        told["add_on"] = bool(c.profile.add_on & set(types))
    _urgency(c, told)
    _participants(c, told)
    for place, wish in e.elements(c.resource, "requestedPeriod", c.kind)[:1]:
        earliest, latest = e.moment(wish, "start", place, c.zone), e.moment(wish, "end", place, c.zone)
        told |= {name: at for name, at in (("earliest", earliest), ("latest", latest)) if at is not None}
    return told


def _service(c: Context, told: dict[str, Any]) -> None:
    """The first of specialty, serviceType, serviceCategory that the table knows."""
    words = []
    for name in ("specialty", "serviceType", "serviceCategory"):
        for place, concept in e.elements(c.resource, name, c.kind):
            if (service := c.coded(c.profile.services, concept, place)) is not None:
                told["service"] = service
                return
            words += [(value, place) for _, value, _ in e.codings(concept, place) if name == "specialty"]
    for word, place in words[:1]:
        c.flag("unknown_service", word, place)


def _procedures(c: Context) -> tuple[Procedure, ...]:
    """Service types in a code system of procedures; a service type that names a service line is none."""
    found = []
    for name in ("serviceType", "reasonCode"):
        for place, concept in e.elements(c.resource, name, c.kind):
            known = [s for s, _, _ in e.codings(concept, place) if s in c.profile.code_systems]
            if known and c.coded(c.profile.services, concept, place) is None:
                found.append(c.procedure(concept, place))
    return tuple(p for p in found if p is not None)


def _urgency(c: Context, told: dict[str, Any]) -> None:
    """iCal's 1 to 9 (R4's `priority`), by table: sites number it differently, so nothing is guessed."""
    priority = c.resource.get("priority")
    if priority is None or not c.profile.urgencies:
        return
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise Quarantined(Reason.WRONG_BODY, "Appointment.priority")
    urgency = c.profile.urgencies.get(str(priority))
    if urgency is None:
        raise Quarantined(Reason.UNKNOWN_PRIORITY, "Appointment.priority")
    told["urgency"] = urgency


def _participants(c: Context, told: dict[str, Any]) -> None:
    """Room, people and equipment: participants are a snapshot, who declined does not come."""
    rooms: dict[str | None, str] = {}
    people: dict[str, Surgeon] = {}
    equipment: list[str] = []
    for place, each in e.elements(c.resource, "participant", c.kind):
        actor, where = e.element(each, "actor", place), f"{place}.actor"
        if e.text(each, "status", place) == "declined" or not actor:
            continue
        if is_a(actor, "Location", where):
            room = c.room_of(actor, where)
            if room is None:
                c.flag("unknown_room", c.word(actor, where), where)
            rooms[room] = where
        elif is_a(actor, "Practitioner", where) or is_a(actor, "PractitionerRole", where):
            person = _person(c, each, actor, place)
            people[person.id] = person
        elif is_a(actor, "Device", where) and (word := c.word(actor, where)):
            equipment.append(word)
    if len(rooms) > 1:
        raise Quarantined(Reason.WRONG_BODY, "Appointment.participant")
    told |= {"room": next(iter(rooms), None), "surgeons": tuple(people.values()), "equipment": tuple(equipment)}


def _person(c: Context, participant: e.Element, actor: e.Element, place: str) -> Surgeon:
    where = f"{place}.actor"
    found = dict(e.identifiers(actor, where))
    id = next((found[system] for system in c.profile.staff if found.get(system)), "") or c.word(actor, where)
    id = id.partition("/")[2] if id.startswith("Practitioner") else id
    if not id:
        raise Quarantined(Reason.WRONG_BODY, where)
    if c.profile.known_staff is not None and id not in c.profile.known_staff:
        c.flag("unknown_surgeon", id, where)
    roles = [c.coded(c.profile.roles, t, p) for p, t in e.elements(participant, "type", place)]
    role = next((r for r in roles if r), None)
    if role is None:
        c.notes.append("unknown_role")
    return Surgeon(id=id, role=role or "other", name=e.text(actor, "display", where) or None)
