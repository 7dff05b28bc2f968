"""What lies on the topics, as a stranger with the test's key reads it."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from orloop_common import messages
from orloop_common.runtime.crypto import PayloadCipher


@dataclass(frozen=True, slots=True)
class Lying:
    """One record: where, when the broker had it (Unix seconds), what its headers and its value say."""

    offset: int
    appended: float
    headers: dict[str, str]
    value: bytes

    @property
    def message(self) -> Any:
        return messages.decode(self.headers["ce_type"], self.headers["ce_dataschema"], self.value)


def read(bootstrap: str, topic: str, begin: int = 0) -> Iterator[Lying]:
    """All that a topic's only partition held when this began, from an offset on."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "proof", "enable.partition.eof": True, "log_level": 0}
    )
    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)
        consumer.assign([TopicPartition(topic, 0, max(low, begin))])
        while max(low, begin) < high and (message := consumer.poll(20)) is not None:
            if (error := message.error()) is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                return
            offset, value = message.offset() or 0, message.value()
            headers = {k: v.decode() if isinstance(v, bytes) else str(v) for k, v in message.headers() or []}
            if isinstance(value, bytes):
                yield Lying(offset, message.timestamp()[1] / 1000, headers, value)
            if offset >= high - 1:
                return
    finally:
        consumer.close()


def bodies(bootstrap: str, key: str, sources: set[str]) -> Iterator[tuple[str, bytes]]:
    """MSH-10 and the very bytes of every message of these sources that was kept raw, in order."""
    cipher = PayloadCipher(key)
    for record in read(bootstrap, messages.HL7_RAW):
        raw = record.message
        if raw.source in sources:
            yield raw.control_id, zlib.decompress(cipher.decrypt(raw.payload.encode()))


def delays(bootstrap: str, sent: dict[str, float], places: dict[str, int]) -> list[float]:
    """Seconds, sorted, from a frame sent to the broker's having its event (its own time, in whole milliseconds)."""
    control = {
        raw.message.id: raw.message.control_id for raw in read(bootstrap, messages.HL7_RAW, places[messages.HL7_RAW])
    }
    took = []
    for event in read(bootstrap, messages.SUITE_EVENTS, places[messages.SUITE_EVENTS]):
        said = control.get(event.headers.get("ce_causationid", ""))
        if said in sent:
            took.append(event.appended - sent[said])
    return sorted(took)
