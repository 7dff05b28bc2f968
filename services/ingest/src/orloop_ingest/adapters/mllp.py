"""The MLLP door: one listening socket, its connections, and what a sender may do."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from orloop_common.runtime.clock import Clock
from orloop_common.runtime.logs import get_logger
from orloop_ingest import metrics
from orloop_ingest.intake import Intake

from .connection import Connection

_log = get_logger("mllp")
SWEEP_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a sender may do.

    Parameters
    ----------
    answer_seconds, answer_seconds_by_source
        No acknowledgement is sent later than this after the frame: the sender has given up by then.
    idle_seconds
        Silence between frames after which a connection is closed; 0: never.
    """

    frame_bytes: int
    half_frame_seconds: float = 30.0
    connections: int = 200
    connections_per_source: int = 50
    answer_seconds: float = 10.0
    answer_seconds_by_source: Mapping[str, float] = field(default_factory=dict)
    idle_seconds: float = 0.0


class MllpDoor:
    """Accepts connections on one listening socket."""

    def __init__(
        self,
        clock: Clock,
        limits: Limits,
        *,
        tls: ssl.SSLContext | None = None,
        subjects: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        self.limits, self.monotonic = limits, clock.monotonic
        self.intake: Intake  # known once it serves
        self.tls, self.subjects = tls, subjects or {}
        self.listening = self.closing = False
        self.open: set[Connection] = set()
        self._touched: list[Connection] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, listener: socket.socket, intake: Intake) -> None:
        """Serve until cancelled."""
        self.intake = intake
        listener.setblocking(False)
        self._loop = asyncio.get_running_loop()
        server = await self._loop.create_server(lambda: Connection(self), sock=listener, ssl=self.tls, backlog=256)
        self.listening = True
        _log.info("mllp_listening", port=listener.getsockname()[1], tls=self.tls is not None)
        async with server:
            while True:
                await asyncio.sleep(SWEEP_SECONDS)
                self._sweep()

    def shut(self) -> None:
        """Take nothing more: the process ends."""
        self.closing = True
        for connection in tuple(self.open):
            connection.end()

    def touch(self, connection: Connection) -> None:
        """Flush it once the intake has told all that it has to tell now."""
        if not self._touched and self._loop is not None:
            self._loop.call_soon(self._flush)
        self._touched.append(connection)

    def patience(self, source: str) -> float:
        """How long the source waits for an answer."""
        return self.limits.answer_seconds_by_source.get(source, self.limits.answer_seconds)

    def replace(self, newer: Connection, source: str) -> None:
        """A source spoke on a new connection: close what it left behind half-open, and what is over its limit."""
        others = [c for c in self.open if c.source == source and c is not newer]
        now = self.monotonic()
        stuck = [c for c in others if c.is_stuck(now)]
        over = len(others) - len(stuck) + 1 - self.limits.connections_per_source
        if over > 0:
            stuck += sorted((c for c in others if c not in stuck), key=lambda c: c.heard)[:over]
        for connection in stuck:
            metrics.REPLACED.inc()
            _log.info("connection_replaced", source=source)
            connection.end()

    def _flush(self) -> None:
        touched, self._touched = self._touched, []
        now = self.monotonic()
        for connection in touched:
            connection.flush(now)

    def _sweep(self) -> None:
        now = self.monotonic()
        for connection in tuple(self.open):
            connection.sweep(now)


__all__ = ["Connection", "Limits", "MllpDoor"]
