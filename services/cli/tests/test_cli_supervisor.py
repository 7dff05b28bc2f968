"""The supervisor: restart with back-off, give up by name, leave nothing behind."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from orloop_cli.parts import ServicePart
from orloop_cli.supervise import BecameReady, Ended, PartFailed, Supervisor


@dataclass
class FakePart:
    """A program that ends as it is told to."""

    name: str
    codes: list[int | None] = field(default_factory=list)
    waits: str | None = None
    healthy: bool = True
    starts: int = 0
    kills: int = 0

    def start(self) -> None:
        self.starts += 1

    def exit_code(self) -> int | None:
        return self.codes.pop(0) if self.codes else None

    def pid(self) -> int:
        return 1

    def ready(self) -> str | None:
        return self.waits

    def alive(self) -> bool:
        return self.healthy

    def ask_to_stop(self) -> None:
        self.codes = [0]

    def kill(self) -> None:
        self.kills += 1

    def last_words(self) -> str:
        return "it fell over"


@dataclass
class Wall:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def supervised(*parts: FakePart) -> tuple[Supervisor, Wall]:
    wall = Wall()
    supervisor = Supervisor(monotonic=wall)
    for part in parts:
        supervisor.add(part)
    return supervisor, wall


def test_a_part_is_started_once_and_reported_when_it_is_ready() -> None:
    part = FakePart("gate", waits="starting")
    supervisor, wall = supervised(part)
    assert supervisor.tick() == []
    assert supervisor.tick() == []
    assert supervisor.not_ready() == {"gate": "starting"}
    wall.now, part.waits = 103.0, None
    assert supervisor.tick() == [BecameReady("gate", 3.0, again=False)]
    assert supervisor.all_ready
    assert part.starts == 1


def test_a_part_that_ends_is_started_again_after_a_delay_that_doubles() -> None:
    part = FakePart("gate", codes=[1])
    supervisor, wall = supervised(part)
    supervisor.tick()
    delays = []
    for _ in range(4):
        part.codes = [1]
        [ended] = supervisor.tick()
        assert isinstance(ended, Ended)
        delays.append(ended.delay)
        assert supervisor.tick() == []  # not due yet
        wall.now += ended.delay
        supervisor.tick()
    assert delays == [0.25, 0.5, 1.0, 2.0]
    assert part.starts == 5


def test_five_quick_failures_in_a_row_fail_by_name_with_the_last_words() -> None:
    part = FakePart("gate")
    supervisor, wall = supervised(part)

    def fail_quickly() -> None:
        for _ in range(20):
            part.codes = [1]
            supervisor.tick()
            wall.now += 9

    with pytest.raises(PartFailed, match=r"Expected gate to keep running, got 5 quick failures.*it fell over"):
        fail_quickly()
    assert part.starts == 5


def test_a_part_that_lived_long_starts_counting_anew() -> None:
    part = FakePart("gate")
    supervisor, wall = supervised(part)
    for _ in range(12):
        supervisor.tick()
        wall.now += 60
        part.codes = [-9]
        [ended] = supervisor.tick()
        assert isinstance(ended, Ended)
        assert ended.delay == 0.25
        wall.now += 1


def test_a_wrong_setting_fails_at_once_because_no_restart_mends_it() -> None:
    part = FakePart("gate")
    supervisor, _ = supervised(part)
    supervisor.tick()
    part.codes = [2]
    with pytest.raises(PartFailed, match="gate cannot run with these settings: it fell over"):
        supervisor.tick()


def test_services_wait_for_the_broker_and_its_absence_does_not_count_against_them() -> None:
    broker, gate = FakePart("kafka", waits="starting"), FakePart("gate")
    supervisor, wall = supervised(broker)
    supervisor.add(gate, needs=("kafka",))
    supervisor.tick()
    assert gate.starts == 0
    broker.waits = None
    for _ in range(8):
        supervisor.tick()
        broker.codes, gate.codes, broker.waits = [-9], [1], "starting"
        supervisor.tick()
        wall.now += 9
        supervisor.tick()
        broker.waits = None
        supervisor.watched["kafka"].quick_failures = 0  # what is asked here is about the gate
        supervisor.tick()
    assert gate.starts >= 8


def test_a_part_that_makes_no_progress_is_killed() -> None:
    part = FakePart("gate")
    supervisor, wall = supervised(part)
    supervisor.tick()
    supervisor.tick()
    part.healthy = False
    for _ in range(3):
        wall.now += 6
        supervisor.tick()
    assert part.kills == 1


SERVICE = """
import http.server, os, subprocess, sys, threading
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""


def real_part(tmp_path: Path, program: str, port: int = 1) -> ServicePart:
    command = [sys.executable, "-c", program]
    return ServicePart("dummy", command, {"PORT": str(port)}, tmp_path / "dummy.log", port)


def until(supervisor: Supervisor, kind: type) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if any(isinstance(happening, kind) for happening in supervisor.tick()):
            return
        time.sleep(0.02)
    raise AssertionError(f"no {kind.__name__} within 20 s")


@pytest.mark.slow
def test_a_killed_service_comes_back_and_a_stopped_one_leaves_no_child_behind(tmp_path: Path) -> None:
    from orloop_cli.ports import free_port

    part = real_part(tmp_path, SERVICE, free_port())
    supervisor = Supervisor()
    supervisor.add(part)
    until(supervisor, BecameReady)
    first = part.pid()
    supervisor.kill("dummy")
    until(supervisor, Ended)
    until(supervisor, BecameReady)
    assert part.pid() != first
    assert supervisor.stop(grace=5) == []
    children = [int(line) for line in (tmp_path / "dummy.log").read_text().split()]
    assert len(children) == 2
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(map(_runs, children)):
        time.sleep(0.02)
    assert not any(_runs(pid) for pid in (first, part.pid(), *children))


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_the_last_words_of_a_json_log_are_its_error_and_reason(tmp_path: Path) -> None:
    part = real_part(tmp_path, "")
    part.log_path.write_text(
        '{"level": "error", "event": "service_failed", "error": "ClientFailed", "reason": "Expected a broker"}\n'
        '{"level": "info", "event": "service_stopped"}\n'
    )
    assert part.last_words() == "service_failed: ClientFailed: Expected a broker"
