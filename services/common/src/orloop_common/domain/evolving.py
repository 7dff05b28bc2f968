"""`dataclasses.replace` of frozen dataclasses with slots, ten times as fast: the folds call it for every event.

A frozen object cannot be filled field by field without a call for each; an object of a plain class with the same
slots can, and as the two have one layout its class may be changed when it is whole. The function that does so is
written out once for each class, as `dataclasses` itself does with `__init__`.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeVar

T = TypeVar("T")
_ways: dict[type, Callable[[Any, dict[str, Any]], Any]] = {}


def evolve(value: T, **changes: Any) -> T:
    """The same value with other fields; exactly what `dataclasses.replace` gives."""
    way = _ways.get(type(value))
    if way is None:
        way = _ways[type(value)] = _way_of(type(value))
    made: T = way(value, changes)
    return made


def _way_of(cls: Any) -> Callable[[Any, dict[str, Any]], Any]:
    names = tuple(field.name for field in fields(cls))
    plain = cls.__mro__[1:] == (object,) and tuple(cls.__dict__.get("__slots__", ())) == names
    if not plain or hasattr(cls, "__post_init__"):
        return lambda value, changes: replace(value, **changes)
    known = dict.fromkeys(names)
    twin = type(f"{cls.__name__}Draft", (), {"__slots__": names})
    lines = [
        "def way(value, changes):",
        "    new = twin()",
        *(f"    new.{name} = value.{name}" for name in names),
        "    for name, changed in changes.items():",
        "        known[name]",
        "        setattr(new, name, changed)",
        "    new.__class__ = cls",
        "    return new",
    ]
    room: dict[str, Any] = {"twin": twin, "cls": cls, "known": known}
    exec("\n".join(lines), room)  # the names are those of a class, no input
    made: Callable[[Any, dict[str, Any]], Any] = room["way"]

    def way(value: Any, changes: dict[str, Any]) -> Any:
        try:
            return made(value, changes)
        except KeyError as error:
            raise TypeError(f"Expected a field of {cls.__name__}, got {error}.\nMaybe it was renamed.") from None

    return way
