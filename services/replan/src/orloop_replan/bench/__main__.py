"""Measure the planner against its peers: `python -m orloop_replan.bench [--full] [--sizes 20,40] [--peers ours,...]`.

Prints a table a size with n, p50, p95 and mean; writes docs/planner-bench.jsonl (one line a problem and peer),
docs/planner-SIZE.svg (cost and bound over time), and what got better into contracts/instances/best.json. Tables and
pictures are of all lines there are, also of peers that were measured another day; `--report` only prints and draws.
Figures that compare times want a machine that does nothing else. `--freeze SIZES` draws the sets anew.
"""

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import curves, rows, table
from .peers import CPSAT, OURS, run, run_cpsat
from .sets import INSTANCES, SETS, better, freeze, names, read_best, write_best

DOCS = INSTANCES.parents[1] / "docs"
REPORTED = "20,40,40-early,20-full,40-full"
Result = dict[str, Any]


def measure(size: str, peers: list[str], chosen: list[str], seconds: float, path: Path) -> None:
    """Add the results of a set by every peer to the lines at `path`; `best.json` learns what they found."""
    hints: dict[str, list[int]] = {}
    for peer in (p for p in OURS if p in peers or (p == "annealed" and "cpsat_hinted" in peers)):
        results = _told(run(peer, chosen), rows.measured_with(peer, seconds))
        if peer == "annealed":
            hints = {r["instance"]: r["chosen"] for r in results}
        _keep(results, path)
    for peer in (p for p in CPSAT if p in peers and "full" not in size):
        for name in chosen:
            _keep(_told(run_cpsat(peer, [name], seconds, hints), rows.measured_with(peer, seconds)), path)


def _keep(results: list[Result], path: Path) -> None:
    """Write what was found at once: a measurement that is broken off keeps what it has."""
    rows.write(results, path)
    known = read_best()
    for result in results:
        name, bound = result["instance"], result.get("bound")
        learnt = None if bound is None else math.ceil(bound - 1e-6)
        known[name] = better(known[name], result["cost"], learnt, result["peer"])
    write_best(known)


def _told(results: Any, measured_with: str) -> list[Result]:
    found = []
    for result in results:
        print(f"{result['instance']}  {result['peer']}  {result['cost']}  {result.get('bound', '')}", flush=True)
        found.append({**result, "with": measured_with})
    return found


def report(size: str, chosen: list[str], docs: Path, seconds: float) -> str:
    """The table of a set, what is missing in it, and with what it was measured; draws its curves."""
    known, results = read_best(), rows.read(docs / "planner-bench.jsonl", chosen)
    if any(r["peer"] == "ours" for r in results):
        curves.draw(size, results, known, docs / f"planner-{size}.svg", seconds)
    movable = [known[name].movable for name in chosen]
    head = (
        f"{size}: {len(chosen)} problems, {min(movable)} to {max(movable)} movable cases" if chosen else f"{size}: none"
    )
    said = [table.text(head, table.rows(size, results, known))]
    said += [f"missing  {line}" for line in rows.missing(size, results, chosen, known)]
    said += [f"measured with  {line}" for line in rows.sources(results)]
    return "\n".join(said) + "\n"


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
    parser.add_argument("--sizes", default=REPORTED, help=f"some of {','.join(SETS)}")
    parser.add_argument("--peers", default="ours,right_shift,greedy,alternatives,realised,why_not,cpsat,cpsat_hinted")
    parser.add_argument("--seconds", type=float, default=60, help="wall seconds for CP-SAT")
    parser.add_argument("--most", type=int, help="only so many problems a size")
    parser.add_argument("--report", action="store_true", help="print and draw what was measured, measure nothing")
    parser.add_argument("--freeze", metavar="SIZES", help="draw these sets anew, measure nothing")
    parser.add_argument("--docs", type=Path, default=DOCS)
    given = parser.parse_args()
    if given.freeze:
        for size in given.freeze.split(","):
            _freeze(size)
        return
    if unknown := sorted({*given.peers.split(",")} - {*OURS, *CPSAT}) or sorted({*given.sizes.split(",")} - {*SETS}):
        parser.error(
            f"Expected peers of {','.join((*OURS, *CPSAT))} and sizes of {','.join(SETS)}, got {unknown[0]!r}."
        )
    given.docs.mkdir(parents=True, exist_ok=True)
    for size in given.sizes.split(","):
        chosen = names(size, given.full, read_best())[: given.most]
        if not given.report:
            measure(size, given.peers.split(","), chosen, given.seconds, given.docs / "planner-bench.jsonl")
        print(report(size, chosen, given.docs, given.seconds), flush=True)


if __name__ == "__main__":
    main()
