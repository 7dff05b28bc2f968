"""The planning problem of one suite at one moment: everything a plan is judged by, and nothing else.

Built from the fold, the forecasts and the suite's layout by `build_problem`; judged by `checker`;
solved in the replan service. Frozen and complete, so that a recorded problem can be replayed.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .plan import Interval, Place
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemCase:
    """A case that may move. `current` is its place in the published plan; `scheduled` the hospital's own.

    `slack` is how much shorter the case counts while it stays at its current place: a knock-on on the
    next case below the suite's materiality is left to the day and is not planned around.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A case that cannot move: in the room, called for, pending at the hospital, or inside the frozen window.

    Occupies `room` for `occupied` (setup to cleanup end), its surgeons and one anaesthesia team for
    `patient` (patient in to patient out), and a recovery bed for `recovery`, if any.
    """

    id: str
    label: str
    room: str
    occupied: Interval
    patient: Interval
    surgeons: tuple[str, ...]
    recovery: Interval | None = None
    why: str = "in_room"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanProblem:
    """One suite to plan from `now` until `horizon`; starts lie on a `grid` from midnight UTC.

    `earliest_start` is the end of the frozen window: nothing may be moved to before it.
    `teams` are anaesthesia teams, `beds` free-standing PACU capacity over time; outside of these
    intervals there are none, and an empty tuple means that nothing is known and nothing limits.
    `timezone` and `staff` (display names by staff id) are for sentences only.
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
