"""Field paths in the field's own notation: `SCH-11.4`, `PID-3.4.1`, `OBX[ASA]-5`, `NTE[ASA]-3`, `AIG[4=ROOM]-3`."""

import re
from dataclasses import dataclass

_PLACE = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?:(?P<key>\d{1,2})=)?(?P<word>[^\[\]]{1,60})\])?"
    r"-(?P<field>\d{1,3})(?:\.(?P<component>\d{1,2}))?(?:\.(?P<sub>\d{1,2}))?"
)
_KEYS = {"OBX": 3, "AIG": 4, "AIP": 4, "AIL": 4, "DG1": 6, "NTE": 3}
"""Which field tells segments of one name apart, unless the path says so itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """One field, component or subcomponent; with `word`, of the segment whose `key` field holds that word.

    In NTE the word begins the comment, and the value is what follows it.
    """

    text: str
    segment: bytes
    field: int
    component: int = 1
    sub: int = 0
    key: int = 0
    word: str = ""


def parse_place(text: str) -> Place:
    """A field path.

    Raises
    ------
    ValueError
        If it is none; the text says what one looks like.
    """
    found = _PLACE.fullmatch(text)
    if found is None or found["field"] == "0":
        raise ValueError(f"Expected a field path such as SCH-11.4, PID-3.4.1 or OBX[ASA]-5, got {text!r}.")
    name, word = found["segment"], found["word"] or ""
    key = int(found["key"]) if found["key"] else _KEYS.get(name, 1)
    return Place(
        text=text,
        segment=name.encode(),
        field=int(found["field"]),
        component=int(found["component"] or 1),
        sub=int(found["sub"] or 0),
        key=key if word else 0,
        word=word.upper(),
    )


def places(*texts: str) -> tuple[Place, ...]:
    """Field paths, best first."""
    return tuple(parse_place(text) for text in texts)
