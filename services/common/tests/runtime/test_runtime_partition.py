"""One partition for a suite in every client: Kafka's own vectors, and the client's own partitioner."""

import pytest

from orloop_common.runtime import murmur2, partition_of

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
def test_murmur2_agrees_with_kafkas_own_vectors(data: bytes, signed: int):
    assert murmur2(data) == signed % 2**32


def test_every_remainder_length_is_covered():
    assert {len(data) % 4 for data in VECTORS} | {murmur2(b"x" * n) and n % 4 for n in (1, 2, 3, 4)} == {0, 1, 2, 3}


def test_murmur2_agrees_with_aiokafka_for_many_keys():
    partitioner = pytest.importorskip("aiokafka.partitioner", reason="aiokafka comes with features")
    for n in range(500):
        key = f"suite-{n}".encode() * (n % 5 + 1)
        assert murmur2(key) == partitioner.murmur2(key) % 2**32


def test_a_topic_without_partitions_is_named_as_the_problem():
    with pytest.raises(ValueError, match="at least one partition, got 0"):
        partition_of("main", 0)
