"""Read topics of the mesh from their start, without a group: for the launcher's own eyes and for `trace`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from orloop_common.runtime.cloudevents import decode_headers

from .errors import LauncherError


@dataclass(frozen=True, slots=True)
class Seen:
    """One record as it lies on the log; `message` is None where nothing here can read it."""

    topic: str
    partition: int
    offset: int
    headers: dict[str, str]
    received: datetime
    value: bytes

    @property
    def id(self) -> str:
        return self.headers.get("ce_id", "")

    @property
    def suite(self) -> str:
        return self.headers.get("ce_subject", "")

    def message(self) -> Any | None:
        """The decoded payload."""
        from orloop_common.messages import UnreadableMessage, decode

        try:
            return decode(self.headers.get("ce_type", ""), self.headers.get("ce_dataschema", ""), self.value)
        except UnreadableMessage:
            return None


class TopicReader:
    """Reads whole topics in the broker's order, and goes on after a broker's restart."""

    def __init__(self, bootstrap: str, topics: Sequence[str]) -> None:
        from confluent_kafka import Consumer, KafkaException, TopicPartition

        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "orloop.launcher",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 100,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        try:
            known = self._consumer.list_topics(timeout=15).topics
        except KafkaException as error:
            self._consumer.close()
            raise LauncherError(
                f"Expected a Kafka at {bootstrap}, got: {error.args[0].str()}.",
                "it is not running, or ORLOOP_KAFKA names another address.",
            ) from error
        self._places = [TopicPartition(t, p, 0) for t in topics if t in known for p in known[t].partitions]
        self._consumer.assign(self._places)
        self._ends: set[tuple[str, int]] = set()

    def poll(self, timeout: float = 0.0, most: int = 2000) -> list[Seen]:
        """Return what there is to read, waiting up to `timeout` seconds for the first record."""
        from confluent_kafka import KafkaError

        found = []
        for message in self._consumer.consume(most, timeout):
            error = message.error()
            place = (message.topic() or "", message.partition() or 0)
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    self._ends.add(place)
                continue
            given = message.headers() or []
            headers = decode_headers(given.items() if isinstance(given, dict) else given)
            stamp = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
            found.append(Seen(*place, message.offset() or 0, headers, stamp, message.value() or b""))
        return found

    def to_end(self, limit: float = 60) -> Iterator[Seen]:
        """Yield all there is now, then stop.

        Raises
        ------
        LauncherError
            If the end is not reached within `limit` seconds.
        """
        deadline = time.monotonic() + limit
        self._ends.clear()
        while len(self._ends) < len(self._places):
            if time.monotonic() > deadline:
                raise LauncherError(
                    f"Expected to read to the end within {limit:.0f} s, got no end.", "Kafka is slow to answer."
                )
            yield from self.poll(0.3)

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> TopicReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
