"""Find the mesh that a command is about: the one that runs, the cluster that is named, or the newest run's log."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .broker import Broker
from .errors import LauncherError
from .run import open_run, runs_dir


def running() -> dict[str, Any] | None:
    """What the newest launcher that is still there says of its processes and ports."""
    root = runs_dir()
    for path in sorted(root.iterdir(), reverse=True) if root.exists() else []:
        told = _told(path / "processes.json")
        if told is not None and _is_there(int(told["launcher"]["pid"])):
            return told
    return None


@contextmanager
def kafka(named: str | None = None) -> Iterator[str]:
    """Yield the bootstrap address to read from.

    In this order: `named` or ORLOOP_KAFKA, the mesh that runs, else the newest run's broker, started for as long as
    the block lasts.

    Raises
    ------
    LauncherError
        If there is nothing to read from.
    """
    if given := named or os.environ.get("ORLOOP_KAFKA"):
        yield given
    elif (told := running()) is not None:
        yield str(told["bootstrap"])
    else:
        run = open_run(runs_dir())
        broker = Broker(run.broker)
        try:
            broker.start().wait_ready()
            yield broker.bootstrap
        finally:
            broker.stop()
            run.release()


def mllp_address(named: str | None = None) -> tuple[str, int]:
    """Return where ingest listens for HL7: `named` as HOST:PORT, else the mesh that runs."""
    if named is not None:
        host, _, port = named.rpartition(":")
        if not host or not port.isdigit():
            raise LauncherError(f"Expected HOST:PORT, got {named!r}.", "write it like 127.0.0.1:2575.")
        return host, int(port)
    told = running()
    if told is None:
        raise LauncherError("Expected a mesh that runs, got none.", "start `orloop demo`, or name one with --to.")
    return "127.0.0.1", int(told["ports"]["mllp"])


def _told(path: Path) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return told


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
