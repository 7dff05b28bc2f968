"""A real single-node Apache Kafka as a child process that cannot outlive the launcher."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO

from . import classdata, jars
from .errors import LauncherError
from .java import Java, find_java
from .paths import DATA
from .ports import LOOPBACK, free_port, is_free

_GUARD = Path(__file__).with_name("guard.py")


@dataclass(frozen=True, slots=True)
class Kafka:
    """How to run Kafka's programs here: a Java, the class path, and flags that speed it up."""

    java: Java
    class_path: str
    flags: tuple[str, ...] = ()

    def command(self, *program: str) -> list[str]:
        settings = f"-Dlog4j2.configurationFile={DATA / 'log4j2.properties'}"
        return [
            str(self.java.path),
            *classdata.FLAGS,
            *self.flags,
            settings,
            "-cp",
            self.class_path,
            *program,
        ]


@lru_cache(maxsize=1)
def installed_kafka() -> Kafka:
    """Return this machine's Kafka: Java found or borrowed, jars fetched and checked, class data archived."""
    java = find_java()
    path = jars.class_path(jars.fetch())
    archive = classdata.ensure_archive(java, path)
    return Kafka(java, path, tuple(java.archive_flags(archive) if archive else java.quiet_flags))


@dataclass
class Broker:
    """One Kafka node with its data in `data_dir`, on loopback.

    Formats the directory on first start. After `kill` or `stop`, `start` brings it back on the same data
    and port. It dies with the process that started it, however that one ends.

    Parameters
    ----------
    data_dir
        Holds Kafka's data, its properties, its log and its ports; must be private to this broker.
    port
        Where clients connect; by default the port of the last run in `data_dir`, else any free one.
    kafka, format_with
        How to run Kafka and its formatter; by default as `installed_kafka` says.
    """

    data_dir: Path
    port: int | None = None
    kafka: Kafka | None = None
    format_with: Kafka | None = None
    _guard: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _log: IO[bytes] | None = field(default=None, init=False)
    _controller_port: int = field(default=0, init=False)

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients; known once started."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def log_path(self) -> Path:
        return self.data_dir / "broker.log"

    @property
    def pid(self) -> int:
        """The Java process's id.

        Raises
        ------
        LauncherError
            If the broker is not running.
        """
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.running:
            with contextlib.suppress(FileNotFoundError, ValueError):
                return int(self._pid_file.read_text())
            time.sleep(0.01)
        raise LauncherError("Expected a running broker, got none.", "it was stopped, or never started.")

    @property
    def running(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    @property
    def exit_code(self) -> int | None:
        return None if self._guard is None else self._guard.poll()

    @property
    def _pid_file(self) -> Path:
        return self.data_dir / "broker.pid"

    def start(self) -> Broker:
        """Start the broker, formatting its directory the first time; does not wait until it answers."""
        if self.running:
            return self
        self._wait(1)
        kafka = self.kafka = self.kafka or installed_kafka()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self._held() as lock:
            self._start(kafka, lock)
        return self

    @contextlib.contextmanager
    def _held(self, timeout: float = 5) -> Iterator[int]:
        """Lock the directory and yield the lock, for the guard to keep until the broker is gone."""
        deadline = time.monotonic() + timeout
        with (self.data_dir / ".lock").open("w") as handle:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise LauncherError(
                            f"Expected {self.data_dir} to be free, got a lock that another broker holds.",
                            "another launcher plays this run: stop it first.",
                        ) from None
                time.sleep(0.05)
            yield handle.fileno()

    def _start(self, kafka: Kafka, lock: int) -> None:
        self._choose_ports()
        properties = self._write_properties()
        if not (self.data_dir / "kafka" / "meta.properties").exists():
            self._format(self.format_with or kafka, properties)
        self._pid_file.unlink(missing_ok=True)
        self._log = self.log_path.open("ab")
        guarded = [sys.executable, "-I", "-S", str(_GUARD), "--pid-file", str(self._pid_file)]
        self._guard = subprocess.Popen(
            [*guarded, *kafka.command("kafka.Kafka", str(properties))],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the launcher alone, which stops the broker last
            pass_fds=[lock],
        )

    def answers(self, timeout: float = 0.5) -> bool:
        """Say whether the broker answers a client's question now."""
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        if not self.running or not self._port_open():
            return False
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        try:
            return bool(admin.list_topics(timeout=timeout).brokers)
        except KafkaException:
            return False

    def wait_ready(self, timeout: float = 60) -> Broker:
        """Wait until the broker answers a client's question.

        Raises
        ------
        LauncherError
            If it ends, or does not answer in time; with the last line of its log.
        """
        deadline = time.monotonic() + timeout
        while not self.answers():
            self._check_alive(deadline, timeout)
            time.sleep(0.02)
        return self

    def warm_up(self, timeout: float = 30) -> None:
        """Make the topic of consumer offsets now, so that the first service does not wait for it.

        The mesh uses no transactions, so their topic is not made.
        """
        from confluent_kafka import Consumer, KafkaException, TopicPartition

        # A consumer's question, not the admin client's: that one (2.16) crashes in C while the
        # coordinator still loads.
        settings = {"bootstrap.servers": self.bootstrap, "group.id": "orloop.warm-up", "log_level": 0}
        consumer = Consumer(settings)
        deadline = time.monotonic() + timeout
        while True:
            try:
                consumer.committed([TopicPartition("orloop.warm-up", 0)], timeout=2)
                break
            except KafkaException:
                self._check_alive(deadline, timeout)
                time.sleep(0.02)
        consumer.close()

    def kill(self) -> None:
        """SIGKILL the Java process and wait until it is gone."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._wait(10)

    def ask_to_stop(self) -> None:
        """SIGTERM, without waiting."""
        if self.running and self._guard is not None:
            self._guard.terminate()

    def stop(self, timeout: float = 20) -> None:
        """SIGTERM: a clean shutdown; SIGKILL if it takes longer than `timeout` seconds."""
        self.end(signal.SIGTERM, timeout)

    def end(self, how: signal.Signals, timeout: float = 20) -> None:
        """End the broker by signal `how`, and by SIGKILL when that is not enough."""
        if self.running and self._guard is not None:
            if how == signal.SIGTERM:
                self._guard.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._guard.wait(timeout)
            if self._guard.stdin is not None:
                self._guard.stdin.close()  # the guard kills at the end of the pipe
        self._wait(10)

    def _wait(self, timeout: float) -> None:
        if self._guard is not None:
            self._guard.wait(timeout)
            if self._guard.stdin is not None:
                self._guard.stdin.close()
        if self._log is not None:
            self._log.close()

    def _port_open(self) -> bool:
        import socket

        try:
            socket.create_connection((LOOPBACK, self.port or 0), 0.2).close()
        except OSError:
            return False
        return True

    def _check_alive(self, deadline: float, timeout: float) -> None:
        if not self.running:
            self._wait(1)
            raise LauncherError(
                f"Expected Kafka to start on port {self.port}, got exit code {self.exit_code}: {self.last_log_line()}",
                f"its log says more: {self.log_path}",
            )
        if time.monotonic() > deadline:
            raise LauncherError(
                f"Expected Kafka to answer on port {self.port} within {timeout:.0f} s, got silence: "
                f"{self.last_log_line()}",
                f"the machine is very busy; its log is {self.log_path}",
            )

    def last_log_line(self) -> str:
        """Return the line of the broker's log that says best why it stopped."""
        try:
            lines = [line for line in self.log_path.read_text(errors="replace").splitlines() if line.strip()]
        except FileNotFoundError:
            return "it wrote no log"
        telling = [line for line in lines if "No space left" in line or "lock" in line.lower() or "ERROR" in line]
        return (telling or lines or ["its log is empty"])[-1][:300]

    def _choose_ports(self) -> None:
        remembered = self.data_dir / "ports.json"
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
            last = json.loads(remembered.read_text())
            self._controller_port = self._controller_port or last["controller"]
            if self.port is None and is_free(last["client"]):
                self.port = last["client"]
        self.port = self.port or free_port()
        if not self._controller_port or not is_free(self._controller_port):
            self._controller_port = free_port()
        remembered.write_text(json.dumps({"client": self.port, "controller": self._controller_port}))

    def _write_properties(self) -> Path:
        template = (DATA / "server.properties.tmpl").read_text()
        for name, value in {
            "PORT": self.port,
            "CPORT": self._controller_port,
            "DATA": self.data_dir.resolve() / "kafka",
        }.items():
            template = template.replace(f"@{name}@", str(value))
        path = self.data_dir / "server.properties"
        path.write_text(template)
        return path

    def _format(self, kafka: Kafka, properties: Path) -> None:
        identity = "A" + base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")[1:]
        done = subprocess.run(
            kafka.command("kafka.tools.StorageTool", "format", "--standalone", "-t", identity, "-c", str(properties)),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )
        if done.returncode:
            said = (done.stderr + done.stdout).strip().splitlines() or ["nothing"]
            telling = [line for line in said if "No space" in line or "Exception" in line or "error" in line.lower()]
            raise LauncherError(
                f"Expected Kafka to format {self.data_dir}, got: {(telling or said)[0][:300]}",
                "the disk is full or the directory is not yours to write: free some space there.",
            )
