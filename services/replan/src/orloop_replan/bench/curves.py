"""Cost and bound over time against each peer, as SVG: means over a set, in units of the best known cost.

Drawn by hand, so that it reads in both themes and every curve is named where it ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from .sets import Known

Result = dict[str, Any]
NAMES = {
    "ours": "price and fix",
    "cpsat": "CP-SAT, cold",
    "cpsat_hinted": "CP-SAT from our start",
    "greedy": "coordinator",
    "right_shift": "right-shift",
}
AT_ONCE = ("greedy", "right_shift")
"""Peers that have one plan, at once: a level, not a curve."""
COLOURS = {
    "ours": ("#0b62a8", "#6cb6ff"),
    "cpsat": ("#b23c0e", "#ff9b6a"),
    "cpsat_hinted": ("#8a6500", "#e3b341"),
    "greedy": ("#57606a", "#a8b1bb"),
    "right_shift": ("#57606a", "#a8b1bb"),
}
"""Of each peer on a light and on a dark page; each at least 4.5 : 1 against it."""
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 980, 480, 56, 312, 62, 50
FIRST = 0.02
HIGHEST = 3.0
"""Plans dearer than this are above the picture."""
LINE = 17


@dataclass(frozen=True, slots=True)
class Curve:
    """The mean cost and bound of a peer at each moment; NaN before the last of its problems had a first plan."""

    peer: str
    n: int
    costs: Any
    bounds: Any


def draw(size: str, results: Sequence[Result], known: dict[str, Known], path: Path, seconds: float) -> None:
    """Write the picture of one size."""
    path.write_text(svg(size, results, known, seconds))


def svg(size: str, results: Sequence[Result], known: dict[str, Known], seconds: float) -> str:
    """The picture of one size; solid lines are costs, dashed ones bounds."""
    moments = np.geomspace(FIRST, max(seconds, 1.0), 240)
    found = curves(results, known, moments)
    highest = min(HIGHEST, max([1.2, *(0.1 + float(np.nanmax(c.costs)) for c in found if c.peer in AT_ONCE)]))
    plot = _Plot(moments[0], moments[-1], highest)
    most = max((c.n for c in found), default=0)
    parts = [*plot.axes(), *_words(size, most)]
    ends: list[tuple[float, str, str]] = []
    for curve in found:
        name = NAMES[curve.peer] + ("" if curve.n == most else f" (n = {curve.n})")
        level = curve.peer in AT_ONCE
        parts.append(plot.steps(curve.peer, moments, curve.costs, "level" if level else "cost"))
        ends.append((plot.y(curve.costs[-1]), f"{name} {curve.costs[-1]:.2f}", curve.peer))
        if not level:
            parts.append(plot.steps(curve.peer, moments, curve.bounds, "bound"))
            ends.append((plot.y(curve.bounds[-1]), f"{NAMES[curve.peer]}: bound {curve.bounds[-1]:.2f}", curve.peer))
    parts += _labels(ends)
    return _PAGE.format(
        width=WIDTH, height=HEIGHT, style=_style(), body="\n".join(parts), title=escape(f"{size} rooms")
    )


def curves(results: Sequence[Result], known: dict[str, Known], moments: Any) -> list[Curve]:
    """One curve for each peer that solved something whose best cost is known."""
    found = []
    for peer in NAMES:
        own = [r for r in results if r["peer"] == peer and r["cost"] and known[r["instance"]].cost]
        if own:
            found.append(Curve(peer, len(own), *_means(own, known, moments)))
    return found


def _means(results: Sequence[Result], known: dict[str, Known], moments: Any) -> tuple[Any, Any]:
    """Mean cost and mean bound at each moment; before a first plan there is none, so its mean begins later."""
    costs, bounds = np.full((len(results), len(moments)), np.nan), np.zeros((len(results), len(moments)))
    for row, result in enumerate(results):
        best = float(known[result["instance"]].cost or 1)
        stages = result.get("curve") or [[0.0, result["cost"], 0.0]]
        for when, cost, bound, *_ in stages:
            costs[row, moments >= when] = cost / best
            bounds[row, moments >= when] = np.maximum(bounds[row, moments >= when], bound / best)
        if result.get("bound") is not None:  # what was proven last, if that was after the last plan
            bounds[row, -1] = max(bounds[row, -1], result["bound"] / best)
    return costs.mean(axis=0), bounds.mean(axis=0)


class _Plot:
    """Seconds, logarithmic, to the right; units of the best known cost upwards."""

    def __init__(self, first: float, last: float, highest: float) -> None:
        self.first, self.last, self.highest = first, last, highest

    def x(self, second: float) -> float:
        share = np.log(second / self.first) / np.log(self.last / self.first)
        return float(LEFT + share * (WIDTH - LEFT - RIGHT))

    def y(self, ratio: float) -> float:
        return float(HEIGHT - BOTTOM - min(ratio, self.highest) / self.highest * (HEIGHT - TOP - BOTTOM))

    def axes(self) -> list[str]:
        right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
        lines = []
        for step in range(int(self.highest / 0.5) + 1):
            y = self.y(0.5 * step)
            lines.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>')
            lines.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{0.5 * step:.1f}</text>')
        for second in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600):
            if self.first <= second <= self.last:
                x = self.x(second)
                lines.append(f'<path class="grid" d="M{x:.1f} {TOP}V{floor}"/>')
                text = f'y="{floor + 18}" text-anchor="middle">{second:g} s</text>'
                lines.append(f'<text class="tick" x="{x:.1f}" {text}')
        lines.append(f'<path class="axis" d="M{LEFT} {TOP}V{floor}H{right}"/>')
        return lines

    def steps(self, peer: str, moments: Any, values: Any, kind: str) -> str:
        """A line that keeps its height until the next change; it begins where it comes down into the picture."""
        path, last = "", float("nan")
        for moment, value in zip(moments, values, strict=True):
            if np.isnan(value) or value > self.highest:
                continue
            y = self.y(value)
            if not path:
                path = f"M{self.x(moment):.1f} {y:.1f}"
            elif y != last:
                path += f"H{self.x(moment):.1f}V{y:.1f}"
            last = y
        return f'<path class="{peer} {kind}" d="{path}H{WIDTH - RIGHT}"/>' if path else ""


def _words(size: str, n: int) -> list[str]:
    rooms, _, which = size.partition("-")
    more = {"early": ", now = 08:00", "full": ", every rule"}.get(which, "")
    return [
        f'<text class="title" x="{LEFT}" y="22">{rooms} rooms{more}: how dear the plan in hand is, and '
        f"what none can be below (mean, n = {n})</text>",
        f'<text class="tick" x="{LEFT}" y="44">solid: cost; dashed: bound; both in units of the best known cost</text>',
        f'<text class="tick" x="{LEFT}" y="{HEIGHT - 10}">seconds since the problem was handed '
        "over: price and fix in CPU s, one thread; CP-SAT in wall s, two workers</text>",
    ]


def _labels(ends: list[tuple[float, str, str]]) -> list[str]:
    """Names beside the ends of their lines, one below the other where ends are close."""
    ordered = sorted(ends)
    heights = [y for y, _, _ in ordered]
    for k in range(1, len(heights)):
        heights[k] = max(heights[k], heights[k - 1] + LINE)
    for k in reversed(range(len(heights))):
        limit = HEIGHT - BOTTOM if k == len(heights) - 1 else heights[k + 1] - LINE
        heights[k] = min(heights[k], limit)
    x = WIDTH - RIGHT
    found = []
    for (y, text, peer), height in zip(ordered, heights, strict=True):
        found.append(f'<path class="{peer} lead" d="M{x + 2} {y:.1f}L{x + 14} {height:.1f}"/>')
        found.append(f'<text class="{peer} name" x="{x + 18}" y="{height + 4:.1f}">{escape(text)}</text>')
    return found


def _style() -> str:
    light = "".join(f".{p}{{stroke:{c}}}text.{p}{{fill:{c};stroke:none}}" for p, (c, _) in COLOURS.items())
    dark = "".join(f".{p}{{stroke:{c}}}text.{p}{{fill:{c};stroke:none}}" for p, (_, c) in COLOURS.items())
    return f"{_RULES}{light}@media (prefers-color-scheme: dark){{{_DARK}{dark}}}"


_RULES = (
    "text{font:13px system-ui,sans-serif}.title{font-size:15px;font-weight:600}.page{fill:#fff}"
    ".title,.tick{fill:#1f2328}path{fill:none}.grid{stroke:#d0d7de;stroke-width:.6}.axis{stroke:#57606a}.cost{stroke-width:2.4}"
    ".bound{stroke-width:1.8;stroke-dasharray:6 4}.level{stroke-width:1.4;stroke-dasharray:2 3}.lead{stroke-width:.8}"
)
_DARK = ".page{fill:#0d1117}.title,.tick{fill:#e6edf3}.grid{stroke:#30363d}.axis{stroke:#8b949e}"
_PAGE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" \
role="img">
<title>{title}: cost and bound over time</title>
<style>{style}</style>
<rect class="page" width="{width}" height="{height}"/>
{body}
</svg>
"""
