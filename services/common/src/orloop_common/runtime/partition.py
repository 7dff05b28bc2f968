"""Which partition a suite's records go to: murmur2 as in Kafka's Java client, in every client alike."""

from functools import lru_cache

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995


def murmur2(data: bytes) -> int:
    """32-bit murmur2 with Kafka's seed, unsigned (org.apache.kafka.common.utils.Utils.murmur2)."""
    length = len(data)
    h = (0x9747B28C ^ length) & _MASK
    whole = length - length % 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    if whole < length:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


@lru_cache(4096)
def partition_of(suite: str, partitions: int) -> int:
    """The partition of every record about `suite` in a topic of so many partitions, whatever its key."""
    if partitions < 1:
        raise ValueError(f"Expected at least one partition, got {partitions}.\nMaybe the topic is missing.")
    return (murmur2(suite.encode()) & 0x7FFFFFFF) % partitions
