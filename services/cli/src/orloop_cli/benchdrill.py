"""A drill for `make bench ARGS="--rooms 20 --drill"`: one room after the other goes down, in real time.

A day at 60x gives the services the work of sixty hospitals while a plan is searched; here they have that of one.
Failures and repairs are written to the log itself. Nobody decides, so that every failure is met by the same day.
"""

from __future__ import annotations

import itertools
import urllib.request
from contextlib import closing
from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from orloop_common.domain import events as e
from orloop_common.messages.sitefile import parse_site

from .benchday import Day, seen_by, telling
from .mesh import Mesh
from .ports import LOOPBACK
from .services import demo_site
from .watch import Watch

DRILL = "drill-"
REAL_TIME = 1.0
DOWN = timedelta(minutes=90)
PATIENCE = 30.0
"""Wall seconds after which a trigger counts as not answered."""
APART = 2.0
"""Wall seconds between an answer and the next trigger."""


def drill(mesh: Mesh, rounds: int = 2) -> tuple[Day, int]:
    """Every room fails and comes back, `rounds` times; what became of it, and how many triggers nobody answered."""
    layout = parse_site(demo_site().read_text()).suites[0]
    played, unanswered = Day(), 0
    mesh.play(REAL_TIME)
    with telling(mesh) as tell, closing(Watch(mesh.bootstrap, demo_site())) as watch:
        for number, room in itertools.product(range(rounds), [room.id for room in layout.rooms]):
            for down in (True, False):
                mesh.run_until(lambda: False, APART)
                watch.poll()
                event = _event(mesh, layout.id, room, number, down=down)
                tell(event)
                unanswered += not _answered(mesh, watch, event.id, played)
        mesh.play(0.0)
        seen_by(watch, played, DRILL)
    return played, unanswered


def _event(mesh: Mesh, suite: str, room: str, number: int, *, down: bool) -> e.Event:
    assert mesh.day is not None
    name, at = f"{DRILL}{number}-{room}", mesh.day.now()
    if down:
        return e.RoomWentDown(id=f"{name}-down", suite=suite, at=at, room=room, cause="drill", until=at + DOWN)
    return e.RoomRestored(id=f"{name}-up", suite=suite, at=at, room=room)


def _answered(mesh: Mesh, watch: Watch, event: str, played: Day) -> bool:
    """Wait for the answer that names an event, and keep how long it took."""

    def look() -> bool:
        told = [line for line in watch.poll() if line.trigger == event and line.kind in played.seconds]
        for line in told:
            played.seconds[line.kind] += [line.seconds] if line.seconds is not None else []
        return bool(told)

    return mesh.run_until(look, PATIENCE)


def rechecks(mesh: Mesh) -> list[float]:
    """How long each of the gate's looks at an alternative on the newest state took at most, in ms."""
    url = f"http://{LOOPBACK}:{mesh.addresses.health['gate']}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return [1000 * bound for bound in bounds(answer.read().decode(), "orloop_gate_recheck_seconds")]


def bounds(exposition: str, histogram: str) -> list[float]:
    """The upper bound of each value that a histogram has counted, in order."""
    found: list[float] = []
    families = text_string_to_metric_families(exposition)
    for sample in (sample for family in families for sample in family.samples):
        if sample.name == f"{histogram}_bucket":
            found += [float(sample.labels["le"])] * (int(sample.value) - len(found))
    return found
