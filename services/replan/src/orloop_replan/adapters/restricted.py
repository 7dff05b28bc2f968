"""The best plan that uses only some places, by HiGHS: no modelling layer, work instead of seconds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import highspy
import numpy as np

from orloop_replan.domain.slots import Ints, Slots

from .master import asked
from .restricted_model import Model

SET_UP = 20
"""Presolve and the first relaxation cost as much as so many looks at the model later on."""
OFF = [f"mip_heuristic_run_{name}" for name in ("feasibility_jump", "root_reduced_cost", "rens", "rins")]
"""Heuristics that solve models of their own, without asking whether to go on; the start is good already."""


@dataclass(frozen=True, slots=True)
class MipLimits:
    """So much work, whatever the clock says: nodes, and `work` in entries of the model times how often HiGHS asks.

    A million of work is some 0.25 CPU seconds. With `sparing`, what comes before HiGHS first asks is counted as well,
    and a model that could do no more than that is not begun.
    """

    nodes: int = 10_000
    work: int = 20_000_000
    gap: float = 0.99
    sparing: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Cut:
    """At most so many of these places and of the postponements of these cases."""

    places: Ints
    at_most: int
    postponed: Ints = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False, slots=True)
class Restricted:
    """`chosen` [n] or None, whether nothing cheaper exists over these places, and the work that it took.

    `bound` is what HiGHS proved for these places, in the model's own cost.
    """

    chosen: Ints | None
    proven: bool
    work: int
    bound: float = -np.inf


def restricted(
    slots: Slots,
    places: Ints,
    start: Ints,
    limits: MipLimits | None = None,
    cuts: Sequence[Cut] = (),
    cutoff: float | None = None,
    *,
    stop: Callable[[], bool] | None = None,
    costs: Ints | None = None,
) -> Restricted:
    """The cheapest plan over `places` and those of `start` [n], which it begins with and need not keep `cuts`.

    `costs` [m] replaces the places' own; `cutoff` is a cost that is not worth reaching.
    """
    limits = limits or MipLimits()
    model = Model(slots, np.union1d(places, start[start >= 0]), start, slots.cost if costs is None else costs)
    for cut in cuts:
        model.cut(cut.places, cut.postponed, cut.at_most)
    return _solve(model, start, limits, cutoff, stop or (lambda: False))


def _solve(model: Model, start: Ints, limits: MipLimits, cutoff: float | None, stop: Callable[[], bool]) -> Restricted:
    if limits.sparing and limits.work < 2 * SET_UP * model.entries:
        return Restricted(None, False, 0)
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    options = {
        "output_flag": False,
        "threads": 1,
        "mip_max_nodes": limits.nodes,
        "mip_abs_gap": limits.gap,
        "mip_rel_gap": 0.0,
        "mip_allow_restart": False,
        **dict.fromkeys(OFF, False),
    }
    if cutoff is not None:
        options["objective_bound"] = float(cutoff)
    for name, value in options.items():
        asked(highs.setOptionValue(name, value), f"option {name}")
    asked(highs.passModel(model.transfer()), "the restricted model")
    solution = highspy.HighsSolution()
    solution.col_value = model.values(start).tolist()
    asked(highs.setSolution(solution), "the start")
    entries = model.entries
    work = SET_UP * entries if limits.sparing else 0

    def enough(event: Any) -> None:
        nonlocal work
        work += entries
        if work > limits.work or stop():
            event.data_in.user_interrupt = True

    highs.cbMipInterrupt.subscribe(enough)
    asked(highs.run(), "a run")
    info = highs.getInfo()
    proven = highs.getModelStatus() in (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kInfeasible)
    if info.primal_solution_status != 2:
        return Restricted(None, proven, work, float(info.mip_dual_bound))
    x = np.array(highs.getSolution().col_value)[model.x0 : model.f0]
    chosen = np.full(model.slots.n, -1, np.int64)
    taken = np.nonzero(x > 0.5)[0]
    chosen[model.case[taken]] = model.places[taken]
    return Restricted(chosen, proven, work, float(info.mip_dual_bound))
