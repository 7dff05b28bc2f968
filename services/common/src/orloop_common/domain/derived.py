"""What services derive from the log: states, features, forecasts, proposals, statuses.

Every derived record carries `as_of`, the offset of the suite's log (next to be read) that it stands
on; readers keep the highest.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .plan import Assignment, Change, Quantiles
from .vocabulary import BedUnit, CauseClass, Milestone, Mode, RoomState, Urgency


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A derived record of `suite`, as of an offset of its log and an event time."""

    suite: str
    as_of: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomStatus(Derived):
    """What boards show of a room: `orloop.room-state`."""

    room: str
    state: RoomState
    since: datetime | None = None
    case: str | None = None
    next_case: str | None = None
    down_cause: str | None = None
    down_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStatus(Derived):
    """What boards show of a case: `orloop.case-state`. `phase` is waiting, called, in_room, done or cancelled."""

    case: str
    phase: str
    service: str
    procedure: str
    surgeon: str | None
    room: str | None
    start: datetime
    booked: timedelta
    urgency: Urgency
    add_on: bool
    milestones: dict[Milestone, datetime]
    outstanding: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFeatures(Derived):
    """Point-in-time features of a case: `orloop.case-features`. `schema` is the feature list's digest."""

    case: str
    schema: str
    stage: str
    values: dict[str, float | str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseForecast(Derived):
    """Forecast of one case: `orloop.case-forecasts`.

    `stage` is the state in which it was made: scheduled, in_room, after_incision, closing,
    after_procedure_end. `duration` is patient in room to patient out of room, from the start of the
    stay; `remaining` is from `at` on, only once the patient is in the room. `model` is the bundle's
    digest, or `fallback`.
    """

    case: str
    stage: str
    model: str
    duration: Quantiles
    remaining: Quantiles | None = None
    low_confidence: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What an alternative costs, by who pays; minutes are against the current plan where it still holds.

    `services` is how long the patients of each service line wait beyond the time they were told; who does not
    wait is not in it.
    """

    patients_waiting: timedelta
    surgeons_idle: timedelta
    staff_overtime: timedelta
    postponed: int
    rooms_changed: int
    recovery_peak: int = 0
    recovery_beds: int = 0
    services: dict[str, timedelta] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What may become of a plan: how often what happened in `scenarios` simulated days, the same for each alternative.

    `cost` is the mean of the published cost of what happened, `cost_tail` that of the worst tenth of days, as is
    `overtime_tail` (room time past block ends, all rooms together). Chances are of any overtime at all, of a
    patient who has to wait in the room for a recovery bed, and of a case that the day has no time for any more.
    `promises` is the chance by case that it starts within 15 minutes of its planned start. `dearer` is what the
    plan costs on average more than the recommended one in the same days, between `dearer_low` and `dearer_high`
    with 95 % confidence.
    """

    scenarios: int
    seed: int
    cost: float
    cost_tail: float
    overtime_p50: timedelta
    overtime_p90: timedelta
    overtime_tail: timedelta
    overtime_chance: float
    bed_shortage_chance: float
    cancellation_chance: float
    promises: dict[str, float]
    dearer: float = 0.0
    dearer_low: float = 0.0
    dearer_high: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One way out; `plan` places every movable case, `id` follows from its changes alone.

    `kind` is lowest_cost, fewest_changes, least_overtime, within_target, keep_room_free, different or right_shift.
    No plan that postpones as little costs less than `bound`; `gap` is the distance to it, as in `PlanSolution`.
    """

    id: str
    kind: str
    title: str
    summary: str
    changes: tuple[Change, ...]
    plan: tuple[Assignment, ...]
    cost: int
    price: Price
    gap: float | None = None
    break_in_gap: timedelta | None = None
    bound: int | None = None
    outlook: Outlook | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverRecord:
    """How a proposal came to be; `path` is price_and_fix, reference, right_shift, why_not or recorded.

    No plan costs less than `bound`; `certificate` is the digest of its proof. `start` is the plan that the
    search was given to begin from, if any (a back-up computed ahead of time).
    """

    path: str
    solver: str
    seed: int
    settings: dict[str, str]
    seconds: float
    note: str = ""
    bound: int | None = None
    proven: bool = False
    certificate: str = ""
    start: tuple[Assignment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """An event that asked for a re-plan, in words a person reads."""

    event: str
    type: str
    at: datetime
    sentence: str
    room: str | None = None
    case: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal(Derived):
    """An answer to triggers: `orloop.plan-proposals`. `answer` is `proposal` or `no_change`.

    `id` is the digest of its inputs. `problem` is the exact problem, zlib-compressed JSON in base64:
    all that a replay needs. Alternatives are ranked, the recommended one first. `supersedes` is an open
    proposal: a newer one takes its place, or, with `no_change`, it is not needed any more.
    """

    id: str
    answer: str
    triggers: tuple[Trigger, ...]
    headline: str
    reason: str
    alternatives: tuple[Alternative, ...] = ()
    decide_by: datetime | None = None
    supersedes: str | None = None
    problem: str = ""
    problem_digest: str = ""
    forecasts_digest: str = ""
    rules_digest: str = ""
    forecasts_stale: bool = False
    solver: SolverRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCurrent(Derived):
    """The published plan of one operational day: `orloop.plan-current`."""

    day: str
    proposal: str | None
    assignments: tuple[Assignment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopCondition:
    """A measured state in which the gate withholds; `sentence` is for a charge nurse."""

    id: str
    cause: CauseClass
    sentence: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GateStatus(Derived):
    """Mode, stop conditions and what waits for an answer: `orloop.gate-status`.

    `open_proposal` is the proposal that people may see and decide; `withheld` the newest one that
    they may not, with the sentences that say why. `closed` names alternatives of the open proposal that
    break a rule by now, and why. `audit_sequence` and `audit_head` publish the end of the audit chain.
    """

    mode: Mode
    stops: tuple[StopCondition, ...] = ()
    open_proposal: str | None = None
    withheld: str | None = None
    withheld_because: tuple[str, ...] = ()
    closed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    audit_sequence: int = 0
    audit_head: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WritebackStatus(Derived):
    """Where one approved change stands at the hospital.

    `status` is queued, sent, acknowledged, echoed, refused, timed_out (no answer), unconfirmed (accepted, but not
    echoed in time), differs or stopped.
    """

    case: str
    proposal: str
    status: str
    order: int
    of: int
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry(Derived):
    """One entry of the hash chain, in log order: `orloop.audit`. `hash` covers `previous` and everything else."""

    id: str
    sequence: int
    who: str
    what: str
    subject: str
    why: str
    outcome: str
    previous: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAlias:
    """Which bundle an alias names: `orloop.model-registry`."""

    alias: str
    digest: str
    at: datetime
    set_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RawMessage:
    """A message as it was received: `orloop.hl7-raw`. `payload` is encrypted; `problem` is set when quarantined."""

    id: str
    source: str
    received: datetime
    payload: str
    control_id: str = ""
    message_type: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseIdentity:
    """Encrypted: the sender's ids and what write-back needs to address a case: `orloop.case-identity`.

    `kind` says what the payload holds: `case`, of the case that `case` names; any other is ingest's own
    memory (merged patients, moved visits, parked statements, beds), and `case` names the record.
    """

    case: str
    suite: str
    at: datetime
    payload: str
    kind: str = "case"


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestJournal:
    """One journal of ingest and who owns it: `orloop.ingest-journals`.

    `state`: open (it may hold acknowledged messages that are not on the log), drained (its owner ended and it holds
    none), lost (a person, `declared_by`, says that it will not come back). While it is open, no other journal of its
    `sources` is emitted.
    """

    id: str
    owner: str
    state: str
    sources: tuple[str, ...]
    at: datetime
    declared_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomObservation:
    """What a camera saw, without images: `orloop.room-observations`."""

    id: str
    suite: str
    room: str
    at: datetime
    state: RoomState
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A pointer to a record that could not be handled, and why; never its value."""

    topic: str
    partition: int
    offset: int
    reason: str
    service: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BedForecast:
    """Expected use of one unit's beds at a time."""

    unit: BedUnit
    at: datetime
    expected: float
    capacity: int
