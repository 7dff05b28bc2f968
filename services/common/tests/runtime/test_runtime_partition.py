"""One partition for a suite in every client: Kafka's own vectors, and the client's own partitioner."""

from collections.abc import Callable
from typing import Any

import pytest

from orloop_common.runtime import kafka, murmur2, partition_of

# org.apache.kafka.common.utils.UtilsTest.testMurmur2, signed there
VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("data", "signed"), VECTORS.items())
def test_murmur2_agrees_with_kafkas_own_vectors(data: bytes, signed: int) -> None:
    assert murmur2(data) == signed % 2**32


def test_every_remainder_length_is_covered() -> None:
    assert {len(data) % 4 for data in VECTORS} | {murmur2(b"x" * n) and n % 4 for n in (1, 2, 3, 4)} == {0, 1, 2, 3}


def test_murmur2_agrees_with_aiokafka_for_many_keys() -> None:
    partitioner = pytest.importorskip("aiokafka.partitioner", reason="aiokafka comes with features")
    for n in range(500):
        key = f"suite-{n}".encode() * (n % 5 + 1)
        assert murmur2(key) == partitioner.murmur2(key) % 2**32


@pytest.mark.parametrize(("data", "signed"), VECTORS.items())
def test_a_partition_is_javas_to_positive_modulo_the_count(data: bytes, signed: int) -> None:
    for count in (1, 2, 3, 5, 12):
        assert partition_of(data.decode(), count) == (signed & 0x7FFFFFFF) % count


@pytest.mark.broker
def test_a_client_that_hashes_the_suite_itself_chooses_the_same_partition(
    broker: Any, topics: Callable[..., str]
) -> None:
    topic = topics(partitions=3)
    chosen: dict[str, int] = {}

    def note(_: object, message: Any) -> None:
        chosen[message.key().decode()] = message.partition()

    producer = kafka.producer(broker.bootstrap, "trial", partitioner="murmur2_random")
    for n in range(60):
        suite = f"suite-{n}"
        producer.produce(topic, b"", suite, on_delivery=note)
    producer.flush(20)
    assert chosen == {suite: partition_of(suite, 3) for suite in chosen}
    assert len(chosen) == 60


def test_a_topic_without_partitions_is_named_as_the_problem() -> None:
    with pytest.raises(ValueError, match="at least one partition, got 0"):
        partition_of("main", 0)
