"""FHIR programs that we did not write, for tests: Medplum's router as a server, HAPI's validator as a judge."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest

from orloop_cli.errors import LauncherError
from orloop_cli.jars import class_path, fetch
from orloop_cli.ports import free_port

PEERS = Path(__file__).resolve().parents[1] / "peers"


def missing(why: str) -> None:
    """Skip in sight of everybody; in CI it is a failure."""
    assert os.environ.get("CI") != "true", why
    pytest.skip(why)


def medplum_home() -> Path:
    """The folder with the locked packages, installed once into the cache."""
    npm, source = shutil.which("npm"), PEERS / "fhir"
    if npm is None or shutil.which("node") is None:
        missing("no node and npm here (Debian: apt install nodejs npm)")
    if given := os.environ.get("ORLOOP_TEST_MEDPLUM"):
        return Path(given)
    lock = (source / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "orloop"
    home = cache / f"fhir-peers-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (home / "node_modules" / "@medplum" / "fhir-router").is_dir():
        home.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, home / name)
        command = [str(npm), "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        if subprocess.run(command, cwd=home, capture_output=True, timeout=120, check=False).returncode:
            missing("npm could not fetch Medplum's router: is a registry reachable?")
    return home


class Medplum:
    """Medplum's router with its memory repository, in a process of its own."""

    def __init__(self, home: Path) -> None:
        self.port, self._ready = free_port(), threading.Event()
        command = ["node", str(PEERS / "FhirReceiver.mjs"), str(home), str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        deadline = time.monotonic() + 60
        while not self._ready.wait(0.1):
            assert self._process.poll() is None, "Medplum ended at once"
            assert time.monotonic() < deadline, "Medplum did not start"
        self.base = f"http://127.0.0.1:{self.port}/r4"
        self.client = httpx.Client(base_url=self.base, trust_env=False)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError), self._process.stdout as lines:
            for line in lines:
                if line.strip() == "ready":
                    self._ready.set()

    def create(self, resource: dict[str, object]) -> str:
        """The id that the server gave it."""
        answer = self.client.post(f"/{resource['resourceType']}", json=resource)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def update(self, kind: str, id: str, resource: dict[str, object]) -> None:
        answer = self.client.put(f"/{kind}/{id}", json=resource | {"id": id})
        assert answer.is_success, answer.text

    def close(self) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait(10)


def validate(resources: Iterable[dict[str, Any]]) -> list[list[str]]:
    """What HAPI's FHIR validator (R4, offline) says against each resource; empty: nothing.

    Fetches 145 MB of jars once, by tests/peers/fhir/validator-jars.lock. About 10 s of CPU to begin with.
    """
    if shutil.which("javac") is None:
        missing("no JDK here (Debian: apt install default-jdk-headless)")
    try:
        jars = fetch(PEERS / "fhir" / "validator-jars.lock")
    except LauncherError as error:
        missing(f"HAPI's validator could not be fetched: {error}")
    lines = "".join(json.dumps(resource, ensure_ascii=True) + "\n" for resource in resources)
    command = ["java", "-cp", class_path(jars), str(PEERS / "fhir" / "FhirValidatorPeer.java")]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=550, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]
