"""Ticks of event time, silent feeds, and the ledger behind the doors."""

from datetime import UTC, datetime, time, timedelta

import pytest

from orloop_common.domain import events as e
from orloop_common.domain.site import RoomLayout, SuiteLayout
from orloop_common.messages import SUITE_EVENTS
from orloop_common.messages.identity import seal_identity
from orloop_common.runtime.crypto import PayloadCipher, generate_key
from orloop_common.runtime.records import Record
from orloop_common.testing import ManualClock
from orloop_ingest.domain.silence import FeedWatch
from orloop_ingest.domain.ticks import next_tick
from orloop_ingest.flow import IngestFlow
from orloop_ingest.ledger import Ledger

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@pytest.fixture
def clock():
    return ManualClock(NINE, rate=60.0)


@pytest.fixture
def flow(site, clock):
    ledger = Ledger(site, ["main"])
    return IngestFlow(site, ledger, PayloadCipher(generate_key()), clock, QUARTER, timedelta(seconds=10))


def say(flow, *events):
    for number, event in enumerate(events):
        flow.fold(Record(SUITE_EVENTS, 0, number, "main", "main", event, {}, NINE))


def idle(flow, clock):
    """What the flow writes now, folded at once as by the loop."""
    events = [output.message for output in flow.idle()]
    say(flow, *events)
    return events


def test_a_tick_is_due_on_the_grid_alone():
    tick = next_tick("main", NINE + timedelta(seconds=44), None)
    assert tick.at == NINE + timedelta(seconds=30)
    assert next_tick("main", NINE + timedelta(seconds=59), tick.at) is None
    assert next_tick("main", NINE + timedelta(seconds=60), tick.at).at == NINE + timedelta(seconds=60)


def test_a_tick_told_again_is_the_same_fact():
    assert next_tick("main", NINE, None).id == next_tick("main", NINE + timedelta(seconds=3), None).id
    assert next_tick("main", NINE, None).id != next_tick("other", NINE, None).id


def test_missed_ticks_are_skipped_and_none_is_written_twice(flow, clock):
    assert [event.at for event in idle(flow, clock)] == [NINE]
    assert idle(flow, clock) == []
    clock.advance(timedelta(minutes=7, seconds=10))
    assert [event.at for event in idle(flow, clock)] == [NINE + timedelta(minutes=7)]


def test_ticks_never_go_back_after_a_restart_with_a_slower_clock(flow, clock):
    say(flow, e.ClockTicked(id="t", suite="main", at=NINE + timedelta(minutes=5)))
    assert idle(flow, clock) == []
    clock.advance(timedelta(minutes=5, seconds=30))
    assert [event.at for event in idle(flow, clock)] == [NINE + timedelta(minutes=5, seconds=30)]


def test_a_tick_never_passes_the_clock_however_fast_it_runs_or_slows(flow, clock):
    for rate in (120, 60, 5, 1, 120):
        clock.set_rate(rate)
        for _ in range(20):
            clock.advance(timedelta(seconds=0.05 * rate))
            assert all(event.at <= clock.now() for event in idle(flow, clock))


def test_a_feed_that_falls_silent_is_told_once_and_returns_once(flow, clock):
    flow.hear("TWIN")
    idle(flow, clock)
    clock.advance(QUARTER)
    (silent,) = [event for event in idle(flow, clock) if isinstance(event, e.FeedWentSilent)]
    assert (silent.source, silent.since) == ("TWIN", NINE)
    clock.advance(QUARTER)
    assert not any(isinstance(event, e.FeedWentSilent) for event in idle(flow, clock))
    flow.hear("TWIN")
    assert any(isinstance(event, e.FeedReturned) for event in idle(flow, clock))
    clock.advance(timedelta(seconds=30))
    assert [type(event) for event in idle(flow, clock)] == [e.ClockTicked]
    assert flow.state()["main"]["digest"]


@pytest.fixture
def watch():
    room = RoomLayout(
        id="1", name="1", service="x", services=("x",), block_start=time(7), block_end=time(15), closes=time(19)
    )
    suite = SuiteLayout(id="main", name="Main", rooms=(room,))
    return FeedWatch(suite, "UTC", QUARTER, timedelta(seconds=10))


def test_silence_counts_in_operating_hours_alone(watch):
    night = NINE.replace(hour=3)
    watch.hear("TWIN", night - timedelta(hours=2), 0.0)
    assert watch.check("TWIN", night, 7200.0, None) is None
    assert watch.check("TWIN", NINE, 9999.0, None) is not None


def test_a_fast_clock_alone_makes_no_silence(watch):
    watch.hear("TWIN", NINE, 100.0)
    assert watch.check("TWIN", NINE + timedelta(minutes=20), 109.0, None) is None
    assert watch.check("TWIN", NINE + timedelta(minutes=21), 111.0, None) is not None


def test_a_source_that_never_spoke_is_silent_from_the_start_of_the_watch(watch):
    assert watch.check("TWIN", NINE, 0.0, None) is None
    silent = watch.check("TWIN", NINE + QUARTER, 900.0, None)
    assert silent.since == NINE


def test_an_identity_that_no_key_opens_is_counted_and_does_not_stop_the_fold(flow, desk, siu):
    received = desk.tell(siu())
    stranger = PayloadCipher(generate_key())
    record = seal_identity(received.case, NINE, received.identity, stranger.encrypt)
    flow.fold(Record("orloop.case-identity.v1", 0, 0, "k", "main", record, {}, NINE))
    assert flow.state()["main"]["digest"]


def test_what_is_forgotten_leaves_what_others_told(site):
    ledger = Ledger(site, ["main"])
    kept = e.RoomWentDown(id="1", suite="main", at=NINE, room="1", cause="water")
    lost = e.RoomWentDown(id="2", suite="main", at=NINE, room="3", cause="water")
    ledger.expect([kept, lost])
    ledger.written([kept])
    ledger.forget([lost, kept])
    assert set(ledger.known("main").day.rooms) == {"1"}
    assert ledger.is_written(kept)
    assert not ledger.is_written(lost)
    ledger.fold(kept)
    assert ledger.known("main").day == ledger.day("main")
