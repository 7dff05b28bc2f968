"""Fixtures of the planner's tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from replan_day import InstantWorkers, Suite

from orloop_common.testing import ManualClock, MemoryBus


@pytest.fixture
def suite() -> Suite:
    """The flow on a memory bus; only `settle` lets time pass."""
    return Suite(MemoryBus(), ManualClock(), InstantWorkers())
