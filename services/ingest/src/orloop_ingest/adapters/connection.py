"""One sender's connection: bytes to frames, acknowledgements in the order of the messages, nothing merged."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.mllp import Fault, Frame, MllpDecoder
from orloop_ingest import metrics
from orloop_ingest.domain.subjects import speaks_for
from orloop_ingest.reception import Arrival

from .slots import Slot

if TYPE_CHECKING:
    from .mllp import MllpDoor

_log = get_logger("mllp")
PIPELINE = 256  # unanswered messages of one connection before it is read no more
SETTLE_SECONDS = 0.5  # silence after which an FS without CR ends its frame
STUCK_SECONDS = 2.0  # silence inside a frame after which a newer connection of the source replaces this one


class Connection(asyncio.Protocol):
    """One sender."""

    def __init__(self, door: "MllpDoor") -> None:
        self._door, self._limits = door, door.limits
        self._decoder = MllpDecoder(limit=door.limits.frame_bytes)
        self._slots: deque[Slot] = deque()
        self._transport: asyncio.Transport | None = None
        self._allowed: Callable[[str], bool] | None = None
        self._paused = self._ended = self._is_touched = self._congested = False
        self.source: str | None = None
        self.heard = door.monotonic()
        self._spoke = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports are no subclasses
        if self._door.closing:
            self.end()
            return
        if len(self._door.open) >= self._limits.connections:
            metrics.REFUSED_CONNECTIONS.inc()
            _log.warning("connection_refused", open=len(self._door.open), hint="raise ORLOOP_CONNECTION_LIMIT")
            self.end()
            return
        self._door.open.add(self)
        metrics.CONNECTIONS.set(len(self._door.open))
        keep_alive(transport.get_extra_info("socket"))
        if self._door.subjects:
            self._allowed = speaks_for(transport.get_extra_info("peercert"), self._door.subjects)

    def connection_lost(self, error: Exception | None) -> None:
        self._door.open.discard(self)
        metrics.CONNECTIONS.set(len(self._door.open))
        if not self._spoke:
            metrics.PROBES.inc()
        ended, self._ended = self._ended, True
        if not ended:
            self._take(self._decoder.close())
        self._forget()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self.heard, self._spoke = self._door.monotonic(), True
        try:
            self._take(self._decoder.feed(data))
        except Exception as error:  # noqa: BLE001 - one sender's bytes must not end the door
            _log.error("connection_failed", exc_info=error)
            metrics.NOT_DURABLE.inc()
            self.end()

    def eof_received(self) -> bool:
        """The sender has said all; it may still listen for what it was not answered yet."""
        if not self._ended:
            self._take(self._decoder.close())
        return bool(self._slots) and self._door.tls is None

    def pause_writing(self) -> None:
        self._congested = True
        self._settle_reading()

    def resume_writing(self) -> None:
        self._congested = False
        self._settle_reading()

    # --- as the intake sees it -----------------------------------------------------------------------------

    def touched(self) -> None:
        if not self._is_touched:
            self._is_touched = True
            self._door.touch(self)

    def say(self, frame: bytes) -> None:
        if not self._ended and self._transport is not None:
            self._transport.write(frame)

    def give_up(self) -> None:
        if not self._ended:
            metrics.NOT_DURABLE.inc()
            _log.warning("not_durable_connection_closed", hint="the sender keeps the message and sends it again")
            self.end()

    # --- as the door sees it ---------------------------------------------------------------------------------

    def flush(self, now: float) -> None:
        """Send what is ready, in the order of the messages; close if that comes too late."""
        self._is_touched = False
        if self._ended or self._transport is None:
            return
        slots, due = self._slots, []
        while slots and slots[0].ready:
            slot = slots.popleft()
            if now > slot.deadline:
                self._late()
                return
            metrics.ACK_SECONDS.observe(now - slot.began)
            due.append(slot.flush())
        if due:
            self._transport.write(b"".join(due))
        if self._paused:
            self._settle_reading()
        if not slots and self._transport.is_closing():
            self.end()

    def sweep(self, now: float) -> None:
        """Mind the time: an answer that is late, a frame that does not end, a line that nobody uses."""
        if self._ended:
            return
        silent = now - self.heard
        if self._slots and now > self._slots[0].deadline:
            self._late()
        elif self._decoder.in_frame and silent >= SETTLE_SECONDS:
            self._take(self._decoder.settle())
            if self._decoder.in_frame and silent >= self._limits.half_frame_seconds:
                self._take(self._decoder.close())
                _log.warning("half_frame_then_silence")
                self.end()
        elif self._limits.idle_seconds and not self._slots and silent >= self._limits.idle_seconds:
            self.end()
        if self._paused:
            self._settle_reading()

    def is_stuck(self, now: float) -> bool:
        """Whether its other end seems gone: silent inside a frame, or not taking what we say."""
        return self._congested or (self._decoder.in_frame and now - self.heard > STUCK_SECONDS)

    def end(self) -> None:
        """Close at once, whatever waits."""
        if not self._ended:
            self._ended = True
            if self._decoder.in_frame:
                self._keep(self._decoder.close())
        self._door.open.discard(self)
        self._forget()
        if self._transport is not None:
            self._transport.abort()

    def _take(self, found: list[Frame | Fault]) -> None:
        door = self._door
        for item in found:
            if isinstance(item, Frame):
                arrival = door.intake.reception.arrive(item, self._allowed)
                if self.source is None and arrival.header.application:
                    self.source = arrival.header.application
                    door.replace(self, self.source)
                self._wait(arrival)
            else:
                self._wait(door.intake.reception.arrive_broken(item))
        self._settle_reading()

    def _keep(self, found: list[Frame | Fault]) -> None:
        """Store what a connection leaves behind when nobody will be answered."""
        for item in found:
            if isinstance(item, Fault):
                arrival = self._door.intake.reception.arrive_broken(item)
                self._door.intake.admit(arrival, Slot(self, arrival, self.heard, self.heard))

    def _wait(self, arrival: Arrival) -> None:
        began = self._door.monotonic()
        slot = Slot(self, arrival, began, began + self._door.patience(arrival.header.application))
        self._slots.append(slot)
        if arrival.repeated:
            metrics.MESSAGES.labels(self._door.intake.reception.label(arrival), "repeated").inc()
            self.touched()
        else:
            self._door.intake.admit(arrival, slot)

    def _late(self) -> None:
        metrics.LATE.inc()
        _log.warning("answer_would_be_late_connection_closed", source=self.source, hint="the sender sends it again")
        self.end()

    def _forget(self) -> None:
        for slot in self._slots:
            if not slot.ready:
                self._door.intake.forget(slot.arrival, slot)
        self._slots.clear()

    def _settle_reading(self) -> None:
        """Read no more while the intake is full, too much is unanswered, or the sender does not read."""
        transport = self._transport
        if transport is None or self._ended or transport.is_closing():
            return
        wait = self._congested or self._door.intake.full or len(self._slots) >= PIPELINE
        if wait != self._paused:
            self._paused = wait
            if wait:
                transport.pause_reading()
            else:
                transport.resume_reading()


def keep_alive(raw: socket.socket | None) -> None:
    """Let the system find out about a sender that is gone: after 30 s of silence, within a minute."""
    if raw is None:
        return
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):  # not on every platform
            raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
