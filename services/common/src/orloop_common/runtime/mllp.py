"""MLLP framing without IO: bytes in, frames and faults out, the same however the bytes were split.

A frame is VT payload FS CR (HL7 v2 Transport, Minimal Lower Layer Protocol). Senders break this in known
ways; each is a named fault, and no two messages are ever merged into one:

- FS then VT, or FS then LF: the frame is whole, its CR is missing; the frame carries `NO_CR`.
- FS then anything else: the FS stays in the payload and the frame carries `FS_INSIDE`: quarantine it.
- VT inside a frame: what came before is a `CUT_SHORT` fault (never acknowledge it), a new frame begins.
- bytes between frames: a `JUNK` fault, to the byte but for line ends before and after it.
- a payload over the limit: a `TOO_LONG` fault with its head; the rest is thrown away up to the next frame.
"""

import re
from dataclasses import dataclass, field
from enum import Enum, StrEnum

VT, FS, CR, LF = b"\x0b", b"\x1c", b"\r", b"\n"
LIMIT = 4 * 2**20
KEPT = 4096  # bytes of junk or of a long frame that a fault keeps
_MARK = re.compile(rb"[\x0b\x1c]")


class FaultKind(StrEnum):
    """How a sender broke the framing."""

    JUNK = "junk"
    NO_CR = "no_cr"
    FS_INSIDE = "fs_inside"
    CUT_SHORT = "cut_short"
    TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole message. `faults` says what was wrong around it; with `FS_INSIDE` it belongs in quarantine."""

    payload: bytes
    faults: tuple[FaultKind, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Bytes that are no whole message; `data` keeps their head (all of a frame cut short), `length` counts them."""

    kind: FaultKind
    data: bytes
    length: int


class _Where(Enum):
    OUTSIDE = 1
    INSIDE = 2
    AFTER_FS = 3
    DROPPING = 4  # the rest of a payload that is over the limit
    DROPPING_AFTER_FS = 5


def encode_frame(payload: bytes) -> bytes:
    """One frame; a payload must not hold VT or FS (HL7 escapes them)."""
    if _MARK.search(payload):
        raise ValueError("Expected a payload without VT and FS, got one with.\nMaybe it is a frame already.")
    return VT + payload + FS + CR


@dataclass
class MllpDecoder:
    """Feed it what a socket reads; it keeps what is not whole yet."""

    limit: int = LIMIT
    _where: _Where = _Where.OUTSIDE
    _payload: bytearray = field(default_factory=bytearray)
    _faults: list[FaultKind] = field(default_factory=list)
    _junk: bytearray = field(default_factory=bytearray)
    _junk_length: int = 0
    _junk_tail: int = 0  # line ends at its end, which may be none of it

    @property
    def in_frame(self) -> bool:
        """Whether a frame was begun and has not ended: time out on this."""
        return self._where is not _Where.OUTSIDE

    def feed(self, data: bytes) -> list[Frame | Fault]:
        """What became whole with these bytes, in order."""
        out: list[Frame | Fault] = []
        at, length = 0, len(data)
        while at < length:
            if self._where is _Where.OUTSIDE and not self._junk_length:
                at = self._whole(data, at, out)
                if at == length:
                    break
            at = self._advance(data, at, out)
        return out

    def _whole(self, data: bytes, at: int, out: list[Frame | Fault]) -> int:
        """Frames that are whole and faultless in one piece, as nearly all are: up to where that ends."""
        while data[at : at + 1] == VT:
            end = data.find(FS, at + 1)
            if end < 0 or data[end + 1 : end + 2] != CR or end - at - 1 > self.limit:
                return at
            if data.find(VT, at + 1, end) >= 0:
                return at
            out.append(Frame(data[at + 1 : end]))
            at = end + 2
        return at

    def settle(self) -> list[Frame | Fault]:
        """The sender has been silent: take a frame whose CR never came; keep a half one waiting."""
        out: list[Frame | Fault] = []
        if self._where is _Where.AFTER_FS:
            self._finish(out, FaultKind.NO_CR)
        elif self._where is _Where.DROPPING_AFTER_FS:
            self._where = _Where.OUTSIDE
        return out

    def close(self) -> list[Frame | Fault]:
        """The connection ended: the last frame if it was whole, else what is left of it as a fault."""
        out = self.settle()
        if self._where is _Where.INSIDE:
            self._cut(out)
        self._where = _Where.OUTSIDE
        self._end_junk(out)
        return out

    def _advance(self, data: bytes, at: int, out: list[Frame | Fault]) -> int:
        if self._where is _Where.OUTSIDE:
            return self._outside(data, at, out)
        if self._where is _Where.INSIDE:
            return self._inside(data, at, out)
        if self._where is _Where.AFTER_FS:
            return self._after_fs(data, at, out)
        return self._dropping(data, at)

    def _outside(self, data: bytes, at: int, out: list[Frame | Fault]) -> int:
        begin = data.find(VT, at)
        junk = data[at : begin if begin >= 0 else len(data)]
        if not self._junk_length:
            junk = junk.lstrip(CR + LF)  # an empty line after a frame is no fault
        said = len(junk.rstrip(CR + LF))
        self._junk_tail = len(junk) - said if said else self._junk_tail + len(junk)
        self._junk_length += len(junk)
        self._junk += junk[: max(0, KEPT - len(self._junk))]
        if begin < 0:
            return len(data)
        self._end_junk(out)
        self._where = _Where.INSIDE
        return begin + 1

    def _inside(self, data: bytes, at: int, out: list[Frame | Fault]) -> int:
        mark = _MARK.search(data, at)
        end = mark.start() if mark else len(data)
        if not self._take(data[at:end], out):
            return end
        if mark is None:
            return end
        if mark.group() == VT:
            self._cut(out)
        else:
            self._where = _Where.AFTER_FS
        return end + 1

    def _after_fs(self, data: bytes, at: int, out: list[Frame | Fault]) -> int:
        following = data[at : at + 1]
        if following == CR:
            self._finish(out)
        elif following == VT:
            self._finish(out, FaultKind.NO_CR)
            self._where = _Where.INSIDE
        elif following == LF:
            self._finish(out, FaultKind.NO_CR)
        else:
            self._where = _Where.INSIDE
            if FaultKind.FS_INSIDE not in self._faults:
                self._faults.append(FaultKind.FS_INSIDE)
            self._take(FS, out)
            return at  # look at this byte again, now inside
        return at + 1

    def _dropping(self, data: bytes, at: int) -> int:
        if self._where is _Where.DROPPING_AFTER_FS:
            following = data[at : at + 1]
            if following in (CR, LF):
                self._where = _Where.OUTSIDE
                return at + 1
            self._where = _Where.INSIDE if following == VT else _Where.DROPPING
            return at + 1 if following == VT else at
        mark = _MARK.search(data, at)
        if mark is None:
            return len(data)
        self._where = _Where.INSIDE if mark.group() == VT else _Where.DROPPING_AFTER_FS
        return mark.end()

    def _take(self, part: bytes, out: list[Frame | Fault]) -> bool:
        """Keep part of a payload; False once it is over the limit."""
        room = self.limit - len(self._payload)
        if len(part) <= room:
            self._payload += part
            return True
        self._payload += part[: max(0, room)]
        out.append(Fault(FaultKind.TOO_LONG, bytes(self._payload[:KEPT]), self.limit + 1))
        self._reset()
        self._where = _Where.DROPPING
        return False

    def _finish(self, out: list[Frame | Fault], fault: FaultKind | None = None) -> None:
        if fault is not None:
            self._faults.append(fault)
        out.append(Frame(bytes(self._payload), tuple(self._faults)))
        self._reset()
        self._where = _Where.OUTSIDE

    def _cut(self, out: list[Frame | Fault]) -> None:
        if self._payload:  # VT VT is one start said twice
            out.append(Fault(FaultKind.CUT_SHORT, bytes(self._payload), len(self._payload)))
        self._reset()

    def _reset(self) -> None:
        self._payload.clear()
        self._faults.clear()

    def _end_junk(self, out: list[Frame | Fault]) -> None:
        if self._junk_length:
            out.append(Fault(FaultKind.JUNK, bytes(self._junk.rstrip(CR + LF)), self._junk_length - self._junk_tail))
            self._junk.clear()
            self._junk_length = 0
