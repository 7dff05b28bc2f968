"""The arithmetic of `make bench`."""

import math

from orloop_cli.bench import Row, percentile, table


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(n) for n in range(1, 101)], 0.95) == 95.0
    assert percentile([7.0], 0.95) == 7.0
    assert math.isnan(percentile([], 0.5))


def test_the_table_shows_n_p50_p95_and_the_goal() -> None:
    shown = table([Row.of("trigger to proposal", "s", [1.0, 2.0, 4.0], "p95 < 5")]).splitlines()
    assert shown[0].split() == ["n", "p50", "p95", "unit", "goal"]
    assert shown[1].split() == ["trigger", "to", "proposal", "3", "2", "4", "s", "p95", "<", "5"]
