"""How one source's FHIR is read: which identifier is the case's, and tables from its words to ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from orloop_common.domain.vocabulary import BedUnit, Milestone, ReadinessItem, ReadinessStatus, Urgency
from orloop_ingest.domain.told import Act

READ = ("Appointment", "Encounter", "Location", "ServiceRequest", "Procedure", "Task")
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientNumbers:
    """The PID-3 components that belong to an identifier system, so that HL7 and FHIR give one patient key."""

    assigner: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskWord:
    """What a Task's code stands for: a readiness item, a milestone when completed, or a room's cleaning."""

    item: ReadinessItem | None = None
    milestone: Milestone | None = None
    cleaning: str | None = None


STATUSES: Mapping[str, Act | None] = {
    "proposed": None,
    "pending": None,
    "waitlist": None,
    "booked": Act.BOOKED,
    "arrived": Act.BOOKED,
    "checked-in": Act.BOOKED,
    "fulfilled": Act.BOOKED,
    "cancelled": Act.CANCELLED,
    "noshow": Act.NO_SHOW,
    "entered-in-error": Act.ENTERED_IN_ERROR,
}
ORDERS: Mapping[str, Urgency] = {
    "routine": Urgency.ELECTIVE,
    "urgent": Urgency.URGENT,
    "asap": Urgency.URGENT,
    "stat": Urgency.IMMEDIATE,
}
CLASSES: Mapping[str, str] = {
    "IMP": "inpatient",
    "ACUTE": "inpatient",
    "NONAC": "inpatient",
    "AMB": "outpatient",
    "SS": "outpatient",
    "EMER": "emergency",
    "PRENC": "preadmit",
}
ROLES: Mapping[str, str] = {"PPRF": "surgeon", "SPRF": "assistant", "ATND": "surgeon"}
TASK_STATUSES: Mapping[str, ReadinessStatus] = {
    **dict.fromkeys(
        ("draft", "requested", "received", "accepted", "ready", "in-progress", "on-hold"), ReadinessStatus.OUTSTANDING
    ),
    "completed": ReadinessStatus.DONE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirProfile:
    """One source of FHIR R4. Keys of tables are words: `system|value`, a value, `Type/id` or an id.

    Parameters
    ----------
    source, suite, namespace
        As in `Told`: an HL7 source with this namespace speaks of the same cases.
    case_id
        Candidates for the case id, best first: an identifier system, or `id` for the resource's own id.
    visit
        Identifier systems of the visit (PV1-19 of the HL7 source).
    patients
        Identifier systems of the patient, best first, with their PID-3 assigner and type.
    staff
        Identifier systems of a practitioner's staff id (AIP-3.1); else the id of the reference.
    code_systems
        Code system URI to the name under which procedures are known; the URI itself if it is not in it.
    version
        `lastUpdated` (seconds, as MSH-7 stands in for SCH-5), or `versionId` where that is a count shared by
        all sources of the namespace.
    encounter_places
        Location to milestones of entering and leaving it, beside the rooms of `rooms`.
    procedure_milestones
        Procedure code to the milestones of its start and end; `*` for all other procedures.
    surgical
        Codes of category (ServiceRequest, Procedure) or of the resource itself that make it one of ours.
        Empty: whatever names a case.
    own_tasks
        Identifier systems of Tasks that we sent ourselves: heard, not read.
    deleted
        What a deleted Appointment means; None: nobody guesses, it is quarantined and its case is doubted.
    """

    source: str
    suite: str
    namespace: str
    case_id: tuple[str, ...]
    visit: tuple[str, ...] = ()
    patients: Mapping[str, PatientNumbers] = field(default_factory=dict)
    staff: tuple[str, ...] = ()
    known_staff: frozenset[str] | None = None
    facility: str = ""
    zone: str | None = None
    version: str = "lastUpdated"
    rooms: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=lambda: ROLES)
    urgencies: Mapping[str, Urgency] = field(default_factory=dict)
    orders: Mapping[str, Urgency] = field(default_factory=lambda: ORDERS)
    patient_classes: Mapping[str, str] = field(default_factory=lambda: CLASSES)
    code_systems: Mapping[str, str] = field(default_factory=dict)
    codes: frozenset[str] | None = None
    statuses: Mapping[str, Act | None] = field(default_factory=lambda: STATUSES)
    arrived: Milestone | None = None
    add_on: frozenset[str] = frozenset({"WALKIN", "EMERGENCY"})
    units: Mapping[str, tuple[BedUnit, str]] = field(default_factory=dict)
    encounter_places: Mapping[str, tuple[Milestone | None, Milestone | None]] = field(default_factory=dict)
    procedure_milestones: Mapping[str, tuple[Milestone | None, Milestone | None]] = field(default_factory=dict)
    surgical: frozenset[str] = frozenset()
    tasks: Mapping[str, TaskWord] = field(default_factory=dict)
    task_statuses: Mapping[str, ReadinessStatus] = field(default_factory=lambda: TASK_STATUSES)
    own_tasks: frozenset[str] = frozenset({"urn:orloop:change"})
    deleted: Act | None = None
