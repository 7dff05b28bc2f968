"""A site profile: how one source's HL7 is read. Everything that differs between senders stands here.

`default_profile` is what the site file alone says. Files are read by `profile_file`; the format is
contracts/schemas/source-profile.v1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, tzinfo
from enum import StrEnum
from typing import Any

from orloop_common.domain.site import Site
from orloop_common.domain.vocabulary import BedUnit, Milestone, Urgency
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import Act

from . import words as w
from .places import Place, places
from .times import zone_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeTable:
    """One version of a table from a sender's procedure codes to the site's, in force for cases from `since` on."""

    system: str
    version: str
    since: date
    codes: Mapping[str, str]


class Mode(StrEnum):
    """Whether resource segments are all that the case has, or say what to add, change and take away."""

    SNAPSHOT = "snapshot"
    ACTION_CODE = "action_code"


class VersionForm(StrEnum):
    """How the sender numbers versions of a schedule."""

    V_NUMBER = "V<n>"
    NUMBER = "number"
    TIME = "time"


CANDIDATES: dict[str, tuple[str, ...]] = {
    "case_id": ("SCH-2", "SCH-1", "OBR-3", "ORC-3", "OBR-2", "ORC-2"),
    "placer": ("SCH-1",),
    "visit": ("PV1-19",),
    "version": ("SCH-5",),
    "start": ("TQ1-7", "SCH-11.4", "AIL-6", "AIS-4"),
    "end": ("TQ1-8", "SCH-11.5"),
    "length": ("SCH-9", "AIL-9", "AIS-7"),
    "room": ("AIL-3",),
    "status": ("SCH-25", "AIS-10"),
    "reason_code": ("SCH-6",),
    "add_on": ("SCH-7",),
    "urgency": ("TQ1-9",),
    "service": ("PV1-10",),
    "patient_class": ("PV1-2",),
    "asa": ("OBX[ASA]-5",),
    "anaesthesia": ("OBX[ANAESTHESIA]-5",),
    "setup": ("OBX[SETUP_MIN]-5",),
    "cleanup": ("OBX[CLEANUP_MIN]-5",),
    "recovery": ("OBX[PACU_MIN]-5",),
    "bed": ("OBX[BED_NEED]-5",),
    "waiting_since": ("OBX[WAITING_SINCE]-5",),
    "earliest": ("OBX[EARLIEST_START]-5",),
    "latest": ("OBX[LATEST_START]-5",),
    "procedure": ("AIS-3",),
    "person": ("AIP-3",),
    "person_role": ("AIP-4",),
    "equipment": ("AIG-3",),
    "location": ("PV1-3",),
    "temporary_location": ("PV1-11",),
    "prior_location": ("PV1-6",),
    "event_time": ("EVN-6",),
    "event_told": ("EVN-2",),
}
"""Every field that a profile may place, and the default's candidates, best first."""
RESOURCES = ("AIS", "AIL", "AIP", "AIG")
ATTRIBUTES = (
    *("asa", "anaesthesia", "setup", "cleanup", "recovery"),
    *("bed", "waiting_since", "earliest", "latest"),
)
"""Those that are attributes of the case and have no standard field."""


DEFAULT_CANDIDATES: Mapping[str, tuple[Place, ...]] = {name: places(*texts) for name, texts in CANDIDATES.items()}


def _default_candidates() -> Mapping[str, tuple[Place, ...]]:
    return DEFAULT_CANDIDATES


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """From the sender's words to ours."""

    rooms: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=lambda: w.ROLES)
    urgencies: Mapping[str, Urgency] = field(default_factory=lambda: w.URGENCIES)
    patient_classes: Mapping[str, str] = field(default_factory=lambda: w.PATIENT_CLASSES)
    anaesthesia: Mapping[str, str] = field(default_factory=lambda: w.ANAESTHESIA)
    beds: Mapping[str, BedUnit | None] = field(default_factory=lambda: w.BEDS)
    milestones: Mapping[str, Milestone] = field(default_factory=dict)
    status: Mapping[str, Act] = field(default_factory=lambda: w.STATUS_WORDS)
    status_milestones: Mapping[str, Milestone] = field(default_factory=dict)
    locations: Mapping[str, Milestone] = field(default_factory=dict)
    departures: Mapping[str, Milestone] = field(default_factory=dict)
    units: Mapping[str, BedUnit] = field(default_factory=dict)
    codes: tuple[CodeTable, ...] = ()
    code_system: str = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a header must say to be for this door; empty: anything."""

    application: tuple[str, ...] = ()
    facility: tuple[str, ...] = ()
    processing: tuple[str, ...] = ("P", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientNumber:
    """Which field of PID holds the patient's number, and which of its repetitions is meant, by type (PID-3.5)."""

    field: int = 3
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceProfile:
    """How one source's messages are read; immutable, and cheap to ask.

    Parameters
    ----------
    source, suite, namespace
        MSH-3, the suite it speaks for, and whose case ids it uses.
    segments
        Which segment plays the part of another (`ZIS` for `AIS`), for senders of Z segments only.
    kinds
        Message types that are read as another (`ZIU` as `SIU`).
    candidates
        Field paths by the names of `CANDIDATES`, best first.
    milestone_fields
        Fields that hold the time of a milestone, beside OBX.
    staff
        Known ids of surgeons; None: all are.
    any_case_id
        Whether all filled candidates of the case id name the case, not the first alone.
    """

    name: str
    source: str
    suite: str
    namespace: str
    zone: tzinfo
    mode: Mode = Mode.SNAPSHOT
    segments: Mapping[str, bytes] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    candidates: Mapping[str, tuple[Place, ...]] = field(default_factory=_default_candidates)
    milestone_fields: tuple[tuple[Milestone, tuple[Place, ...]], ...] = ()
    patient_number: PatientNumber = PatientNumber()
    version_form: VersionForm = VersionForm.V_NUMBER
    length_unit: int = 60
    milestone_time: tuple[int, ...] = (5,)
    any_case_id: bool = False
    trigger_decides: bool = True
    add_on_words: frozenset[str] = frozenset({"ADDON"})
    tables: Tables = field(default_factory=Tables)
    default_service: str | None = None
    staff: frozenset[str] | None = None
    expected: Expected = field(default_factory=Expected)
    tls_subject: str | None = None
    aliases: dict[str, str] = field(default_factory=dict)
    obx_words: frozenset[str] = frozenset()
    attributes: tuple[tuple[str, tuple[Place, ...]], ...] = ()
    attributes_in_obx: bool = True
    room_segments: frozenset[bytes] = frozenset({b"AIL"})
    equipment_segments: frozenset[bytes] = frozenset({b"AIG"})
    defaults: Mapping[str, Any] = field(default_factory=dict)
    resource_names: tuple[bytes, ...] = (b"AIS", b"AIL", b"AIP", b"AIG")

    def segment(self, name: str) -> bytes:
        """The sender's segment that plays the part of `name`."""
        return self.segments.get(name) or name.encode()


def finish(**given: Any) -> dict[str, Any]:
    """What follows from the rest: the sender's word for each of our rooms, and the OBX codes that are read."""
    tables: Tables = given["tables"]
    candidates: Mapping[str, tuple[Place, ...]] = given.get("candidates", DEFAULT_CANDIDATES)
    fields = [p for _, each in given.get("milestone_fields", ()) for p in each]
    read = [p for each in candidates.values() for p in each] + fields
    given["aliases"] = {room: alias for alias, room in reversed(list(tables.rooms.items()))}
    given["attributes"] = tuple((name, candidates[name]) for name in ATTRIBUTES if candidates[name])
    given["room_segments"] = frozenset(p.segment for p in candidates["room"])
    given["equipment_segments"] = frozenset(p.segment for p in candidates["equipment"])
    given["defaults"] = {"service": given["default_service"]} if given.get("default_service") else {}
    given["attributes_in_obx"] = all(p.segment == b"OBX" for _, each in given["attributes"] for p in each)
    segments: Mapping[str, bytes] = given.get("segments", {})
    given["resource_names"] = tuple(segments.get(name) or name.encode() for name in RESOURCES)
    given["obx_words"] = frozenset(p.word for p in read if p.segment == b"OBX" and p.word)
    return given


def default_profile(site: Site, source: str) -> SourceProfile:
    """What the site file says of a source that has no profile of its own.

    Raises
    ------
    Quarantined
        UNKNOWN_SOURCE if the site file does not name it.
    """
    suite = site.hl7.sources.get(source) if site.hl7 else None
    if suite is None or site.hl7 is None:
        raise Quarantined(Reason.UNKNOWN_SOURCE, "MSH-3")
    tables = Tables(
        rooms=site.hl7.rooms,
        services=site.hl7.services,
        milestones={code: Milestone(name) for code, name in site.hl7.milestones.items()},
        locations=dict.fromkeys(site.hl7.pacu_locations, Milestone.PACU_IN),
        units=dict.fromkeys(site.hl7.pacu_locations, BedUnit.PACU),
    )
    zone = zone_of(site.timezone)
    return SourceProfile(
        **finish(name="default", source=source, suite=suite, namespace=source, zone=zone, tables=tables)
    )
