"""Pytest fixtures that need a real Kafka: the root configuration loads them for every test."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .broker import Broker


@dataclass(frozen=True)
class Cluster:
    """A Kafka that was there already (`ORLOOP_KAFKA`), seen as a broker that tests cannot kill."""

    bootstrap: str


_numbers = itertools.count(1)


def create_topics(bootstrap: str, names: dict[str, dict[str, str]], partitions: int = 1) -> None:
    """Create topics by name, with their settings, and wait until they can be written to."""
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    new = [NewTopic(name, partitions, 1, config=settings) for name, settings in names.items()]
    for done in admin.create_topics(new, request_timeout=20).values():
        done.result(20)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        known = admin.list_topics(timeout=5).topics
        if all(name in known and len(known[name].partitions) == partitions for name in names):
            return
        time.sleep(0.02)
    raise TimeoutError(f"Expected {sorted(names)} to appear within 20 s.\nMaybe the broker is overloaded.")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker | Cluster]:
    """A real Kafka for the whole session: `broker.bootstrap`; its topics are made by `topics`."""
    if given := os.environ.get("ORLOOP_KAFKA"):
        yield Cluster(given)
        return
    ours = Broker(tmp_path_factory.mktemp("kafka")).start().wait_ready()
    try:
        ours.warm_up()
        yield ours
    finally:
        ours.stop(10)


@pytest.fixture
def topics(broker: Broker | Cluster, request: pytest.FixtureRequest) -> Callable[..., str]:
    """`topics("events", partitions=3)` creates a topic, its name made unique to this test, and returns it."""

    def create(name: str = "topic", partitions: int = 1, **settings: str) -> str:
        unique = f"test-{os.getpid()}-{next(_numbers)}-{name}"
        config = {key.replace("_", "."): value for key, value in settings.items()}
        create_topics(broker.bootstrap, {unique: config}, partitions)
        return unique

    return create


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """A Kafka for this test alone, which it may kill and start again."""
    ours = Broker(tmp_path / "broker").start().wait_ready()
    try:
        yield ours
    finally:
        ours.stop(10)
