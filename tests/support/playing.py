"""Plays a day on the whole mesh, with or without killing its processes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from holding import Read, read_topic, state_of

from orloop_cli.approve import Approver
from orloop_cli.mesh import Mesh
from orloop_cli.ports import LOOPBACK
from orloop_cli.services import demo_site
from orloop_cli.watch import Watch
from orloop_common import messages
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.site import Site
from orloop_common.messages.sitefile import parse_site

DEAD_LETTERS = f"{messages.SUITE_EVENTS}.dlq"
UNREADABLE = "unreadable-1"
FOLDING = ("ingest", "features", "replan", "gate", "writeback", "board")


@dataclass
class Played:
    """A day that was played, and what was read of it once it stood still."""

    mesh: Mesh
    topics: dict[str, list[Read]]
    states: dict[str, dict[str, Any]]
    kills: list[str] = field(default_factory=list)

    @property
    def site(self) -> Site:
        return parse_site(demo_site().read_text())

    @property
    def calendar(self) -> OperationalCalendar:
        return OperationalCalendar(self.site.timezone, self.site.day_boundary)

    @property
    def log(self) -> list[Read]:
        """The suite's log without the event that nobody can read."""
        return [r for r in self.topics[messages.SUITE_EVENTS] if r.headers["ce_id"] != UNREADABLE]

    @property
    def run(self) -> Path:
        return self.mesh.run.path

    def of_type(self, *types: type) -> list[Any]:
        names = {f"orloop.{kind.__name__}" for kind in types}
        return [record.message for record in self.log if record.headers["ce_type"] in names]


def play(mesh: Mesh, until: datetime, speed: float, kill: Callable[[float], list[str]] | None = None) -> Played:
    """Play from the start of the day to `until`, approving what the gate opens; then let it come to rest.

    `kill` is told the seconds since the start and names what to SIGKILL now.
    """
    mesh.start()
    assert mesh.day is not None
    watch = Watch(mesh.bootstrap, demo_site())
    approver = Approver(f"{LOOPBACK}:{mesh.addresses.gate}", mesh.run.secrets.token_secret)
    write_unreadable(mesh.bootstrap)
    mesh.play(speed)
    started, kills = time.monotonic(), []
    try:
        while mesh.day.now() < until:
            mesh.tick()
            watch.poll()
            approver.answer(watch.waiting)
            for name in kill(time.monotonic() - started) if kill else ():
                mesh.supervisor.kill(name)
                kills.append(name)
            time.sleep(0.05)
        mesh.play(1.0)  # ticks go on, the day hardly does
        assert mesh.run_until(lambda: mesh.supervisor.all_ready, 60), mesh.supervisor.not_ready()
        settle(mesh, watch, approver)
    finally:
        approver.close()
        watch.close()
    mesh.play(0.0)
    come_to_rest(mesh)
    topics = {topic: read_topic(mesh.bootstrap, topic) for topic in (*messages.TOPICS, DEAD_LETTERS)}
    return Played(mesh, topics, states(mesh), kills)


def write_unreadable(bootstrap: str) -> None:
    """An event that says it is a room that went down and does not name the room, as a broken producer writes it."""
    headers = {"ce_specversion": "1.0", "ce_id": UNREADABLE, "ce_type": "orloop.RoomWentDown", "ce_subject": "main"}
    headers |= {"ce_dataschema": "room-went-down.v1", "ce_source": "/orloop/test", "ce_time": "2026-03-02T06:00:00Z"}
    writer = Producer({"bootstrap.servers": bootstrap})
    value = b'{"id": "unreadable", "note": "no room is named here"}'
    writer.produce(
        messages.SUITE_EVENTS, value, b"main", partition=0, headers=[(k, v.encode()) for k, v in headers.items()]
    )
    assert writer.flush(10) == 0


def settle(mesh: Mesh, watch: Watch, approver: Approver, limit: float = 60) -> None:
    """Go on until nothing is under way at the hospital and no trigger waits for its answer."""

    def settled() -> bool:
        watch.poll()
        approver.answer(watch.waiting)
        return not any(story.day.pending for story in watch.suites.values())

    mesh.play(20.0)
    mesh.run_until(settled, limit)
    mesh.play(1.0)
    mesh.run_until(lambda: all(suite["unanswered"] == 0 for suite in states(mesh)["replan"]["suites"].values()), limit)


def states(mesh: Mesh) -> dict[str, dict[str, Any]]:
    """Each folding service's `/state`."""
    ports = {part.name: part.health_port for part in mesh.parts}
    return {name: state_of(ports[name]) for name in FOLDING}


def come_to_rest(mesh: Mesh, limit: float = 60) -> None:
    """Go on until nothing has moved for two seconds and no trigger waits: the clock stands still, answers do not."""
    seen: list[tuple[float, object]] = []

    def quiet() -> bool:
        now, where = time.monotonic(), standing(mesh)
        if where is None or not seen or seen[-1][1] != where:
            seen[:] = [(now, where)]
        return where is not None and now - seen[0][0] >= 2

    assert mesh.run_until(quiet, limit, pause=0.25), f"the mesh did not come to rest: {states(mesh)}"


def standing(mesh: Mesh) -> int | None:
    """The offset of the log at which every service stands, if it is the same and the planner has answered all."""
    now = states(mesh)
    ends = {state["offsets"].get(messages.SUITE_EVENTS, {}).get("0") for state in now.values()}
    waiting = sum(suite["unanswered"] for suite in now["replan"]["suites"].values())
    return ends.pop() if len(ends) == 1 and not waiting else None


def seeded_kills(seed: int, names: tuple[str, ...], first: float, last: float) -> Callable[[float], list[str]]:
    """Kill each name once (list a name twice to kill it twice) at moments drawn from `seed`."""
    draw = random.Random(seed)
    due = sorted((draw.uniform(first, last), name) for name in names)

    def kill(elapsed: float) -> list[str]:
        now = [name for moment, name in due if moment <= elapsed]
        del due[: len(now)]
        return now

    return kill
