"""A segment of the journal on the disk: a magic line, then records.

A record is `length u32 | crc32 u32 | kind u8 | sequence u64 | payload`, the CRC over all that follows it. Kind `E` is
an entry, kind `D` says that all up to this sequence is on the broker. Where a record is spoilt, the next whole one is
found.
"""

import mmap
import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

MAGIC = b"orloop journal 1\n"
_HEAD = struct.Struct(">II")
_BODY = struct.Struct(">BQ")
ENTRY, DRAINED = ord("E"), ord("D")
_LONGEST = 64 * 2**20
_BEGINS = re.compile(rb"[ED]\x00\x00\x00")


def encode_record(kind: int, sequence: int, payload: bytes) -> bytes:
    """The bytes of one record."""
    body = _BODY.pack(kind, sequence) + payload
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


def read_records(path: Path, offset: int, end: int) -> Iterator[tuple[int, int, int, bytes, int]]:
    """Records up to `end`: offset after it, kind, sequence, payload, and how many spoilt bytes came before it."""
    if end <= len(MAGIC):
        return
    try:
        file = path.open("rb")
    except FileNotFoundError:  # drained meanwhile
        return
    with file, mmap.mmap(file.fileno(), end, access=mmap.ACCESS_READ) as data:
        if data[: len(MAGIC)] != MAGIC:
            return
        spoilt = 0
        while offset < end:
            length = _whole(data, offset)
            if length is None:
                found = _next_whole(data, offset + 1)
                if found is None:
                    return
                spoilt, offset = spoilt + found - offset, found
                continue
            body = offset + _HEAD.size
            offset = body + length
            kind, sequence = _BODY.unpack_from(data, body)
            yield offset, kind, sequence, data[body + _BODY.size : offset], spoilt
            spoilt = 0


def _whole(data: mmap.mmap, offset: int) -> int | None:
    """The length of the record that begins here, if it is one."""
    if offset + _HEAD.size > len(data):
        return None
    length, crc = _HEAD.unpack_from(data, offset)
    body = offset + _HEAD.size
    if not _BODY.size <= length <= _LONGEST or body + length > len(data):
        return None
    return length if zlib.crc32(data[body : body + length]) == crc else None


def _next_whole(data: mmap.mmap, offset: int) -> int | None:
    """Where the next record begins; kind and the first zeros of a sequence show where it is worth looking."""
    for match in _BEGINS.finditer(data, offset + _HEAD.size):
        at = match.start() - _HEAD.size
        if _whole(data, at) is not None:
            return at
    return None


def write_all(file: int, data: bytes) -> None:
    """However many bytes the system takes at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def sync_folder(folder: Path) -> None:
    """A file that was made or renamed in it is there after a loss of power, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
