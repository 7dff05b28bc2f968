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


ORLOOP = (
    "import test_cli_mesh as t; from orloop_cli import services; services.module_command = t.dummy;"
    "from orloop_cli.main import main; main()"
)


def orloop(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The command as a person runs it, with dummies for services."""
    settings = {"PYTHONPATH": str(Path(__file__).parent), "ORLOOP_HOME": str(tmp_path), **environment}
    return subprocess.Popen(
        [sys.executable, "-c", ORLOOP, *arguments, "--port", str(free_port())],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **settings},
    )


def test_a_headless_demo_that_reaches_its_limit_exits_1_with_the_reason(tmp_path: Path) -> None:
    said, errors = (demo := orloop(tmp_path, "demo", "--limit", "2")).communicate(timeout=60)
    assert demo.returncode == 1
    assert "gate       ready after" in said
    assert "The board: http://127.0.0.1:" in said
    assert errors.strip() == "Failed: the limit of 2 s passed: no room went down"
    assert "Traceback" not in said


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_stops_everything(tmp_path: Path, how: signal.Signals) -> None:
    demo = orloop(tmp_path, "demo", "--headless")
    assert demo.stdout is not None
    while not demo.stdout.readline().startswith("Ready after"):
        assert demo.poll() is None
    told = json.loads((tmp_path / "runs" / "0001" / "processes.json").read_text())
    demo.send_signal(how)
    _, errors = demo.communicate(timeout=40)
    assert demo.returncode == 1  # it was asked to go on until a plan is applied
    assert errors.strip() == "Failed: interrupted"
    assert not any(runs(about["pid"]) for about in told.values() if isinstance(about, dict) and "pid" in about)


def test_a_run_that_was_left_goes_on_with_its_data_and_its_time(tmp_path: Path) -> None:
    orloop(tmp_path, "demo", "--limit", "3").communicate(timeout=60)
    resumed = orloop(tmp_path, "up")
    assert resumed.stdout is not None
    line = ""
    while not line.startswith("The day begins at"):
        line = resumed.stdout.readline()
        assert resumed.poll() is None
    resumed.send_signal(signal.SIGINT)
    resumed.communicate(timeout=40)
    assert resumed.returncode == 0
    assert "plays at 60x" in line
    begins = line.split()[4]
    assert "07:00" < begins < "07:30"


def test_a_disk_that_fills_up_is_told_without_a_traceback(tmp_path: Path) -> None:
    """/dev/full stands for the file that no longer fits."""
    program = (
        "import test_cli_mesh as t; from orloop_cli import services; services.module_command = t.dummy;"
        "from pathlib import Path; from orloop_cli.run import Run;"
        "Run.processes = property(lambda run: Path('/dev/full'));"
        "Path.with_suffix = lambda self, suffix, _old=Path.with_suffix:"
        " self if str(self) == '/dev/full' else _old(self, suffix);"
        "from orloop_cli.main import main; main()"
    )
    settings = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "ORLOOP_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program, "demo", "--limit", "5", "--port", str(free_port())],
        capture_output=True,
        text=True,
        env=settings,
        timeout=60,
    )
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Maybe remove old runs" in done.stderr
    assert "Traceback" not in done.stderr
