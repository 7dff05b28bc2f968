"""Values of a profile file, read one by one: whatever is wrong is told with its path and what was expected."""

from collections.abc import Callable
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class ProfileError(ValueError):
    """A profile file does not say what a profile must say; the text names the path."""

    def __init__(self, path: str, expected: str, got: Any, maybe: str = "it is misspelt or one level too deep") -> None:
        shown = "nothing" if got is None else f"a {kind_of(got)}" if isinstance(got, list | dict) else repr(got)
        super().__init__(f"Expected {expected} at {path or 'the top'}, got {shown}.\nMaybe {maybe}.")
        self.path = path

    def of(self, file: str) -> "ProfileError":
        """The same, said of a file."""
        self.args = (f"{file}: {self}",)
        return self


def kind_of(value: Any) -> str:
    return "list" if isinstance(value, list) else "map" if isinstance(value, dict) else type(value).__name__


def a_map(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ProfileError(path, "a map", value)
    return {str(key): each for key, each in value.items()}


def known_keys(value: dict[str, Any], known: tuple[str, ...], path: str) -> dict[str, Any]:
    for key in value:
        if key not in known:
            near = get_close_matches(key, known, 1)
            where = f"{path}.{key}" if path else key
            raise ProfileError(
                where, "one of " + ", ".join(known), key, f"{near[0]} is meant" if near else "it is not read"
            )
    return value


def a_text(value: Any, path: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value):
        raise ProfileError(path, "a word", value, "a quote is missing")
    return str(value)


def texts(value: Any, path: str) -> tuple[str, ...]:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return (str(value),)
    if not isinstance(value, list):
        raise ProfileError(path, "a list of words", value)
    return tuple(a_text(each, f"{path}[{n}]") for n, each in enumerate(value))


def one_of(value: Any, known: Any, path: str) -> str:
    if value not in known:
        near = get_close_matches(str(value), list(known), 1)
        raise ProfileError(
            path, "one of " + ", ".join(known), value, f"{near[0]} is meant" if near else "it is misspelt"
        )
    return str(value)


def a_word(value: Any, kind: type[E], path: str) -> E:
    return kind(one_of(value, [each.value for each in kind], path))


def a_table(value: Any, path: str, read: Callable[[Any, str], T], change: Callable[[str], str] = str) -> dict[str, T]:
    if value is None:
        return {}
    return {change(key): read(each, f"{path}.{key}") for key, each in a_map(value, path).items()}
