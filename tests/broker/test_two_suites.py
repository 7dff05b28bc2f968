"""Two suites on three partitions, two replicas of replan and of features: each suite has one owner, and a spare."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from holding import Read, read_topic, state_of

from orloop_cli import topics as contract
from orloop_cli.broker import Broker
from orloop_cli.parts import ServicePart, module_command
from orloop_cli.ports import free_port
from orloop_cli.supervise import Supervisor
from orloop_common import messages
from orloop_common.domain import events as e
from orloop_common.runtime.clock import SystemClock
from orloop_common.runtime.codec import default_codec
from orloop_common.runtime.kafkalog import KafkaSender
from orloop_common.runtime.outbox import Outbox
from orloop_common.runtime.partition import partition_of
from orloop_common.runtime.records import Output
from orloop_common.testing.suite import SITE_FILE, booked, clock, tick

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(300)]

PARTITIONS = 3
SUITES = ("main", "west")
REPLICAS = ("features-0", "features-1", "replan-0", "replan-1")


def two_suites() -> str:
    """The small site, its suite twice under two ids that lie on different partitions."""
    assert len({partition_of(suite, PARTITIONS) for suite in SUITES}) == 2
    head, rest = SITE_FILE.split("  - id: main\n")
    body, tail = rest.split("hl7:\n")
    return head + "".join(f"  - id: {suite}\n{body}" for suite in SUITES) + "hl7:\n" + tail


@dataclass
class TwoSuites:
    """The replicas and what is needed to talk to them."""

    bootstrap: str
    supervisor: Supervisor
    parts: dict[str, ServicePart]
    outbox: Outbox

    def tell(self, *events: e.Event) -> None:
        for event in events:
            self.outbox.send_now(Output(messages.SUITE_EVENTS, event.suite, event.suite, event, event.id, at=event.at))

    def read(self, topic: str, suite: str) -> list[Read]:
        return read_topic(self.bootstrap, topic, partition_of(suite, PARTITIONS))

    def until(self, done: Callable[[], bool], limit: float = 60) -> None:
        deadline = time.monotonic() + limit
        while not done():
            assert time.monotonic() < deadline, "it did not happen in time"
            self.supervisor.tick()
            time.sleep(0.2)

    def owner(self, service: str, suite: str) -> list[str]:
        """Replicas that hold a fold of the suite."""
        mine = [name for name in REPLICAS if name.startswith(service) and self.supervisor.watched[name].ready]
        return [name for name in mine if suite in state_of(self.parts[name].health_port)["suites"]]

    def answered(self, trigger: str, suite: str) -> bool:
        proposals = self.read(messages.PLAN_PROPOSALS, suite)
        return any(told.event == trigger for record in proposals for told in record.message.triggers)


@pytest.fixture
def mesh(own_broker: Broker, tmp_path: Path) -> Iterator[TwoSuites]:
    contract.Cluster(own_broker.bootstrap).apply(contract.declared(partitions=PARTITIONS))
    site = tmp_path / "site.yaml"
    site.write_text(two_suites())
    supervisor, parts = Supervisor(), {}
    for name in REPLICAS:
        service = name.split("-")[0]
        part = ServicePart(name, module_command(f"orloop_{service}"), {}, tmp_path / f"{name}.log", free_port())
        part.environment = {
            "ORLOOP_KAFKA": own_broker.bootstrap,
            "ORLOOP_SITE": str(site),
            "ORLOOP_INSTANCE": name,
            "ORLOOP_HEALTH_PORT": str(part.health_port),
            "ORLOOP_GRPC_PORT": "0",
            "ORLOOP_DATA": str(tmp_path / name),
            "ORLOOP_CLOCK": "system",
            "ORLOOP_TOKEN_SECRET": "s" * 40,
            "ORLOOP_PARENT_PIPE": "1",
        }
        parts[name] = part
        supervisor.add(part)
    outbox = Outbox(KafkaSender(own_broker.bootstrap, "test"), default_codec(), SystemClock(), "ingest")
    running = TwoSuites(own_broker.bootstrap, supervisor, parts, outbox)
    try:
        running.until(lambda: supervisor.all_ready, 90)
        yield running
    finally:
        outbox.close()
        supervisor.stop(grace=5)


def a_day(suite: str) -> list[e.Event]:
    """Two cases in room 1, which goes down before the second."""
    return [
        tick("09:00", suite),
        booked(f"{suite}-hip", "1", "10:00", suite=suite),
        booked(f"{suite}-knee", "1", "12:00", suite=suite),
    ]


def down(suite: str, room: str, at: str) -> e.RoomWentDown:
    return e.RoomWentDown(
        id=f"{suite}/down/{room}", suite=suite, at=clock(at), room=room, cause="air handling", until=clock("17:00")
    )


def test_a_replica_that_dies_hands_its_suites_to_the_other_and_nothing_stays_unanswered(mesh: TwoSuites) -> None:
    for suite in SUITES:
        mesh.tell(*a_day(suite), down(suite, "1", "09:01"), tick("09:02", suite))
    for suite in SUITES:
        mesh.until(lambda suite=suite: mesh.answered(f"{suite}/down/1", suite))  # type: ignore[misc]
        for service in ("features", "replan"):
            assert len(mesh.owner(service, suite)) == 1

    for service in ("features", "replan"):
        mesh.supervisor.kill(mesh.owner(service, "main")[0])
    for suite in SUITES:
        mesh.tell(down(suite, "2", "09:03"), tick("09:04", suite))
    for suite in SUITES:
        mesh.until(lambda suite=suite: mesh.answered(f"{suite}/down/2", suite))  # type: ignore[misc]
    mesh.until(lambda: mesh.supervisor.all_ready)

    for suite in SUITES:
        mesh.until(
            lambda suite=suite: (
                {r.message.room: str(r.message.state) for r in mesh.read(messages.ROOM_STATE, suite)}  # type: ignore[misc]
                == {"1": "down", "2": "down", "3": "idle"}
            )
        )
        assert {r.message.suite for r in mesh.read(messages.PLAN_PROPOSALS, suite)} == {suite}
