"""Raw messages as the broker keeps them, read again for a person or a replay: blocking, for a thread of its own."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from orloop_common.domain.derived import RawMessage
from orloop_common.messages import HL7_RAW, UnreadableMessage, decode
from orloop_common.runtime import kafka
from orloop_common.runtime.cloudevents import decode_headers
from orloop_common.runtime.errors import CannotDecrypt
from orloop_ingest.bodies import unpack_body

_WAIT = 10.0


class RawGone(LookupError):
    """The raw record cannot be had: its retention is over, or no key opens it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One raw record with its place and its suite."""

    partition: int
    offset: int
    suite: str
    raw: RawMessage


class RawStore:
    """Reads `orloop.hl7-raw.v1`; `decrypt` opens a payload's token."""

    def __init__(self, bootstrap: str, instance: str, decrypt: Callable[[bytes], bytes]) -> None:
        self._bootstrap, self._name, self._decrypt = bootstrap, f"{instance}-desk", decrypt

    def at(self, partition: int, offset: int) -> Kept:
        """The record at a place."""
        consumer = self._consumer()
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(HL7_RAW, partition), _WAIT)
            if not low <= offset < high:
                raise RawGone("Expected the raw message to be there, got none.\nMaybe its 30 days are over.")
            consumer.assign([TopicPartition(HL7_RAW, partition, offset)])
            while (message := consumer.poll(_WAIT)) is not None:
                if message.error() is None:
                    if (kept := _kept(message)) is not None and kept.offset == offset:
                        return kept
                    break
            raise RawGone("Expected the raw message to be there, got another.\nMaybe the broker is slow: try again.")
        finally:
            consumer.close()

    def scan(self, since: datetime, until: datetime, source: str | None, *, wall: bool) -> Iterator[Kept]:
        """Records received in a span, in the order in which they came; of one source, or of all.

        `wall` says that `received` is the broker's own time, so that reading may begin at `since`.
        """
        consumer = self._consumer()
        try:
            metadata = consumer.list_topics(HL7_RAW, _WAIT).topics[HL7_RAW]
            for partition in sorted(metadata.partitions):
                yield from self._scan(consumer, partition, since, until, source, wall)
        finally:
            consumer.close()

    def open(self, raw: RawMessage) -> bytes:
        """The message as it was received."""
        try:
            return unpack_body(self._decrypt(raw.payload.encode("ascii")))
        except (CannotDecrypt, zlib.error) as error:
            raise RawGone(
                f"Expected a payload that a key opens, got {type(error).__name__}.\nMaybe add the old key."
            ) from None

    def _scan(
        self, consumer: Consumer, partition: int, since: datetime, until: datetime, source: str | None, wall: bool
    ) -> Iterator[Kept]:
        first, end = consumer.get_watermark_offsets(TopicPartition(HL7_RAW, partition), _WAIT)
        if wall:
            stamp = int(since.timestamp() * 1000)
            (found,) = consumer.offsets_for_times([TopicPartition(HL7_RAW, partition, stamp)], _WAIT)
            first = found.offset if found.offset >= 0 else end
        if first >= end:
            return
        consumer.assign([TopicPartition(HL7_RAW, partition, first)])
        while (message := consumer.poll(_WAIT)) is not None:
            error, offset = message.error(), message.offset() or 0
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    return
                continue
            if offset >= end:
                return
            kept = _kept(message, since, until, source)
            if kept is not None:
                yield kept
            if offset >= end - 1:
                return

    def _consumer(self) -> Consumer:
        return kafka.consumer(self._bootstrap, self._name, None)


def _kept(
    message: Message, since: datetime | None = None, until: datetime | None = None, source: str | None = None
) -> Kept | None:
    """The record, unless it is none of ours, or out of the span: its headers say so without a look inside."""
    given = message.headers() or []
    headers = decode_headers(given.items() if isinstance(given, dict) else given)
    time = datetime.fromisoformat(headers.get("ce_time", "1970-01-01T00:00:00Z"))
    if (since is not None and time < since) or (until is not None and time >= until):
        return None
    key = message.key()
    if source is not None and (key.decode("utf-8", "replace") if isinstance(key, bytes) else key) != source:
        return None
    value = message.value()
    try:
        raw = decode(
            headers.get("ce_type", ""), headers.get("ce_dataschema", ""), value if isinstance(value, bytes) else b""
        )
    except UnreadableMessage:
        return None
    if not isinstance(raw, RawMessage):
        return None
    return Kept(message.partition() or 0, message.offset() or 0, headers.get("ce_subject", ""), raw)


__all__ = ["Kept", "RawGone", "RawStore"]
