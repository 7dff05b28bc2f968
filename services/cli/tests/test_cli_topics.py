"""Topics as declared, and as a cluster has them."""

from datetime import timedelta
from pathlib import Path

import pytest

from orloop_cli.broker import Broker
from orloop_cli.errors import LauncherError
from orloop_cli.topics import Cluster, Topic, declared, span


def a_contract(folder: Path, text: str) -> Path:
    (folder / "topics").mkdir(parents=True)
    (folder / "topics" / "one.yaml").write_text(text)
    return folder


def test_a_topic_with_dead_letters_declares_both(tmp_path: Path) -> None:
    contracts = a_contract(
        tmp_path, "{topic: orloop.one.v1, partitions: 3, cleanup: delete, retention: 400d, dlq: true}"
    )
    log, dead = declared(contracts)
    assert (log.name, log.partitions) == ("orloop.one.v1", 3)
    assert log.settings == {
        "cleanup.policy": "delete",
        "retention.ms": "34560000000",
        "message.timestamp.type": "LogAppendTime",
    }
    assert (dead.name, dead.partitions) == ("orloop.one.v1.dlq", 3)
    assert dead.settings["retention.ms"] == "2592000000"


def test_a_topic_file_that_says_too_little_is_named(tmp_path: Path) -> None:
    contracts = a_contract(tmp_path, "{topic: orloop.one.v1, cleanup: delete}")
    with pytest.raises(LauncherError, match=r"Expected a topic in one.yaml, got: KeyError 'partitions'.\nMaybe"):
        declared(contracts)


def test_spans_are_read_in_the_units_of_the_contracts() -> None:
    assert [span(text) for text in ("30d", "12h", "6y")] == [
        timedelta(days=30),
        timedelta(hours=12),
        timedelta(days=2190),
    ]
    with pytest.raises(ValueError, match="expected a span such as 30d, got 'forever'"):
        span("forever")


@pytest.mark.broker
def test_applying_the_contracts_leaves_no_difference(own_broker: Broker) -> None:
    wanted = declared()
    cluster = Cluster(own_broker.bootstrap)
    assert {d.topic for d in cluster.apply(wanted)} == {topic.name for topic in wanted}
    assert cluster.differences(wanted) == []
    assert cluster.apply(wanted) == []


@pytest.mark.broker
def test_a_setting_is_mended_and_a_partition_count_never_is(broker: Broker, topics) -> None:  # type: ignore[no-untyped-def]
    name = topics("applied", partitions=1)
    cluster = Cluster(broker.bootstrap)
    assert [d.what for d in cluster.apply([Topic(name, 1, {"retention.ms": "3600000"})])] == ["retention.ms"]
    assert cluster.differences([Topic(name, 1, {"retention.ms": "3600000"})]) == []
    with pytest.raises(LauncherError, match=r"expected partitions 3, got 1 .never changed in place"):
        cluster.apply([Topic(name, 3)])


@pytest.mark.broker
def test_a_kafka_that_is_not_there_is_named() -> None:
    with pytest.raises(LauncherError, match=r"Expected a Kafka at 127.0.0.1:9, got"):
        Cluster("127.0.0.1:9", timeout=1).differences([])
