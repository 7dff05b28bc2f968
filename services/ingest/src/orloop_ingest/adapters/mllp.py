"""The MLLP door: frames in, in order and pipelined; an acknowledgement only for what the broker has."""

import asyncio
import socket
from dataclasses import dataclass
from datetime import datetime

from orloop_common.domain.derived import DeadLetter
from orloop_common.domain.digest import derived_id
from orloop_common.messages import HL7_RAW
from orloop_common.runtime.clock import Clock
from orloop_common.runtime.errors import FatalError, NotDurable
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.mllp import Fault, Frame, MllpDecoder, encode_frame
from orloop_common.runtime.outbox import Delivered
from orloop_common.runtime.records import Output
from orloop_common.runtime.service import fail
from orloop_ingest import metrics
from orloop_ingest.reception import Received, Reception

from .writer import DurableWriter

_log = get_logger("mllp")
_PIPELINE = 64
_SETTLE_SECONDS = 0.5

Written = asyncio.Task[list[Delivered]]


@dataclass(frozen=True, slots=True)
class _InFlight:
    received: Received
    began: float
    first: Written
    then: Written | None = None


class MllpDoor:
    """Accepts connections on one listening socket."""

    def __init__(
        self, reception: Reception, writer: DurableWriter, clock: Clock, *, limit: int, half_frame_seconds: float
    ) -> None:
        self.reception, self.writer, self.clock = reception, writer, clock
        self.limit, self.half_frame_seconds = limit, half_frame_seconds
        self.listening = False

    async def serve(self, listener: socket.socket) -> None:
        """Serve until cancelled."""
        listener.setblocking(False)
        server = await asyncio.start_server(self._connected, sock=listener)
        self.listening = True
        _log.info("mllp_listening", port=listener.getsockname()[1])
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        metrics.CONNECTIONS.inc()
        try:
            await _Connection(self, reader, writer).run()
        except* FatalError as group:
            fail(group.exceptions[0])
        finally:
            metrics.CONNECTIONS.dec()
            writer.close()


class _Connection:
    """One sender: read, map and send raw; then events; then acknowledge. Each stage keeps the order."""

    def __init__(self, door: MllpDoor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._door, self._reader, self._writer = door, reader, writer
        self._decoder = MllpDecoder(limit=door.limit)
        self._raws: asyncio.Queue[_InFlight | None] = asyncio.Queue(_PIPELINE)
        self._events: asyncio.Queue[_InFlight | None] = asyncio.Queue(_PIPELINE)
        self._broken = False  # read no more
        self._failed = False  # acknowledge no more

    async def run(self) -> None:
        """Until the sender closes, falls silent in a frame, or the broker does not confirm."""
        async with asyncio.TaskGroup() as stages:
            stages.create_task(self._send_events())
            stages.create_task(self._acknowledge())
            await self._read()
            await self._raws.put(None)

    async def _read(self) -> None:
        silent = 0.0
        while not self._broken:
            wait = _SETTLE_SECONDS if self._decoder.in_frame else None
            try:
                data = await asyncio.wait_for(self._reader.read(65536), wait)
            except TimeoutError:
                silent += _SETTLE_SECONDS
                await self._take(self._decoder.settle())
                if self._decoder.in_frame and silent >= self._door.half_frame_seconds:
                    await self._take(self._decoder.close())
                    _log.warning("half_frame_then_silence")
                    return
                continue
            except ConnectionError:
                data = b""
            silent = 0.0
            if not data:
                await self._take(self._decoder.close())
                return
            await self._take(self._decoder.feed(data))

    async def _take(self, found: list[Frame | Fault]) -> None:
        for item in found:
            if self._broken:
                return
            began = self._door.clock.monotonic()
            reception = self._door.reception
            received = reception.receive(item) if isinstance(item, Frame) else reception.refuse(item)
            await self._raws.put(_InFlight(received, began, self._door.writer.write(received.first)))

    async def _send_events(self) -> None:
        while (item := await self._raws.get()) is not None:
            try:
                places = await item.first
            except NotDurable:
                self._give_up(item)
                continue
            if self._failed:
                self._give_up(item)
                continue
            outputs = item.received.then
            if item.received.problem is not None and places:
                outputs = (*outputs, _pointer(item.received, places[0], self._door.clock.now()))
            written = self._door.writer.write(outputs) if outputs else None
            await self._events.put(_InFlight(item.received, item.began, item.first, written))
        await self._events.put(None)

    async def _acknowledge(self) -> None:
        while (item := await self._events.get()) is not None:
            try:
                if item.then is not None:
                    await item.then
            except NotDurable:
                self._give_up(item)
                continue
            self._door.reception.settled(item.received)
            if self._failed:
                continue  # durable, but what came before it was not: the sender must not think it all arrived
            await self._answer(item)

    async def _answer(self, item: _InFlight) -> None:
        try:
            for answer in item.received.answers:
                self._writer.write(encode_frame(answer))
            await self._writer.drain()
        except (ConnectionError, OSError):
            self._broken = True  # it is stored; the sender will ask again and get the same answer
            return
        metrics.ACK_SECONDS.observe(self._door.clock.monotonic() - item.began)

    def _give_up(self, item: _InFlight) -> None:
        """No acknowledgement from here on: close, so that the sender keeps its messages."""
        self._door.reception.failed(item.received)
        if not self._failed:
            self._failed = self._broken = True
            metrics.NOT_DURABLE.inc()
            _log.warning("not_durable_connection_closed", hint="the sender keeps the message and sends it again")
            self._writer.transport.abort()


def _pointer(received: Received, place: Delivered, at: datetime) -> Output:
    """The dead letter of a quarantined message: where its raw record lies, and why."""
    assert received.problem is not None
    letter = DeadLetter(
        topic=place.topic,
        partition=place.partition,
        offset=place.offset,
        reason=f"{received.problem.reason}: {received.problem}",
        service="ingest",
        at=at,
    )
    suite = received.first[0].suite
    id = derived_id("DeadLetter", received.id)
    return Output(f"{HL7_RAW}.dlq", received.source, suite, letter, id, received.id, at)
