"""How long `make demo` takes until everything is ready: in this checkout, and in a fresh clone with empty caches."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

from .errors import LauncherError
from .mesh import BecameReady, Mesh
from .ports import free_port
from .supervise import Happening

_LIMIT = 600


def seconds_to_ready(checkout: Path, environment: dict[str, str] | None = None) -> float:
    """Run `make demo` in `checkout` until it says that it is ready, then stop it.

    Raises
    ------
    LauncherError
        If it ends before, with the last line it said.
    """
    arguments = f"--headless --limit {_LIMIT} --port {free_port()}"
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        settings = {**os.environ, "ORLOOP_HOME": home, **(environment or {})}
        demo = subprocess.Popen(
            ["make", "demo", f"ARGS={arguments}"],
            cwd=checkout,
            env=settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert demo.stdout is not None
        last = "nothing"
        try:
            for line in demo.stdout:
                if line.startswith("Ready after"):
                    return time.monotonic() - started
                last = line.strip() or last
        finally:
            os.killpg(demo.pid, signal.SIGINT)
            demo.stdout.read()
            demo.stdout.close()
            demo.wait(60)
    raise LauncherError(f"Expected `make demo` to become ready, got: {last}")


def cold_seconds_to_ready(checkout: Path, clone: Path) -> float:
    """Clone `checkout` to `clone` and start there with caches of its own, all empty."""
    subprocess.run(["git", "clone", "-q", checkout, clone], check=True)
    caches = clone.with_name("caches")
    caches.mkdir()
    return seconds_to_ready(
        clone,
        {
            "ORLOOP_CACHE": str(caches / "orloop"),
            "UV_CACHE_DIR": str(caches / "uv"),
            "PIP_CACHE_DIR": str(caches / "pip"),
        },
    )


def planner_seconds_to_ready(mesh: Mesh, times: int) -> list[float]:
    """Kill the planner, and time its next start: process, compiled kernels loaded, the log folded again, ready."""
    found: list[float] = []
    for _ in range(times):
        mesh.supervisor.kill("replan")
        mesh.run_until(lambda: not mesh.supervisor.watched["replan"].ready, 10, pause=0.02)
        started: list[float] = []
        before, mesh.on_happening = mesh.on_happening, partial(_note_start, started)
        mesh.run_until(partial(bool, started), 120, pause=0.02)
        mesh.on_happening = before
        if not started:
            raise LauncherError("Expected the planner to become ready again within 120 s, got silence.")
        found += started
        mesh.run_until(lambda: False, 12)  # a start that lived long is no quick failure
    return found


def _note_start(started: list[float], happening: Happening) -> None:
    if isinstance(happening, BecameReady) and happening.name == "replan":
        started.append(happening.seconds)
