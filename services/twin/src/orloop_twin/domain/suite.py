"""What moves on the day: cases on their way and rooms in use, in simulated seconds."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Literal

import simpy

from .cases import Booking, CaseRecord

Process = Generator[simpy.Event, Any, None]
Stage = Literal["expected", "booked", "called", "in_room", "out", "done", "withdrawn"]


@dataclass
class CaseOfDay:
    """A case on its way: the hospital's own booking, the one that its feed has told, and those in between."""

    record: CaseRecord
    booking: Booking
    told: Booking
    stage: Stage = "expected"
    operating: bool = False
    untold: list[Booking] = field(default_factory=list)
    echoed_at: int = 0
    tellings: dict[str, int] = field(default_factory=dict)

    def telling(self, code: str) -> int:
        """How often this was told, this time included."""
        self.tellings[code] = self.tellings.get(code, 0) + 1
        return self.tellings[code]

    @property
    def waiting(self) -> bool:
        """Still to come, so it may move."""
        return self.stage in ("booked", "called")

    @property
    def gone(self) -> bool:
        return self.stage == "withdrawn"


@dataclass
class RoomOfDay:
    """A room: whether it is fit for use, and the case that it is prepared for or that is in it."""

    id: str
    down: bool = False
    back: int | None = None
    """While it is down: the second from midnight at which it is expected to be fit again, if anybody knows."""
    dirty: bool = False
    taken: str | None = None
