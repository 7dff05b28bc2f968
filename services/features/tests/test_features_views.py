"""What boards and forecasts are told, without Kafka and Faust."""

from base64 import b85encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zlib import compress

import pytest

from orloop_common.domain import events as e
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.derived import CaseFeatures
from orloop_common.domain.features import FEATURES, SCHEMA, STAGES
from orloop_common.domain.site import Site
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import Milestone, ReadinessItem, ReadinessStatus, RoomState
from orloop_common.messages import CASE_FEATURES, CASE_STATE, ROOM_STATE, SUITE_EVENTS
from orloop_common.runtime.records import Output, Record
from orloop_features.domain.snapshot import SnapshotUnreadable, fold_version, freeze, thaw
from orloop_features.flow import FeaturesFlow

SEVEN = datetime(2026, 3, 2, 7, tzinfo=UTC)
Day = Callable[..., Iterator[e.Event]]


def record(event: e.Event, offset: int) -> Record:
    return Record(SUITE_EVENTS, 0, offset, event.suite, event.suite, event, {"ce_id": event.id}, event.at)


def flow_of(site: Site) -> FeaturesFlow:
    calendar = OperationalCalendar(site.timezone, site.day_boundary)
    return FeaturesFlow({layout.id: layout for layout in site.suites}, calendar)


def play(flow: FeaturesFlow, events: Iterator[e.Event], start: int = 0) -> list[Output]:
    told = []
    for offset, event in enumerate(events, start):
        flow.fold(record(event, offset))
        told += list(flow.outputs(record(event, offset)))
    return told


def newest(outputs: list[Output]) -> dict[tuple[str, str], Output]:
    return {(o.topic, o.key): o for o in outputs}


def test_an_empty_day_shows_every_room_idle(site: Site) -> None:
    told = list(flow_of(site).current("north", SEVEN))
    assert [(o.message.room, o.message.state, o.message.as_of) for o in told] == [
        ("1", RoomState.IDLE, 0),
        ("2", RoomState.IDLE, 0),
    ]


def test_a_case_is_followed_through_every_stage(site: Site, day: Day) -> None:
    stages: dict[str, None] = {}
    for output in play(flow_of(site), day("north")):
        if output.topic == CASE_FEATURES and output.message.case == "c0":
            stages[output.message.stage] = None
    assert tuple(stages) == STAGES


def test_a_room_is_followed_through_a_case(site: Site, day: Day) -> None:
    told = play(flow_of(site), day("north", minutes=119))
    states = [o.message.state for o in told if o.topic == ROOM_STATE and o.message.room == "1"]
    assert states[:6] == [
        RoomState.IDLE,
        RoomState.IDLE,  # now with a next case
        RoomState.OCCUPIED_PREPARATION,
        RoomState.PROCEDURE,
        RoomState.OCCUPIED_EMERGENCE,
        RoomState.CLEANING,
    ]


def test_a_room_that_is_down_says_why(site: Site, day: Day) -> None:
    told = newest(play(flow_of(site), day("north", minutes=119)))
    room = told[ROOM_STATE, "north/2"].message
    assert (room.state, room.down_cause) == (RoomState.DOWN, "ventilation")


def test_what_did_not_change_is_not_told_again(site: Site, day: Day) -> None:
    flow = flow_of(site)
    play(flow, day("north", minutes=10))
    tick = e.ClockTicked(id="next", suite="north", at=SEVEN + timedelta(minutes=10.5))
    assert play(flow, iter([tick]), start=900) == []


def test_a_case_in_the_room_is_not_told_again_because_another_one_changed(site: Site, day: Day) -> None:
    flow = flow_of(site)
    play(flow, day("north", minutes=61))
    tick = e.ClockTicked(id="next", suite="north", at=SEVEN + timedelta(minutes=61.5))
    ready = e.ReadinessChanged(
        id="r", suite="north", at=tick.at, case="c4", item=ReadinessItem.FASTING, status=ReadinessStatus.OUTSTANDING
    )
    told = play(flow, iter([tick, ready]), start=900)
    assert [(o.topic, o.key) for o in told] == [(CASE_STATE, "north/c4")]


def test_features_in_the_room_are_told_every_fourth_tick(site: Site, day: Day) -> None:
    told = [o for o in play(flow_of(site), day("north", minutes=80)) if o.topic == CASE_FEATURES]
    ticked = [o.message for o in told if o.message.case == "c0" and o.message.stage == "after_incision"]
    gaps = {later.at - earlier.at for earlier, later in pairwise(ticked[2:])}
    assert len(ticked) > 10
    assert gaps == {timedelta(minutes=2)}


def test_a_trigger_refreshes_the_features_of_cases_in_a_room(site: Site, day: Day) -> None:
    flow = flow_of(site)
    play(flow, day("north", minutes=60))
    down = e.RoomWentDown(id="bang", suite="north", at=SEVEN + timedelta(minutes=60.4), room="1", cause="water")
    told = play(flow, iter([down]), start=900)
    assert {o.message.case for o in told if isinstance(o.message, CaseFeatures)} == {"c0", "c1"}
    assert {o.message.as_of for o in told} == {901}


def test_an_event_told_twice_changes_nothing(site: Site, day: Day) -> None:
    events = list(day("north", minutes=60))
    flow = flow_of(site)
    play(flow, iter(events))
    before = flow.state()["north"]["digest"]
    assert play(flow, iter(events[-3:]), start=len(events)) == []
    assert flow.state()["north"]["digest"] == before


def test_outputs_told_again_carry_the_same_ids(site: Site, day: Day) -> None:
    first, second = (play(flow_of(site), day("north")) for _ in range(2))
    assert [(o.id, o.message) for o in first] == [(o.id, o.message) for o in second]
    assert len({o.id for o in first}) == len(first)


def test_an_unreadable_record_is_in_the_fold_as_refused(site: Site) -> None:
    flow = flow_of(site)
    flow.fold(record(e.Unreadable(id="u", suite="north", at=SEVEN, reason="torn"), 0))
    assert flow.suites["north"].day.refused["u"].reason
    assert flow.suites["north"].as_of == 1


def test_a_suite_of_another_site_is_not_ours(site: Site) -> None:
    flow = flow_of(site)
    assert play(flow, iter([e.ClockTicked(id="t", suite="elsewhere", at=SEVEN)])) == []
    assert flow.state() == {}


def test_a_case_that_is_forgotten_leaves_tombstones(site: Site, day: Day) -> None:
    flow = flow_of(site)
    play(flow, day("north"))
    ticks = [e.ClockTicked(id=f"d{d}", suite="north", at=SEVEN + timedelta(days=d)) for d in (1, 9)]
    told = play(flow, iter(ticks), start=5000)
    gone = {(o.topic, o.key) for o in told if o.message is None}
    assert {(CASE_STATE, "north/c0"), (CASE_FEATURES, "north/c0")} <= gone


def test_features_never_know_the_future(site: Site, book: Callable[..., e.CaseScheduled]) -> None:
    flow = flow_of(site)
    came = e.MilestoneRecorded(
        id="m", suite="north", at=SEVEN + timedelta(minutes=5), case="c", milestone=Milestone.PATIENT_IN_ROOM, room="1"
    )
    tick = e.ClockTicked(id="t", suite="north", at=SEVEN + timedelta(minutes=4.5))
    told = newest(play(flow, iter([book("north", "c", "1", 0), tick, came])))
    values = told[CASE_FEATURES, "north/c"].message.values
    assert values["elapsed_minutes"] == 0.0
    assert values["since_incision_minutes"] is None
    assert list(values) == [f.name for f in FEATURES]
    assert told[CASE_FEATURES, "north/c"].message.schema == SCHEMA


def test_a_frozen_day_thaws_to_the_same_day(site: Site, day: Day) -> None:
    flow = flow_of(site)
    play(flow, day("north"))
    play(flow, iter([e.EquipmentChanged(id="q", suite="north", at=SEVEN, kind="CARM", free=1, unit="a")]), start=9000)
    original = flow.suites["north"].day
    assert thaw(freeze(original)) == original
    assert freeze(thaw(freeze(original))) == freeze(original)
    assert len(fold_version()) == 32


def test_a_damaged_snapshot_is_refused_by_name() -> None:
    with pytest.raises(SnapshotUnreadable, match="Expected a snapshot"):
        thaw("no such thing")
    with pytest.raises(SnapshotUnreadable, match="Expected a SuiteDay"):
        thaw(b85encode(compress(b"3")).decode())


def test_a_snapshot_holds_whole_days_only() -> None:
    empty = SuiteDay(suite="north")
    assert thaw(freeze(empty)) == empty
