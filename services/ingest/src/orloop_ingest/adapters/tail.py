"""The newest raw records on the broker: which messages are stored already, without opening one of them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from orloop_common.messages import HL7_RAW
from orloop_common.runtime import kafka
from orloop_common.runtime.logs import get_logger

_log = get_logger("tail")


def read_tail(bootstrap: str, client_id: str, most: int, *, seconds: float = 20.0) -> Iterator[tuple[str, datetime]]:
    """Id and time of receipt of the last `most` raw records of each partition, from their headers."""
    if not most:
        return
    consumer = kafka.consumer(bootstrap, f"{client_id}-tail", None)
    try:
        ends = _assign(consumer, most)
        idle = 0.0
        while ends:
            records = consumer.consume(2000, 0.1)
            idle = 0.0 if records else idle + 0.1
            if idle > seconds:
                _log.warning("tail_not_read", hint="duplicates of before the restart are stored once more")
                return
            for record in records:
                error = record.error()
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF:
                        ends.pop(record.partition() or 0, None)
                    continue
                if (record.offset() or 0) + 1 >= ends.get(record.partition() or 0, 0):
                    ends.pop(record.partition() or 0, None)
                pairs = cast("Sequence[tuple[str, bytes | str | None]]", record.headers() or ())
                headers = {name: value for name, value in pairs if isinstance(value, bytes)}
                if "ce_id" in headers and "ce_time" in headers:
                    yield headers["ce_id"].decode(), datetime.fromisoformat(headers["ce_time"].decode())
    except KafkaException as error:
        _log.warning("tail_not_read", error=str(error), hint="duplicates of before the restart are stored once more")
    finally:
        consumer.close()


def _assign(consumer: Consumer, most: int) -> dict[int, int]:
    topic = consumer.list_topics(HL7_RAW, 5.0).topics[HL7_RAW]
    ends: dict[int, int] = {}
    places: list[TopicPartition] = []
    for partition in topic.partitions or {}:
        marks: Any = consumer.get_watermark_offsets(TopicPartition(HL7_RAW, partition), 5.0)
        first, end = marks or (0, 0)
        if end > first:
            ends[partition] = end
            places.append(TopicPartition(HL7_RAW, partition, max(first, end - most)))
    consumer.assign(places)
    return ends
