"""The whole mesh on this machine: broker, topics, clock and every service, as one thing to start and stop.

with Mesh.new(runs_dir(), Options(speed=120)) as mesh:
    mesh.start()
    mesh.run_until(lambda: ...)
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from . import services, topics
from .broker import Broker
from .errors import LauncherError
from .parts import BrokerPart, ServicePart
from .ports import LOOPBACK, free_port, require_free
from .run import Run, create_run, open_run, require_spare
from .services import Addresses, Setting
from .simulated import SimulatedDay
from .supervise import BecameReady, Happening, Supervisor

DAY = "2026-03-02"
DAY_STARTS, DAY_ENDS = 7, 17
READY_LIMIT = 180.0
DISK_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """How to play.

    Parameters
    ----------
    speed
        Seconds of event time in one second; 0 to go on at the run's.
    kafka
        A cluster to use instead of the embedded broker.
    twin
        Whether the demo's hospital plays.
    environment
        Further variables by service name, for tests.
    """

    speed: float = 60.0
    seed: int | None = None
    day: str = DAY
    scenario: str = "demo"
    board_port: int = services.BOARD_PORT
    kafka: str | None = None
    twin: bool = True
    partitions: int | None = None
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Mesh:
    """A run's processes. Everything that it started ends with `stop`, and with this process in any case."""

    def __init__(self, run: Run, options: Options, said: Callable[[str], None] = lambda line: None) -> None:
        self.run = run
        self.options = options
        self.supervisor = Supervisor()
        self.broker = None if options.kafka else Broker(run.broker)
        self.day = SimulatedDay(run.clock) if options.twin else None
        self.link_key = secrets.token_urlsafe(24)
        self.addresses = Addresses.choose(options.board_port)
        self.bootstrap = options.kafka or ""
        self.on_happening: Callable[[Happening], None] = lambda happening: None
        self.parts: list[ServicePart] = []
        self._said = said
        self._told: dict[str, Any] = {}
        self._disk_due = 0.0

    @classmethod
    def new(cls, root: Path, options: Options, said: Callable[[str], None] = lambda line: None) -> Mesh:
        """A mesh on a fresh run under `root`."""
        check_board_port(options)
        about: dict[str, Any] = {"day": options.day, "scenario": options.scenario, "speed": options.speed}
        if options.seed is not None:
            about["seed"] = options.seed
        return cls(create_run(root, **about), options, said)

    @classmethod
    def again(
        cls,
        root: Path,
        name: str | None,
        options: Options,
        said: Callable[[str], None] = lambda line: None,
    ) -> Mesh:
        """A mesh that goes on with a run that was left, by default the newest, at that run's speed."""
        check_board_port(options)
        run = open_run(root, name)
        return cls(run, replace(options, speed=options.speed or float(run.about.get("speed", 60))), said)

    @property
    def board_url(self) -> str:
        """The board's address with its one-time link."""
        return f"http://{LOOPBACK}:{self.addresses.board}/?key={self.link_key}"

    def start(self, limit: float = READY_LIMIT) -> None:
        """Start everything and return when all of it is ready; the day stands still meanwhile.

        Raises
        ------
        LauncherError
            If something cannot be started, by its name and with its last words.
        """
        site = services.demo_site()
        if self.day is not None:
            self.day.hold(self.starts_at)
        self._start_broker()
        topics.Cluster(self.bootstrap).apply(topics.declared(partitions=self.options.partitions))
        clock = str(self.run.clock) if self.day is not None else os.environ.get("ORLOOP_CLOCK", "system")
        self.parts = services.build(
            Setting(self.run, self.bootstrap, site, clock, self.link_key, self.addresses, twin=self.options.twin)
        )
        needs = ("kafka",) if self.broker is not None else ()
        for part in self.parts:
            part.environment = {**part.environment, **self.options.environment.get(part.name, {})}
            self.supervisor.add(part, needs)
        self._wait_ready(limit)

    def play(self, rate: float | None = None) -> None:
        """Let the day go on, at the run's speed unless `rate` says otherwise."""
        if self.day is not None:
            self.day.play(self.options.speed if rate is None else rate)

    def tick(self) -> list[Happening]:
        """Do what is due: restarts, the clock's beat; call it often.

        Raises
        ------
        PartFailed
            When a part cannot be kept running.
        LauncherError
            When the disk is about to be full: what is stopped now goes on later, with nothing lost.
        """
        self._watch_disk()
        happened = self.supervisor.tick()
        for happening in happened:
            self.on_happening(happening)
        if self.day is not None:
            self.day.beat()
        self._tell_processes()
        return happened

    def run_until(self, done: Callable[[], bool], limit: float, pause: float = 0.1) -> bool:
        """Keep the mesh going until `done`, or for `limit` seconds; say whether it was done."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            self.tick()
            if done():
                return True
            time.sleep(pause)
        return False

    def stop(self) -> None:
        """Stop everything, the broker last; safe to call twice."""
        try:
            if self.day is not None and self.run.clock.exists() and self.day.rate:
                with contextlib.suppress(OSError):  # a full disk: the clock then goes on from its last segment
                    self.day.play(0.0)
        finally:
            self.supervisor.stop([name for name in self.supervisor.watched if name != "kafka"])
            if self.broker is not None:
                self.broker.stop()
            self.run.release()

    def kill(self) -> None:
        """End everything at once."""
        self.supervisor.stop([name for name in self.supervisor.watched if name != "kafka"], grace=0.0)
        if self.broker is not None:
            self.broker.end(signal.SIGKILL)
        self.run.release()

    def __enter__(self) -> Mesh:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def starts_at(self) -> datetime:
        """When the day begins, in event time."""
        day = date.fromisoformat(str(self.run.about.get("day", DAY)))
        return datetime(day.year, day.month, day.day, DAY_STARTS, tzinfo=UTC)

    @property
    def ends_at(self) -> datetime:
        """When the twin has played its day."""
        return self.starts_at.replace(hour=DAY_ENDS)

    def _start_broker(self) -> None:
        if self.broker is None:
            return
        self._said("Starting Kafka")
        part = BrokerPart(self.broker)
        self.supervisor.add(part)
        self.supervisor.tick()
        self.broker.wait_ready(90)
        self.broker.warm_up()
        self.bootstrap = self.broker.bootstrap
        self.tick()

    def _wait_ready(self, limit: float) -> None:
        if not self.run_until(lambda: self.supervisor.all_ready, limit, pause=0.05):
            missing = "; ".join(f"{name} ({why})" for name, why in self.supervisor.not_ready().items())
            raise LauncherError(
                f"Expected every service to be ready within {limit:.0f} s, got none from: {missing}.",
                f"their logs say more: {self.run.logs}",
            )

    def _watch_disk(self) -> None:
        """Stop while there still is room to stop in: a broker on a full disk ends in the middle of a write."""
        now = time.monotonic()
        if now >= self._disk_due:
            self._disk_due = now + DISK_EVERY
            require_spare(self.run.path)

    def _tell_processes(self) -> None:
        """Write which process serves what, for tools and tests; only when it changed."""
        ours = self.addresses
        ports = {"mllp": ours.mllp, "manual": ours.manual, "gate": ours.gate, "worklist": ours.worklist}
        told: dict[str, Any] = {"launcher": {"pid": os.getpid()}, "bootstrap": self.bootstrap, "ports": ports}
        for name, watched in self.supervisor.watched.items():
            if watched.running:
                about = {"pid": watched.part.pid(), "ready": watched.ready, "restarts": watched.restarts}
                if isinstance(watched.part, ServicePart):
                    about["health_port"] = watched.part.health_port
                told[name] = about
        if told != self._told:
            self._told = told
            partial = self.run.processes.with_suffix(".new")
            partial.write_text(json.dumps(told, indent=1))
            partial.replace(self.run.processes)


def check_board_port(options: Options) -> None:
    """Refuse a board port that is taken before anything is started."""
    require_free(options.board_port, "the board", f"--port, for example --port {free_port()}")


__all__ = ["BecameReady", "Mesh", "Options"]
