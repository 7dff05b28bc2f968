"""Health: progress, readiness, and a state whose offsets and digests belong together."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from orloop_common.runtime import PortInUse
from orloop_common.runtime.health import HealthServer, LoopHealth
from orloop_common.testing import ManualClock

pytestmark = pytest.mark.contract


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def loop(clock: ManualClock) -> LoopHealth:
    return LoopHealth(clock)


@pytest.fixture
def server(loop: LoopHealth) -> Iterator[HealthServer]:
    server = HealthServer("gate", "gate-0", 0, loop)
    server.start()
    yield server
    server.stop()


@dataclass
class Answer:
    status_code: int
    text: str
    headers: Any

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Client:
    port: int

    def get(self, page: str) -> Answer:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{page}", timeout=10) as answer:
                return Answer(answer.status, answer.read().decode(), answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode(), error.headers)


@pytest.fixture
def client(server: HealthServer) -> Client:
    return Client(server.port)


def test_a_loop_that_beats_is_alive(client: Client, loop: LoopHealth, clock: ManualClock) -> None:
    clock.advance(timedelta(seconds=19))
    assert client.get("/healthz").status_code == 200
    clock.advance(timedelta(seconds=2))
    assert client.get("/healthz").status_code == 503
    loop.beat()
    assert client.get("/healthz").json() == {"alive": True, "silent_seconds": 0.0}


def test_ready_is_read_to_the_end_and_the_services_own_checks(
    client: Client, loop: LoopHealth, server: HealthServer
) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["missing"] == {"log": "partitions are not assigned or not read to their end"}
    loop.settle(True, dict)
    assert client.get("/readyz").status_code == 200
    server.checks["model"] = lambda: "no bundle is loaded"
    assert client.get("/readyz").json()["missing"] == {"model": "no bundle is loaded"}
    assert "orloop_ready 0.0" in client.get("/metrics").text


def test_a_process_without_a_loop_is_ready_and_alive(client: Client, loop: LoopHealth, clock: ManualClock) -> None:
    loop.expected = False
    clock.advance(timedelta(minutes=5))
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200
    assert client.get("/state").json() == {"service": "gate", "instance": "gate-0", "offsets": {}, "suites": {}}


def test_state_is_told_by_the_loops_own_thread(client: Client, loop: LoopHealth) -> None:
    told_by: list[str] = []
    done = threading.Event()

    def state() -> dict[str, Any]:
        told_by.append(threading.current_thread().name)
        return {"offsets": {"t": {0: 7}}, "suites": {"main": {"digest": "abc"}}}

    def run() -> None:
        while not done.wait(0.01):
            loop.settle(True, state)

    thread = threading.Thread(target=run, name="the-loop")
    thread.start()
    try:
        answer = client.get("/state").json()
    finally:
        done.set()
        thread.join()
    assert answer["offsets"] == {"t": {"0": 7}}
    assert answer["suites"]["main"]["digest"] == "abc"
    assert told_by == ["the-loop"]


def test_a_busy_loop_is_said_to_be_busy(loop: LoopHealth, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "state", lambda: None)
    assert client.get("/state").status_code == 503


def test_metrics_are_in_prometheus_format(client: Client) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# HELP orloop_loop_beat_timestamp_seconds Unix time" in answer.text


def test_a_port_in_use_is_named_with_its_variable(server: HealthServer, loop: LoopHealth) -> None:
    with pytest.raises(PortInUse, match=r"ORLOOP_HEALTH_PORT: Expected to listen .*\nMaybe another run"):
        HealthServer("gate", "gate-1", server.port, loop)
