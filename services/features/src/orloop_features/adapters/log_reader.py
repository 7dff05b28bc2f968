"""The suite's log beside the stream, to complete a fold: a consumer that joins no group."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from orloop_common.runtime import kafka
from orloop_common.runtime.errors import ClientFailed, Stalled
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.ports import RawRecord

_log = get_logger("log-reader")
PATIENCE = 30.0


class KafkaLogReader:
    """Reads by offset; asks what `group` has committed. Not thread-safe."""

    def __init__(self, bootstrap: str, client_id: str, topic: str, group: str) -> None:
        self._topic = topic
        self._consumer = kafka.consumer(bootstrap, f"{client_id}-log", group)

    def partitions(self) -> int:
        return len(self._metadata().partitions)

    def replication(self) -> int:
        return max(1, *(len(p.replicas) for p in self._metadata().partitions.values()))

    def committed(self, partition: int) -> int:
        (place,) = self._consumer.committed([TopicPartition(self._topic, partition)], 5.0)
        offset = int(place.offset)
        return offset if 0 <= offset <= self.end(partition) else 0

    def end(self, partition: int) -> int:
        marks = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), 5.0)
        if marks is None:
            raise Stalled("Expected the broker to name the end of the log, got nothing.\nMaybe it is starting.")
        return int(marks[1])

    def read(self, partition: int, start: int, stop: int) -> Iterator[RawRecord]:
        if start >= stop:
            return
        self._consumer.assign([TopicPartition(self._topic, partition, start)])
        try:
            yield from self._until(partition, stop)
        finally:
            self._consumer.unassign()

    def close(self) -> None:
        self._consumer.close()

    def _until(self, partition: int, stop: int) -> Iterator[RawRecord]:
        while True:
            first = self._consumer.poll(PATIENCE)  # `consume` alone waits until it has all that it may return
            if first is None:
                raise Stalled(
                    f"Expected to read {self._topic}/{partition} up to {stop}, got nothing for {PATIENCE:g} s."
                )
            for message in (first, *self._consumer.consume(499, 0)):
                if (error := message.error()) is not None:
                    if error.code() == KafkaError._PARTITION_EOF:
                        return
                    if kafka.is_fatal(error):
                        raise ClientFailed(f"Expected to read {self._topic}, got {error.str()}")
                    continue
                raw = _raw(message)
                if raw.offset >= stop:
                    return
                yield raw
                if raw.offset == stop - 1:
                    return

    def _metadata(self) -> Any:
        while True:
            try:
                metadata = self._consumer.list_topics(self._topic, 5.0).topics.get(self._topic)
            except KafkaException as error:
                _log.warning("broker_away", reason=error.args[0].str())
            else:
                if metadata is not None and metadata.error is None and metadata.partitions:
                    return metadata
                _log.warning("topic_missing", topic=self._topic, hint="orloop topics apply")
            threading.Event().wait(0.3)


def _raw(message: Any) -> RawRecord:
    headers = tuple((name, value or b"") for name, value in message.headers() or ())
    received = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
    return RawRecord(
        message.topic(), message.partition(), message.offset(), message.key(), message.value(), headers, received
    )
