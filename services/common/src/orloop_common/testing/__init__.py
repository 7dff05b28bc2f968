"""What tests of services are built from: a manual clock, a memory bus that runs the real loop."""

from .clock import ManualClock

__all__ = ["ManualClock"]
