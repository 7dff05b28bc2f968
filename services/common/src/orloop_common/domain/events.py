"""The vocabulary of the suite's log: past tense, one fact each (EVENTS.md).

Every event has an `id` that follows from its content or its cause, so that telling it twice is one
fact, and `at`, the event time. All datetimes are aware UTC.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from .plan import Change
from .vocabulary import (
    BedUnit,
    ChangeAnswer,
    Milestone,
    Mode,
    ReadinessItem,
    ReadinessStatus,
    RoomState,
    Source,
    Urgency,
    Verdict,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact on the log: `id` names it for ever, `at` is when it happened, `suite` where."""

    id: str
    suite: str
    at: datetime


# --- cases ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """A procedure in the sender's code system."""

    code: str
    text: str
    system: str = "local"
    laterality: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surgeon:
    """A person on the case, by the sender's staff id; `name` is a display name of staff, never of a patient."""

    id: str
    role: str = "surgeon"
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseScheduled(Event):
    """The newest version of a case as the hospital has it (also the echo of a written-back change).

    `start` is patient in room, `booked` the length until patient out of room; `setup` comes before
    `start` and `cleanup` after. `version` grows with each change that the hospital makes.
    """

    case: str
    version: int
    service: str
    procedures: tuple[Procedure, ...]
    surgeons: tuple[Surgeon, ...]
    room: str | None
    start: datetime
    booked: timedelta
    setup: timedelta = timedelta(minutes=15)
    cleanup: timedelta = timedelta(minutes=20)
    urgency: Urgency = Urgency.ELECTIVE
    add_on: bool = False
    waiting_since: datetime | None = None
    patient_class: str = "inpatient"
    admission: str | None = None
    anaesthesia: str | None = None
    asa: int | None = None
    age_band: str | None = None
    patient_key: str | None = None
    equipment: tuple[str, ...] = ()
    implants: tuple[str, ...] = ()
    bed: BedUnit | None = BedUnit.PACU
    recovery: timedelta | None = None
    preferences: tuple[str, ...] = ()
    earliest: datetime | None = None
    latest: datetime | None = None
    site: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCancelled(Event):
    """The hospital cancelled the case; `version` as in CaseScheduled."""

    case: str
    version: int
    reason_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseNoShow(Event):
    """The patient did not come."""

    case: str
    version: int
    reason_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEnteredInError(Event):
    """The case was never real."""

    case: str
    version: int
    reason_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseLinked(Event):
    """`case` may replace `replaces` (cancelled and rebooked): linked, never merged by guess."""

    case: str
    replaces: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDoubted(Event):
    """A quarantined message names this case: what is known of it may be wrong.

    With `withdrawn` the doubt of this reason is over: a later message or a retry has mended it.
    """

    case: str
    reason: str
    withdrawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MilestoneRecorded(Event):
    """`milestone` happened at `at`; a correction is a later recording and names what it `replaces`."""

    case: str
    milestone: Milestone
    room: str | None = None
    source: Source = Source.EHR
    confidence: float = 1.0
    recorded: datetime | None = None
    replaces: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessChanged(Event):
    """One readiness item of a patient is outstanding, done or waived."""

    case: str
    item: ReadinessItem
    status: ReadinessStatus
    source: Source = Source.EHR


# --- rooms ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomWentDown(Event):
    """A room cannot be used; `until` is an expectation, not a promise."""

    room: str
    cause: str
    until: datetime | None = None
    reported_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRestored(Event):
    """The room can be used again."""

    room: str
    reported_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomStateChanged(Event):
    """A room's state as fused from its sources."""

    room: str
    state: RoomState
    source: Source = Source.CAMERA
    confidence: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningStatusChanged(Event):
    """A room is dirty, being cleaned or clean; `terminal` cleaning takes longer than `routine`."""

    room: str
    status: str
    kind: str = "routine"
    team: str | None = None
    expected_ready: datetime | None = None


# --- people, beds, things --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterEntry:
    """One team on shift."""

    team: str
    role: str
    shift_start: datetime
    shift_end: datetime
    skills: tuple[str, ...] = ()
    break_start: datetime | None = None
    break_end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterChanged(Event):
    """The teams of one `role` for the day; replaces what was known of that role."""

    role: str
    entries: tuple[RosterEntry, ...]
    reported_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffShort(Event):
    """`missing` teams of a role are absent between `start` and `end`."""

    role: str
    missing: int
    start: datetime
    end: datetime
    reported_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BedsChanged(Event):
    """A unit's beds: capacity, those in use, and when some are expected to become free."""

    unit: BedUnit
    capacity: int
    occupied: int = 0
    expected_discharges: tuple[datetime, ...] = ()
    reported_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EquipmentChanged(Event):
    """How many units of one kind are free, in use or reprocessing."""

    kind: str
    free: int
    in_use: int = 0
    unit: str | None = None
    reprocessing_until: datetime | None = None
    reported_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImplantExpected(Event):
    """An implant for `case` arrives between `start` and `end`."""

    case: str
    implant: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockChanged(Event):
    """Room time was allocated to, or released by, an owner."""

    room: str
    owner: str
    allocated: bool
    start: datetime
    end: datetime
    site: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionRequested(Event):
    """A surgeon or service wishes something against the rules."""

    exception: str
    wish: str
    rule: str
    requested_by: str
    case: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionDecided(Event):
    """The wish was reviewed."""

    exception: str
    granted: bool
    decided_by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplanRequested(Event):
    """A person asks for a new plan."""

    requested_by: str
    reason: str = ""


# --- feeds and time ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedWentSilent(Event):
    """Nothing was heard from `source` since `since`."""

    source: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReturned(Event):
    """`source` speaks again."""

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDisagreed(Event):
    """Two sources tell different things of one room or case."""

    subject: str
    first: str
    second: str
    room: str | None = None
    case: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockTicked(Event):
    """Event time reached `at`; only ingest says so."""


# --- decisions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDecided(Event):
    """What became of a proposal: the first decision wins, its id follows from the proposal's.

    `based_on` is the log offset (next to be read) the decision stood on. `changes` is the whole of
    what was approved or overridden, in the order in which it can be carried out; empty otherwise.
    `request` names the call that asked for it: who asks again gets the same answer.
    """

    proposal: str
    verdict: Verdict
    based_on: int
    decided_by: str
    alternative: str | None = None
    reason_code: str | None = None
    reason: str = ""
    changes: tuple[Change, ...] = ()
    request: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChanged(Event):
    """The gate's mode, by whom and why."""

    mode: Mode
    decided_by: str
    reason: str = ""
    evidence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesChanged(Event):
    """A new rules catalogue is in force."""

    digest: str
    decided_by: str
    reason: str = ""
    evidence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsChanged(Event):
    """The published cost has new weights."""

    digest: str
    decided_by: str
    reason: str = ""
    evidence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAnswered(Event):
    """The hospital's answer to one written-back change of `proposal`."""

    proposal: str
    case: str
    answer: ChangeAnswer
    message: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable(Event):
    """Stands in the fold for a record that could not be read: recorded as refused, never skipped."""

    reason: str


EVENT_TYPES: tuple[type[Event], ...] = (
    CaseScheduled,
    CaseCancelled,
    CaseNoShow,
    CaseEnteredInError,
    CaseLinked,
    CaseDoubted,
    MilestoneRecorded,
    ReadinessChanged,
    RoomWentDown,
    RoomRestored,
    RoomStateChanged,
    CleaningStatusChanged,
    RosterChanged,
    StaffShort,
    BedsChanged,
    EquipmentChanged,
    ImplantExpected,
    BlockChanged,
    ExceptionRequested,
    ExceptionDecided,
    ReplanRequested,
    FeedWentSilent,
    FeedReturned,
    SourceDisagreed,
    ClockTicked,
    PlanDecided,
    ModeChanged,
    RulesChanged,
    WeightsChanged,
    ChangeAnswered,
)
