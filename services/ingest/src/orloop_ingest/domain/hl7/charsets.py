"""MSH-18: what it names, and which character sets must be decoded before delimiters may be looked for."""

from orloop_ingest.domain.quarantine import Quarantined, Reason

_PLAIN = {
    "": "utf-8",
    "ASCII": "ascii",
    "ISO IR6": "ascii",
    "UTF-8": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UNICODE": "utf-8",
    "WINDOWS-1252": "cp1252",
    "KS X 1001": "euc_kr",
    **{f"8859/{n}": f"iso8859-{n}" for n in (*range(1, 10), 15)},
    **{f"ISO-8859-{n}": f"iso8859-{n}" for n in (*range(1, 10), 15)},
}
_DECODE_FIRST = {
    "GB 18030-2000": "gb18030",
    "GB18030": "gb18030",
    "BIG-5": "big5hkscs",
    "BIG5": "big5hkscs",
    "ISO IR14": "iso2022_jp_2",
    "ISO IR87": "iso2022_jp_2",
    "ISO IR159": "iso2022_jp_2",
}
"""Second bytes of characters may equal `|`, `^`, `~`, `\\` or `&` in these (GB 18030, Big5, JIS in ISO 2022)."""


def declared_sets(field: bytes, repetition: bytes) -> list[str]:
    """The names in MSH-18, the default first; alternates are switched to by ISO 2022 escapes."""
    names = [name.decode("ascii", "replace").strip().upper() for name in field.split(repetition)]
    return names or [""]


def wide_set(names: list[str]) -> str | None:
    """Python's name of the set that the whole message must be decoded from before it is split, if any is named."""
    return next((_DECODE_FIRST[name] for name in names if name in _DECODE_FIRST), None)


def plain_set(names: list[str]) -> str | None:
    """Python's name of a set whose characters hold no delimiter's byte; None if it is not known."""
    return _PLAIN.get(names[0])


def unreadable() -> Quarantined:
    """The bytes do not fit MSH-18."""
    return Quarantined(Reason.UNREADABLE_CHARACTERS, "MSH-18")
