"""What the hospital says and hears, before it becomes HL7 or HTTP. Times are seconds from midnight UTC."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from .cases import Booking, CaseRecord


@dataclass(frozen=True, slots=True)
class Observation:
    """One OBX: value type, code, value (a time in seconds for DTM)."""

    kind: str
    code: str
    value: str | int


@dataclass(frozen=True, slots=True)
class HospitalMessage:
    """One HL7 message to be: `form` SIU, ORU or ADT, its `trigger`, the case as the feed has it."""

    id: str
    at: int
    form: str
    trigger: str
    case: CaseRecord
    booking: Booking
    status: str = "Booked"
    reason: str = ""
    observations: tuple[Observation, ...] = ()
    detailed: bool = False
    """Carries what is known of the case besides its booking (ASA, needs, readiness)."""
    location: str = ""


@dataclass(frozen=True, slots=True)
class ManualReport:
    """What a person enters at the manual door: `path` below the suite, JSON `body`; times are seconds."""

    id: str
    at: int
    path: str
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A change that write-back asks for: message id, the hospital's case id, the new place."""

    message: str
    case: str
    room: str
    start: int


@dataclass(frozen=True, slots=True)
class ChangeDecision:
    """What the hospital answers: refused with words, or taken, perhaps otherwise than asked."""

    accepted: bool
    text: str = ""
    room: str = ""
    start: int = 0
    echo_after: int | None = None
    """Seconds until the feed says so; None: never."""


def message_id(prefix: str, *key: object) -> str:
    """A control id that follows from what is said; 18 characters, v2.5.1 allows 20."""
    text = "\x1f".join(str(part) for part in key)
    return prefix + hashlib.sha256(text.encode()).hexdigest()[:16]
