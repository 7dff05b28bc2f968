"""What the supervisor looks after: a program that is started, watched, and ended without leftovers."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from .broker import Broker
from .ports import LOOPBACK

CONFIGURATION_ERROR = 2


class Part(Protocol):
    """One supervised program."""

    name: str

    def start(self) -> None: ...

    def exit_code(self) -> int | None:
        """None while it runs."""

    def pid(self) -> int: ...

    def ready(self) -> str | None:
        """None when ready, else what it still waits for."""

    def alive(self) -> bool:
        """Whether it makes progress; asked only once it was ready."""

    def ask_to_stop(self) -> None: ...

    def kill(self) -> None:
        """End it and everything it started, at once, and wait until it is gone."""

    def last_words(self) -> str:
        """The line that says best why it ended."""


@dataclass
class ServicePart:
    """A service as a child process: settings in its environment, its log in a file, our pipe as its stdin."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log_path: Path
    health_port: int
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _log_start: int = field(default=0, init=False)

    def start(self) -> None:
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        log: IO[bytes]
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own: Ctrl-C does not reach it, its children end with it
            )

    def exit_code(self) -> int | None:
        if self._process is None:
            return None
        code = self._process.poll()
        if code is not None:
            self._sweep()
        return code

    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    def ready(self) -> str | None:
        status, body = self._ask("/readyz", 0.5)
        if status == 200:
            return None
        if status is None:
            return "starting"
        with contextlib.suppress(ValueError, AttributeError):
            return "; ".join(f"{key}: {why}" for key, why in json.loads(body)["missing"].items())
        return f"/readyz answers {status}"

    def alive(self) -> bool:
        status, _ = self._ask("/healthz", 2.0)
        return status == 200

    def ask_to_stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
            self._sweep()

    def last_words(self) -> str:
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(self._log_start, self.log_path.stat().st_size - 20_000))
                lines = log.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return "it wrote no log"
        return next((said for line in reversed(lines) if (said := _reason(line))), "it said nothing")

    def _ask(self, page: str, timeout: float) -> tuple[int | None, bytes]:
        connection = http.client.HTTPConnection(LOOPBACK, self.health_port, timeout=timeout)
        try:
            connection.request("GET", page)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return None, b""
        finally:
            connection.close()

    def _sweep(self) -> None:
        """Close our end of the pipe and end what the service itself had started."""
        assert self._process is not None
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


@dataclass
class BrokerPart:
    """The embedded broker as a supervised program."""

    broker: Broker
    name: str = "kafka"
    _answered: bool = field(default=False, init=False)

    def start(self) -> None:
        self._answered = False
        self.broker.start()

    def exit_code(self) -> int | None:
        return self.broker.exit_code

    def pid(self) -> int:
        return self.broker.pid

    def ready(self) -> str | None:
        if not self._answered:
            self._answered = self.broker.answers()
        return None if self._answered else "starting"

    def alive(self) -> bool:
        return True  # Kafka ends itself when it cannot go on

    def ask_to_stop(self) -> None:
        self.broker.ask_to_stop()

    def kill(self) -> None:
        self.broker.end(signal.SIGKILL)

    def last_words(self) -> str:
        return self.broker.last_log_line()


def module_command(module: str) -> list[str]:
    """The command that runs `python -m MODULE` in this interpreter."""
    return [sys.executable, "-m", module]


def _reason(line: str) -> str:
    """What a log line says to a person: JSON logs give their reason, the rest stands as it is."""
    text = line.strip()
    if not text.startswith("{"):
        return text[:400]
    try:
        said = json.loads(text)
    except ValueError:
        return text[:400]
    if said.get("level") in ("debug", "info"):
        return ""
    parts = [str(said[key]) for key in ("event", "error", "reason") if said.get(key)]
    return ": ".join(parts)[:400]
