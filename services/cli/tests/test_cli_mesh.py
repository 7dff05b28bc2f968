"""The mesh as one thing, with services that only answer their health page; the broker is real."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from orloop_cli import services
from orloop_cli.errors import LauncherError
from orloop_cli.mesh import Mesh, Options
from orloop_cli.ports import free_port
from orloop_cli.supervise import BecameReady, Ended, Happening

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]

DUMMY = """
import http.server, os, sys, threading
if os.environ.get("FAIL"):
    print(os.environ["FAIL"], file=sys.stderr); sys.exit(2)
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()
http.server.HTTPServer(("127.0.0.1", int(os.environ["ORLOOP_HEALTH_PORT"])), Page).serve_forever()
"""


def dummy(module: str) -> list[str]:
    return [sys.executable, "-S", "-c", DUMMY, module]


@pytest.fixture(autouse=True)
def dummies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "module_command", dummy)


def runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def pids(mesh: Mesh) -> dict[str, int]:
    told = json.loads(mesh.run.processes.read_text())
    return {name: about["pid"] for name, about in told.items() if "pid" in about and name != "launcher"}


def test_a_mesh_starts_survives_its_killed_parts_and_stops_without_leftovers(tmp_path: Path) -> None:
    happened: list[Happening] = []
    with Mesh.new(tmp_path, Options(board_port=free_port())) as mesh:
        mesh.on_happening = happened.append
        mesh.start(limit=60)
        before = pids(mesh)
        assert set(before) == {"kafka", *services.ORDER}
        mesh.supervisor.kill("replan")
        os.kill(before["kafka"], signal.SIGKILL)
        assert mesh.run_until(lambda: len([h for h in happened if isinstance(h, Ended)]) == 2, 20)
        assert mesh.run_until(lambda: mesh.supervisor.all_ready, 40)
        after = pids(mesh)
        assert {name for name in after if after[name] != before[name]} == {"replan", "kafka"}
        assert {h.name for h in happened if isinstance(h, BecameReady) and h.again} == {"replan", "kafka"}
    assert not any(map(runs, {*before.values(), *after.values()}))


def test_a_wrong_setting_fails_by_name_with_what_the_service_said(tmp_path: Path) -> None:
    wrong = {"gate": {"FAIL": "ORLOOP_MODE: Expected shadow or advisory, got 'auto'."}}
    with (
        Mesh.new(tmp_path, Options(board_port=free_port(), environment=wrong)) as mesh,
        pytest.raises(LauncherError, match="gate cannot run with these settings: ORLOOP_MODE: Expected shadow"),
    ):
        mesh.start(limit=60)


def test_a_killed_launcher_leaves_no_process_behind(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; import test_cli_mesh as t;"
        "from orloop_cli import services; services.module_command = t.dummy;"
        "mesh = t.Mesh.new(Path(sys.argv[1]), t.Options(board_port=t.free_port())); mesh.start(60);"
        "print(mesh.run.processes, flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    launcher = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert launcher.stdout is not None
    told = json.loads(Path(launcher.stdout.readline().strip()).read_text())
    started = [about["pid"] for about in told.values() if isinstance(about, dict) and "pid" in about]
    assert len(started) == 2 + len(services.ORDER)
    launcher.send_signal(signal.SIGKILL)
    launcher.wait(10)
    launcher.stdout.close()
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and any(map(runs, started)):
        time.sleep(0.05)
    assert not any(map(runs, started))
