"""The board as a process on a real broker: it reads to the end, shows, tells, and is the same after a kill."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from board_day import at, day_of, events, forecasts, gate_status, proposal, tick

from orloop_cli.broker import Broker
from orloop_cli.testing import create_topics
from orloop_common.messages import CASE_FORECASTS, GATE_STATUS, PLAN_PROPOSALS, SUITE_EVENTS
from orloop_common.testing.process import MESH_TOPICS, Desk, ServiceProcess, free_port, wait_for

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]
KEY = "the-link-key-of-this-test-0123"


class Board:
    """A board process and a browser's worth of HTTP."""

    def __init__(self, bootstrap: str, home: Path) -> None:
        self.port = free_port()
        settings = {
            "ORLOOP_TOKEN_SECRET": "t" * 40,
            "ORLOOP_BOARD_PORT": str(self.port),
            "ORLOOP_LINK_KEY": KEY,
            "ORLOOP_GATE_ADDRESS": "127.0.0.1:9",
            "ORLOOP_MANUAL_URL": "http://127.0.0.1:9",
        }
        self.process = ServiceProcess("orloop_board", bootstrap, home, at("10:14"), rate=60, environment=settings)
        self.browser = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=10)

    def shown(self) -> dict:
        answer = self.browser.get("/board.json")
        return answer.json() if answer.status_code == 200 else {}

    def told(self, last: str | None = None) -> tuple[str, str, dict]:
        """The first event of the stream: its name, id and data."""
        headers = {"Last-Event-ID": last} if last else {}
        name = number = ""
        with self.browser.stream("GET", "/events", headers=headers) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            for line in stream.iter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "id":
                    number = value
                elif field == "data":
                    return name, number, json.loads(value)
        raise AssertionError("Expected an event, got the end of the stream.")


@pytest.fixture
def desk(own_broker: Broker) -> Iterator[Desk]:
    create_topics(own_broker.bootstrap, MESH_TOPICS)
    found = Desk(own_broker.bootstrap)
    yield found
    found.close()


@pytest.fixture
def board(desk: Desk, tmp_path: Path) -> Iterator[Board]:
    day = day_of(events())
    for event in events():
        desk.publish(SUITE_EVENTS, "main", "main", event)
    for case, forecast in forecasts(day).items():
        desk.publish(CASE_FORECASTS, f"main/{case}", "main", forecast)
    desk.publish(PLAN_PROPOSALS, "main", "main", proposal(day))
    desk.publish(GATE_STATUS, "main", "main", gate_status())
    found = Board(desk.bootstrap, tmp_path / "board")
    found.process.start().wait_ready()
    yield found
    found.browser.close()
    found.process.kill()


def test_the_log_is_read_shown_streamed_and_read_again_after_a_kill(desk: Desk, board: Board) -> None:
    assert board.browser.get("/").status_code == 401
    assert board.browser.get("/events").status_code == 401
    assert board.browser.get("/", params={"key": KEY}, follow_redirects=True).status_code == 200
    shown = board.shown()
    assert shown["advice"]["headline"] == "Move 3 cases, nobody is postponed"
    assert [r["word"] for r in shown["rooms"]] == ["Procedure", "Emergence", "DOWN"]

    name, last, told = board.told()
    assert name == "snapshot"
    assert "Move 3 cases" in told["regions"]["advice"]

    begun = time.monotonic()
    desk.publish(SUITE_EVENTS, "main", "main", tick("10:15"))
    _, new, told = board.told(last)
    seconds = time.monotonic() - begun
    assert new != last
    assert "10:15" in told["regions"]["header"]
    assert seconds < 2

    before = board.process.state()["suites"]["main"]["digest"]
    board.process.kill()
    board.process.start().wait_ready()
    assert board.process.state()["suites"]["main"]["digest"] == before
    assert board.shown()["header"]["clock"] == "10:15"  # the cookie still holds
    assert "timeline" in board.told(new)[2]["regions"]  # an id of the process before is answered with everything
    stranger = httpx.get(f"http://127.0.0.1:{board.port}/", params={"key": KEY}, trust_env=False)
    assert stranger.status_code == 403


def test_when_ticks_stop_the_board_is_stale_and_refuses_decisions(desk: Desk, board: Board) -> None:
    page = board.browser.get("/", params={"key": KEY}, follow_redirects=True).text
    csrf = page.split('name="csrf" content="')[1].split('"')[0]
    desk.publish(SUITE_EVENTS, "main", "main", tick("10:15"))
    wait_for("the board to be live", lambda: board.shown()["can_act"])
    headers = {"X-CSRF-Token": csrf, "Idempotency-Key": "0123456789"}
    path = "/suites/main/proposals/f3a91c/approve"
    away = board.browser.post(path, data={"alternative": "alt-1"}, headers=headers).json()
    assert away == {"ok": False, "text": "The gate does not answer. Nothing was decided: try again in a moment."}
    wait_for("the board to be stale", lambda: not board.shown()["header"]["feed"]["live"], within=15)
    answer = board.browser.post(path, data={"alternative": "alt-1"}, headers=headers)
    assert answer.status_code == 409


def test_it_stops_when_asked_to(board: Board) -> None:
    assert board.process.stop() == 0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ORLOOP_LINK_KEY", "short", "ORLOOP_LINK_KEY: Expected"),
        ("ORLOOP_SUITES", "west", "ORLOOP_SUITES: Expected suites of site test, got west"),
        ("ORLOOP_TOKEN_SECRET", "short", "ORLOOP_TOKEN_SECRET: Expected at least 32 bytes"),
    ],
)
def test_a_wrong_setting_ends_it_with_a_line_that_names_it(tmp_path: Path, name: str, value: str, words: str) -> None:
    board = Board("127.0.0.1:9", tmp_path)
    board.process.environment = {**board.process.environment, name: value}
    started = board.process.start().process
    assert started is not None
    assert started.wait(30) == 2
    said = board.process.log.read_text()
    assert words in said
    assert "Traceback" not in said
    board.browser.close()
