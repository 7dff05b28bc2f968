"""Topics as `contracts/topics/*.yaml` declares them, compared with and applied to a cluster."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from .errors import LauncherError

_DEAD_LETTERS_KEPT = timedelta(days=30)
_UNITS = {"m": 60, "h": 3600, "d": 86400, "y": 365 * 86400}


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it should be: partitions and the settings that the contract states."""

    name: str
    partitions: int
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a cluster differs from the contract; `mendable` by `topics apply`."""

    topic: str
    what: str
    expected: str
    got: str
    mendable: bool = True

    def __str__(self) -> str:
        end = "" if self.mendable else " (never changed in place: make a new version of the topic)"
        return f"{self.topic}: expected {self.what} {self.expected}, got {self.got}{end}"


def contracts_dir() -> Path:
    """Return the checkout's `contracts/`, or ORLOOP_CONTRACTS."""
    if given := os.environ.get("ORLOOP_CONTRACTS"):
        return Path(given)
    for start in (Path.cwd(), Path(__file__).resolve()):
        for parent in (start, *start.parents):
            if (parent / "contracts" / "topics").is_dir():
                return parent / "contracts"
    raise LauncherError(
        "Expected contracts/topics in this directory or above it, got none.",
        "run this in a checkout of the project, or set ORLOOP_CONTRACTS.",
    )


def declared(contracts: Path | None = None, partitions: int | None = None) -> list[Topic]:
    """Read every topic of `contracts/`, dead letter topics included, sorted by name.

    Parameters
    ----------
    partitions
        Overrides the declared partition counts, for tests and for larger sites.
    """
    folder = (contracts or contracts_dir()) / "topics"
    topics = []
    for path in sorted(folder.glob("*.yaml")):
        raw = yaml.safe_load(path.read_text())
        try:
            topics += _read(raw, partitions)
        except (KeyError, TypeError, ValueError) as error:
            raise LauncherError(
                f"Expected a topic in {path.name}, got: {type(error).__name__} {error}.",
                "compare it with its neighbours in contracts/topics.",
            ) from error
    return sorted(topics, key=lambda topic: topic.name)


def _read(raw: Mapping[str, Any], partitions: int | None) -> list[Topic]:
    count = partitions or int(raw["partitions"])
    settings = {"cleanup.policy": str(raw["cleanup"]), "message.timestamp.type": "LogAppendTime"}
    if raw.get("retention") is not None:
        settings["retention.ms"] = _milliseconds(span(str(raw["retention"])))
    if raw.get("max_message_bytes") is not None:
        settings["max.message.bytes"] = str(raw["max_message_bytes"])
    topics = [Topic(str(raw["topic"]), count, settings)]
    if raw.get("dlq"):
        dead = {
            "cleanup.policy": "delete",
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": _milliseconds(_DEAD_LETTERS_KEPT),
        }
        topics.append(Topic(f"{raw['topic']}.dlq", count, dead))
    return topics


def _milliseconds(span: timedelta) -> str:
    return str(int(span.total_seconds() * 1000))


def span(text: str) -> timedelta:
    """Read a span such as `400d`, `12h`, `6y`."""
    found = re.fullmatch(r"(\d+)\s*([mhdy])", text.strip())
    if found is None:
        raise ValueError(f"expected a span such as 30d, got {text!r}")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


class Cluster:
    """The topics of one Kafka cluster, through its admin interface."""

    def __init__(self, bootstrap: str, timeout: float = 15) -> None:
        from confluent_kafka.admin import AdminClient

        self.bootstrap = bootstrap
        self.timeout = timeout
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    def differences(self, wanted: list[Topic]) -> list[Difference]:
        """Say how the cluster differs from what is wanted; topics that nobody declared are not looked at."""
        from confluent_kafka.admin import ConfigResource

        there = self._partitions()
        known = [topic for topic in wanted if topic.name in there]
        asked = (
            self._admin.describe_configs(
                [ConfigResource(ConfigResource.Type.TOPIC, topic.name) for topic in known], request_timeout=self.timeout
            )
            if known
            else {}
        )
        settings = {resource.name: answer.result(self.timeout) for resource, answer in asked.items()}
        found = []
        for topic in wanted:
            if topic.name not in there:
                found.append(Difference(topic.name, "topic", "present", "none"))
                continue
            if there[topic.name] != topic.partitions:
                expected, got = str(topic.partitions), str(there[topic.name])
                found.append(Difference(topic.name, "partitions", expected, got, mendable=False))
            for name, value in topic.settings.items():
                got = settings[topic.name][name].value
                if got != value:
                    found.append(Difference(topic.name, name, value, got))
        return found

    def apply(self, wanted: list[Topic], replication: int = 1) -> list[Difference]:
        """Create what is missing, mend settings, and return what was different.

        Raises
        ------
        LauncherError
            If a partition count differs: that never changes in place, or suites would move between partitions.
        """
        found = self.differences(wanted)
        if stuck := [difference for difference in found if not difference.mendable]:
            raise LauncherError("\n".join(str(difference) for difference in stuck))
        missing = {difference.topic for difference in found if difference.what == "topic"}
        self._create([topic for topic in wanted if topic.name in missing], replication)
        self._alter([difference for difference in found if difference.what != "topic"])
        return found

    def _partitions(self) -> dict[str, int]:
        from confluent_kafka import KafkaException

        try:
            metadata = self._admin.list_topics(timeout=self.timeout)
        except KafkaException as error:
            raise LauncherError(
                f"Expected a Kafka at {self.bootstrap}, got: {error.args[0].str()}.",
                "it is not running, or ORLOOP_KAFKA names another address.",
            ) from error
        return {name: len(topic.partitions) for name, topic in metadata.topics.items()}

    def _create(self, topics: list[Topic], replication: int) -> None:
        from confluent_kafka.admin import NewTopic

        if topics:
            safe = {"min.insync.replicas": "2"} if replication >= 3 else {}  # else acks=all may mean one machine's word
            new = [NewTopic(t.name, t.partitions, replication, config={**t.settings, **safe}) for t in topics]
            self._done(self._admin.create_topics(new, request_timeout=self.timeout))

    def _alter(self, differences: list[Difference]) -> None:
        from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource

        changes: dict[str, list[ConfigEntry]] = {}
        for difference in differences:
            entry = ConfigEntry(
                difference.what,
                difference.expected,
                source=ConfigSource.DYNAMIC_TOPIC_CONFIG,
                incremental_operation=AlterConfigOpType.SET,
            )
            changes.setdefault(difference.topic, []).append(entry)
        if changes:
            resources = [
                ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
                for topic, entries in changes.items()
            ]
            self._done(self._admin.incremental_alter_configs(resources, request_timeout=self.timeout))

    def _done(self, answers: Mapping[Any, Any]) -> None:
        from confluent_kafka import KafkaException

        for subject, answer in answers.items():
            try:
                answer.result(self.timeout)
            except KafkaException as error:
                raise LauncherError(
                    f"Expected topic {getattr(subject, 'name', subject)} to be applied, got: {error.args[0].str()}.",
                    "the cluster has fewer brokers than --replication asks for, or you may not create topics.",
                ) from error
