"""Kafka's jars: fetched by the committed lock, each checked by size and SHA-256."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .errors import LauncherError
from .paths import DATA, cache_dir, locked

LOCK = DATA / "kafka-jars.lock"
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock: `group:artifact:version sha256:HEX BYTES`."""

    group: str
    artifact: str
    version: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    def path_in(self, repository: Path) -> Path:
        return repository.joinpath(*self.group.split("."), self.artifact, self.version, self.name)

    def is_whole(self, path: Path) -> bool:
        """Say whether `path` holds this very jar."""
        try:
            if path.stat().st_size != self.size:
                return False
            return hashlib.sha256(path.read_bytes()).hexdigest() == self.sha256
        except FileNotFoundError:
            return False


def read_lock(path: Path = LOCK) -> list[Jar]:
    """Read a jar lock.

    Raises
    ------
    LauncherError
        If a line is not of the lock's form.
    """
    jars = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            coordinate, digest, size = line.split()
            group, artifact, version = coordinate.split(":")
            jars.append(Jar(group, artifact, version, digest.removeprefix("sha256:"), int(size)))
        except ValueError as error:
            raise LauncherError(
                f"Expected 'group:artifact:version sha256:HEX BYTES' in {path.name} line {number}, got {line!r}.",
                "the file was edited by hand: restore it with `git checkout`.",
            ) from error
    return jars


def fetch(lock: Path = LOCK, repository: Path | None = None, threads: int = 8) -> list[Path]:
    """Return the paths of all jars of `lock`, sorted; those missing or torn are fetched again.

    Raises
    ------
    LauncherError
        If a jar could not be had whole.
    """
    jars = read_lock(lock)
    repository = repository or cache_dir() / "jars"
    repository.mkdir(parents=True, exist_ok=True)
    with locked(repository / ".lock"), ThreadPoolExecutor(threads) as pool:
        return sorted(pool.map(lambda jar: _have(jar, repository), jars))


def _have(jar: Jar, repository: Path) -> Path:
    path = jar.path_in(repository)
    reason = ""
    for _ in range(_TRIES):
        if jar.is_whole(path):
            return path
        if path.exists():
            reason = f"a torn file of {path.stat().st_size} bytes instead of {jar.size}"
            path.unlink()
        try:
            _download(jar, repository)
        except (OSError, RuntimeError, ValueError) as error:  # what its HTTP library raises is an OSError
            reason = f"{type(error).__name__}: {str(error)[:200]}"
    if jar.is_whole(path):
        return path
    path.unlink(missing_ok=True)
    raise LauncherError(
        f"Expected {jar.group}:{jar.artifact}:{jar.version} with SHA-256 {jar.sha256[:12]}..., got {reason}.",
        "there is no way to the Maven repository from here: try again later, copy the jars of another "
        f"machine into {repository}, or point ORLOOP_KAFKA at a Kafka that is already running.",
    )


def _download(jar: Jar, repository: Path) -> None:
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=repository, timeout=60)
    context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()


def class_path(jars: list[Path]) -> str:
    """Return the class path as one fixed, sorted list: the class-data archive matches no other."""
    return os.pathsep.join(str(jar) for jar in sorted(jars))
