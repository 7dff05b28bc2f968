"""The arithmetic of `make bench`."""

import math
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from orloop_cli.bench import Row, booking, percentile, table
from orloop_cli.benchdrill import bounds


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(n) for n in range(1, 101)], 0.95) == 95.0
    assert percentile([7.0], 0.95) == 7.0
    assert math.isnan(percentile([], 0.5))


def test_the_table_shows_n_p50_p95_and_the_goal() -> None:
    shown = table([Row.of("trigger to proposal", "s", [1.0, 2.0, 4.0], "p95 < 5")]).splitlines()
    assert shown[0].split() == ["n", "p50", "p95", "unit", "goal"]
    assert shown[1].split() == ["trigger", "to", "proposal", "3", "2", "4", "s", "p95", "<", "5"]


def test_each_value_of_a_histogram_is_its_bound() -> None:
    registry = CollectorRegistry()
    looks = Histogram("looks", "Looks.", buckets=(0.01, 0.05), registry=registry)
    other = Histogram("looks_of_others", "Looks.", buckets=(0.5,), registry=registry)
    for seconds in (0.002, 0.01, 0.02, 3.0):
        looks.observe(seconds)
    other.observe(0.1)
    assert bounds(generate_latest(registry).decode(), "looks") == [0.01, 0.01, 0.05, math.inf]


def test_the_booking_has_its_fields_where_the_profile_reads_them() -> None:
    message = booking(7, datetime(2026, 3, 3, 7, tzinfo=UTC)).decode()
    fields = {line.split("|")[0]: line.split("|") for line in message.split("\r") if line}
    assert fields["MSH"][9] == "BENCH0007-1"  # MSH-10: the separator itself is MSH-1
    assert (fields["SCH"][2], fields["SCH"][5], fields["SCH"][7]) == ("BENCH0007", "V1", "ELECTIVE")
    assert fields["TQ1"][7] == "20260303070700+0000"
    assert (fields["PV1"][10], fields["AIL"][3]) == ("ORT", "OR1^^^DEMO")
