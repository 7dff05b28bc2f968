"""Lossless HL7 v2 tokens: bytes in, the same bytes out; delimiters are those that MSH-1 and MSH-2 declare.

A segment is split into fields when the first of them is asked for, and nothing is decoded before that, so that a
broken character in a name cannot make a room unreadable. The exception are character sets whose trail bytes equal
delimiters: those are decoded first. Sources: HL7 v2.5.1 chapter 2 (encoding rules), table 0211 (character sets).
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from orloop_ingest.domain.quarantine import Quarantined, Reason

from .charsets import declared_sets, plain_set, unreadable, wide_set
from .escapes import Delimiters, escape, unescape

__all__ = ["BOM", "CLEARED", "Delimiters", "Message", "NotHl7", "Segment", "escape", "nth", "tokenize", "unescape"]

BOM = b"\xef\xbb\xbf"
CLEARED = b'""'
"""A field that holds two quotes clears what was known; an empty one leaves it."""


class NotHl7(ValueError):
    """The bytes do not begin with a usable MSH segment."""


class Segment:
    """One segment: its bytes without the line end that closed it; `fields` are kept in `split` once asked for."""

    __slots__ = ("end", "line", "name", "number", "separator", "split")

    def __init__(self, line: bytes, separator: bytes, end: bytes, name: bytes, number: int) -> None:
        self.line, self.separator, self.end, self.name, self.number = line, separator, end, name, number
        self.split: list[bytes] | None = None

    @property
    def fields(self) -> list[bytes]:
        """Fields by their HL7 number; 0 is the name. MSH counts its separator as field 1."""
        found = self.split
        if found is None:
            found = self.split = self.line.split(self.separator)
            if self.name == b"MSH":
                found.insert(1, self.separator)
        return found

    def raw(self, field: int) -> bytes:
        """A field as it stands, empty if absent."""
        fields = self.split or self.fields
        return fields[field] if 0 < field < len(fields) else b""


class Message:
    """A tokenized message; `encode` gives back the very bytes it came from.

    Attributes
    ----------
    index
        Segments by name, in their order.
    original
        The bytes before they were decoded, for character sets that must be decoded first; their segments are UTF-8.
    """

    __slots__ = ("_charset", "delimiters", "index", "original", "prefix", "segments", "unfit")

    def __init__(self, prefix: bytes, delimiters: Delimiters, segments: list[Segment]) -> None:
        self.prefix, self.delimiters, self.segments = prefix, delimiters, segments
        self.original: bytes | None = None
        self.unfit = False
        self._charset: str | None = None
        index: dict[bytes, list[Segment]] = {}
        for segment in segments:
            held = index.get(segment.name)
            if held is None:
                index[segment.name] = [segment]
            else:
                held.append(segment)
        self.index = index

    def encode(self) -> bytes:
        if self.original is not None:
            return self.original
        return self.prefix + b"".join([part for s in self.segments for part in (s.line, s.end)])

    @property
    def msh(self) -> Segment:
        return self.segments[0]

    def all(self, name: bytes) -> list[Segment]:
        return self.index.get(name, [])

    def first(self, name: bytes) -> Segment | None:
        found = self.index.get(name)
        return found[0] if found else None

    def charset(self) -> str:
        """Python's name of the character set of the segments.

        Raises
        ------
        Quarantined
            If MSH-18 names one that is not known and the message is not plain ASCII.
        """
        if self._charset is None:
            if self.original is not None:
                self._charset = "utf-8"
            elif (found := plain_set(declared_sets(self.msh.raw(18), self.delimiters.repetition))) is not None:
                self._charset = found
            elif not self.unfit and self.encode().isascii():
                self._charset = "ascii"
            else:
                raise unreadable()
        return self._charset

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
        value = segment.raw(field)
        if not value:
            return b""
        d = self.delimiters
        if segment.number == 0 and field < 3:
            return value  # MSH-1 and MSH-2 are the delimiters themselves
        if d.repetition in value:
            value = value.split(d.repetition, 1)[0]
        if d.component in value:
            value = nth(value, d.component, component)
        elif component > 1:
            return b""
        return nth(value, d.subcomponent, sub) if sub else value

    def decode(self, value: bytes) -> str:
        """Bytes of one component as text, in the message's character set.

        Without MSH-18, what is not UTF-8 is read as Latin-1, which never fails.
        """
        if self.delimiters.escape in value:
            value = unescape(value, self.delimiters)
        return self.decode_escaped(value)

    def decode_escaped(self, plain: bytes) -> str:
        """Bytes as text in the message's character set, delimiters and escapes as they stand."""
        if plain.isascii() and not self.unfit:
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
    text = body[3:] if prefix else body
    delimiters = read_delimiters(text)
    if text.isascii() and b"\x1b" not in text:
        return Message(prefix, delimiters, _split(text, delimiters.field))
    wide = wide_set(_declared(text, delimiters))
    if wide is None:
        return Message(prefix, delimiters, _split(text, delimiters.field))
    try:
        decoded = text.decode(wide).encode()
    except UnicodeDecodeError:
        message = Message(prefix, delimiters, _split(text, delimiters.field))
        message.unfit = True  # where its fields end is not certain: only its header may be used
        return message
    message = Message(prefix, delimiters, _split(decoded, delimiters.field))
    message.original = body
    return message


def _declared(text: bytes, d: Delimiters) -> list[str]:
    fields = text[:4096].splitlines()[0].split(d.field, 18)
    return declared_sets(fields[17], d.repetition) if len(fields) > 17 else [""]


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
    end = text.find(field, 4, 64) if field else -1
    return _delimiters(field, text[4 : end if end >= 0 else 64])


@lru_cache(maxsize=256)
def _delimiters(field: bytes, head: bytes) -> Delimiters:
    declared = re.split(rb"[\r\n]", head, maxsplit=1)[0]
    marks = [declared[i : i + 1] for i in range(len(declared))]
    usable = all(0x20 < m[0] < 0x7F and not m.isalnum() and m != b'"' for m in (field, *marks) if m)
    if not field or len(marks) not in (4, 5) or not usable or len({field, *marks}) != len(marks) + 1:
        raise NotHl7("Expected four or five different delimiters in MSH-1 and MSH-2.\nMaybe MSH-2 is empty.")
    return Delimiters(field, *marks)


def _split(text: bytes, field: bytes) -> list[Segment]:
    if b"\n" in text:
        return list(_segments(text, field))
    lines = text.split(b"\r")
    last = lines.pop()
    found = [Segment(line, field, b"\r", _name(line, field), n) for n, line in enumerate(lines)]
    if last:
        found.append(Segment(last, field, b"", _name(last, field), len(lines)))
    return found


def _name(line: bytes, field: bytes) -> bytes:
    return line[:3] if line[3:4] == field else line.split(field, 1)[0]


@lru_cache(maxsize=64)
def _ends(field: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"\r\n|\r|\n(?=[A-Z][A-Z0-9]{2}(?:" + re.escape(field) + rb"|[\r\n]|\Z)|[\r\n]|\Z)")


def _segments(text: bytes, field: bytes) -> Iterator[Segment]:
    """Split at CR, CRLF, and at LF where a segment follows or the text ends."""
    start = number = 0
    for match in _ends(field).finditer(text):
        line = text[start : match.start()]
        yield Segment(line, field, match.group(), _name(line, field), number)
        start, number = match.end(), number + 1
    if start < len(text):
        line = text[start:]
        yield Segment(line, field, b"", _name(line, field), number)
