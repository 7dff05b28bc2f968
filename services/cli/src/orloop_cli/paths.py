"""Where the launcher keeps what outlives a run: the cache of jars, class data and a borrowed Java."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import LauncherError

DATA = Path(__file__).parent / "data"


def cache_dir() -> Path:
    """Return the launcher's cache, `ORLOOP_CACHE` or `~/.cache/orloop`, made if missing."""
    root = Path(os.environ.get("ORLOOP_CACHE") or Path.home() / ".cache" / "orloop")
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LauncherError(
            f"Expected to write the cache at {root}, got: {error.strerror}.",
            "set ORLOOP_CACHE to a directory that you may write to.",
        ) from error
    return root


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path` between processes while the block runs."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
