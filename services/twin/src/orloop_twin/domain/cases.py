"""A case as the hospital knows it, and the day's list of them. Times are seconds from midnight UTC."""

from dataclasses import dataclass, field
from datetime import date

from .people import Patient, Surgeon
from .procedures import Procedure

READY_ITEMS = ("CONSENT", "ANAESTHESIA_EVALUATION", "SITE_MARKING", "FASTING")


@dataclass(frozen=True, slots=True)
class Booking:
    """Where and when a case is to be: patient in room at `start`, out `booked` seconds later."""

    room: str
    start: int
    booked: int
    version: int = 1

    @property
    def end(self) -> int:
        return self.start + self.booked


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecord:
    """What does not change while a case moves; `stay` is the true time in the room, known to nobody."""

    id: str
    number: int
    patient: Patient
    visit: str
    ward: str
    inpatient: bool
    service: str
    procedure: Procedure
    surgeon: Surgeon
    first: Booking
    stay: int
    setup: int
    cleanup: int
    urgency: int = 4
    add_on: bool = False
    told_at: int = 0
    waiting_since: int | None = None
    earliest: int | None = None
    latest: int | None = None
    readiness: dict[str, str] = field(default_factory=dict)
    ready_at: int | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """The operating list of one day, as drawn from a seed."""

    date: date
    seed: int
    cases: tuple[CaseRecord, ...]
