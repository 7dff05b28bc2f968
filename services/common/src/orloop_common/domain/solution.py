"""What a solver hands over: a plan, what it costs, and how far from the best possible it can be at most."""

from dataclasses import dataclass, field
from datetime import datetime

from .derived import SolverRecord
from .plan import Assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePrice:
    """The dual price of one unit of a limited resource at one moment; `resource` as `rule/name`."""

    resource: str
    at: datetime
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPrice:
    """The dual price of a surgeon's window: what one case's stay holds of it, and the others' that hold all of it.

    From `first` to `last`, both included, `surgeon` cannot both be with `case` at some moment and with another
    patient at every moment: of all these places a plan takes at most one.
    """

    surgeon: str
    case: str
    first: datetime
    last: datetime
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Prices from which anybody can compute the bound again, without a solver (Lagrangian duality).

    `cases` is the price of placing a case, `resources` of a unit of a resource at a moment (never
    positive), `fairness` of a slot of a group's total (never positive), `windows` of a surgeon's windows (never
    positive), `postponements` of what they weigh in the tier above (never positive). All are multiples of 1/1024, so
    that their sums are exact in any order. `around` is the plan around which terms of whole plans are bounded by sums
    over places (`cost_least`); where nothing is said, the current one.
    """

    cases: dict[str, float]
    resources: tuple[ResourcePrice, ...] = ()
    fairness: dict[str, float] = field(default_factory=dict)
    windows: tuple[WindowPrice, ...] = ()
    postponements: float = 0.0
    around: tuple[Assignment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer to a question that every plan answers with yes or no; `question` says which fields it is about.

    `start`: does `case` start no later than `until`? `room`: is `case` in `room`? `postponed`: is `case` postponed?
    `level`: is the worst mean of the fairness `measure` (`delay`, `late`, `prime`) at most `level`?
    """

    question: str
    yes: bool
    case: str | None = None
    until: datetime | None = None
    room: str | None = None
    measure: str | None = None
    level: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """All plans that give these `answers`, and the prices that prove what each of them costs at least."""

    answers: tuple[Answer, ...]
    prices: Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One level of the objective: what the plan costs on it, and what every plan costs at least."""

    name: str
    cost: int
    bound: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSolution:
    """A plan for a problem, and the proof that comes with it.

    `cost`, `bound` and `terms` are in the published unit. `floor` is what no plan can change (use of rooms by
    committed cases past their block, waiting that has already happened), and
    `gap = (cost - bound) / (cost - floor)`, 0 where cost equals bound. `proven` says that nothing
    cheaper exists; `certificate` proves `certified`, the part of the bound that needs no solver, together with
    `branches` where there are any: these hold all plans between them, each with prices of its own.
    """

    suite: str
    problem_digest: str
    plan: tuple[Assignment, ...]
    cost: int
    bound: int
    floor: int
    gap: float
    certified: int
    proven: bool
    terms: dict[str, int]
    tiers: tuple[Tier, ...]
    cpu_seconds: float
    solver: SolverRecord
    certificate: Certificate | None = None
    branches: tuple[Branch, ...] = ()
