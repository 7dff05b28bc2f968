"""Any bytes at the door: `make fuzz`, twenty seconds of it, by hypothesis."""

import pytest
from ingest_proof.fuzz import by_hypothesis
from ingest_proof.fuzzing import TARGETS


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_whatever_bytes_come_the_door_stays_true(target: str) -> None:
    assert by_hypothesis(TARGETS[target], target, seconds=4.5) >= 100
