"""MLLP to the hospital, with TLS where it wants it: one connection, one message in flight, matched by MSA-2."""

import contextlib
import socket
import ssl

from orloop_common.runtime import Clock
from orloop_common.runtime.mllp import Frame, MllpDecoder, encode_frame
from orloop_writeback.domain.acknowledgement import (
    Acknowledgement,
    NotAnAcknowledgement,
    commit_of,
    read_acknowledgement,
)
from orloop_writeback.domain.message import Reply

from .courier import NoAnswer


class MllpClient:
    """Belongs to one thread.

    Parameters
    ----------
    enhanced
        Whether our messages ask for a commit and for an application acknowledgement: then CA is not the last word,
        but counts as one if the application says nothing more in time; its acknowledgement is committed in turn.
    """

    def __init__(
        self,
        host: str,
        port: int,
        clock: Clock,
        timeout: float = 10.0,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        enhanced: bool = False,
    ) -> None:
        self._address, self._clock, self._timeout = (host, port), clock, timeout
        self._tls, self._server_name, self._enhanced = tls, server_name or host, enhanced
        self._socket: socket.socket | None = None
        self._decoder = MllpDecoder()

    def ask(self, body: bytes, control_id: str) -> Reply:
        """The acknowledgement of this message; other answers (of an earlier try) are passed over.

        Raises
        ------
        NoAnswer
            If none came in time; the connection is closed, so that the next try opens a new one.
        """
        deadline = self._clock.monotonic() + self._timeout
        committed: Acknowledgement | None = None
        try:
            link = self._connected()
            link.sendall(encode_frame(body))
            while True:
                for found in self._receive(link, deadline):
                    if found.control_id != control_id:
                        continue
                    self._commit(link, found)
                    if not (self._enhanced and found.code == "CA"):
                        return Reply(found.accepted, found.code, found.text)
                    committed = found
        except (OSError, NotAnAcknowledgement) as error:
            self.close()
            if committed is not None:  # it is in safe hands; the echo says what came of it
                return Reply(True, committed.code, committed.text)
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
            plain = socket.create_connection(self._address, self._timeout)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self._tls is None:
                self._socket = plain
            else:
                try:
                    self._socket = self._tls.wrap_socket(plain, server_hostname=self._server_name)
                except OSError:
                    plain.close()
                    raise
            self._decoder = MllpDecoder()
        return self._socket

    def _receive(self, link: socket.socket, deadline: float) -> list[Acknowledgement]:
        link.settimeout(max(0.05, deadline - self._clock.monotonic()))
        data = link.recv(65536)
        if not data:
            raise ConnectionResetError("the hospital closed the connection")
        if self._clock.monotonic() > deadline:
            raise TimeoutError("the hospital did not answer this message in time")
        return [read_acknowledgement(item.payload) for item in self._decoder.feed(data) if isinstance(item, Frame)]

    def _commit(self, link: socket.socket, answer: Acknowledgement) -> None:
        """In enhanced mode an application's acknowledgement is a message that wants its own commit."""
        if answer.wants_commit:
            link.sendall(encode_frame(commit_of(answer)))
