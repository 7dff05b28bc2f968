"""A message of the default profile becomes events, or a quarantine with a reason. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import CaseDoubted, Event
from orloop_common.domain.site import Site
from orloop_common.messages.identity import PatientIdentity, SenderIdentity

from . import profile as p
from .header import Header
from .known import Known
from .movements import moved
from .observations import observed
from .pseudonyms import Pseudonyms
from .quarantine import Quarantined, Reason
from .reading import Reading
from .schedule import ended, scheduled
from .tokens import Message


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a message means. `events` in the order of writing; `identity` is set when it is news.

    `problem` says why the message is in quarantine; its only event is then that the case is doubted.
    """

    events: tuple[Event, ...] = ()
    case: str | None = None
    identity: SenderIdentity | None = None
    problem: Quarantined | None = None
    notes: tuple[str, ...] = ()


def suite_of(header: Header, site: Site) -> str | None:
    """The suite that the sending application speaks for."""
    return site.hl7.sources.get(header.application) if site.hl7 else None


def map_message(
    message: Message, header: Header, site: Site, received: datetime, known: Known, pseudonyms: Pseudonyms, raw: str
) -> Mapped:
    """Map a message whose header is good.

    Parameters
    ----------
    received
        Event time at the door.
    known
        The fold of the suite that the source speaks for.
    raw
        The id of the raw record, which a doubt points to.
    """
    suite = suite_of(header, site)
    if suite is None or site.hl7 is None:
        return Mapped(problem=Quarantined(Reason.UNKNOWN_SOURCE, "MSH-3"))
    reading = Reading(message, header, site, site.hl7, suite, received, known, pseudonyms)
    try:
        return _mapped(reading)
    except Quarantined as problem:
        return replace(_doubt(reading, problem, raw), notes=tuple(reading.notes))


def _mapped(r: Reading) -> Mapped:
    kind, trigger = r.header.kind, r.header.trigger
    if kind == "SIU" and trigger in p.SIU:
        r.need("SCH")
        case = r.case()
        if trigger in p.BOOKED:
            events = [*scheduled(r, case), *observed(r, case)]
        else:
            events = ended(r, case)
    elif kind == "ORU" and trigger == "R01":
        if r.segment("SCH") is not None:
            raise Quarantined(Reason.WRONG_BODY, "SCH")
        r.need("OBR")
        case = r.case()
        events = observed(r, case)
        if not events and case not in r.known.day.cases:
            return Mapped(notes=tuple(r.notes))  # a laboratory's result is none of ours
    elif kind == "ADT" and trigger in (p.MOVED, p.UPDATED):
        return Mapped(events=tuple(moved(r)), notes=tuple(r.notes))
    else:
        raise Quarantined(Reason.UNKNOWN_TYPE, "MSH-9")
    return Mapped(tuple(events), case, _news(r, case), None, tuple(r.notes))


def _news(r: Reading, case: str) -> SenderIdentity | None:
    """The case's identity if this message adds to what is known; what it leaves empty stays."""
    told, held = r.identity(), r.known.identities.by_case.get(case)
    if held is not None:
        told = replace(
            told,
            filler=held.filler,  # the first sender id is the case's for ever
            placer=told.placer or held.placer,
            visit=told.visit or held.visit,
            pid=_patient(told.pid, held.pid),
        )
    return None if told == held else told


def _patient(told: PatientIdentity, held: PatientIdentity) -> PatientIdentity:
    if not told.id:
        return held
    return replace(told, name=told.name or held.name, birth=told.birth or held.birth, sex=told.sex or held.sex)


def _doubt(r: Reading, problem: Quarantined, raw: str) -> Mapped:
    """A quarantined message that names a case puts that case in doubt."""
    try:
        case = r.case() if r.header.kind in ("SIU", "ORU") else None
    except Quarantined:
        case = None
    if case is None or (r.header.kind == "ORU" and case not in r.known.day.cases):
        return Mapped(problem=problem)
    id = derived_id("CaseDoubted", r.suite, case, problem.reason, raw)
    doubted = CaseDoubted(id=id, suite=r.suite, at=r.received, case=case, reason=str(problem))
    return Mapped(events=(doubted,), case=case, problem=problem)
