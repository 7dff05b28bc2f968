"""A suite's day as JSON and back: what the Faust table holds.

The day is a tree of frozen dataclasses, maps, tuples and times from one package, so the encoding
names its own types; nothing but those types can come out of it. `FOLD_VERSION` follows from the
fold's source: a snapshot of another version is not read, the log is folded instead.
"""

import json
import zlib
from base64 import b85decode, b85encode
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from functools import cache
from hashlib import sha256
from importlib.resources import files
from types import ModuleType
from typing import Any

from immutables import Map

from orloop_common.domain import calendar, events, plan, records, suite_day, vocabulary
from orloop_common.domain.suite_day import SuiteDay

_MODULES: tuple[ModuleType, ...] = (calendar, events, plan, records, suite_day, vocabulary)


class SnapshotUnreadable(ValueError):
    """The text is not a snapshot of this release's fold."""


def freeze(day: SuiteDay) -> str:
    """The day as compressed text; the same day, the same text."""
    text = json.dumps(_plain(day), separators=(",", ":"), ensure_ascii=False)
    return b85encode(zlib.compress(text.encode(), 6)).decode()


def thaw(text: str) -> SuiteDay:
    """The day that `freeze` made the text of.

    Raises
    ------
    SnapshotUnreadable
        If the text is damaged or names types that this release does not have.
    """
    try:
        day = _value(json.loads(zlib.decompress(b85decode(text))))
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise SnapshotUnreadable(f"Expected a snapshot of a suite's day, got: {type(error).__name__}.") from None
    if not isinstance(day, SuiteDay):
        raise SnapshotUnreadable(f"Expected a SuiteDay, got {type(day).__name__}.")
    return day


@cache
def fold_version() -> str:
    """Digest of the source of everything that the fold is made of."""
    root = files("orloop_common.domain")
    parts = sorted((p.name, p.read_bytes()) for p in root.iterdir() if p.name.endswith(".py"))
    folding = root / "folding"
    if folding.is_dir():
        parts += sorted((p.name, p.read_bytes()) for p in folding.iterdir() if p.name.endswith(".py"))
    return sha256(b"".join(name.encode() + body for name, body in parts)).hexdigest()[:32]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return {"e": [type(value).__name__, value.value]}
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Map | dict):
        pairs = [[_plain(key), _plain(item)] for key, item in value.items()]
        return {"m" if isinstance(value, Map) else "d": sorted(pairs, key=lambda pair: json.dumps(pair[0]))}
    if is_dataclass(value) and not isinstance(value, type):
        shown = {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
        return {"o": [type(value).__name__, shown]}
    for tag, (kind, write, _) in _SCALARS.items():
        if type(value) is kind:
            return {tag: write(value)}
    raise TypeError(
        f"Expected a value of the fold, got {type(value).__name__}.\nMaybe the fold has a new kind of value."
    )


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_value(item) for item in plain)
    if not isinstance(plain, dict):
        return plain
    ((tag, body),) = plain.items()
    if tag == "m":
        return Map([(_value(key), _value(item)) for key, item in body])
    if tag == "d":
        return {_value(key): _value(item) for key, item in body}
    if tag == "e":
        return _types()[body[0]](body[1])
    if tag == "o":
        return _types()[body[0]](**{name: _value(item) for name, item in body[1].items()})
    return _SCALARS[tag][2](body)


_SCALARS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "t": (datetime, datetime.isoformat, datetime.fromisoformat),
    "s": (timedelta, lambda v: [v.days, v.seconds, v.microseconds], lambda b: timedelta(b[0], b[1], b[2])),
    "y": (date, date.isoformat, date.fromisoformat),
    "h": (time, time.isoformat, time.fromisoformat),
}


@cache
def _types() -> dict[str, type[Any]]:
    """The dataclasses and enums that a day may consist of, by name."""
    found: dict[str, type[Any]] = {}
    for module in _MODULES:
        for name, kind in vars(module).items():
            if isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, Enum)):
                found[name] = kind
    return found
