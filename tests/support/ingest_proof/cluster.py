"""Three real Kafka nodes that are brokers and controllers alike, each ours to kill."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from orloop_cli.broker import Broker, Kafka
from orloop_cli.ports import LOOPBACK, free_port
from orloop_common.runtime.crypto import generate_key

REPLICAS = ("offsets.topic.replication.factor", "transaction.state.log.replication.factor",
            "share.coordinator.state.topic.replication.factor", "default.replication.factor")  # fmt: skip
SMALL = ("-Xms32m", "-Xmx192m")  # the last word on the heap counts


@dataclass
class Node(Broker):
    """One of three; `voters` is the quorum of all."""

    number: int = 1
    voters: str = ""
    cluster: str = ""
    controller: int = field(default=0)

    def _choose_ports(self) -> None:
        self._controller_port = self.controller
        self.port = self.port or free_port()

    def _write_properties(self) -> Path:
        path = super()._write_properties()
        text = path.read_text()
        text = re.sub(r"(?m)^node.id=.*$", f"node.id={self.number}", text)
        text = re.sub(r"(?m)^controller.quorum.bootstrap.servers=.*$", f"controller.quorum.voters={self.voters}", text)
        for name in REPLICAS:
            text = re.sub(rf"(?m)^{re.escape(name)}=.*$", f"{name}=3", text)
        path.write_text(text)
        return path

    def _format(self, kafka: Kafka, properties: Path) -> None:
        command = kafka.command("kafka.tools.StorageTool", "format", "-t", self.cluster, "-c", str(properties))
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def three_brokers(home: Path) -> Iterator[list[Node]]:
    """Three nodes, ready; the data of each in a folder of its own."""
    controllers = [free_port() for _ in range(3)]
    voters = ",".join(f"{number}@{LOOPBACK}:{port}" for number, port in enumerate(controllers, 1))
    cluster = "A" + generate_key()[:21].replace("-", "a").replace("_", "b")
    nodes = [
        Node(home / f"node{number}", number=number, voters=voters, cluster=cluster, controller=port)
        for number, port in enumerate(controllers, 1)
    ]
    try:
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_ready()
        yield nodes
    finally:
        for node in nodes:
            node.kill()
