"""One run: its directory under `.orloop/runs`, with secrets, clock, broker data, logs and what services keep."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from orloop_common.runtime.clock import SystemClock

from .errors import LauncherError

KEPT_RUNS = 5
_NEEDED_BYTES = 400 * 1024 * 1024
_SPARE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the services of one run share and nobody else may know."""

    token_secret: str
    identity_secret: str
    payload_key: str

    @classmethod
    def fresh(cls) -> Secrets:
        key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32), key)


@dataclass
class Run:
    """A run's directory and what is remembered of it.

    Parameters
    ----------
    path
        `.orloop/runs/ID`.
    about
        What `up` needs to go on: seed, day, speed, scenario, site.
    """

    path: Path
    secrets: Secrets
    about: dict[str, Any] = field(default_factory=dict)
    _lock: IO[bytes] | None = None

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def clock(self) -> Path:
        return self.path / "clock.jsonl"

    @property
    def broker(self) -> Path:
        return self.path / "broker"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def processes(self) -> Path:
        """Where the supervisor says which process serves what."""
        return self.path / "processes.json"

    def data(self, service: str) -> Path:
        """The directory that `service` may write to."""
        path = self.path / "data" / service
        path.mkdir(parents=True, exist_ok=True)
        return path

    def remember(self, **about: Any) -> None:
        """Keep what `up` needs, beside what is kept already."""
        self.about |= about
        _write(self.path / "run.json", self.about)

    def release(self) -> None:
        """Let another launcher take this run."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def runs_dir() -> Path:
    """Return `.orloop/runs` of the working directory, or of ORLOOP_HOME."""
    return Path(os.environ.get("ORLOOP_HOME") or Path.cwd() / ".orloop") / "runs"


def create_run(root: Path, **about: Any) -> Run:
    """Make the next run under `root` and drop the oldest ones beyond `KEPT_RUNS`.

    Raises
    ------
    LauncherError
        If the directory cannot be written or its disk is nearly full.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        drop_old_runs(root)
        require_space(root)
        number = 1 + max((int(run.name) for run in root.iterdir() if run.name.isdigit()), default=0)
        path = root / f"{number:04d}"
        path.mkdir()
        for part in ("logs", "data"):
            (path / part).mkdir()
        made = Run(path, Secrets.fresh(), {"seed": number, **about})
        _write(path / "secrets.json", asdict(made.secrets), private=True)
        made.remember(created=SystemClock().wall().isoformat(timespec="seconds"))
    except OSError as error:
        raise LauncherError(
            f"Expected to make a run under {root}, got: {error.strerror}.",
            "free some space there, or set ORLOOP_HOME to a directory that you may write to.",
        ) from error
    return _held(made)


def open_run(root: Path, name: str | None = None) -> Run:
    """Open run `name`, by default the newest.

    Raises
    ------
    LauncherError
        If there is none, it is damaged, or another launcher holds it.
    """
    found = sorted(run.name for run in root.iterdir() if run.name.isdigit()) if root.exists() else []
    if not found or (name is not None and name not in found):
        raise LauncherError(
            f"Expected {'run ' + name if name else 'a run'} in {root}, got {', '.join(found) or 'none'}.",
            "start one with `orloop demo`.",
        )
    path = root / (name or found[-1])
    try:
        kept = Secrets(**json.loads((path / "secrets.json").read_text()))
        about = json.loads((path / "run.json").read_text())
    except (OSError, ValueError, TypeError) as error:
        raise LauncherError(
            f"Expected run {path.name} to be whole, got: {error}.",
            "its disk was full: start a new one with `orloop demo`.",
        ) from error
    require_space(root)
    return _held(Run(path, kept, about))


def require_space(root: Path, needed: int = _NEEDED_BYTES) -> None:
    """Refuse to start on a disk that would be full soon."""
    free = shutil.disk_usage(root).free
    if free < needed:
        raise LauncherError(
            f"Expected {needed // 2**20} MB of free disk under {root}, got {free // 2**20} MB.",
            "remove old runs there, or set ORLOOP_HOME to a directory on another disk.",
        )


def require_spare(path: Path, needed: int = _SPARE_BYTES) -> None:
    """Refuse to go on with a run on a disk that is all but full."""
    free = shutil.disk_usage(path).free
    if free < needed:
        raise LauncherError(
            f"Expected {needed // 2**20} MB of free disk under {path}, got {free // 2**20} MB.",
            "free some space there; `orloop up` then goes on where this run stopped.",
        )


def drop_old_runs(root: Path, keep: int = KEPT_RUNS) -> None:
    """Remove all but the newest runs, never one that a launcher holds."""
    runs = sorted(run for run in root.iterdir() if run.name.isdigit())
    for path in runs[: max(0, len(runs) - keep + 1)]:
        lock = _lock(path)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            lock.close()


def _held(run: Run) -> Run:
    run._lock = _lock(run.path)
    if run._lock is None:
        raise LauncherError(
            f"Expected run {run.id} to be free, got one that another launcher holds.", "stop that one first."
        )
    return run


def _lock(path: Path) -> IO[bytes] | None:
    handle = (path / ".lock").open("wb")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def _write(path: Path, content: Any, private: bool = False) -> None:
    partial = path.with_suffix(".new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o644)
    with os.fdopen(descriptor, "w") as handle:
        json.dump(content, handle, indent=1, default=str)
    partial.replace(path)
