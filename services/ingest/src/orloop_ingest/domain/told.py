"""What one message says, in our words, before it is weighed against what is known.

HL7 by profile, FHIR and files all end here, so that a case is the same case by whatever road it comes.
`settling` weighs it and makes events. Identifying words stand in `SenderIdentity` and `PatientIdentity` alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from orloop_common.domain.events import Event, Procedure, Surgeon
from orloop_common.domain.vocabulary import BedUnit, Milestone, ReadinessItem, ReadinessStatus
from orloop_common.messages.identity import PatientIdentity, SenderIdentity

from .quarantine import Quarantined


class Act(StrEnum):
    """What the sender did to the case."""

    BOOKED = "booked"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    ENTERED_IN_ERROR = "entered_in_error"


class Action(StrEnum):
    """HL7 table 0206: what a resource segment does, for sources that send actions and no snapshots."""

    ADD = "A"
    UPDATE = "U"
    DELETE = "D"
    NONE = "X"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """Something odd that a person must mend: `kind` such as unknown_room, the sender's `word`, the `place`.

    `word` is a code of a table (a room, a staff id, a procedure code), never a name or free text.
    """

    kind: str
    word: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRef:
    """How a message names a case: by the sender's case ids, best first; else by visit, room and time."""

    ids: tuple[str, ...] = ()
    visit: str = ""
    patient: PatientIdentity = field(default_factory=PatientIdentity)
    room: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceAction:
    """One resource of a case, added, updated or deleted: exactly one of the last four is set."""

    action: Action
    procedure: Procedure | None = None
    surgeon: Surgeon | None = None
    room: str | None = None
    equipment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTold:
    """A version of a case, as far as the message tells it.

    `fields` holds attributes of `CaseScheduled`: what is absent stays as it was, what is None was cleared.
    `start` and `booked` are None if the message says nothing of them. `version` is None if the source
    numbers nothing (then `Told.at` in seconds stands in); `counted` says that the sender counts versions itself.
    `defaults` are attributes of a case that nobody knows yet, where the message says nothing of them.
    `creates` says whether a case that nobody knows may begin with this message; else it is parked.
    """

    ref: CaseRef
    identity: SenderIdentity
    act: Act
    creates: bool = True
    version: int | None = None
    counted: bool = False
    start: datetime | None = None
    booked: timedelta | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    actions: tuple[ResourceAction, ...] = ()
    reason_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MilestoneTold:
    """A milestone happened at `at`; with `fills_gap_only` it may never correct what is known (a repeated location)."""

    ref: CaseRef
    milestone: Milestone
    at: datetime
    room: str | None = None
    fills_gap_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessTold:
    """One readiness item of a patient."""

    ref: CaseRef
    item: ReadinessItem
    status: ReadinessStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientsMerged:
    """ADT A40 and its kin: from now on `retired` is `survivor` (PID-3 and MRG-1)."""

    survivor: PatientIdentity
    retired: PatientIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientsParted:
    """A person undoes a merge: `retired` is a patient of its own again, whoever says otherwise."""

    retired: PatientIdentity
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitMoved:
    """ADT A45 and its kin: a visit belongs to another patient, or has another number, from now on."""

    visit: str
    now_visit: str
    patient: PatientIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class BedTold:
    """ADT A20: one bed of a unit is free, in use, dirty or closed (table 0116: U O H K I C).

    `at` is when it became so (EVN-6, else EVN-2), if the message says: a resend keeps it.
    """

    unit: BedUnit
    bed: str
    status: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FactTold:
    """An event that needs no weighing: what people and files report."""

    event: Event


Statement = CaseTold | MilestoneTold | ReadinessTold | PatientsMerged | PatientsParted | VisitMoved | BedTold | FactTold


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """All that one message says, in its order.

    Parameters
    ----------
    source, suite
        Who speaks, for which suite.
    namespace
        Whose case ids these are: two sources with one namespace speak of the same cases. The source's name by default.
    at
        When the sender said so (MSH-7, meta.lastUpdated), never after `received`.
    raw
        Id of the raw record, which doubts and parked statements point to.
    content
        Digest of the message without what a resend changes (all of MSH but MSH-9); `raw` stands in if it is empty.
    notes
        What is odd but harmless: counted by kind, never logged with values.
    flags
        What a person must mend: each becomes a `SourceDisagreed`, and those that make the case's place uncertain
        (an unknown room) a `CaseDoubted` as well.
    problem, about
        Why it could not be read, and the case that it names nevertheless: then there are no statements, and that
        case is doubted.
    """

    source: str
    suite: str
    namespace: str
    at: datetime
    received: datetime
    raw: str
    content: str = ""
    statements: tuple[Statement, ...] = ()
    notes: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    problem: Quarantined | None = None
    about: CaseRef | None = None
