"""The board's fold of its topics."""

from dataclasses import replace
from datetime import datetime, time, timedelta

from board_day import LAYOUT, SUITE, at, day_of, events, forecasts, gate_status, proposal, tick

from orloop_board.flow import KEPT_PROPOSALS, TOPICS, BoardFlow
from orloop_common import messages
from orloop_common.domain.derived import RoomStatus
from orloop_common.domain.site import Site
from orloop_common.domain.vocabulary import RoomState
from orloop_common.runtime.records import LoopSettings, Output, Record, Unreadable
from orloop_common.testing.bus import MemoryBus
from orloop_common.testing.clock import ManualClock

SITE = Site(site="demo", timezone="UTC", day_boundary=time(4), suites=(LAYOUT,))


NOW = at("10:14")


def flow(clock: ManualClock | None = None) -> BoardFlow:
    return BoardFlow(SITE, (), clock or ManualClock())


def record(topic: str, offset: int, message: object, received: datetime = NOW) -> Record:
    return Record(
        topic=topic, partition=0, offset=offset, key=None, suite=SUITE, message=message, headers={}, received=received
    )


def test_every_topic_travels_through_the_real_loop_into_one_state():
    bus, board = MemoryBus(), flow()
    day = day_of(events())
    for number, event in enumerate(events()):
        bus.publish(Output(messages.SUITE_EVENTS, SUITE, SUITE, event, f"e{number}"))
    bus.publish(Output(messages.CASE_FORECASTS, f"{SUITE}/hip", SUITE, forecasts(day)["hip"], "f"))
    bus.publish(Output(messages.PLAN_PROPOSALS, SUITE, SUITE, proposal(day), "p"))
    bus.publish(Output(messages.GATE_STATUS, SUITE, SUITE, gate_status(), "g"))
    for topic in TOPICS:
        bus.count(topic)
    bus.run(board, LoopSettings(topics=TOPICS, group=None))
    heard = board.heard(SUITE)
    assert board.live
    assert heard.day.now == at("10:14")
    assert heard.as_of == len(events())
    assert heard.forecasts["hip"].remaining is not None
    assert heard.newest_answer == "f3a91c"
    assert heard.gate is not None
    assert board.state()[SUITE]["digest"]


def test_the_record_on_the_higher_offset_is_kept_whatever_the_order():
    board, day = flow(), day_of(events())
    new = forecasts(day)["hip"]
    board.fold(record(messages.CASE_FORECASTS, 0, new))
    board.fold(record(messages.CASE_FORECASTS, 1, replace(new, as_of=3, model="older")))
    assert board.heard(SUITE).forecasts["hip"].model == "demo"


def test_an_older_room_state_does_not_replace_a_newer_one():
    board = flow()
    newer = RoomStatus(suite=SUITE, as_of=9, at=NOW, room="8", state=RoomState.CLEANING)
    board.fold(record(messages.ROOM_STATE, 0, newer))
    board.fold(record(messages.ROOM_STATE, 1, replace(newer, as_of=3, state=RoomState.IDLE)))
    assert board.heard(SUITE).rooms["8"].state is RoomState.CLEANING


def test_the_problem_is_not_kept_and_old_answers_go():
    board, answer = flow(), proposal(day_of(events()))
    for number in range(KEPT_PROPOSALS + 5):
        board.fold(
            record(messages.PLAN_PROPOSALS, number, replace(answer, id=f"p{number}", as_of=number, problem="x" * 99))
        )
    kept = board.heard(SUITE).proposals
    assert len(kept) == KEPT_PROPOSALS
    assert board.heard(SUITE).newest_answer == f"p{KEPT_PROPOSALS + 4}"
    assert all(p.problem == "" for p in kept.values())


def test_a_record_that_could_not_be_read_is_refused_by_the_fold_and_moves_the_offset():
    board = flow()
    board.fold(record(messages.SUITE_EVENTS, 7, Unreadable(id="x", suite=SUITE, at=at("10:14"), reason="torn")))
    assert board.heard(SUITE).as_of == 8
    assert "x" in board.heard(SUITE).day.refused


def test_records_of_another_suite_are_left_alone():
    board = flow()
    board.fold(replace(record(messages.SUITE_EVENTS, 0, tick("09:00")), suite="other"))
    assert board.heard(SUITE).day.now is None


def test_the_pulse_beats_with_each_tick_and_stops_without():
    clock = ManualClock(rate=60)
    board = flow(clock)
    assert not board.pulse(SUITE).beating
    tuple(board.idle())
    board.fold(record(messages.SUITE_EVENTS, 0, tick("09:00")))
    assert board.pulse(SUITE).beating
    clock.advance(timedelta(minutes=11), wall=timedelta(seconds=11))
    assert not board.pulse(SUITE).beating


def test_an_old_tick_read_from_history_is_no_pulse():
    clock = ManualClock(start=at("10:14"), rate=60)
    board = flow(clock)
    board.fold(record(messages.SUITE_EVENTS, 0, tick("09:00"), received=at("10:13")))
    assert not board.pulse(SUITE).beating
