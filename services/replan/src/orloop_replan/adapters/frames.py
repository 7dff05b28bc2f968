"""Frames between parent and child: a length of four bytes and that much JSON."""

import struct
from typing import BinaryIO

HEADER = struct.Struct(">I")


def read(source: BinaryIO) -> bytes | None:
    """The next frame, or None at the end."""
    header = source.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    (length,) = HEADER.unpack(header)
    body = source.read(length)
    return body if len(body) == length else None


def write(target: BinaryIO, body: bytes) -> None:
    """One frame."""
    target.write(HEADER.pack(len(body)) + body)
    target.flush()
