"""What must hold after a day on the mesh, whatever happened to its processes."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from orloop_common import messages
from orloop_common.domain import events as e
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.digest import digest
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.runtime.codec import default_codec
from orloop_common.runtime.ports import RawRecord
from orloop_common.runtime.reader import RecordReader


@dataclass(frozen=True)
class Read:
    """A record as a stranger reads it."""

    topic: str
    offset: int
    key: str
    headers: dict[str, str]
    value: bytes
    received: datetime

    @property
    def message(self) -> Any:
        return messages.decode(self.headers["ce_type"], self.headers["ce_dataschema"], self.value)


def read_topic(bootstrap: str, topic: str, partition: int = 0) -> list[Read]:
    """Everything that is on the partition now."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "stranger", "enable.auto.commit": False, "log_level": 0}
    )
    try:
        place = TopicPartition(topic, partition, 0)
        low, high = consumer.get_watermark_offsets(place, timeout=10)
        place.offset = low
        consumer.assign([place])
        found: list[Read] = []
        position = low
        while position < high:
            message = consumer.poll(5)
            assert message is not None, f"{topic} stopped at {position} of {high}"
            assert message.error() is None, message.error()
            position = (message.offset() or 0) + 1
            headers = {k: (v or b"").decode() if isinstance(v, bytes) else str(v) for k, v in message.headers() or ()}
            key = (message.key() or b"").decode()
            received = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
            found.append(Read(topic, position - 1, key, headers, message.value() or b"", received))
        return found
    finally:
        consumer.close()


def fold(records: list[Read], suite: str, calendar: OperationalCalendar, upto: int | None = None) -> SuiteDay:
    """A fresh fold of the suite's log, up to an offset (next to be read); what cannot be read is folded as refused."""
    day, reader = SuiteDay(suite=suite, calendar=calendar), RecordReader(default_codec())
    for record in records:
        if (upto is None or record.offset < upto) and record.headers.get("ce_subject") == suite:
            raw = RawRecord(
                record.topic,
                0,
                record.offset,
                record.key.encode(),
                record.value,
                [(name, text.encode()) for name, text in record.headers.items()],
                record.received,
            )
            day = day.apply(reader(raw).message)
    return day


def state_of(health_port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{health_port}/state", timeout=10) as answer:
        loaded: dict[str, Any] = json.load(answer)
        return loaded


def metrics_of(health_port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{health_port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def differing_folds(records: list[Read], states: dict[str, dict[str, Any]], calendar: OperationalCalendar) -> list[str]:
    """Services whose fold is not what a fresh fold of the log up to their offset gives."""
    wrong = []
    for service, state in states.items():
        offset = int(state["offsets"][messages.SUITE_EVENTS]["0"])
        for suite, shown in state["suites"].items():
            if shown["digest"] != digest(fold(records, suite, calendar, offset)):
                wrong.append(f"{service} at offset {offset} of suite {suite}")
    return wrong


def unanswered_triggers(triggers: list[str], proposals: list[Read]) -> list[str]:
    """Triggers that no answer names."""
    answered = {trigger.event for record in proposals for trigger in record.message.triggers}
    return [trigger for trigger in triggers if trigger not in answered]


def decisions(records: list[Read]) -> dict[str, e.PlanDecided]:
    """The first decision on each proposal, in log order."""
    first: dict[str, e.PlanDecided] = {}
    for record in records:
        if record.headers["ce_type"] == "orloop.PlanDecided":
            first.setdefault(record.message.proposal, record.message)
    return first


def texts_below(directory: Path, skip: tuple[str, ...] = ()) -> Iterator[tuple[Path, bytes]]:
    """Every file's bytes, but for what lies below the skipped folders."""
    for path in sorted(directory.rglob("*")):
        inside = path.relative_to(directory).as_posix()
        if path.is_file() and not any(inside.startswith(s) for s in skip):
            yield path, path.read_bytes()


def found_in(text: bytes, needles: list[str]) -> list[str]:
    lowered = text.lower()
    return [needle for needle in needles if needle.lower().encode() in lowered]
