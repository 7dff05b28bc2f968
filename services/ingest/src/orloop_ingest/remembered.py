"""What came lately, in as little memory as a day's traffic allows: ids as numbers, in two generations."""

from typing import Generic, TypeVar

V = TypeVar("V")


class Remembered(Generic[V]):
    """The newest values by id: at least half of `most`, never more than `most`; no order is kept and none is needed.

    Ids are 128-bit digests in hexadecimal (as a number each takes half the room of its text) or any other number.
    """

    __slots__ = ("_half", "_new", "_old")

    def __init__(self, most: int) -> None:
        self._half = max(1, most // 2)
        self._new: dict[int | str, V] = {}
        self._old: dict[int | str, V] = {}

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def __contains__(self, id: str | int) -> bool:
        return self.get(id) is not None

    def get(self, id: str | int) -> V | None:
        """What is remembered of it."""
        key = _key(id)
        found = self._new.get(key)
        return found if found is not None else self._old.get(key)

    def set(self, id: str | int, value: V) -> None:
        """The newest word on it; what is older than half of all goes in one piece."""
        key = _key(id)
        self._old.pop(key, None)
        self._new[key] = value
        if len(self._new) >= self._half:
            self._old, self._new = self._new, {}

    def pop(self, id: str | int) -> V | None:
        """Forget it, and say what was remembered."""
        key = _key(id)
        found = self._new.pop(key, None)
        return found if found is not None else self._old.pop(key, None)


def _key(id: str | int) -> int | str:
    if isinstance(id, str) and len(id) == 32:
        try:
            return int(id, 16)
        except ValueError:
            return id
    return id
