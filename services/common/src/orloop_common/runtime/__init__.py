"""What every service runs on: settings, clock, logs, metrics, health, and the one loop.

Importing this package loads no client library; the modules that need one (`kafka`, `kafkalog`, `loop`,
`health`, `service`, `grpcserve`, `auth`, `crypto`) are imported by name from where they are used.
"""

from .clock import Clock, FileClock, SystemClock, append_segment, open_clock
from .errors import (
    CannotDecrypt,
    ClientFailed,
    ClockError,
    ConfigurationError,
    DeliveryFailed,
    FatalError,
    MissingHeaders,
    NotDurable,
    OrloopError,
    PortInUse,
    Stalled,
    TokenRefused,
    TooManyUnreadable,
)
from .partition import murmur2, partition_of
from .records import Flow, LoopSettings, Output, Partition, Record, Unreadable

__all__ = [
    "CannotDecrypt",
    "ClientFailed",
    "Clock",
    "ClockError",
    "ConfigurationError",
    "DeliveryFailed",
    "FatalError",
    "FileClock",
    "Flow",
    "LoopSettings",
    "MissingHeaders",
    "NotDurable",
    "OrloopError",
    "Output",
    "Partition",
    "PortInUse",
    "Record",
    "Stalled",
    "SystemClock",
    "TokenRefused",
    "TooManyUnreadable",
    "Unreadable",
    "append_segment",
    "murmur2",
    "open_clock",
    "partition_of",
]
