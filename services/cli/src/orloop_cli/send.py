"""Send a file of HL7 messages over MLLP, one at a time, and return what was answered."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import LauncherError

_START, _END = b"\x0b", b"\x1c\r"
_LONGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """An acknowledgement: of which message, its code (AA, AE, AR), and its text."""

    control_id: str
    code: str
    text: str

    @property
    def accepted(self) -> bool:
        return self.code in ("AA", "CA")


def read_messages(path: Path) -> list[bytes]:
    """Read the HL7 messages of a file: with any line ends, framed or not.

    Raises
    ------
    LauncherError
        If there is no such file or no message in it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LauncherError(f"Expected an HL7 file at {path}, got: {error.strerror}.") from error
    text = re.sub(rb"[\x0b\x1c]", b"", content)
    text = re.sub(rb"[\r\n]+", b"\r", text).strip(b"\r")
    messages = [part.strip(b"\r") + b"\r" for part in re.split(rb"\r(?=MSH\|)", text) if part.startswith(b"MSH")]
    if not messages:
        raise LauncherError(
            f"Expected HL7 messages in {path}, got no segment that starts with MSH.", "this is another kind of file."
        )
    return messages


def send(messages: list[bytes], host: str, port: int, timeout: float = 15) -> Iterator[Answer]:
    """Send messages over one connection; each waits for the answer to the one before.

    Raises
    ------
    LauncherError
        If nobody listens, or no answer comes.
    """
    try:
        with socket.create_connection((host, port), timeout) as connection:
            for message in messages:
                connection.sendall(_START + message + _END)
                yield parse_answer(_receive(connection))
    except OSError as error:
        raise LauncherError(
            f"Expected an answer from {host}:{port}, got: {error.strerror or error}.",
            "ingest is not running there: start `orloop demo`, or name another address with --to.",
        ) from error


def _receive(connection: socket.socket) -> bytes:
    received = b""
    while _END not in received:
        chunk = connection.recv(65536)
        if not chunk or len(received) > _LONGEST:
            raise ConnectionError("the connection closed before the answer's end")
        received += chunk
    return received[: received.index(_END)].lstrip(_START)


def parse_answer(message: bytes) -> Answer:
    """Read MSA of an acknowledgement, and the text of ERR where there is one."""
    segments = [line.split("|") for line in message.decode("utf-8", "replace").split("\r") if line]
    msa = next((segment for segment in segments if segment[0] == "MSA"), ["MSA", "", ""])
    err = next((segment for segment in segments if segment[0] == "ERR"), [])
    text = next((field for field in (*msa[3:4], *reversed(err[1:])) if field), "")
    return Answer(msa[2] if len(msa) > 2 else "", msa[1] if len(msa) > 1 else "", text)
