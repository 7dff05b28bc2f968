"""Metrics as literals: a name, a help text, labels. Never a case, a patient or a surgeon in a label."""

import re
from collections.abc import Sequence

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_NAME = re.compile(r"orloop_[a-z0-9_]+")
_UNBOUNDED = frozenset({"case", "case_uid", "patient", "surgeon", "event", "id", "proposal"})
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


def counter(name: str, help: str, labels: Sequence[str] = (), registry: CollectorRegistry = REGISTRY) -> Counter:
    """Declare a counter; its name ends in `_total`."""
    if not name.endswith("_total"):
        raise ValueError(f"Expected a counter's name to end in _total, got {name}.\nMaybe it is a gauge.")
    return Counter(_checked(name, help, labels), help, labels, registry=registry)


def gauge(name: str, help: str, labels: Sequence[str] = (), registry: CollectorRegistry = REGISTRY) -> Gauge:
    """Declare a gauge, in base units."""
    if name.endswith("_total"):
        raise ValueError(f"Expected a gauge's name not to end in _total, got {name}.\nMaybe it is a counter.")
    return Gauge(_checked(name, help, labels), help, labels, registry=registry)


def histogram(
    name: str,
    help: str,
    labels: Sequence[str] = (),
    buckets: Sequence[float] = SECONDS,
    registry: CollectorRegistry = REGISTRY,
) -> Histogram:
    """Declare a histogram, in base units."""
    return Histogram(_checked(name, help, labels), help, labels, buckets=buckets, registry=registry)


def exposition(registry: CollectorRegistry = REGISTRY) -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(registry)


def _checked(name: str, help: str, labels: Sequence[str]) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"Expected a metric name like orloop_case_moves_total, got {name!r}.\nMaybe add the prefix.")
    if len(help) < 10:
        raise ValueError(f"Expected a sentence of help for {name}, got {help!r}.\nMaybe say what one unit of it is.")
    if unbounded := _UNBOUNDED.intersection(labels):
        raise ValueError(f"Expected labels of {name} with few values, got {sorted(unbounded)}.\nMaybe label by suite.")
    return name


EVENTS_FOLDED = counter("orloop_events_folded_total", "Records taken into the fold, refolds included.", ["topic"])
OUTPUTS_SENT = counter("orloop_outputs_sent_total", "Records acknowledged by the broker.", ["topic"])
DEAD_LETTERS = counter("orloop_dead_letters_total", "Pointers to unreadable records written to a dlq.", ["topic"])
UNREADABLE = counter("orloop_unreadable_total", "Records that could not be decoded, refolds included.", ["topic"])
BEAT = gauge("orloop_loop_beat_timestamp_seconds", "Unix time at which the loop last made progress.")
LAG = gauge("orloop_consumer_lag_records", "Records between the fold and the end of the log.", ["topic", "partition"])
READY = gauge("orloop_ready", "1 when partitions are assigned, read to the end, and the service's own checks pass.")
BROKER_AWAY = gauge("orloop_broker_away", "1 while no broker can be reached.")
