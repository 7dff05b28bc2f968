"""The planning problem of one suite at one moment: everything a plan is judged by, and nothing else.

Built from the fold, the forecasts and the suite's layout by `build_problem`; judged by `checker`;
solved in the replan service. Frozen and complete, so that a recorded problem can be replayed.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .plan import Interval, Place, Quantiles
from .vocabulary import Urgency


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemRoom:
    """A room: usable from `opens`, budgeted until `block_end`, never past `closes`; no patient while `down`."""

    id: str
    services: tuple[str, ...]
    opens: datetime
    block_end: datetime
    closes: datetime
    capabilities: tuple[str, ...] = ()
    down: tuple[Interval, ...] = ()
    site: str = ""
    late_start: Quantiles | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EquipmentNeed:
    """`count` units of a kind, held from patient in to patient out and then reprocessed for so long."""

    kind: str
    count: int = 1
    reprocessing: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemCase:
    """A case that may move. `current` is its place in the published plan; `scheduled` the hospital's own.

    `slack` is how much shorter the case counts while it stays at its current place: a knock-on on the
    next case below the suite's materiality is left to the day and is not planned around.

    `length` is what the plan counts on (P50), `duration` the forecast with its spread. `priority` is the
    price of a slot of delay where the urgency alone does not say it. The surgeon is bound from
    `surgeon_after` after patient in until `surgeon_before` before patient out (the critical part);
    the anaesthesia team all the while. `ready` is when the patient can be there, `implant` when the
    implant is expected to arrive, `transport` how long it takes to bring the patient. After the room
    and `recovery` the patient needs a bed of `unit` (icu, ward) for the rest of the day.
    `preferred` is a wish, `team_rooms` are the rooms in which this patient's team works already.
    `cancellation_risk` is the chance that the case does not take place; it never worsens its own place.
    """

    id: str
    version: int
    service: str
    label: str
    urgency: Urgency
    surgeons: tuple[str, ...]
    length: timedelta
    length_p80: timedelta
    setup: timedelta
    cleanup: timedelta
    current: Place
    scheduled: Place
    needs: tuple[str, ...] = ()
    earliest: datetime | None = None
    latest: datetime | None = None
    recovery: timedelta = timedelta(0)
    waiting_since: datetime | None = None
    moved_today: int = 0
    add_on: bool = False
    slack: timedelta = timedelta(0)
    duration: Quantiles | None = None
    priority: int | None = None
    target_wait: timedelta | None = None
    ready: datetime | None = None
    transport: timedelta = timedelta(0)
    implant: Interval | None = None
    surgeon_after: timedelta = timedelta(0)
    surgeon_before: timedelta = timedelta(0)
    skills: tuple[str, ...] = ()
    equipment: tuple[EquipmentNeed, ...] = ()
    unit: str | None = None
    contaminated: bool = False
    latex: bool = False
    site: str = ""
    preferred: Place | None = None
    team_rooms: tuple[str, ...] = ()
    cancellation_risk: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A case that cannot move: in the room, called for, pending at the hospital, or inside the frozen window.

    Occupies `room` for `occupied` (setup to cleanup end), its surgeons and one anaesthesia team for
    `patient` (patient in to patient out), and a recovery bed for `recovery`, if any. `surgeon` is the
    part of it for which the surgeons are bound (all of it where nothing is said), `remaining` the forecast
    of what is left of the patient's stay from `now`.
    """

    id: str
    label: str
    room: str
    occupied: Interval
    patient: Interval
    surgeons: tuple[str, ...]
    recovery: Interval | None = None
    why: str = "in_room"
    surgeon: Interval | None = None
    remaining: Quantiles | None = None
    service: str = ""
    equipment: tuple[EquipmentNeed, ...] = ()
    skills: tuple[str, ...] = ()
    unit: str | None = None
    contaminated: bool = False
    latex: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How many of something there are between `start` and `end`."""

    start: datetime
    end: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The published cost, integers per five-minute slot unless said otherwise.

    `changed` is for each case that leaves its published place, whatever it leaves it for: a plan that
    people know is worth ten minutes of one patient's waiting a case (glossary: plan_stability).
    `fairness` is for each slot of the worst mean delay of a service or site with three or more movable
    cases, `fairness_late` the same for the part of their stays past block end, `fairness_prime` for each
    tenth of such a group's cases that starts after block end. `strict` puts postponements into a tier of their
    own, above everything else here, a higher class before a lower one.
    """

    delay: dict[Urgency, int]
    early: int = 1
    overtime: int = 5
    room_change: int = 12
    moved_again: int = 6
    postpone: int = 150
    postpone_per_slot: int = 15
    emergency_wait: int = 10
    changed: int = 4
    fairness: int = 0
    fairness_late: int = 0
    fairness_prime: int = 0
    surgeon_idle: int = 0
    preferred_start: int = 0
    preferred_room: int = 0
    continuity: int = 0
    break_in: int = 0
    add_on_slack: int = 0
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffHours:
    """When a surgeon is there: until `until`, and not during `breaks`."""

    until: datetime | None = None
    breaks: tuple[Interval, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedWork:
    """Add-ons that this hour usually brings: room time to keep free between `start` and `end`."""

    start: datetime
    end: datetime
    work: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnover:
    """Extra time between two cases in a room, beyond cleanup and setup: the sum of what applies.

    `service_change` where the services differ, `after_contaminated` before a case that is not
    contaminated itself, `before_latex` before a latex-allergic patient after one who is not.
    """

    service_change: timedelta = timedelta(0)
    after_contaminated: timedelta = timedelta(0)
    before_latex: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanProblem:
    """One suite to plan from `now` until `horizon`; starts lie on a `grid` from midnight UTC.

    `earliest_start` is the end of the frozen window: nothing may be moved to before it.
    `teams` are anaesthesia teams, `beds` free-standing PACU capacity over time; outside of these
    intervals there are none, and an empty tuple means that nothing is known and nothing limits.
    `timezone` and `staff` (display names by staff id) are for sentences only.

    `equipment`, `skills` and `units` (icu, ward beds) are capacities by name, as `teams`; a name that is
    not there is not limited. `cleaning` are cleaning teams, one for each room from patient out until it is
    clean. `hours` are the surgeons' own. `earliest_emergency` is the end of the frozen window for
    immediate cases, where it is shorter for them.
    """

    suite: str
    now: datetime
    grid: timedelta
    earliest_start: datetime
    horizon: datetime
    rooms: tuple[ProblemRoom, ...]
    cases: tuple[ProblemCase, ...]
    committed: tuple[Committed, ...]
    teams: tuple[Capacity, ...]
    beds: tuple[Capacity, ...]
    weights: Weights
    max_early: timedelta = timedelta(minutes=60)
    timezone: str = "UTC"
    staff: dict[str, str] = field(default_factory=dict)
    equipment: dict[str, tuple[Capacity, ...]] = field(default_factory=dict)
    skills: dict[str, tuple[Capacity, ...]] = field(default_factory=dict)
    units: dict[str, tuple[Capacity, ...]] = field(default_factory=dict)
    cleaning: tuple[Capacity, ...] = ()
    hours: dict[str, StaffHours] = field(default_factory=dict)
    expected: tuple[ExpectedWork, ...] = ()
    turnover: Turnover | None = None
    earliest_emergency: datetime | None = None
