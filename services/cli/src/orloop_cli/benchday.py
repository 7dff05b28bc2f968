"""A day on a mesh for `make bench`: everything that waits is approved, and every trigger's way is timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from orloop_common.domain.events import Event
from orloop_common.messages import SUITE_EVENTS
from orloop_common.runtime.clock import SystemClock
from orloop_common.runtime.codec import default_codec
from orloop_common.runtime.kafkalog import KafkaSender
from orloop_common.runtime.outbox import Outbox
from orloop_common.runtime.records import Output

from .approve import Approver
from .mesh import Mesh
from .ports import LOOPBACK
from .services import demo_site
from .watch import Watch

SETTLE = 30.0
"""Wall seconds for what was approved last to be carried out."""


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


@contextmanager
def telling(mesh: Mesh) -> Iterator[Callable[[Event], object]]:
    """Writes an event to the log itself, and returns once the broker has it."""
    outbox = Outbox(KafkaSender(mesh.bootstrap, "bench"), default_codec(), SystemClock(), "bench")
    try:
        yield lambda event: outbox.send_now(
            Output(SUITE_EVENTS, event.suite, event.suite, event, event.id, at=event.at), timeout=10
        )
    finally:
        outbox.close()


def triggers(mesh: Mesh, until: datetime) -> Day:
    """Play the day, approving; what became of its triggers."""
    played = Day()
    with eyes(mesh) as (watch, approver):
        mesh.play()
        while mesh.day is not None and mesh.day.now() < until:
            mesh.tick()
            _follow(watch, played)
            approver.answer(watch.waiting)
            time.sleep(0.1)
        mesh.run_until(lambda: _settled(watch, played), SETTLE)
        mesh.play(0.0)
        seen_by(watch, played)
        for story in watch.suites.values():
            for decision in story.day.decisions.values():
                if any(change.via is not None for change in decision.decided.changes):
                    played.swaps += 1
                    played.swapped += set(decision.outcomes.values()) == {"applied"}
    return played


def _follow(watch: Watch, played: Day) -> None:
    """Keep how long each trigger waited for what has become of it."""
    for line in watch.poll():
        if line.seconds is not None and line.kind in played.seconds:
            played.seconds[line.kind].append(line.seconds)


def _settled(watch: Watch, played: Day) -> bool:
    """Whether it is known of every approved change what became of it."""
    _follow(watch, played)
    decided = [decision for story in watch.suites.values() for decision in story.day.decisions.values()]
    return all(decision.settled for decision in decided if decision.in_force)


def seen_by(watch: Watch, played: Day, of: str = "") -> None:
    """Keep how long solves took and what they could move, of proposals for triggers whose names begin with `of`."""
    for story in watch.suites.values():
        for proposal in story.proposals.values():
            if proposal.answer != "proposal" or not any(t.event.startswith(of) for t in proposal.triggers):
                continue
            played.movable += [len(a.plan) for a in proposal.alternatives[:1]]
            played.solving += [proposal.solver.seconds] if proposal.solver is not None else []
