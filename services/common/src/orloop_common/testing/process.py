"""A service as a process on a real broker: start it, wait until it is ready, kill it, look at what it wrote."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition

from orloop_common.messages import TOPICS, decode
from orloop_common.runtime import SystemClock, append_segment, kafka
from orloop_common.runtime.cloudevents import decode_headers
from orloop_common.runtime.codec import default_codec
from orloop_common.runtime.kafkalog import KafkaSender
from orloop_common.runtime.outbox import Outbox
from orloop_common.runtime.records import Output

from .suite import SITE_FILE

T = TypeVar("T")


def free_port() -> int:
    """A port on loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(what: str, look: Callable[[], T | None], within: float = 20.0) -> T:
    """The first thing that `look` finds; TimeoutError that names `what` if there is none in time."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise TimeoutError(f"Expected {what} within {within:g} s.")


@dataclass
class ServiceProcess:
    """`python -m <module>` on a broker, with the small suite's site and a clock that begins at `start`."""

    module: str
    bootstrap: str
    home: Path
    start_at: datetime
    rate: float = 1.0
    environment: Mapping[str, str] = field(default_factory=dict)
    health_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.log = self.home / "log.jsonl"
        self.clock = self.home / "clock.jsonl"
        (self.home / "site.yaml").write_text(SITE_FILE)
        append_segment(self.clock, self.start_at, self.rate)

    def start(self) -> "ServiceProcess":
        """Start it; `wait_ready` says when it can be used."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ORLOOP_")} | {
            "ORLOOP_KAFKA": self.bootstrap,
            "ORLOOP_SITE": str(self.home / "site.yaml"),
            "ORLOOP_CLOCK": str(self.clock),
            "ORLOOP_DATA": str(self.home / "data"),
            "ORLOOP_HEALTH_PORT": str(self.health_port),
            **self.environment,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module], env=environment, stderr=log, stdout=log, stdin=subprocess.DEVNULL
            )
        return self

    def wait_ready(self, within: float = 30.0) -> "ServiceProcess":
        """Until `/readyz` says yes."""
        try:
            wait_for(f"{self.module} to be ready", self._ready, within)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.log.read_text()[-3000:]}") from None
        return self

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def stop(self, within: float = 10.0) -> int:
        """SIGTERM; its exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(within)
        self.process = None
        return code

    def state(self) -> dict[str, Any]:
        """What `/state` shows."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/state", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def _ready(self) -> bool:
        assert self.process is not None
        if (code := self.process.poll()) is not None:
            raise AssertionError(f"{self.module} ended with code {code}:\n{self.log.read_text()[-3000:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


class Desk:
    """Writes to a broker as services do, and reads what lies there."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._outbox = Outbox(KafkaSender(bootstrap, "test"), default_codec(), SystemClock(), "test")

    def publish(self, topic: str, key: str, suite: str, message: Any, id: str = "") -> None:
        """Returns once the broker has it."""
        name = id or getattr(message, "id", "") or f"{topic}/{key}/{time.monotonic_ns()}"
        self._outbox.send_now(Output(topic, key, suite, message, name), timeout=20)

    def raw(self, topic: str) -> list[tuple[bytes, dict[str, str]]]:
        """Values and headers of a topic, from its start to its end."""
        reader = kafka.consumer(self.bootstrap, "test", None)
        parts = sorted(reader.list_topics(topic, 10).topics[topic].partitions)
        reader.assign([TopicPartition(topic, part, OFFSET_BEGINNING) for part in parts])
        found, ended = list[tuple[bytes, dict[str, str]]](), 0
        while ended < len(parts):
            message = reader.poll(10)
            if message is None:
                raise TimeoutError(f"Expected to read {topic} to its end, got silence for 10 s.")
            if (error := message.error()) is not None:
                ended += error.code() == KafkaError._PARTITION_EOF
            elif (value := message.value()) is not None:
                found.append((value, decode_headers(cast(Any, message.headers()))))
        reader.close()
        return found

    def messages(self, topic: str) -> list[Any]:
        """The decoded payloads of a topic."""
        return [decode(h["ce_type"], h["ce_dataschema"], value) for value, h in self.raw(topic)]

    def close(self) -> None:
        self._outbox.close()


MESH_TOPICS: dict[str, dict[str, str]] = {topic: {"message.timestamp.type": "LogAppendTime"} for topic in TOPICS}
"""Every topic of the mesh with the one setting that services rely on, for `create_topics`."""
