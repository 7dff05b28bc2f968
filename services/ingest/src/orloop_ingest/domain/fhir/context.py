"""One resource on the table, behind the questions that all six readers ask."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from orloop_common.domain.events import Procedure
from orloop_common.domain.site import Site
from orloop_common.messages.identity import PatientIdentity, SenderIdentity
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import CaseRef, Flag

from . import elements as e
from .profile import FhirProfile

T = TypeVar("T")
_LINKS = ("basedOn", "appointment", "focus")


@dataclass(slots=True)
class Context:
    """A resource, its source's profile, and what was odd about it so far."""

    resource: dict[str, Any]
    kind: str
    profile: FhirProfile
    site: Site
    received: datetime
    at: datetime
    zone: tzinfo
    notes: list[str] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)

    def text(self, name: str) -> str:
        return e.text(self.resource, name, self.kind)

    def moment(self, name: str) -> datetime | None:
        return e.moment(self.resource, name, self.kind, self.zone)

    def period(self, name: str) -> tuple[datetime | None, datetime | None]:
        return e.period(self.resource, name, self.kind, self.zone)

    def reference(self, name: str) -> e.Element:
        return e.element(self.resource, name, self.kind)

    def references(self, *names: str) -> Iterator[tuple[str, e.Element]]:
        """References of several elements, whether R4 has one or a list of each."""
        for name in names:
            if isinstance(self.resource.get(name), list):
                yield from e.elements(self.resource, name, self.kind)
            elif found := self.reference(name):
                yield f"{self.kind}.{name}", found

    def case_ids(self) -> tuple[str, ...]:
        """The sender's case ids, best first: by the profile's candidates, then names of resources that point to it.

        Raises
        ------
        Quarantined
            NO_CASE_ID if an Appointment, which books the case, has none of the candidates.
        """
        ids = list(self._by_system())
        if not ids and self.kind == "Appointment":
            raise Quarantined(Reason.NO_CASE_ID, "Appointment.identifier")
        if self.kind in ("Appointment", "ServiceRequest") and self.text("id"):
            ids.append(f"{self.kind}/{self.text('id')}")
        for place, reference in self.references(*_LINKS):
            name = e.local(e.text(reference, "reference", place))
            kind, _, id = name.partition("/")
            if kind == "Appointment" and "id" in self.profile.case_id:
                ids.append(id)
            if kind in ("Appointment", "ServiceRequest"):
                ids.append(name)
        return tuple(dict.fromkeys(ids))

    def _by_system(self) -> Iterator[str]:
        own = dict(e.identifiers(self.resource, self.kind))
        linked = [pair for place, each in self.references(*_LINKS) for pair in e.identifiers(each, place)]
        for candidate in self.profile.case_id:
            if candidate == "id":
                if self.kind == "Appointment" and self.text("id"):
                    yield self.text("id")
                continue
            if found := own.get(candidate):
                yield found
            yield from (value for system, value in linked if system == candidate and value)

    def visit(self) -> str:
        """The visit: own identifier of an Encounter, else that of the reference to one."""
        for place, owner in ((self.kind, self.resource), *self.references("encounter")):
            for system, value in e.identifiers(owner, place):
                if system in self.profile.visit:
                    return value
        if self.kind == "Encounter":
            return f"Encounter/{self.text('id')}" if self.text("id") else ""
        for place, reference in self.references("encounter"):
            if name := e.local(e.text(reference, "reference", place)):
                return name
        return ""

    def ref(self, room: str | None = None, at: datetime | None = None) -> CaseRef:
        """The case by its ids, else by its visit.

        Raises
        ------
        Quarantined
            NO_CASE_ID if the resource names neither.
        """
        ids, visit = self.case_ids(), self.visit()
        if not ids and not visit:
            raise Quarantined(Reason.NO_CASE_ID, f"{self.kind}.identifier")
        return CaseRef(ids=ids, visit=visit, patient=self.patient(), room=room, at=at)

    def patient(self) -> PatientIdentity:
        """The patient by the first identifier system that the profile knows; name and birth if contained."""
        place, reference = self._subject()
        if not reference:
            return PatientIdentity()
        contained = self._contained(e.text(reference, "reference", place))
        found = dict(e.identifiers(reference, place)) | dict(e.identifiers(contained, "contained"))
        for system, numbers in self.profile.patients.items():
            if id := found.get(system):
                return PatientIdentity(
                    id=id,
                    assigner=numbers.assigner or system,
                    type=numbers.type,
                    name=_name(contained),
                    birth=e.text(contained, "birthDate", "Patient").replace("-", ""),
                    sex={"male": "M", "female": "F", "other": "O"}.get(e.text(contained, "gender", "Patient"), ""),
                )
        name = e.local(e.text(reference, "reference", place))
        if name:  # a patient of this server, by its own id
            return PatientIdentity(id=name, assigner=self.profile.source, type="FHIR")
        return PatientIdentity()

    def identity(self) -> SenderIdentity:
        """How this sender names the case, for write-back and for later messages."""
        ids = self.case_ids()
        if not ids:
            raise Quarantined(Reason.NO_CASE_ID, f"{self.kind}.identifier")
        return SenderIdentity(
            source=self.profile.source,
            suite=self.profile.suite,
            filler=ids[0],
            placer=next((id for id in ids if id.startswith("Appointment/")), ""),
            facility=self.profile.facility,
            visit=self.visit(),
            pid=self.patient(),
            aliases=_aliases(self.profile),
        )

    def room_of(self, reference: e.Element, place: str) -> str | None:
        """Our room for a Location, or None if no table knows it."""
        return self.look(self.profile.rooms, reference, place)

    def look(self, table: Mapping[str, T], reference: e.Element, place: str) -> T | None:
        """What a table says of the thing that a Reference points to."""
        return next((table[word] for word in e.words(reference, place) if word in table), None)

    def word(self, reference: e.Element, place: str) -> str:
        """A code that a person can find the thing by, for a flag; never free text."""
        return next((w for w in e.words(reference, place) if len(w) <= 80 and " " not in w), "")

    def coded(self, table: Mapping[str, T], concept: e.Element, place: str) -> T | None:
        """What a table says of a CodeableConcept: by `system|code`, else by the code."""
        for system, value, _ in e.codings(concept, place):
            for word in (f"{system}|{value}", value):
                if word in table:
                    return table[word]
        return None

    def flag(self, kind: str, word: str, place: str) -> None:
        self.flags.append(Flag(kind=kind, word=word, place=place))

    def procedure(self, concept: e.Element, place: str) -> Procedure | None:
        """The first coding whose system the profile knows, else the first; an unmapped code is flagged."""
        found = [(s, c, d) for s, c, d in e.codings(concept, place) if e.code(c)]
        if not found:
            return None
        system, value, display = next((each for each in found if each[0] in self.profile.code_systems), found[0])
        if self.profile.codes is not None and not {value, f"{system}|{value}"} & self.profile.codes:
            self.flag("unmapped_code", value, place)
        return Procedure(code=value, text=display, system=self.profile.code_systems.get(system, system) or "local")

    def _subject(self) -> tuple[str, e.Element]:
        if self.kind == "Appointment":
            for place, each in e.elements(self.resource, "participant", self.kind):
                actor = e.element(each, "actor", place)
                if is_a(actor, "Patient", f"{place}.actor"):
                    return f"{place}.actor", actor
            return "", {}
        name = "for" if self.kind == "Task" else "subject"
        return f"{self.kind}.{name}", self.reference(name) if self.kind != "Location" else {}

    def _contained(self, reference: str) -> e.Element:
        if not reference.startswith("#"):
            return {}
        found = (each for _, each in e.elements(self.resource, "contained", self.kind))
        return next((each for each in found if each.get("id") == reference[1:]), {})

    def is_ours(self, *concepts: tuple[str, e.Element]) -> bool:
        """Whether one of the profile's surgical codes stands in one of these concepts."""
        if not self.profile.surgical:
            return True
        words = {w for place, c in concepts for s, v, _ in e.codings(c, place) for w in (v, f"{s}|{v}")}
        return bool(words & self.profile.surgical)


def context_of(resource: dict[str, Any], profile: FhirProfile, site: Site, received: datetime) -> Context:
    """The table laid: when the sender said so is meta.lastUpdated, never after it was received."""
    kind = resource["resourceType"]
    zone = _zone(profile.zone or site.timezone)
    meta = e.element(resource, "meta", kind)
    told = e.moment(meta, "lastUpdated", f"{kind}.meta", zone)
    return Context(resource, kind, profile, site, received, min(told or received, received), zone)


def is_a(reference: e.Element, kind: str, place: str) -> bool:
    """Whether a Reference points to a resource of this type."""
    target = e.text(reference, "reference", place)
    return e.text(reference, "type", place) == kind or e.local(target).startswith(f"{kind}/")


def _name(patient: e.Element) -> str:
    """PID-5 of a contained Patient's first name."""
    for place, name in e.elements(patient, "name", "Patient"):
        family, given = e.text(name, "family", place), name.get("given")
        first = given[0] if isinstance(given, list) and given and isinstance(given[0], str) else ""
        return f"{family}^{first}".rstrip("^")
    return ""


def _aliases(profile: FhirProfile) -> dict[str, str]:
    return {room: word for word, room in reversed(list(profile.rooms.items()))}


@lru_cache(maxsize=32)
def _zone(name: str) -> tzinfo:
    return ZoneInfo(name)
