"""The bench of the loop's contract on a real Kafka."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from confluent_kafka import OFFSET_BEGINNING, KafkaError, Message, TopicPartition

from orloop_common.runtime import kafka
from orloop_common.runtime.codec import default_codec
from orloop_common.runtime.core import LoopCore
from orloop_common.runtime.kafkalog import KafkaLog, KafkaSender
from orloop_common.runtime.outbox import Outbox
from orloop_common.runtime.ports import Headers, RawRecord
from orloop_common.runtime.records import Flow, LoopSettings, Output

from .clock import ManualClock

_numbers = itertools.count(1)


@dataclass
class KafkaBench:
    """Runs the loop on a real broker; `make` creates a topic and returns its name."""

    bootstrap: str
    make: Callable[..., str]
    instance: str = "contract-0"
    _logs: dict[int, KafkaLog] = field(default_factory=dict)
    _outboxes: list[Outbox] = field(default_factory=list)
    _number: int = field(default_factory=lambda: next(_numbers))

    def topic(self, partitions: int = 1) -> str:
        name = self.make("topic", partitions=partitions)
        admin = kafka.admin(self.bootstrap)  # kept until the future resolves
        admin.create_topics([kafka.NewTopic(f"{name}.dlq", partitions, 1)])[f"{name}.dlq"].result(20)
        return name

    def publish(self, *outputs: Output) -> None:
        outbox = self._outboxes[0] if self._outboxes else self.outbox()
        for output in outputs:
            outbox.send(output)
        outbox.flush()

    def put(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()) -> int:
        offsets: list[int] = []
        producer = kafka.producer(self.bootstrap, "bench")
        producer.produce(
            topic,
            value,
            key,
            partition,
            headers=list(headers),
            on_delivery=lambda error, message: offsets.append(message.offset() or 0),
        )
        producer.flush(20)
        return offsets[0]

    def core(self, flow: Flow, settings: LoopSettings) -> LoopCore:
        settings = LoopSettings(
            settings.topics,
            settings.group and f"{settings.group}-{self._number}",
            dead_letters=settings.dead_letters,
            batch=settings.batch,
        )
        log = KafkaLog(self.bootstrap, self.instance, settings)
        core = LoopCore(flow, log, self.outbox(), default_codec(), settings)
        core.open()
        self._logs[id(core)] = log
        return core

    def crash(self, core: LoopCore) -> None:
        self._logs.pop(id(core)).close()

    def read(self, topic: str) -> list[RawRecord]:
        reader = kafka.consumer(self.bootstrap, "bench", None)
        parts = sorted(reader.list_topics(topic, 10).topics[topic].partitions)
        reader.assign([TopicPartition(topic, part, OFFSET_BEGINNING) for part in parts])
        records: list[RawRecord] = []
        ended = 0
        while ended < len(parts):
            message = reader.poll(10)
            if message is None:
                raise TimeoutError(f"Expected to read {topic} to its end, got silence for 10 s.")
            if (error := message.error()) is not None:
                ended += error.code() == KafkaError._PARTITION_EOF
                continue
            records.append(_raw(message))
        reader.close()
        return sorted(records, key=lambda raw: (raw.partition, raw.offset))

    def outbox(self) -> Outbox:
        """A new outbox; closed with the bench."""
        outbox = Outbox(KafkaSender(self.bootstrap, "bench"), default_codec(), ManualClock(), "test", stall_seconds=60)
        self._outboxes.append(outbox)
        return outbox

    def close(self) -> None:
        """Close every client."""
        for log in self._logs.values():
            log.close()
        for outbox in self._outboxes:
            outbox.close()


def _raw(message: Message) -> RawRecord:
    headers = cast("list[tuple[str, bytes]]", message.headers() or [])
    return RawRecord(
        str(message.topic()),
        message.partition() or 0,
        message.offset() or 0,
        message.key(),
        message.value(),
        tuple(headers),
        datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC),
    )
