"""Force a wish, solve again, and say what breaks or what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem

from .slots import Ints, Slots
from .wishes import Wish, WishAnswer

Plan = Mapping[str, Place]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The best plan that was found (place by case, None if there is none), and what every plan costs at least."""

    chosen: Ints | None
    bound: float | None = None


class Resolver(Protocol):
    """Solves a problem of which only some places are left, under limits of work."""

    def __call__(self, slots: Slots, start: Ints | None) -> Resolved: ...


def why_not(
    problem: PlanProblem,
    plan: Plan,
    wish: Wish,
    resolve: Resolver,
    *,
    slots: Slots | None = None,
    known: int | None = None,
) -> WishAnswer:
    """What `wish` breaks or costs against `plan`.

    `slots` spares building the arrays again; `known` is a cost that no plan of the problem is below.
    """
    raise NotImplementedError
