"""MLLP as a hospital's engine speaks it: VT, message, FS CR. One connection, one message in flight."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

from orloop_twin.ports import LinkLost

START, END = b"\x0b", b"\x1c\x0d"
LONGEST = 1 << 20
Handler = Callable[[bytes], Awaitable[bytes | None]]


def frame(body: bytes) -> bytes:
    """Wrap a message for the wire."""
    return START + body + END


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next message, or None when the peer closed between two.

    Raises
    ------
    LinkLost
        If the peer closed within a frame or sent what is none.
    """
    first = await reader.read(1)
    while first in (b"\r", b"\n"):
        first = await reader.read(1)
    if not first:
        return None
    if first != START:
        raise LinkLost("Expected a frame that begins with VT")
    try:
        data = await reader.readuntil(END)
    except asyncio.IncompleteReadError as error:
        raise LinkLost("Expected a whole frame, the peer closed within it") from error
    except asyncio.LimitOverrunError as error:
        raise LinkLost(f"Expected a frame of at most {LONGEST} bytes") from error
    if START in data:
        raise LinkLost("Expected one message in a frame, got VT within it")
    return data[: -len(END)]


class MllpClient:
    """Sends one message and waits for its answer; connects when needed."""

    def __init__(self, host: str, port: int, timeout: float = 15.0) -> None:
        self.host, self.port, self.timeout = host, port, timeout
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def connected(self) -> bool:
        return self._streams is not None

    async def ask(self, body: bytes) -> bytes:
        """The peer's answer; LinkLost (and the connection closed) if none comes."""
        try:
            async with asyncio.timeout(self.timeout):
                if self._streams is None:
                    self._streams = await asyncio.open_connection(self.host, self.port, limit=LONGEST)
                reader, writer = self._streams
                writer.write(frame(body))
                await writer.drain()
                answer = await read_frame(reader)
        except (OSError, TimeoutError, LinkLost) as error:
            await self.close()
            raise LinkLost(f"Expected an answer from {self.host}:{self.port}, got {error!r}") from error
        if answer is None:
            await self.close()
            raise LinkLost(f"Expected an answer from {self.host}:{self.port}, it closed the connection")
        return answer

    async def close(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()


async def serve(listener: socket.socket, handler: Handler) -> asyncio.Server:
    """Answer every framed message with what `handler` returns; close where it returns None."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (body := await read_frame(reader)) is not None:
                answer = await handler(body)
                if answer is None:
                    break
                writer.write(frame(answer))
                await writer.drain()
        except (LinkLost, OSError):
            pass  # the peer keeps what was not acknowledged and comes back
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    return await asyncio.start_server(connection, sock=listener, limit=LONGEST)
