"""A stand to prove things on: a real broker, and ingest started as it is in production, both ours to kill."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from confluent_kafka import Consumer, TopicPartition

from orloop_cli.broker import Broker
from orloop_cli.ports import LOOPBACK, free_port
from orloop_cli.topics import Cluster, declared
from orloop_common.runtime.clock import append_segment
from orloop_common.runtime.crypto import generate_key

from .traffic import EVENING


@dataclass
class Stand:
    """Ingest on a broker; `home` holds its site, clock, log and data.

    Parameters
    ----------
    rate
        How fast event time runs from the evening of the drawn day on; 0 stops it, so that two runs tell the same.
    core
        The core that ingest is bound to; all else goes where the system wants.
    """

    home: Path
    site: str
    broker: Broker
    rate: float = 1.0
    core: int | None = None
    module: str = "orloop_ingest"
    key: str = field(default_factory=generate_key)
    more: dict[str, str] = field(default_factory=dict)
    restarts: int = 0
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.port, self.manual_port, self.health_port = free_port(), free_port(), free_port()
        (self.home / "site.yaml").write_text(self.site)
        append_segment(self.home / "clock.jsonl", EVENING, self.rate)
        Cluster(self.broker.bootstrap).apply(declared())

    @property
    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None, "ingest was not started"
        return psutil.Process(self._process.pid)

    def start(self, within: float = 120, *, wait: bool = True) -> "Stand":
        """Start ingest, and wait until it has read the log."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ORLOOP_")}
        ours = {
            "ORLOOP_KAFKA": self.broker.bootstrap,
            "ORLOOP_SITE": str(self.home / "site.yaml"),
            "ORLOOP_CLOCK": str(self.home / "clock.jsonl"),
            "ORLOOP_HEALTH_PORT": str(self.health_port),
            "ORLOOP_MLLP_PORT": str(self.port),
            "ORLOOP_MANUAL_PORT": str(self.manual_port),
            "ORLOOP_TOKEN_SECRET": "t" * 40,
            "ORLOOP_IDENTITY_SECRET": "i" * 40,
            "ORLOOP_PAYLOAD_KEY": self.key,
            "ORLOOP_DATA": str(self.home / "data"),
            "ORLOOP_PARENT_PIPE": "1",
        }
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module],
                env={**inherited, **ours, **self.more},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        if self.core is not None:
            self.process.cpu_affinity([self.core])
        return self.wait_ready(within) if wait else self

    def wait_ready(self, within: float = 120) -> "Stand":
        """Wait until it has read the log."""
        assert self._process is not None, "ingest was not started"
        deadline = time.monotonic() + within
        while not self._ready():
            assert self._process.poll() is None, f"ingest ended:\n{self.log[-3000:]}"
            assert time.monotonic() < deadline, f"ingest was not ready within {within:g} s:\n{self.log[-3000:]}"
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM."""
        self._end(signal.SIGTERM)

    def metrics(self) -> str:
        """The page of metrics."""
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.health_port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def drained(self, within: float = 60) -> None:
        """Wait until all that was acknowledged is on the topics, by the service's own word."""
        deadline = time.monotonic() + within
        while (waiting := self._waiting()) > 0:
            assert time.monotonic() < deadline, f"{waiting:.0f} messages still wait in the journal after {within:g} s"
            time.sleep(0.05)

    def _waiting(self) -> float:
        try:
            lines = [line.split() for line in self.metrics().splitlines()]
        except OSError:  # it was started a moment ago
            return 1.0
        return sum(float(line[1]) for line in lines if line[:1] == ["orloop_ingest_journal_waiting"])

    def held(self, topic: str) -> int:
        """How many records a topic's only partition has ever held."""
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "proof", "log_level": 0})
        try:
            return int(consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)[1])
        finally:
            consumer.close()

    def settle(self, count: Callable[[], int], least: int, within: float = 60, quiet: float = 0.5) -> float:
        """Wait until `count()` has reached `least` and stands; seconds until it stood. It may stay below for good."""
        began = stood = time.monotonic()
        last = -1
        while (now := time.monotonic()) - began < within:
            if (found := count()) != last:
                last, stood = found, now
            elif now - stood >= (quiet if last >= least else 15.0):
                break
            time.sleep(0.05)
        return stood - began

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(how)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.health_port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def cpu_of(process: psutil.Process) -> float:
    """CPU seconds that a process and its children have used."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            total += times.user + times.system
    return total


@contextlib.contextmanager
def a_broker(home: Path) -> Iterator[Broker]:
    """A broker for as long as it is needed."""
    ours = Broker(home).start().wait_ready()
    try:
        ours.warm_up()
        yield ours
    finally:
        ours.stop(10)
