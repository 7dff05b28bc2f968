"""The Kafka client's settings and errors in one place (measured in docs: classic groups, static members)."""

import logging
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient, NewTopic

Config = dict[str, Any]
ErrorHandler = Callable[[KafkaError], None]

AWAY = frozenset({KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE})
FENCED = frozenset(
    {
        KafkaError._FATAL,
        KafkaError._FENCED,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError._MAX_POLL_EXCEEDED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,
    }
)


def is_fatal(error: KafkaError) -> bool:
    """Whether only a new process helps: everything else is waited out."""
    return bool(error.fatal()) or error.code() in FENCED


def is_away(error: KafkaError) -> bool:
    """Whether the error says that no broker can be reached."""
    return error.code() in AWAY


def client_config(bootstrap: str, client_id: str, on_error: ErrorHandler | None = None) -> Config:
    """What every client has in common."""
    config: Config = {
        "bootstrap.servers": bootstrap,
        "client.id": client_id,
        "broker.address.family": "v4",
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 500,
        "socket.connection.setup.timeout.ms": 5000,
        "topic.metadata.refresh.interval.ms": 30000,
        "log_level": 2,
        "logger": logging.getLogger("librdkafka"),
    }
    if on_error is not None:
        config["error_cb"] = on_error
    return config


def producer(bootstrap: str, client_id: str, on_error: ErrorHandler | None = None, **more: Any) -> Producer:
    """Idempotent, acks=all, without linger; a record waits in the queue as long as the broker is away."""
    return Producer(
        client_config(bootstrap, client_id, on_error)
        | {
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 0,
            "message.timeout.ms": 0,
            "retry.backoff.ms": 50,
            "retry.backoff.max.ms": 500,
            "compression.type": "none",  # others need a codec library in every client (aiokafka)
            "queue.buffering.max.messages": 20000,
            "queue.buffering.max.kbytes": 65536,
        }
        | more
    )


def consumer(
    bootstrap: str,
    client_id: str,
    group: str | None,
    instance: str | None = None,
    on_error: ErrorHandler | None = None,
    **more: Any,
) -> Consumer:
    """A classic static group member with a 6 s session, or (group None) a reader that never commits."""
    config = client_config(bootstrap, client_id, on_error) | {
        "group.id": group or f"{client_id}-reader",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "fetch.wait.max.ms": 100,
        "fetch.error.backoff.ms": 50,
        "queued.max.messages.kbytes": 16384,
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 1500,
        "partition.assignment.strategy": "range",
    }
    if group is not None and instance is not None:
        config["group.instance.id"] = instance
    return Consumer(config | more)


def admin(bootstrap: str, client_id: str = "orloop-admin", **more: Any) -> AdminClient:
    """An admin client; keep it alive until its futures resolve."""
    return AdminClient(client_config(bootstrap, client_id) | more)


__all__ = ["AdminClient", "NewTopic", "admin", "client_config", "consumer", "is_away", "is_fatal", "producer"]
