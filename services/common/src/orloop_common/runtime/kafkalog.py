"""The loop's log and sender on a real broker."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import ConfigResource

from . import kafka
from .errors import ClientFailed
from .logs import get_logger
from .metrics import BROKER_AWAY
from .ports import Delivered, Headers, Listener, RawRecord
from .records import LoopSettings, Partition

_log = get_logger("kafka")


class _Reach:
    """Says once that the broker went away, and once that it is back."""

    def __init__(self, client: str, kafka: str) -> None:
        self._client, self._kafka = client, kafka
        self._away = False
        self.fatal: str | None = None

    def on_error(self, error: KafkaError) -> None:
        if kafka.is_fatal(error):
            self.fatal = f"Expected the Kafka client to go on, got {error.name()}: {error.str()}"
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.away()
        else:
            _log.debug("kafka_error", code=error.name())

    def away(self) -> None:
        if not self._away:
            self._away = True
            BROKER_AWAY.set(1)
            _log.warning("broker_away", client=self._client, kafka=self._kafka, hint="waiting; nothing is lost")

    def back(self) -> None:
        if self._away:
            self._away = False
            BROKER_AWAY.set(0)
            _log.info("broker_back", client=self._client)


class KafkaLog:
    """Reads partitions from their start; knows the committed offsets and how far the end is."""

    def __init__(self, bootstrap: str, instance: str, settings: LoopSettings) -> None:
        self._settings = settings
        self._reach = _Reach("reader", bootstrap)
        self._consumer: Consumer = kafka.consumer(bootstrap, instance, settings.group, instance, self._reach.on_error)
        self._listener: Listener | None = None
        self._positions: dict[Partition, int] = {}
        self._targets: dict[Partition, int] = {}  # the end when the partition was assigned
        self._assignment = 0
        self._warned: set[str] = set()
        self._gathering, self._gathers = threading.Event(), False  # the event is never set: it waits and no more

    def open(self, listener: Listener) -> None:
        self._listener = listener
        if self._settings.group is None:
            self._assign(self._consumer, self._all_partitions())
        else:
            self._consumer.subscribe(
                list(self._settings.topics),
                on_assign=self._assign,
                on_revoke=self._revoke,
                on_lost=self._lose,
            )

    def poll(self, limit: int, timeout: float) -> Sequence[RawRecord]:
        records: list[RawRecord] = []
        wait = timeout
        while len(records) < limit:
            assignment = self._assignment
            message = self._consumer.poll(wait)
            if self._assignment != assignment:
                records.clear()  # they belong to an assignment that is over, and will come again
            if message is None:
                break
            if wait and self._gathers:
                self._gathering.wait(self._settings.gather_seconds)
            wait = 0
            if (raw := self._take(message)) is not None:
                records.append(raw)
        self._gathers = self._settings.gather_seconds > 0 and len(records) < limit  # not while there is much to read
        if self._reach.fatal is not None:
            raise ClientFailed(self._reach.fatal)
        return records

    def positions(self) -> Mapping[Partition, int]:
        return self._positions

    def behind(self) -> Mapping[Partition, int]:
        lags = {}
        for (topic, partition), target in self._targets.items():
            position = self._positions.get((topic, partition))
            cached = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            end = max(target, cached[1] if cached else -1)
            if end > 0 and (position is None or position < end):
                lags[topic, partition] = end - (position or 0)
        return lags

    def commit(self, offsets: Mapping[Partition, int], *, wait: bool) -> None:
        places = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
        try:
            if wait:
                self._consumer.commit(offsets=places, asynchronous=False)
            else:
                self._consumer.commit(offsets=places, asynchronous=True)
        except KafkaException as error:
            self._tolerate(error, "commit_failed")

    def close(self) -> None:
        self._consumer.close()

    def _take(self, message: Message) -> RawRecord | None:
        error = message.error()
        if error is not None:
            self._note(error, message)
            return None
        self._reach.back()
        topic, partition, offset = _place(message)
        self._positions[topic, partition] = offset + 1
        _, millis = message.timestamp()
        return RawRecord(
            topic,
            partition,
            offset,
            _bytes(message.key()),
            _bytes(message.value()),
            _headers(message),
            datetime.fromtimestamp(millis / 1000, UTC),
        )

    def _note(self, error: KafkaError, message: Message) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            topic, partition, offset = _place(message)
            self._reach.back()
            if (topic, partition) in self._targets:
                self._positions[topic, partition] = offset  # past gaps that compaction left
                self._targets[topic, partition] = min(self._targets[topic, partition], offset)
        elif kafka.is_fatal(error):
            raise ClientFailed(f"Expected the Kafka client to go on, got {error.name()}: {error.str()}")
        elif error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            self._warn_once("topic_missing", str(message.topic()), "orloop topics apply")
        else:
            _log.debug("kafka_error", code=error.name())

    def _all_partitions(self) -> list[TopicPartition]:
        found: list[TopicPartition] = []
        for topic in self._settings.topics:
            found += [TopicPartition(topic, number) for number in self._wait_for_topic(topic)]
        return found

    def _wait_for_topic(self, topic: str) -> list[int]:
        while True:
            metadata = self._ask(lambda: self._consumer.list_topics(topic, 2.0).topics.get(topic))
            if metadata is not None and metadata.error is None and metadata.partitions:
                return sorted(metadata.partitions)
            self._warn_once("topic_missing", topic, "orloop topics apply")
            threading.Event().wait(0.1)

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        listener = self._heard()
        self._assignment += 1
        committed: dict[Partition, int | None] = {}
        if self._settings.group is not None and partitions:
            for place in self._ask(lambda: consumer.committed(partitions, 2.0)):
                committed[place.topic, place.partition] = place.offset if place.offset >= 0 else None
        for place in partitions:
            _, end = self._ask(partial(consumer.get_watermark_offsets, place, 2.0))
            held = committed.setdefault((place.topic, place.partition), None)
            if held is not None and held > end:
                _log.error("log_shorter_than_committed", topic=place.topic, committed=held, end=end)
                committed[place.topic, place.partition] = None  # the topic was made anew
            self._targets[place.topic, place.partition] = end
            place.offset = OFFSET_BEGINNING
        listener.assigned(committed)
        consumer.assign(partitions)

    def _revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions, lost=False)

    def _lose(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions, lost=True)

    def _forget(self, partitions: list[TopicPartition], *, lost: bool) -> None:
        self._assignment += 1
        places = [(place.topic, place.partition) for place in partitions]
        self._heard().revoked(places, lost=lost)
        for place in places:
            self._positions.pop(place, None)
            self._targets.pop(place, None)

    def _ask(self, question: Callable[[], Any]) -> Any:
        """Ask the broker until it answers; waiting is progress, a fatal error is the end."""
        while True:
            try:
                answer = question()
            except KafkaException as error:
                self._tolerate(error, "question_failed")
                self._heard().beat()
                threading.Event().wait(0.1)
            else:
                if answer is not None:
                    self._reach.back()
                return answer

    def _tolerate(self, failure: KafkaException, event: str) -> None:
        error = failure.args[0]
        if kafka.is_fatal(error):
            raise ClientFailed(f"Expected the Kafka client to go on, got {error.name()}: {error.str()}")
        if kafka.is_away(error) or error.code() == KafkaError._TIMED_OUT:
            self._reach.away()
        _log.debug(event, code=error.name())

    def _warn_once(self, event: str, topic: str, hint: str) -> None:
        if topic not in self._warned:
            self._warned.add(topic)
            _log.warning(event, topic=topic, hint=hint)

    def _heard(self) -> Listener:
        if self._listener is None:
            raise ClientFailed("Expected the log to be opened before it is read.\nMaybe call open() first.")
        return self._listener


class KafkaSender:
    """An idempotent producer with its own polling thread, so that acknowledgements arrive at once.

    Without that thread (`polled=False`) its owner calls `serve`: callbacks then run in the owner's thread, which
    does not have to fight another one for the interpreter.
    """

    def __init__(self, bootstrap: str, client_id: str, *, polled: bool = True, **more: Any) -> None:
        self._reach = _Reach("writer", bootstrap)
        self._bootstrap, self._client_id = bootstrap, client_id
        self._admin: kafka.AdminClient | None = None
        self._producer = kafka.producer(bootstrap, client_id, self._reach.on_error, **more)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="kafka-sender", daemon=True)
        if polled:
            self._thread.start()

    def serve(self, timeout: float = 0.0) -> None:
        """Run the callbacks that are due."""
        self._producer.poll(timeout)

    def replicas_of(self, topic: str) -> int:
        """The fewest replicas that any partition of a topic has, and has in sync; 0 if nobody answers."""
        try:
            found = self._producer.list_topics(topic, 2.0).topics.get(topic)
        except KafkaException:
            return 0
        if found is None or found.error is not None or not found.partitions:
            return 0
        return min(min(len(p.replicas), len(p.isrs) + 1) for p in found.partitions.values())

    def insists_on(self, topic: str) -> int:
        """How many replicas must have a record before it is acknowledged (min.insync.replicas); 0 if nobody answers."""
        self._admin = self._admin or kafka.admin(self._bootstrap, f"{self._client_id}-admin")
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        try:
            found = self._admin.describe_configs([resource], request_timeout=2.0)[resource].result(3.0)
        except (KafkaException, TimeoutError):
            return 0
        return int(found["min.insync.replicas"].value or 0)

    def partitions_of(self, topic: str) -> int | None:
        try:
            metadata = self._producer.list_topics(topic, 2.0).topics.get(topic)
        except KafkaException:
            return None
        if metadata is None or metadata.error is not None:
            return None
        return len(metadata.partitions) or None

    def produce(
        self, topic: str, partition: int, key: bytes, value: bytes | None, headers: Headers, done: Delivered
    ) -> bool:
        reach = self._reach

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                reach.back()
                done(None, message.offset() or 0)
            else:
                done(KafkaException(error), -1)

        try:
            self._producer.produce(topic, value, key, partition, delivered, headers=list(headers))
        except BufferError:
            return False
        return True

    def alive(self) -> bool:
        try:
            self._producer.list_topics("", 2.0)
        except KafkaException:
            return False
        return True

    def fatal(self) -> str | None:
        return self._reach.fatal

    def close(self) -> None:
        self._producer.flush(1.0)
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def _serve(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(0.1)


def _place(message: Message) -> tuple[str, int, int]:
    return str(message.topic()), int(message.partition() or 0), int(message.offset() or 0)


def _headers(message: Message) -> Headers:
    pairs = cast("Sequence[tuple[str, str | bytes | None]]", message.headers() or ())
    return tuple((name, _bytes(value) or b"") for name, value in pairs)


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
