"""Fixtures of ingest: a site of its own per test, literal messages, and the service as a child process."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from siu_words import CANARIES, make_site, write_siu

from orloop_common.domain.records import CaseRecord
from orloop_common.domain.site import Site
from orloop_common.messages import HL7_RAW, decode
from orloop_common.messages.sitefile import parse_site
from orloop_common.runtime.auth import Role, Tokens
from orloop_common.runtime.clock import SystemClock
from orloop_common.runtime.crypto import generate_key
from orloop_common.runtime.mllp import FaultKind, Frame
from orloop_common.testing import ManualClock
from orloop_ingest.domain.pseudonyms import Pseudonyms
from orloop_ingest.ledger import Ledger
from orloop_ingest.reception import Received, Reception

Say = Callable[..., bytes]


@pytest.fixture
def siu() -> Say:
    """`siu("S14", case="A1", obx=("DTM|INCISION||20260302093000+0000",))`."""
    return write_siu


@pytest.fixture
def site() -> Site:
    """Suite `main`, source `TWIN`, rooms 1 and 3."""
    return parse_site(make_site())


@dataclass
class Mllp:
    """A plain socket that speaks MLLP as a test wants it."""

    port: int
    timeout: float = 15.0
    _socket: socket.socket = field(init=False)
    _rest: bytes = b""

    def __post_init__(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self.port), self.timeout)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def ask(self, message: bytes) -> bytes:
        self.send(b"\x0b" + message + b"\x1c\r")
        return self.answer()

    def answer(self) -> bytes:
        """The next acknowledgement; ConnectionError if the door closed instead."""
        while b"\x1c\r" not in self._rest:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("closed without an answer")
            self._rest += data
        frame, self._rest = self._rest.split(b"\x1c\r", 1)
        return frame.removeprefix(b"\x0b")

    def silent(self, seconds: float = 0.3) -> bool:
        """Whether nothing comes for so long."""
        self._socket.settimeout(seconds)
        try:
            return not self._rest and not self._socket.recv(65536, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(self.timeout)

    def close(self) -> None:
        self._socket.close()


@dataclass
class Ingest:
    """`python -m orloop_ingest` with a suite and a source that no other test uses."""

    bootstrap: str
    folder: Path
    suite: str
    source: str
    more: dict[str, str] = field(default_factory=dict)
    token_secret: str = "t" * 40
    payload_key: str = field(default_factory=generate_key)
    _process: subprocess.Popen[bytes] | None = None
    _sockets: list[Mllp] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mllp_port, self.manual_port, self.health_port = free_ports(3)
        (self.folder / "site.yaml").write_text(make_site(self.suite, self.source))

    @property
    def environment(self) -> dict[str, str]:
        return {
            "ORLOOP_KAFKA": self.bootstrap,
            "ORLOOP_SITE": str(self.folder / "site.yaml"),
            "ORLOOP_HEALTH_PORT": str(self.health_port),
            "ORLOOP_MLLP_PORT": str(self.mllp_port),
            "ORLOOP_MANUAL_PORT": str(self.manual_port),
            "ORLOOP_TOKEN_SECRET": self.token_secret,
            "ORLOOP_IDENTITY_SECRET": "i" * 40,
            "ORLOOP_IDENTITY_DAYS": "0",  # the clock is the system's, and what is told is of March 2026
            "ORLOOP_PAYLOAD_KEY": self.payload_key,
            "ORLOOP_DATA": str(self.folder / "data"),
            **self.more,
        }

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def start(self, wait: bool = True) -> "Ingest":
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "orloop_ingest"],
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
            )
        return self.wait_ready() if wait else self

    def wait_ready(self, seconds: float = 40) -> "Ingest":
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, self.log
            with contextlib.suppress(httpx.HTTPError):
                if self.get("/readyz").status_code == 200:
                    return self
            time.sleep(0.05)
        raise AssertionError(f"ingest did not become ready:\n{self.log}")

    def get(self, page: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.health_port}{page}", timeout=5)

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> int:
        for open_socket in self._sockets:
            open_socket.close()
        if self._process is None or self._process.poll() is not None:
            return self._process.returncode if self._process else 0
        self._process.terminate()
        return self._process.wait(15)

    def connect(self) -> Mllp:
        self._sockets.append(Mllp(self.mllp_port))
        return self._sockets[-1]

    def post(self, path: str, body: Any, role: Role = Role.BOARD_RUNNER, **headers: str) -> httpx.Response:
        token = Tokens(self.token_secret, SystemClock()).mint("anna", role, self.suite)
        url = f"http://127.0.0.1:{self.manual_port}/v1/suites/{self.suite}/{path}"
        return httpx.post(url, json=body, headers={"Authorization": f"Bearer {token}", **headers}, timeout=10)

    def drained(self, seconds: float = 60) -> None:
        """Wait until all that was acknowledged is on the broker: answers go out as soon as the journal has it."""
        deadline = time.monotonic() + seconds
        while self._process is not None and self._process.poll() is None:
            assert time.monotonic() < deadline, f"what was acknowledged is not on the broker:\n{self.log}"
            with contextlib.suppress(httpx.HTTPError):
                if "orloop_ingest_journal_waiting 0.0" in self.get("/metrics").text:
                    return
            time.sleep(0.02)

    def records(self, topic: str) -> list[Any]:
        """Payloads about this suite on a topic, in order."""
        return [message for _, message in self.keyed(topic)]

    def read(self, topic: str) -> Iterator[tuple[dict[str, str], str, bytes]]:
        return read_topic(self.bootstrap, topic)

    def keyed(self, topic: str) -> list[tuple[str, Any]]:
        self.drained()
        found = []
        for headers, key, value in read_topic(self.bootstrap, topic):
            if headers.get("ce_subject") == self.suite:
                found.append((key, decode(headers["ce_type"], headers["ce_dataschema"], value)))
        return found


def read_topic(bootstrap: str, topic: str) -> Iterator[tuple[dict[str, str], str, bytes]]:
    """Every record that a topic's only partition held when this began; ticks may go on meanwhile."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.partition.eof": True})
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), 20)
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        while end and (message := consumer.poll(20)) is not None:
            if (error := message.error()) is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                return
            headers = {k: v.decode() if isinstance(v, bytes) else str(v) for k, v in message.headers() or []}
            value, key = message.value(), message.key()
            assert isinstance(value, bytes)
            yield headers, key.decode() if isinstance(key, bytes) else str(key), value
            if (message.offset() or 0) >= end - 1:
                return
    finally:
        consumer.close()


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


_numbers = itertools.count(1)


def apply_topics(bootstrap: str) -> None:
    from orloop_cli.topics import Cluster, declared

    Cluster(bootstrap).apply(declared())


@pytest.fixture
def make_ingest(broker: Any, tmp_path: Path) -> Iterator[Callable[..., Ingest]]:
    """`make_ingest()` starts one and waits until it is ready; all end with the test."""
    apply_topics(broker.bootstrap)
    made: list[Ingest] = []

    def make(bootstrap: str | None = None, start: bool = True, **more: str) -> Ingest:
        number = next(_numbers)
        folder = tmp_path / f"ingest{number}"
        folder.mkdir()
        ours = Ingest(bootstrap or broker.bootstrap, folder, f"s{os.getpid()}x{number}", f"SRC{number}", more)
        made.append(ours)
        return ours.start() if start else ours

    yield make
    for ours in made:
        ours.stop()


@pytest.fixture
def canaries() -> tuple[str, ...]:
    """Words of the test's patient that must appear nowhere in clear."""
    return CANARIES


@pytest.fixture
def corpora() -> list[dict[str, Any]]:
    """HL7 messages of other projects; they are not part of this one."""
    folder = os.environ.get("ORLOOP_SHARED")
    roots = [Path(folder)] if folder else [Path(__file__).resolve().parents[3].parent / "shared"]
    files = [path for root in roots for path in sorted((root / "data" / "hl7").glob("*.jsonl"))]
    if not files:
        pytest.skip("no HL7 corpora: put the shared data beside the checkout, or name it in ORLOOP_SHARED")
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


@dataclass
class Desk:
    """The reception without broker or socket: what is told is folded at once, as after the broker's word."""

    site: Site
    clock: ManualClock
    ledger: Ledger
    reception: Reception
    raws: list[Any] = field(default_factory=list)

    def tell(self, body: bytes, *faults: FaultKind) -> Received:
        received = self.reception.receive(Frame(body, faults))
        for event in received.events:
            self.ledger.fold(event)
        for record in received.records:
            self.ledger.fold_record(record)
        self.reception.settled(received)
        self.raws += [output.message for output in received.first if output.topic == HL7_RAW]
        return received

    def case(self, sender_case: str = "A100") -> CaseRecord:
        return self.ledger.day("main").cases[PSEUDONYMS.case_uid("TWIN", sender_case)]


PSEUDONYMS = Pseudonyms(b"s" * 32)


@pytest.fixture
def desk(site: Site) -> Desk:
    """Noon of 2 March 2026; `desk.tell(siu())` reads a message and folds what it says."""
    clock, ledger = ManualClock(datetime(2026, 3, 2, 12, tzinfo=UTC)), Ledger(site, ["main"])
    return Desk(site, clock, ledger, Reception(site, ledger, PSEUDONYMS, lambda body: b"sealed", clock))
