"""What a search for plans is asked and answers: goals, cuts, limits, and the engine that searches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol

from orloop_common.domain.derived import Alternative, SolverRecord
from orloop_common.domain.plan import Assignment, Place
from orloop_common.domain.problem import PlanProblem

from .wishes import Wish, WishAnswer

Plan = Mapping[str, Place]
Stop = Callable[[], bool]
"""Asked now and then by an engine at work: whether its answer is still wanted."""


class Stopped(Exception):
    """An engine's answer is no longer wanted: it left its work as it was."""


def never() -> bool:
    """The work is wanted to its end."""
    return False


@dataclass(frozen=True, slots=True)
class Goal:
    """What a search minimises: weights on terms of a plan, and a room that nobody else may go to.

    `apart` is in how many of the changed cases of other plans the wanted plan is to differ from them.

    Postponements weigh so much that they are a tier of their own: hard rules, then postponements,
    then the rest (DESIGN.md).
    """

    kind: str
    cost: int = 10
    changed: int = 3
    overtime: int = 0
    postponed: int = 200_000
    keep_free: str | None = None
    apart: int = 0


@dataclass(frozen=True, slots=True)
class Cut:
    """Of these places a plan may take at most so many: asks for a different plan."""

    places: tuple[tuple[str, Place], ...]
    at_most: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of the lowest cost: no plan costs less than `bound`; `gap` as in `PlanSolution`.

    `certificate` is the digest of what proves it.
    """

    cost: int
    bound: int
    gap: float
    certificate: str = ""


class Search(Protocol):
    """One problem with its places, ready to be asked for several plans."""

    def best(self, goal: Goal, cuts: Sequence[Cut], start: Plan, others: Sequence[Plan] = ()) -> Plan | None:
        """The best plan under work limits, begun from `start`; None if there is none under the cuts.

        `others` are the plans that are known already: what it is to be unlike (the cuts say how much), or may
        begin from.
        """

    def spent(self) -> int:
        """Work done so far, in points at which the solver looked up: the same on every machine."""

    def places(self, case: str) -> Sequence[Place]:
        """The places that the search considers for a case."""

    def proof(self) -> Proof | None:
        """What is known of the lowest cost, after the first plan; None if nothing is."""


class Engine(Protocol):
    """Finds plans. The planner's own engine may be replaced behind this door."""

    @property
    def name(self) -> str:
        """Name and version, for the record."""

    @property
    def path(self) -> str:
        """The way it goes, for the record: price_and_fix, reference."""

    def search(self, problem: PlanProblem, seed: int, start: Plan | None = None) -> Search:
        """Begin on a problem, with a plan that is repaired and then known; `Stopped` when it is told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A problem to solve; `id` names it among those that were handed over.

    `start` is a plan to begin from (a back-up), repaired where it no longer holds; `limits` are others than the
    engine's own. `skip` engines are passed over, because of `note`. With a `wish` the question is not for a plan
    but what the wish would do to `start`; `within` is how many seconds of wall time there are for it, and no plan
    that postpones as little as `start` costs less than `known`.
    """

    id: str
    problem: PlanProblem
    seed: int = 0
    start: tuple[Assignment, ...] = ()
    limits: "Limits | None" = None
    skip: int = 0
    note: str = ""
    wish: Wish | None = None
    within: float | None = None
    known: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """What became of a job: alternatives, best first, and how they were found; `said` of a wish."""

    id: str
    alternatives: tuple[Alternative, ...]
    solver: SolverRecord
    said: WishAnswer | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Work limits, so that the same problem gives the same plan on a slow and on a fast day.

    For the first plan `scout`, `decodes`, `grown` and `first_work`, for each of the others `other`, `other_decodes`
    and `other_work`, all of these together `others_work`. `work` is how many questions there are at most.
    """

    nodes: int = 100
    work: int = 50
    alternatives: int = 3
    scout: int = 2000
    decodes: int = 10_000
    other_decodes: int = 4000
    grown: int = 16
    other: int = 6
    first_work: int = 2_000_000
    other_work: int = 300_000
    others_work: int = 600_000
    scenarios: int = 500

    def hurried(self) -> "Limits":
        """For a large suite in a storm of triggers: one good plan soon."""
        return replace(self, alternatives=1, nodes=self.nodes // 2, first_work=self.first_work // 2)

    @classmethod
    def recorded(cls, settings: Mapping[str, str]) -> "Limits":
        """The limits of a record, be it older or newer than this program."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: int(value) for name, value in settings.items() if name in known})

    def settings(self) -> dict[str, str]:
        return {field.name: str(getattr(self, field.name)) for field in fields(self)}
