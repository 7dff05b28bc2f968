"""Frames between parent and child: a length of four bytes, what it is in one, a job's number in four, and JSON.

The parent sends `JOB` and `STOP`; the child says `WARM` once, with its process id for a number, then `ANSWER` or
`STOPPED` to each job.
"""

import struct
from typing import BinaryIO, NamedTuple

HEADER = struct.Struct(">IcI")
JOB, STOP, WARM, ANSWER, STOPPED = b"j", b"s", b"w", b"a", b"x"


class Frame(NamedTuple):
    """One frame: its kind, the number of the job that it is about, and what it carries."""

    kind: bytes
    number: int
    body: bytes = b""


def read(source: BinaryIO) -> Frame | None:
    """The next frame, or None at the end."""
    header = source.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    length, kind, number = HEADER.unpack(header)
    body = source.read(length) if length else b""
    return Frame(kind, number, body) if len(body) == length else None


def write(target: BinaryIO, frame: Frame) -> None:
    """One frame."""
    target.write(HEADER.pack(len(frame.body), frame.kind, frame.number) + frame.body)
    target.flush()
