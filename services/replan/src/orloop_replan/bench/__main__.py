"""Measure the planner against its peers: `python -m orloop_replan.bench [--full] [--sizes 20,40] [--peers ours,...]`.

Prints a table a size with n, p50, p95 and mean; writes docs/planner-bench.jsonl (one line a problem and peer),
docs/planner-ROOMS.svg (cost and bound over time), and what got better into contracts/instances/best.json. Figures
that compare times want a machine that does nothing else. `--freeze SIZES` draws the sets anew.
"""

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import table
from .peers import CPSAT, OURS, run, run_cpsat
from .sets import INSTANCES, SETS, better, freeze, names, read_best, write_best

DOCS = INSTANCES.parents[1] / "docs"
Result = dict[str, Any]


def measure(size: str, peers: list[str], full: bool, seconds: float, most: int | None) -> list[Result]:
    """The results of a set by every peer; `best.json` learns what they found."""
    chosen = names(size, full, read_best())[:most]
    results: list[Result] = []
    for peer in (p for p in OURS if p in peers or (p == "annealed" and "cpsat_hinted" in peers)):
        results += _told(run(peer, chosen))
    hints = {r["instance"]: r["chosen"] for r in results if r["peer"] == "annealed"}
    for peer in (p for p in CPSAT if p in peers and "full" not in size):
        results += _told(run_cpsat(peer, chosen, seconds, hints))
    known = read_best()
    for result in results:
        name, bound = result["instance"], result.get("bound")
        learnt = None if bound is None else math.ceil(bound - 1e-6)
        known[name] = better(known[name], result["cost"], learnt, result["peer"])
    write_best(known)
    return results


def _told(results: Any) -> list[Result]:
    found = []
    for result in results:
        print(f"{result['instance']}  {result['peer']}  {result['cost']}  {result.get('bound', '')}", flush=True)
        found.append(result)
    return found


def write(results: list[Result], path: Path) -> None:
    """Replace the lines of the same problems and peers, keep all others."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    kept = {(line["instance"], line["peer"]): line for line in lines}
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


def _freeze(size: str) -> None:
    """Draw a set anew; what is known of a problem that stays is kept."""
    before = read_best()
    for name in names(size, True, before):
        (INSTANCES / f"{name}.json.gz").unlink(missing_ok=True)
    others = {name: known for name, known in before.items() if name not in names(size, True, before)}
    drawn = freeze(size)
    for name, known in drawn.items():
        old = before.get(name)
        if old is not None and (old.movable, old.right_shift) == (known.movable, known.right_shift):
            drawn[name] = replace(old, full=known.full)
    write_best(others | drawn)


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="60 problems a size instead of 15")
    parser.add_argument("--sizes", default="20,40", help=f"some of {','.join(SETS)}")
    parser.add_argument("--peers", default="ours,right_shift,greedy,alternatives,realised,cpsat,cpsat_hinted")
    parser.add_argument("--seconds", type=float, default=60, help="wall seconds for CP-SAT")
    parser.add_argument("--most", type=int, help="only so many problems a size")
    parser.add_argument("--freeze", metavar="SIZES", help="draw these sets anew, measure nothing")
    parser.add_argument("--docs", type=Path, default=DOCS)
    given = parser.parse_args()
    if given.freeze:
        for size in given.freeze.split(","):
            _freeze(size)
        return
    given.docs.mkdir(parents=True, exist_ok=True)
    for size in given.sizes.split(","):
        results = measure(size, given.peers.split(","), given.full, given.seconds, given.most)
        write(results, given.docs / "planner-bench.jsonl")
        print(table.text(size, table.rows(size, results, read_best())), flush=True)
        if "cpsat" in given.peers and "full" not in size:
            from .curves import draw

            draw(size, results, read_best(), given.docs / f"planner-{size}.svg", given.seconds)


if __name__ == "__main__":
    main()
