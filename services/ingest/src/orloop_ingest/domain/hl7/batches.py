"""The batch protocol (v2.5.1 section 2.10.3): FHS, BHS, messages, BTS, FTS become messages; wrong counts are told."""

import re
from dataclasses import dataclass

from .tokens import BOM

_ENVELOPE = (b"FHS", b"BHS", b"BTS", b"FTS")
_LINE_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Batch:
    """The messages of a batch, byte by byte as they came; `faults` says what is wrong with the envelope.

    Faults: `wrong_count` (BTS-1 or FTS-1 is not what came), `no_trailer` (BHS without BTS, FHS without FTS),
    `outside` (something stands before the first message that is no header of a batch).
    """

    messages: tuple[bytes, ...]
    faults: tuple[str, ...] = ()


def is_batch(body: bytes) -> bool:
    """Whether a frame holds a batch or a file of batches, and no message of its own."""
    return body.removeprefix(BOM)[:3] in (b"FHS", b"BHS")


def split_batch(body: bytes) -> Batch:
    """The messages of a frame that `is_batch`."""
    messages: list[bytes] = []
    faults: list[str] = []
    opened = {b"BHS": 0, b"FHS": 0}
    in_batch = batches = 0
    open_message = False
    for line in _lines(body.removeprefix(BOM)):
        name, separator = line[:3], line[3:4]
        if name == b"MSH":
            messages.append(line)
            in_batch, open_message = in_batch + 1, True
        elif name in _ENVELOPE:
            open_message = False
            told = _count(line, separator)
            if name in opened:
                opened[name] += 1
                in_batch = 0 if name == b"BHS" else in_batch
            elif name == b"BTS":
                opened[b"BHS"] -= 1
                batches += 1
                faults += ["wrong_count"] if told is not None and told != in_batch else []
            else:
                opened[b"FHS"] -= 1
                faults += ["wrong_count"] if told is not None and told != batches else []
        elif open_message:
            messages[-1] += line
        elif line.strip():
            faults.append("outside")
    if any(opened.values()):
        faults.append("no_trailer")
    return Batch(tuple(messages), tuple(dict.fromkeys(faults)))


def _lines(body: bytes) -> list[bytes]:
    """Lines with their ends; an LF ends one only where a segment of the envelope or a message may follow."""
    ends = [m.end() for m in _LINE_END.finditer(body)]
    return [body[a:b] for a, b in zip([0, *ends], [*ends, len(body)], strict=True) if a < b]


def _count(line: bytes, separator: bytes) -> int | None:
    """BTS-1 or FTS-1, if it is a number."""
    fields = line.rstrip(b"\r\n").split(separator) if separator else []
    return int(fields[1]) if len(fields) > 1 and fields[1].strip().isdigit() else None
