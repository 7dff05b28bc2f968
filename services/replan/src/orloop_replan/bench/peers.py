"""Starts each peer in its own process, and judges what it says with the same checker and the same price."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from orloop_common.domain.checker import check
from orloop_common.domain.cost import floor, price
from orloop_replan.domain import slots
from orloop_replan.domain.slots import Slots

from .sets import INSTANCES, load

PEER_PACKAGES = Path(sys.prefix) / "peers"
"""Where `make bench-replan` installs what only peers need: ortools, and the protobuf that it wants."""
OURS = ("ours", "right_shift", "greedy", "annealed", "alternatives", "realised", "why_not")
CPSAT = ("cpsat", "cpsat_hinted")
Result = dict[str, Any]


class PeerError(RuntimeError):
    """A peer ended without an answer, or with one that breaks a rule."""


def run(peer: str, names: Sequence[str], folder: Path = INSTANCES) -> Iterator[Result]:
    """The results of one of our own peers, one a problem, as they come."""
    command = [sys.executable, "-m", "orloop_replan.bench.worker", peer, str(folder), *names]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield judged(json.loads(line), folder)
    if process.returncode:
        raise PeerError(f"Expected {peer} to finish, got exit code {process.returncode}.\nMaybe see its words above.")


def run_cpsat(
    peer: str, names: Sequence[str], seconds: float, hints: dict[str, list[int]], folder: Path = INSTANCES
) -> Iterator[Result]:
    """The results of CP-SAT, cold or from hints, a process for each problem."""
    paths = [str(PEER_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    for name in names:
        command = [sys.executable, "-m", "orloop_replan.bench.cpsat", str(folder / f"{name}.json.gz")]
        command += ["--seconds", str(seconds)]
        with tempfile.TemporaryDirectory() as scratch:
            if peer == "cpsat_hinted":
                hint = Path(scratch) / "hint.json"
                hint.write_text(json.dumps(hints[name]))
                command += ["--hint", str(hint)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise PeerError(
                f"Expected CP-SAT to finish {name}, got: {said}\nMaybe: make bench-replan installs ortools."
            )
        found = json.loads(done.stdout)
        curve = [[wall, cost, bound, ""] for wall, _, cost, bound in found.pop("curve")]
        yield judged({"instance": name, "peer": peer, **found, "curve": curve}, folder)


def judged(result: Result, folder: Path = INSTANCES) -> Result:
    """A result with its cost, floor and broken rules, counted from the plan alone.

    Raises
    ------
    PeerError
        If the plan breaks a rule, or its peer claims a bound above its cost: then nothing it says can be compared.
    """
    problem = load(result["instance"], folder)
    chosen = result["chosen"]
    if chosen is None:
        return {**result, "cost": None, "floor": floor(problem)}
    plan = plan_of(slots.build(problem), chosen)
    cost = price(problem, plan).total
    objective, proven = result.get("objective"), result.get("status") == "OPTIMAL"
    # Stopped early, a model's slot or worst mean may stand higher than its plan needs: it claims more than it costs.
    if objective is not None and (objective < cost or (proven and objective != cost)):
        raise PeerError(f"Expected {result['peer']} to count {cost}, got {objective}.\nMaybe its model is another one.")
    if broken := check(problem, plan):
        raise PeerError(
            f"Expected a sound plan of {result['peer']}, got: {broken[0].sentence}\nMaybe its model is another one."
        )
    if result.get("bound") is not None and result["bound"] > cost + 1e-6:
        raise PeerError(
            f"Expected {result['peer']} to bound {cost} from below, got {result['bound']}.\nMaybe one of them is wrong."
        )
    return {**result, "cost": cost, "floor": floor(problem)}


def plan_of(arrays: Slots, chosen: Sequence[int]) -> dict[str, Any]:
    """The plan of a list of places."""
    return arrays.plan(place for place in chosen if place >= 0)
