"""The servers under measurement: each in a process of its own on one core, loaded by the same generator."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from orloop_cli.jars import class_path, fetch
from orloop_cli.ports import free_port

from .stand import cpu_of

PEERS = Path(__file__).parents[2] / "peers"
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Server:
    """Something that listens for MLLP, and whose CPU we read."""

    name: str
    port: int
    process: psutil.Process


def loaded(server: Server, rest: int | None, **settings: Any) -> Result:
    """Load a server once (see `load`); what came, with the CPU seconds that the server used for it.

    Parameters
    ----------
    rest
        The core of the generator.
    """
    command = [sys.executable, "-m", "ingest_proof.load", "--port", str(server.port)]
    for name, value in settings.items():
        command += [f"--{name}", str(value)]
    with generator(command, rest) as load:
        assert load.stdin is not None
        assert load.stdout is not None
        first = load.stdout.readline()
        assert first == "ready\n", f"Expected the generator to be ready, got {first!r}"
        before = cpu_of(server.process)
        load.stdin.write("go\n")
        load.stdin.flush()
        told = load.stdout.readline()
        if not told:
            raise RuntimeError(f"Expected {server.name} to answer each message, got:\n{load.communicate()[1]}")
        found: Result = json.loads(told)
        found["server_cpu_seconds"] = cpu_of(server.process) - before
    return found


@contextmanager
def generator(command: list[str], core: int | None) -> Iterator["subprocess.Popen[str]"]:
    """A child that ends with its block; it finds this package wherever the parent did."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        if core is not None:
            psutil.Process(child.pid).cpu_affinity([core])
        yield child
    finally:
        child.kill()
        child.communicate()


@contextmanager
def hapi(core: int | None) -> Iterator[Server]:
    """HAPI 2.6: PipeParser into its generic model (the fastest it has), no validation, a pool of threads."""
    port = free_port()
    java = ["java", "-cp", class_path(fetch(PEERS / "hapi-jars.lock")), str(PEERS / "HapiServer.java")]
    with _listening("HAPI 2.6", [*java, str(port), "generic"], port, core) as server:
        yield server


@contextmanager
def pyhl7(core: int | None) -> Iterator[Server]:
    """python-hl7's asyncio server: parse and acknowledge."""
    port = free_port()
    command = [sys.executable, str(PEERS / "pyhl7_server.py"), str(port)]
    with _listening("python-hl7 0.4.5", command, port, core) as server:
        yield server


def why_no_hapi() -> str | None:
    """What is missing for HAPI, if anything."""
    return None if shutil.which("javac") else "no JDK here (Debian: apt install default-jdk-headless)"


def why_no_pyhl7() -> str | None:
    """What is missing for python-hl7, if anything."""
    return None if find_spec("hl7") else "the package hl7 is not installed"


def warm(server: Server, rest: int | None, seconds: float, **settings: Any) -> None:
    """Load it until its compiler has had its time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        loaded(server, rest, **settings)


@contextmanager
def _listening(name: str, command: list[str], port: int, core: int | None) -> Iterator[Server]:
    pin = (
        [] if core is None or not shutil.which("taskset") else ["taskset", "-c", str(core)]
    )  # from its first thread on
    with subprocess.Popen([*pin, *command], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            first = child.stdout.readline()
            assert first == "ready\n", f"Expected {name} to say ready, got {first!r}"
            yield Server(name, port, psutil.Process(child.pid))
        finally:
            child.kill()
