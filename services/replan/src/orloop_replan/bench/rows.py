"""The bench's memory: one line a problem and peer in `docs/planner-bench.jsonl`, also of peers measured on other days.

A line says with what it was measured (`with`), so that figures taken apart can be read together.
"""

import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from .peers import CPSAT, OURS, PEER_PACKAGES
from .sets import Known

Result = dict[str, Any]
SHOWN = tuple(peer for peer in (*OURS, *CPSAT) if peer != "annealed")
CALLED = {
    "ours": "price and fix",
    "right_shift": "right-shift",
    "greedy": "greedy coordinator",
    "alternatives": "alternatives",
    "realised": "realised cost",
    "why_not": "why not",
    "cpsat": "CP-SAT, cold",
    "cpsat_hinted": "CP-SAT from our annealed start",
}


def read(path: Path, names: Sequence[str] | None = None) -> list[Result]:
    """The lines of these problems (of all of them, where none are named)."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [line for line in lines if names is None or line["instance"] in names]


def write(results: Iterable[Result], path: Path) -> None:
    """Replace the lines of the same problems and peers, keep all others."""
    kept = {(line["instance"], line["peer"]): line for line in read(path)}
    for result in results:
        short = {key: value for key, value in result.items() if key != "chosen"}
        short["curve"] = [[round(v, 3) if isinstance(v, float) else v for v in point] for point in _thin(result)]
        kept[result["instance"], result["peer"]] = short
    path.write_text("".join(json.dumps(kept[key]) + "\n" for key in sorted(kept)))


def _thin(result: Result, most: int = 40) -> list[list[Any]]:
    """A curve of few points: the last of each stretch."""
    curve = result.get("curve", [])
    every = max(1, -(-len(curve) // most))
    return [point for k, point in enumerate(curve) if (len(curve) - 1 - k) % every == 0]


def measured_with(peer: str, seconds: float) -> str:
    """The program and its libraries that a peer's lines come from."""
    if peer in CPSAT:
        found = metadata.distributions(name="ortools", path=[str(PEER_PACKAGES)])
        version = next((one.version for one in found), "unknown")
        return f"ortools {version}, 2 workers, {seconds:g} wall s, {os.cpu_count()} cores"
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("highspy", "numba"))
    return f"orloop {_revision()}, {versions}, one thread"


def _revision() -> str:
    """The commit that was measured, as far as it is known."""
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    said = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    return said.stdout.strip() or metadata.version("orloop-replan")


def missing(size: str, results: Sequence[Result], chosen: Sequence[str], known: dict[str, Known]) -> list[str]:
    """Which peers the figures of a set lack, wholly or in part, and why."""
    found = []
    kinds = {known[name].kind for name in chosen}
    for peer in SHOWN:
        own = [r for r in results if r["peer"] == peer]
        planless = sum(r["cost"] is None for r in own) if peer in CPSAT else 0
        if planless:
            found.append(f"{CALLED[peer]}: found no plan in {planless} of {len(own)} problems in its time.")
        if len(own) == len(chosen):
            continue
        if peer in CPSAT and kinds != {"core"}:
            why = "its model is the core problem, this set has every rule."
        else:
            why = f'not measured (make bench-replan ARGS="--sizes {size} --peers {peer}").'
        found.append(f"{CALLED[peer]}: n = {len(own)} of {len(chosen)}, {why}")
    return found


def sources(results: Sequence[Result]) -> list[str]:
    """With what the figures were measured, a line for each peer; unknown where a line does not say."""
    found = []
    for peer in SHOWN:
        by = sorted({r.get("with", "not recorded") for r in results if r["peer"] == peer})
        if by:
            found.append(f"{CALLED[peer]}: {'; '.join(by)}")
    return found
