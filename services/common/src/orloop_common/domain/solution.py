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
    positive). All are multiples of 1/1024, so that their sums are exact in any order.
    """

    cases: dict[str, float]
    resources: tuple[ResourcePrice, ...] = ()
    fairness: dict[str, float] = field(default_factory=dict)
    windows: tuple[WindowPrice, ...] = ()


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
    cheaper exists; `certificate` proves `certified`, the part of the bound that needs no solver.
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
