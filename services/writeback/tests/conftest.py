"""A hospital on a raw socket that does what a test tells it, and a suite to write back for."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from orloop_common.runtime.mllp import Frame, MllpDecoder, encode_frame

Script = Callable[[int, bytes], bytes | None]


@dataclass
class FakeHospital:
    """Takes MLLP frames on loopback. `script(number, payload)` answers; None closes without a word."""

    script: Script
    received: list[bytes] = field(default_factory=list)
    connections: int = 0
    tls: ssl.SSLContext | None = None
    _listener: socket.socket = field(init=False)
    _links: list[socket.socket] = field(default_factory=list)
    _closed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def push(self, payload: bytes) -> None:
        """Say something unasked on the newest connection."""
        self._links[-1].sendall(encode_frame(payload))

    def close(self) -> None:
        self._closed.set()
        for link in (self._listener, *self._links):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept or recv
            link.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            if self.tls is not None:
                try:
                    link = self.tls.wrap_socket(link, server_side=True)
                except OSError:
                    link.close()
                    continue
            self.connections += 1
            self._links.append(link)
            threading.Thread(target=self._talk, args=(link,), daemon=True).start()

    def _talk(self, link: socket.socket) -> None:
        decoder = MllpDecoder()
        with link:
            while True:
                try:
                    data = link.recv(65536)
                    for item in decoder.feed(data):
                        assert isinstance(item, Frame)
                        self.received.append(item.payload)
                        answer = self.script(len(self.received), item.payload)
                        if answer is None:
                            return
                        if answer:
                            link.sendall(encode_frame(answer))
                except OSError:
                    return
                if not data:
                    return


def control_of(payload: bytes) -> str:
    return payload.decode().split("\r")[0].split("|")[9]


def ack(payload: bytes, code: str = "AA", text: str = "") -> bytes:
    error = f"ERR|||207^Application internal error^HL70357|E||||{text}\r" if text else ""
    header = "MSH|^~\\&|TWIN|DEMO|ORLOOP|ORLOOP|20260302||ACK^S13^ACK|A1|P|2.5.1\r"
    return f"{header}MSA|{code}|{control_of(payload)}\r{error}".encode()


@pytest.fixture
def hospital() -> Iterator[Callable[[Script], FakeHospital]]:
    """`hospital(script)` starts one; without a script it accepts everything."""
    started: list[FakeHospital] = []

    def start(script: Script = lambda _, payload: ack(payload), tls: ssl.SSLContext | None = None) -> FakeHospital:
        started.append(FakeHospital(script, tls=tls))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def acknowledge() -> Callable[..., bytes]:
    """`acknowledge(payload, "AE", "text")` makes the hospital's answer."""
    return ack
