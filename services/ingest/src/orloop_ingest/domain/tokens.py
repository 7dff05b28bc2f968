"""Lossless HL7 v2 tokens: bytes in, the same bytes out; delimiters are those that MSH-1 and MSH-2 declare.

Nothing is decoded before a field is asked for, so that a broken character in a name cannot make a room
unreadable. Sources: HL7 v2.5.1 chapter 2 (encoding rules, escapes), table 0211 (character sets).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .quarantine import Quarantined, Reason

BOM = b"\xef\xbb\xbf"
CLEARED = b'""'
"""A field that holds two quotes clears what was known; an empty one leaves it."""

_CHARSETS = {
    "": "utf-8",
    "ASCII": "ascii",
    "UTF-8": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "WINDOWS-1252": "cp1252",
    **{f"8859/{n}": f"iso8859-{n}" for n in (*range(1, 10), 15)},
    **{f"ISO-8859-{n}": f"iso8859-{n}" for n in (*range(1, 10), 15)},
}


class NotHl7(ValueError):
    """The bytes do not begin with a usable MSH segment."""


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The separators of one message, one byte each; `truncation` may be empty."""

    field: bytes = b"|"
    component: bytes = b"^"
    repetition: bytes = b"~"
    escape: bytes = b"\\"
    subcomponent: bytes = b"&"
    truncation: bytes = b""

    @property
    def declared(self) -> bytes:
        """MSH-2."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: its parts between field separators, and the line end that closed it."""

    parts: tuple[bytes, ...]
    end: bytes = b"\r"

    @property
    def name(self) -> bytes:
        return self.parts[0]

    def raw(self, field: int) -> bytes:
        """Field by its HL7 number (MSH counts its separator as field 1), empty if absent."""
        at = field - 1 if self.parts[0] == b"MSH" else field
        return self.parts[at] if 0 < at < len(self.parts) else b""


@dataclass(frozen=True, slots=True)
class Message:
    """A tokenized message; `encode` gives back the very bytes it came from."""

    prefix: bytes
    delimiters: Delimiters
    segments: tuple[Segment, ...]

    def encode(self) -> bytes:
        sep = self.delimiters.field
        return self.prefix + b"".join(sep.join(s.parts) + s.end for s in self.segments)

    @property
    def msh(self) -> Segment:
        return self.segments[0]

    def all(self, name: bytes) -> Iterator[Segment]:
        return (s for s in self.segments if s.name == name)

    def first(self, name: bytes) -> Segment | None:
        return next(self.all(name), None)

    def charset(self) -> str:
        """Python's name of the character set of MSH-18.

        Raises
        ------
        Quarantined
            If MSH-18 names one that is not known.
        """
        declared = self.msh.raw(18).split(self.delimiters.repetition)[0].decode("ascii", "replace").strip().upper()
        try:
            return _CHARSETS[declared]
        except KeyError:
            if self.encode().isascii():
                return "ascii"
            raise Quarantined(Reason.UNREADABLE_CHARACTERS, "MSH-18") from None

    def text(self, segment: Segment | None, field: int, component: int = 1, sub: int = 0) -> str:
        """The first repetition's component as text, escapes resolved; empty if absent.

        Parameters
        ----------
        sub
            0 for the whole component, n for its n-th subcomponent.
        """
        return self.decode(self.bytes_of(segment, field, component, sub))

    def bytes_of(self, segment: Segment | None, field: int, component: int = 1, sub: int = 0) -> bytes:
        """The first repetition's component as it stands."""
        if segment is None:
            return b""
        d = self.delimiters
        value = nth(segment.raw(field).split(d.repetition)[0], d.component, component)
        return nth(value, d.subcomponent, sub) if sub else value

    def decode(self, value: bytes) -> str:
        """Bytes of one component as text, in the message's character set.

        Without MSH-18, what is not UTF-8 is read as Latin-1, which never fails.
        """
        if not value:
            return ""
        return self.decode_escaped(unescape(value, self.delimiters) if self.delimiters.escape in value else value)

    def decode_escaped(self, plain: bytes) -> str:
        """Bytes as text in the message's character set, delimiters and escapes as they stand."""
        if plain.isascii():
            return plain.decode("ascii")
        charset = self.charset()
        try:
            return plain.decode(charset)
        except UnicodeDecodeError:
            if self.msh.raw(18):
                raise Quarantined(Reason.UNREADABLE_CHARACTERS, "MSH-18") from None
            return plain.decode("latin-1")


def nth(value: bytes, separator: bytes, number: int) -> bytes:
    """The n-th (from 1) of the parts of a value."""
    parts = value.split(separator, number)
    return parts[number - 1] if len(parts) >= number else b""


def tokenize(body: bytes) -> Message:
    """The tokens of a message.

    Raises
    ------
    NotHl7
        If it does not begin with MSH and usable delimiters.
    """
    prefix = BOM if body.startswith(BOM) else b""
    text = body[len(prefix) :]
    delimiters = read_delimiters(text)
    segments = tuple(_segments(text, delimiters.field))
    return Message(prefix, delimiters, segments)


def read_delimiters(text: bytes) -> Delimiters:
    """MSH-1 and MSH-2: four delimiters, or five with the truncation character of v2.7.

    Raises
    ------
    NotHl7
        If the text does not begin with MSH, or delimiters are missing, alphanumeric or the same.
    """
    if text[:3] != b"MSH":
        raise NotHl7("Expected a message that begins with MSH.\nMaybe it is a batch (FHS, BHS) or not HL7 v2.")
    field = text[3:4]
    head = re.split(rb"[\r\n]", text[4:64], maxsplit=1)[0]
    declared = head.split(field, 1)[0] if field else b""
    marks = [declared[i : i + 1] for i in range(len(declared))]
    usable = all(0x20 < m[0] < 0x7F and not m.isalnum() and m != b'"' for m in (field, *marks) if m)
    if not field or len(marks) not in (4, 5) or not usable or len({field, *marks}) != len(marks) + 1:
        raise NotHl7("Expected four or five different delimiters in MSH-1 and MSH-2.\nMaybe MSH-2 is empty.")
    return Delimiters(field, *marks)


def _segments(text: bytes, field: bytes) -> Iterator[Segment]:
    """Split at CR, CRLF, and at LF where a segment follows or the text ends."""
    ends = re.compile(rb"\r\n|\r|\n(?=[A-Z][A-Z0-9]{2}(?:" + re.escape(field) + rb"|[\r\n]|\Z)|[\r\n]|\Z)")
    start = 0
    for match in ends.finditer(text):
        yield Segment(tuple(text[start : match.start()].split(field)), match.group())
        start = match.end()
    if start < len(text):
        yield Segment(tuple(text[start:].split(field)), b"")


def unescape(value: bytes, d: Delimiters) -> bytes:
    r"""Resolve \F\ \S\ \T\ \R\ \E\ \P\ \Xhh\ \.br\; what is unknown or not terminated stays as it is."""
    known = {
        b"F": d.field,
        b"S": d.component,
        b"T": d.subcomponent,
        b"R": d.repetition,
        b"E": d.escape,
        b"P": d.truncation,
        b".br": b"\n",
        b"H": b"",
        b"N": b"",
    }
    out = bytearray()
    at = 0
    while (begin := value.find(d.escape, at)) >= 0:
        end = value.find(d.escape, begin + 1)
        if end < 0:
            break
        out += value[at:begin]
        name = value[begin + 1 : end]
        meaning = known.get(name)
        if meaning is None and re.fullmatch(rb"X(?:[0-9A-Fa-f]{2})+", name):
            meaning = bytes.fromhex(name[1:].decode("ascii"))
        if meaning is None:
            out += d.escape + name  # keep it, and look at its end again: it may begin another
            at = end
        else:
            out += meaning
            at = end + 1
    return bytes(out) + value[at:]


def escape(value: bytes, d: Delimiters) -> bytes:
    """The reverse of `unescape` for one component; CR and LF become hexadecimal."""
    names = {d.escape: b"E", d.field: b"F", d.component: b"S", d.subcomponent: b"T", d.repetition: b"R"}
    if d.truncation:
        names[d.truncation] = b"P"
    names |= {b"\r": b"X0D", b"\n": b"X0A", b"\x0b": b"X0B", b"\x1c": b"X1C"}
    parts = (value[i : i + 1] for i in range(len(value)))
    return b"".join(d.escape + names[p] + d.escape if p in names else p for p in parts)
