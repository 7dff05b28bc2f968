"""Cost and bound over time against each peer, as SVG: means over a set, in units of the best known cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from .sets import Known

Result = dict[str, Any]
NAMES = {
    "ours": "price and fix (one thread, CPU s)",
    "cpsat": "CP-SAT, cold (two workers, wall s)",
    "cpsat_hinted": "CP-SAT from our annealed start",
    "greedy": "greedy coordinator",
    "right_shift": "right-shift",
}
COLOURS = {
    "ours": "#0b6e4f",
    "cpsat": "#b5482a",
    "cpsat_hinted": "#d99a2b",
    "greedy": "#6b6f76",
    "right_shift": "#9aa0a6",
}
HIGHEST = 3.0
"""Plans dearer than this are above the picture."""


def draw(size: str, results: Sequence[Result], known: dict[str, Known], path: Path, seconds: float) -> None:
    """Write the picture of one size; solid lines are costs, dashed ones bounds."""
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "orloop"
    matplotlib.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot

    moments = np.geomspace(0.02, seconds, 160)
    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    for peer, name in NAMES.items():
        own = [r for r in results if r["peer"] == peer and r["cost"] and known[r["instance"]].cost]
        if not own:
            continue
        costs, bounds = _means(own, known, moments)
        if peer in ("greedy", "right_shift"):
            axes.axhline(costs[-1], color=COLOURS[peer], linewidth=1, linestyle=":", label=name)
            continue
        axes.plot(moments, costs, color=COLOURS[peer], label=f"{name}, n = {len(own)}", drawstyle="steps-post")
        axes.plot(moments, bounds, color=COLOURS[peer], linestyle="--", drawstyle="steps-post")
    axes.set(xscale="log", ylim=(0, HIGHEST), xlabel="seconds", ylabel="cost / best known cost")
    axes.set_title(f"{size.split('-')[0]} rooms: plans (solid) and what no plan can be below (dashed)", fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="upper right")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _means(results: Sequence[Result], known: dict[str, Known], moments: Any) -> tuple[Any, Any]:
    """Mean cost and mean bound at each moment; before a first plan there is none, so its mean begins later."""
    costs, bounds = np.full((len(results), len(moments)), np.nan), np.zeros((len(results), len(moments)))
    for row, result in enumerate(results):
        best = float(known[result["instance"]].cost or 1)
        stages = result.get("curve") or [[0.0, result["cost"], 0.0]]
        for when, cost, bound, *_ in stages:
            costs[row, moments >= when] = cost / best
            bounds[row, moments >= when] = np.maximum(bounds[row, moments >= when], bound / best)
    return costs.mean(axis=0), bounds.mean(axis=0)
