"""Right-shift is sound by every rule on made-up suites, small and large."""

import pytest

from orloop_common.domain.checker import check
from orloop_common.domain.rightshift import right_shift
from orloop_replan.generate import generate

CANNOT_BE_HELPED = ("emergency-never-postponed",)


@pytest.mark.parametrize("kind", ["core", "full"])
@pytest.mark.parametrize("event", ["down", "overrun", "emergency", "staff", "storm"])
def test_right_shift_keeps_every_rule_that_can_be_kept(kind: str, event: str) -> None:
    for rooms, seeds in ((3, 6), (8, 3), (20, 1)):
        for seed in range(seeds):
            problem = generate(rooms, event, seed, kind=kind)
            found = check(problem, right_shift(problem))
            assert [b for b in found if b.rule not in CANNOT_BE_HELPED] == [], (rooms, seed)
