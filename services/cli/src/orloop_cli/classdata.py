"""The class-data archive: made once in the launcher's cache, it halves the broker's start."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import subprocess
import tempfile
from pathlib import Path

from .java import Java
from .paths import cache_dir, locked

FLAGS = ("-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def archive_path(java: Java, class_path: str) -> Path:
    """Return where the archive of this Java and this class path lies, made or not."""
    digest = hashlib.sha256(f"{java.path}\n{java.full}\n{class_path}\n{FLAGS}".encode()).hexdigest()[:16]
    return cache_dir() / f"kafka-{digest}.jsa"


def ensure_archive(java: Java, class_path: str) -> Path | None:
    """Return the archive, recording it with a short-lived broker on first use; None if it cannot be made."""
    archive = archive_path(java, class_path)
    with locked(archive.with_suffix(".lock")):
        if not archive.exists():
            with contextlib.suppress(OSError, subprocess.SubprocessError, RuntimeError):
                _record(java, class_path, archive)
    return archive if archive.exists() else None


def _record(java: Java, class_path: str, archive: Path) -> None:
    from .broker import Broker, Kafka

    partial = archive.with_suffix(".partial")
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix="recording-") as scratch:
        kafka = Kafka(java, class_path, tuple(java.archiving_flags(partial)))
        plain = Kafka(java, class_path, tuple(java.quiet_flags))
        broker = Broker(Path(scratch), kafka=kafka, format_with=plain)
        try:
            broker.start()
            broker.wait_ready(90)
            broker.warm_up()
            broker.stop(60)  # writing the archive takes a few seconds
        finally:
            broker.end(signal.SIGKILL)
    if partial.exists():
        partial.replace(archive)
