"""A site's layout: its suites, their rooms and the settings that planning needs."""

from dataclasses import dataclass, field
from datetime import time, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomLayout:
    """A room: whose block it is, which services may use it, when it is budgeted and when it closes (site time)."""

    id: str
    name: str
    service: str
    services: tuple[str, ...]
    block_start: time
    block_end: time
    closes: time
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteLayout:
    """One suite: rooms, and what its people agreed on; `add_ons` is the room time that add-ons take in an hour."""

    id: str
    name: str
    rooms: tuple[RoomLayout, ...]
    notice: timedelta = timedelta(minutes=30)
    decide_within: timedelta = timedelta(minutes=15)
    materiality: timedelta = timedelta(minutes=15)
    add_ons: dict[int, timedelta] = field(default_factory=dict)

    def room(self, room: str) -> RoomLayout | None:
        return next((r for r in self.rooms if r.id == room), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hl7Profile:
    """How this site's HL7 is read: sources, and alias tables from the sender's words to ours.

    `profiles` names the profile file of those sources that have one.
    """

    sources: dict[str, str]
    rooms: dict[str, str]
    services: dict[str, str]
    milestones: dict[str, str]
    pacu_locations: tuple[str, ...] = ()
    facility: str | None = None
    receiving_application: str = "ORLOOP"
    receiving_facility: str = "ORLOOP"
    expected: dict[str, dict[int, float]] = field(default_factory=dict)
    profiles: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Who is believed about cases, rooms and staffing: sources, the first of them before all others.

    `manual` stands for people at the manual door. A source that is not named comes after all that are.
    """

    cases: tuple[str, ...] = ()
    rooms: tuple[str, ...] = ()
    staffing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A hospital campus: time zone, the hour at which an operational day begins, its suites."""

    site: str
    timezone: str
    day_boundary: time
    suites: tuple[SuiteLayout, ...]
    hl7: Hl7Profile | None = None
    truth: Truth = Truth()

    def suite(self, suite: str) -> SuiteLayout:
        for layout in self.suites:
            if layout.id == suite:
                return layout
        raise KeyError(f"Expected a suite of site {self.site}, got {suite!r}.\nMaybe it is missing in the site file.")
