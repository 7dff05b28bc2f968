"""Folds stay in step with the log whatever is missed, repeated, or found in the table; without Kafka."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from orloop_common.domain import events as e
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.site import Site
from orloop_common.messages import CASE_STATE, SUITE_EVENTS
from orloop_common.runtime.codec import default_codec
from orloop_common.runtime.outbox import Outbox
from orloop_common.runtime.ports import RawRecord
from orloop_common.runtime.reader import RecordReader
from orloop_common.runtime.records import Output
from orloop_common.testing import ManualClock, MemoryBus, MemorySender
from orloop_features.flow import FeaturesFlow
from orloop_features.follower import Follower

Day = Callable[..., Iterator[e.Event]]
SEVEN = datetime(2026, 3, 2, 7, tzinfo=UTC)


@dataclass
class BusReader:
    """The log of a memory bus, and which stretches were read of it."""

    bus: MemoryBus
    at: int = 0
    stretches: list[tuple[int, int]] = field(default_factory=list)

    def committed(self, partition: int) -> int:
        return self.at

    def end(self, partition: int) -> int:
        return len(self.bus.read(SUITE_EVENTS))

    def read(self, partition: int, start: int, stop: int) -> Iterator[RawRecord]:
        self.stretches.append((start, stop))
        yield from self.bus.read(SUITE_EVENTS)[start:stop]

    def partitions(self) -> int:
        return 1

    def replication(self) -> int:
        return 1


@dataclass
class Bench:
    """A log with a scripted day on it, and followers of it."""

    site: Site
    bus: MemoryBus
    log: BusReader

    def follower(self, every: int = 50) -> Follower:
        calendar = OperationalCalendar(self.site.timezone, self.site.day_boundary)
        flow = FeaturesFlow({layout.id: layout for layout in self.site.suites}, calendar)
        clock = ManualClock(SEVEN)
        outbox = Outbox(MemorySender(self.bus), default_codec(), clock, "features")
        return Follower(flow, self.log, outbox, RecordReader(default_codec()), clock, 1, every)

    def raws(self) -> list[RawRecord]:
        return self.bus.read(SUITE_EVENTS)


@pytest.fixture
def bench(site: Site, day: Day) -> Bench:
    bus = MemoryBus()
    outbox = Outbox(MemorySender(bus), default_codec(), ManualClock(SEVEN), "test")
    for event in day("north"):
        outbox.send(Output(SUITE_EVENTS, "north", "north", event, event.id, at=event.at))
    return Bench(site, bus, BusReader(bus))


def play(follower: Follower, raws: list[RawRecord], held: str | None = None) -> str | None:
    """Deliver records as Faust does; the newest snapshot in the table."""
    for raw in raws:
        held = follower.take(raw) or held
    return held


def test_the_fold_of_a_follower_is_that_of_the_log(bench: Bench) -> None:
    follower = bench.follower()
    follower.open(0, None)
    held = play(follower, bench.raws())
    assert follower.caught_up()
    assert held is not None
    assert json.loads(held)["next"] % 50 == 0
    assert follower.state()["offsets"] == {SUITE_EVENTS: {0: len(bench.raws())}}


def test_a_follower_that_starts_from_a_snapshot_reads_only_what_came_after(bench: Bench) -> None:
    first = bench.follower()
    first.open(0, None)
    held = play(first, bench.raws()[:220])
    bench.log.at = 215
    bench.log.stretches.clear()
    second = bench.follower()
    second.open(0, held)
    assert bench.log.stretches == [(200, 215)]
    play(second, bench.raws()[215:])
    play(first, bench.raws()[220:])
    assert second.flow.state() == first.flow.state()


def test_events_that_come_twice_are_in_the_fold_already(bench: Bench) -> None:
    first = bench.follower()
    first.open(0, None)
    held = play(first, bench.raws()[:220])
    second = bench.follower()
    second.open(0, held)  # committed is still 0: Faust delivers everything again
    before = len(bench.bus.read(CASE_STATE))
    play(second, bench.raws()[:120])
    assert len(bench.bus.read(CASE_STATE)) == before
    assert second.state()["offsets"] == {SUITE_EVENTS: {0: 200}}
    assert second.state()["suites"]["north"]["as_of"] == 200
    play(second, bench.raws()[120:])
    play(first, bench.raws()[220:])
    assert second.flow.state() == first.flow.state()


def test_events_that_another_replica_had_are_read_from_the_log(bench: Bench) -> None:
    follower, whole = bench.follower(), bench.follower()
    for each in (follower, whole):
        each.open(0, None)
    play(follower, bench.raws()[:100])
    play(follower, bench.raws()[300:])
    assert bench.log.stretches[-1] == (100, 300)
    play(whole, bench.raws())
    assert follower.flow.state() == whole.flow.state()


@pytest.mark.parametrize("damage", ["{", '{"fold": "older", "next": 5, "suites": {}}', "none of it"])
def test_a_snapshot_that_cannot_be_read_costs_a_refold_and_nothing_else(bench: Bench, damage: str) -> None:
    whole, follower = bench.follower(), bench.follower()
    whole.open(0, None)
    play(whole, bench.raws())
    bench.log.at = 250
    follower.open(0, damage)
    assert bench.log.stretches[-1] == (0, 250)
    play(follower, bench.raws()[250:])
    assert follower.flow.state() == whole.flow.state()


def test_a_snapshot_of_a_longer_log_than_there_is_is_not_believed(bench: Bench) -> None:
    first = bench.follower()
    first.open(0, None)
    held = play(first, bench.raws())
    shorter = Bench(bench.site, MemoryBus(), BusReader(MemoryBus()))
    follower = shorter.follower()
    follower.open(0, held)
    assert follower.flow.state()["north"]["as_of"] == 0


def test_partitions_that_go_away_take_their_folds_along(bench: Bench) -> None:
    follower = bench.follower()
    follower.open(0, None)
    follower.close_all_but([])
    assert follower.state() == {"offsets": {SUITE_EVENTS: {}}, "suites": {}}
