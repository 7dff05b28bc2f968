"""Three real brokers: the broker alone makes a message durable, and a broker or two less lose none."""

from __future__ import annotations

import os
import threading
import time
from asyncio import gather, run
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from ingest_proof.cluster import Node, three_brokers
from ingest_proof.reading import bodies, read
from ingest_proof.senders import Sender, Step
from ingest_proof.stand import Stand
from ingest_proof.traffic import draw, site_file

from orloop_cli.topics import Cluster, declared
from orloop_common.messages import HL7_RAW, SUITE_EVENTS


def metric(stand: Stand, name: str) -> float:
    lines = (line.split() for line in stand.metrics().splitlines())
    return next(float(line[1]) for line in lines if line[:1] == [f"orloop_ingest_{name}"])


def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def leader_of(nodes: list[Node], topic: str) -> Node:
    from confluent_kafka.admin import AdminClient

    bootstrap = ",".join(node.bootstrap for node in nodes)
    found = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(topic, 10)
    return next(node for node in nodes if node.number == found.topics[topic].partitions[0].leader)


def by_the_broker_alone(stand: Stand, heard: Callable[[], int]) -> bool:
    """Whether the next messages were acknowledged without the journal (it steps in where brokers take a second)."""
    groups, at = metric(stand, "commit_seconds_count"), heard()
    until(lambda: heard() > at + 60, "nothing more was acknowledged")
    return metric(stand, "commit_seconds_count") == groups


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.timeout(150)
def test_with_three_replicas_acks_all_alone_is_durable_and_the_journal_stands_in_when_two_are_gone(
    tmp_path: Path,
) -> None:
    names = {f"REP{k}": f"replicas{os.getpid()}" for k in range(4)}
    with three_brokers(tmp_path / "kafka") as nodes:
        bootstrap = ",".join(node.bootstrap for node in nodes)
        Cluster(bootstrap).apply(declared(), replication=3)
        broker = SimpleNamespace(bootstrap=bootstrap)
        stand = Stand(tmp_path / "ingest", site_file(names=names), broker, rate=0).start()  # type: ignore[arg-type]
        senders = [Sender(stand.port, [Step(said) for said in draw(source, 600)]) for source in names]

        def heard() -> int:
            return sum(len(sender.acknowledged) for sender in senders)

        async def send() -> None:
            await gather(*(sender.run() for sender in senders))

        sending = threading.Thread(target=lambda: run(send()), daemon=True)
        try:
            sending.start()
            until(lambda: heard() > 50, "nothing was acknowledged")
            assert any(by_the_broker_alone(stand, heard) for _ in range(8)), "the journal was used all the time"
            first = leader_of(nodes, HL7_RAW)
            first.kill()
            at = heard()
            until(lambda: heard() > at + 200, "one broker less stopped everything")
            stand.kill()  # what it had acknowledged is with the brokers, or nowhere
            stand.start(wait=False)
            at = heard()
            until(lambda: heard() > at + 200, "a new ingest did not go on")
            left = [node for node in nodes if node is not first]
            left[0].kill()
            at = heard()
            until(lambda: heard() > at + 200, "two brokers less stopped everything")
            assert metric(stand, "commit_seconds_count") > 0, "it was the journal that made them durable"
            for node in (first, left[0]):
                node.start()
            sending.join(60)
            assert [wrong for sender in senders for wrong in sender.wrong] == []
            assert heard() == 2400
            stand.drained(60)
            kept = Counter(bodies(bootstrap, stand.key, set(names)))
            said = {(each.control, each.body) for sender in senders for each in sender.acknowledged}
            assert said - set(kept) == set(), "what was acknowledged is on the log, to the byte"
            ids = Counter(record.headers["ce_id"] for record in read(bootstrap, SUITE_EVENTS))
            assert [id for id, times in ids.items() if times > 1] == []
        finally:
            stand.stop()
