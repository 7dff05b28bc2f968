"""HL7 escape sequences (v2.5.1 section 2.7)."""

import re
from dataclasses import dataclass

_HEX = re.compile(rb"X(?:[0-9A-Fa-f]{2})+")


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
        if meaning is None and _HEX.fullmatch(name):
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
