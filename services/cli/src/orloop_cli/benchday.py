"""A day on a mesh for `make bench`: everything that waits is approved, and every trigger's way is timed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from .approve import Approver
from .mesh import Mesh
from .ports import LOOPBACK
from .services import demo_site
from .watch import Watch


@dataclass
class Day:
    """Seconds from each trigger to what became of it, by kind; of each proposal, how long its solve took of these, and
    how many cases it could have moved.

    `swaps` are approved plans in which cases change places (one of them waits at a `via`), `swapped` those of them
    that were applied to the last change.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"proposal": [], "no_change": [], "applied": []})
    solving: list[float] = field(default_factory=list)
    movable: list[int] = field(default_factory=list)
    swaps: int = 0
    swapped: int = 0


@contextmanager
def eyes(mesh: Mesh) -> Iterator[tuple[Watch, Approver]]:
    """What follows the mesh, and what approves."""
    watch = Watch(mesh.bootstrap, demo_site())
    approver = Approver(f"{LOOPBACK}:{mesh.addresses.gate}", mesh.run.secrets.token_secret)
    try:
        yield watch, approver
    finally:
        approver.close()
        watch.close()


def triggers(mesh: Mesh, until: datetime) -> Day:
    """Play the day, approving; what became of its triggers."""
    played = Day()
    with eyes(mesh) as (watch, approver):
        mesh.play()
        while mesh.day is not None and mesh.day.now() < until:
            mesh.tick()
            for line in watch.poll():
                if line.seconds is not None and line.kind in played.seconds:
                    played.seconds[line.kind].append(line.seconds)
            approver.answer(watch.waiting)
            time.sleep(0.1)
        mesh.play(0.0)
        for story in watch.suites.values():
            proposals = [p for p in story.proposals.values() if p.answer == "proposal" and p.alternatives]
            played.movable += [len(p.alternatives[0].plan) for p in proposals]
            played.solving += [p.solver.seconds for p in proposals if p.solver is not None]
            for decision in story.day.decisions.values():
                if any(change.via is not None for change in decision.decided.changes):
                    played.swaps += 1
                    played.swapped += set(decision.outcomes.values()) == {"applied"}
    return played
