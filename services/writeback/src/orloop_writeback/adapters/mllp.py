"""MLLP to the hospital: one connection, one message in flight, the answer matched by MSA-2."""

import contextlib
import socket

from orloop_common.runtime import Clock
from orloop_common.runtime.mllp import Frame, MllpDecoder, encode_frame
from orloop_writeback.domain.acknowledgement import (
    Acknowledgement,
    NotAnAcknowledgement,
    read_acknowledgement,
)


class NoAnswer(Exception):
    """The hospital could not be reached or did not answer; the text names no patient."""


class MllpClient:
    """Belongs to one thread."""

    def __init__(self, host: str, port: int, clock: Clock, timeout: float = 10.0) -> None:
        self._address, self._clock, self._timeout = (host, port), clock, timeout
        self._socket: socket.socket | None = None
        self._decoder = MllpDecoder()

    def ask(self, body: bytes, control_id: str) -> Acknowledgement:
        """The acknowledgement of this message; other answers (of an earlier try) are passed over.

        Raises
        ------
        NoAnswer
            If none came in time; the connection is closed, so that the next try opens a new one.
        """
        deadline = self._clock.monotonic() + self._timeout
        try:
            link = self._connected()
            link.sendall(encode_frame(body))
            while True:
                found = self._receive(link, control_id, deadline)
                if found is not None:
                    return found
        except (OSError, NotAnAcknowledgement) as error:
            self.close()
            host, port = self._address
            raise NoAnswer(f"Expected an answer from {host}:{port}, got {type(error).__name__}.") from error

    def close(self) -> None:
        """Let go of the connection."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, self._timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._decoder = MllpDecoder()
        return self._socket

    def _receive(self, link: socket.socket, control_id: str, deadline: float) -> Acknowledgement | None:
        link.settimeout(max(0.05, deadline - self._clock.monotonic()))
        data = link.recv(65536)
        if not data:
            raise ConnectionResetError("the hospital closed the connection")
        if self._clock.monotonic() > deadline:
            raise TimeoutError("the hospital did not answer this message in time")
        for item in self._decoder.feed(data):
            if isinstance(item, Frame):
                answer = read_acknowledgement(item.payload)
                if answer.control_id == control_id:
                    return answer
        return None
