"""What tests of services are built from: a manual clock, a memory bus that runs the real loop."""

from .bus import MemoryBus, MemoryLog, MemorySender
from .clock import NINE, ManualClock

__all__ = ["NINE", "ManualClock", "MemoryBus", "MemoryLog", "MemorySender"]
