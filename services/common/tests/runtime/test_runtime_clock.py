"""The clock file: one event time for all processes, whatever happens to them or to the file."""

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orloop_common.runtime import ClockError, FileClock, SystemClock, append_segment, open_clock
from orloop_common.runtime.clock import change_rate, read_segments

SEVEN = datetime(2026, 3, 2, 7, tzinfo=UTC)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The machine's clock in seconds, held still; set `wall[0]` to move it."""
    now = [1000.0]
    monkeypatch.setattr("orloop_common.runtime.clock.time.time", lambda: now[0])
    return now


def test_event_time_runs_at_the_segments_rate(tmp_path: Path, wall: list[float]) -> None:
    file = tmp_path / "clock.jsonl"
    append_segment(file, SEVEN, 60)
    clock = FileClock(file)
    wall[0] += 10
    assert clock.now() == SEVEN + timedelta(minutes=10)
    assert clock.rate() == 60


def test_a_new_segment_counts_from_its_wall_time_on(tmp_path: Path, wall: list[float]) -> None:
    file = tmp_path / "clock.jsonl"
    append_segment(file, SEVEN, 60)
    clock = FileClock(file)
    wall[0] += 10
    change_rate(file, 5)
    assert (clock.now(), clock.rate()) == (SEVEN + timedelta(minutes=10), 5)
    wall[0] += 12
    assert clock.now() == SEVEN + timedelta(minutes=11)


def test_two_processes_are_at_the_same_event_time(tmp_path: Path, wall: list[float]) -> None:
    file = tmp_path / "clock.jsonl"
    append_segment(file, SEVEN, 60)
    first = FileClock(file)
    first.now()
    wall[0] += 7
    assert FileClock(file).now() == first.now()


def test_a_torn_last_line_is_left_for_the_next_look(tmp_path: Path, wall: list[float]) -> None:
    file = tmp_path / "clock.jsonl"
    append_segment(file, SEVEN, 60)
    with file.open("ab") as half:
        half.write(b'{"wall": 1001, "sim": "2026-03-02T0')
    clock = FileClock(file)
    wall[0] += 2
    assert clock.now() == SEVEN + timedelta(minutes=2)
    with file.open("ab") as rest:
        rest.write(b'8:00:00Z", "rate": 1}\n')
    assert clock.now() == datetime(2026, 3, 2, 8, 0, 1, tzinfo=UTC)


def test_a_line_torn_by_a_full_disk_does_not_spoil_the_next_one(tmp_path: Path, wall: list[float]) -> None:
    file = tmp_path / "clock.jsonl"
    file.write_bytes(b'{"wall": 1000, "si')
    append_segment(file, SEVEN, 2)
    assert [segment.rate for segment in read_segments(file)] == [2]


@pytest.mark.parametrize("line", ['{"wall": 1}', "[]", '{"wall": 1, "sim": "2026-03-02T07:00:00", "rate": 1}', "x"])
def test_a_line_that_is_no_segment_is_passed_over(tmp_path: Path, wall: list[float], line: str) -> None:
    file = tmp_path / "clock.jsonl"
    append_segment(file, SEVEN, 3)
    with file.open("a") as more:
        more.write(line + "\n")
    assert FileClock(file).rate() == 3


def test_event_time_stands_still_before_the_first_segment_begins(tmp_path: Path, wall: list[float]) -> None:
    file = tmp_path / "clock.jsonl"
    append_segment(file, SEVEN, 60, wall=2000)
    clock = FileClock(file)
    assert (clock.now(), clock.rate()) == (SEVEN, 0)


def test_event_time_never_goes_back(tmp_path: Path, wall: list[float]) -> None:
    file = tmp_path / "clock.jsonl"
    append_segment(file, SEVEN, 60)
    clock = FileClock(file)
    wall[0] += 10
    before = clock.now()
    wall[0] -= 5
    assert clock.now() == before


def test_a_missing_clock_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClockError, match=r"gone\.jsonl, got none\.\nMaybe the launcher"):
        FileClock(tmp_path / "gone.jsonl").now()


def test_a_clock_file_that_appears_later_is_read(tmp_path: Path, wall: list[float]) -> None:
    clock = FileClock(tmp_path / "clock.jsonl")
    append_segment(clock.path, SEVEN, 1)
    assert clock.now() == SEVEN


def test_segments_appended_at_once_are_all_whole(tmp_path: Path) -> None:
    file = tmp_path / "clock.jsonl"
    threads = [threading.Thread(target=append_segment, args=(file, SEVEN, n)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(segment.rate for segment in read_segments(file)) == list(range(40))


@pytest.mark.parametrize(("sim", "rate"), [(SEVEN.replace(tzinfo=None), 1), (SEVEN, -1), (SEVEN, float("inf"))])
def test_a_segment_that_makes_no_sense_is_refused(tmp_path: Path, sim: datetime, rate: float) -> None:
    with pytest.raises(ValueError, match=r"Expected .*\nMaybe"):
        append_segment(tmp_path / "clock.jsonl", sim, rate)
    assert not os.path.exists(tmp_path / "clock.jsonl")


def test_the_system_clock_is_aware_and_runs_at_the_walls_rate() -> None:
    clock = open_clock("system")
    assert isinstance(clock, SystemClock)
    assert clock.now().tzinfo is UTC
    assert clock.rate() == 1
