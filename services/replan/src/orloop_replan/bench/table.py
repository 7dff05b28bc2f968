"""The bench's figures: how long, how good, how far from the best possible, against whom; each with its n."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .sets import Known

Result = dict[str, Any]
Row = tuple[str, ...]
HEAD = ("what", "n", "p50", "p95", "mean")


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed (no interpolation)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def rows(size: str, results: Sequence[Result], known: dict[str, Known]) -> list[Row]:
    """The table of one size."""
    by_peer: dict[str, dict[str, Result]] = {}
    for result in results:
        by_peer.setdefault(result["peer"], {})[result["instance"]] = result
    found = list(_ours(list(by_peer.get("ours", {}).values()), known))
    ours = by_peer.get("ours", {})
    for peer, theirs in by_peer.items():
        if peer not in ("ours", "annealed", "alternatives", "realised", "why_not"):
            found += _against(peer, ours, theirs, 1.0 if size.startswith("20") else 3.0)
    found += _alternatives(list(by_peer.get("alternatives", {}).values()))
    found += _realised(list(by_peer.get("realised", {}).values()))
    found += _why_not(list(by_peer.get("why_not", {}).values()))
    shifted = by_peer.get("right_shift", {}).values()
    if shifted:
        found.append(_row("right-shift, ms", [r["milliseconds"] for r in shifted], "{:.2f}"))
        ratios = [r["cost"] / best for r in shifted if (best := known[r["instance"]].cost)]
        if ratios:
            found.append(_row("right-shift / best known", ratios, "{:.2f}"))
    return found


def text(head: str, table: Sequence[Row]) -> str:
    """Columns for a terminal, under a headline."""
    lines = [HEAD, *table]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    shown = [
        "  ".join(cell.ljust(width) if k == 0 else cell.rjust(width) for k, (cell, width) in enumerate(zipped))
        for zipped in (list(zip(line, widths, strict=True)) for line in lines)
    ]
    return "\n".join([head, *shown])


def at(result: Result, seconds: float) -> float | None:
    """The best cost that a curve had reached by then."""
    reached = [stage[1] for stage in result["curve"] if stage[0] <= seconds]
    return min(reached) if reached else None


def gap(cost: float, bound: float, floor: float) -> float:
    """How much of what a plan can change may still be saved at most."""
    return 0.0 if bound >= cost else (cost - bound) / max(1.0, cost - floor)


def stage_of(result: Result, name: str) -> list[Any]:
    """Where a solve stood after a stage; its end, if it was done before."""
    return next((stage for stage in result["curve"] if stage[3] == name), result["curve"][-1])


def _ours(results: Sequence[Result], known: dict[str, Known]) -> Iterator[Row]:
    if not results:
        return
    seconds: dict[str, list[float]] = {"plan": [float(r.get("plan_seconds") or r["cpu_seconds"]) for r in results]}
    seconds["proof"] = [r["cpu_seconds"] for r in results]
    for label, name in (("plan", "branch"), ("proof", "prove")):
        stages = [stage_of(r, name) for r in results]
        yield _row(f"{label}: CPU s", seconds[label], "{:.2f}")
        gaps = [gap(s[1], s[2], r["floor"]) for s, r in zip(stages, results, strict=True)]
        yield _row(f"{label}: certified gap, %", [100 * g for g in gaps], "{:.2f}")
        best = [known[r["instance"]].cost for r in results]
        above = [100 * (s[1] / b - 1) for s, b in zip(stages, best, strict=True) if b]
        if above:
            yield _row(f"{label}: above best known, %", above, "{:.2f}")
    proven = [any(s[0] <= 3.0 and s[1] <= s[2] for s in r["curve"]) for r in results]
    yield ("proven optimal within 3 CPU s", str(len(results)), f"{sum(proven)}", "", f"{_mean(proven):.0%}")


def _alternatives(results: Sequence[Result]) -> Iterator[Row]:
    """Time beyond the first plan; another way of the same kind is at most 3 % dearer, others differ in kind."""
    if not results:
        return
    yield _row("alternatives with simulation: more CPU s", [r["more_seconds"] for r in results], "{:.2f}")
    yield _row("alternatives: how many", [len(r["costs"]) for r in results], "{:.0f}")
    kinds = [(k, c / r["costs"][0]) for r in results for k, c in zip(r["kinds"][1:], r["costs"][1:], strict=True)]
    same = [100 * (ratio - 1) for kind, ratio in kinds if kind == "different"]
    if same:
        yield _row("another way of the same kind: dearer by, %", same, "{:.2f}")


def _realised(results: Sequence[Result]) -> Iterator[Row]:
    for peer in ("right_shift", "greedy") if results else ():
        ratios = [r["realised"]["ours"] / max(1.0, r["realised"][peer]) for r in results]
        yield _row(f"realised cost / {peer}, 500 scenarios", ratios, "{:.3f}")
        below = [r["below"][peer] for r in results]
        yield (f"realised cost below {peer}, 95 %", str(len(below)), f"{sum(below)}", "", f"{_mean(below):.0%}")


def _why_not(results: Sequence[Result]) -> Iterator[Row]:
    seconds = [s for r in results for s in r["why_not_seconds"]]
    if seconds:
        yield _row("why not: wall s to an answer", seconds, "{:.2f}")
        told = sum(r["answered"] for r in results)
        yield ("why not: with a rule or an interval", str(len(seconds)), f"{told}", "", f"{told / len(seconds):.0%}")


def _against(peer: str, ours: dict[str, Result], theirs: dict[str, Result], seconds: float) -> Iterator[Row]:
    pairs = [(ours[name], result) for name, result in theirs.items() if name in ours and result["cost"]]
    if pairs:
        ratios = [(at(mine, seconds) or mine["cost"]) / result["cost"] for mine, result in pairs]
        yield _row(f"our cost at {seconds:.0f} CPU s / {peer}", ratios, "{:.3f}")
        yield _row(f"our final cost / {peer}", [mine["cost"] / result["cost"] for mine, result in pairs], "{:.3f}")


def _row(what: str, values: Sequence[float], form: str) -> Row:
    shown = (quantile(values, 0.5), quantile(values, 0.95), _mean(values))
    return (what, str(len(values)), *(form.format(value) for value in shown))


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
