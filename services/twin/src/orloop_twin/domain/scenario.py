"""What goes wrong on a day, as validated data: read from YAML, checked before anything runs."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from .people import SURGEONS
from .procedures import procedure

Moment = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$")]
Share = Annotated[float, Meta(ge=0, le=1)]
Minutes = Annotated[int, Meta(ge=0, le=600)]
Seconds = Annotated[int, Meta(ge=0, le=7200)]


class Bookings(Struct, frozen=True, forbid_unknown_fields=True):
    """When the day's bookings are told: one by one from `first` on."""

    first: Moment = "07:00:01"
    every_seconds: Annotated[float, Meta(gt=0, le=60)] = 1.0


class Overrun(Struct, frozen=True, forbid_unknown_fields=True):
    """The first case of `room` is booked for so long, and takes `extra_minutes` (from, to) more."""

    room: str
    booked_minutes: Minutes
    extra_minutes: tuple[Minutes, Minutes]


class RoomDown(Struct, frozen=True, forbid_unknown_fields=True):
    """`room` fails at `at`, give or take `jitter_minutes`; told after `report_seconds` by its charge nurse."""

    room: str
    at: Moment
    cause: str
    expected_until: Moment
    restored: Moment | None = None
    jitter_minutes: Minutes = 0
    report_seconds: Seconds = 20


class AddOn(Struct, frozen=True, forbid_unknown_fields=True):
    """A case that comes on the day, booked behind the last case of `room`."""

    at: Moment
    service: str
    procedure: str
    room: str
    urgency: Annotated[int, Meta(ge=1, le=4)] = 2
    jitter_minutes: Minutes = 0
    latest_minutes: Minutes = 360
    booked_minutes: Minutes = 60


class Correction(Struct, frozen=True, forbid_unknown_fields=True):
    """The first `milestone` after `after` is told `off_minutes` wrong, and put right later."""

    after: Moment
    milestone: str = "INCISION"
    off_minutes: Annotated[int, Meta(ge=-60, le=60)] = -8
    corrected_after_minutes: Minutes = 6


class Withdrawal(Struct, frozen=True, forbid_unknown_fields=True):
    """The last case of `room` that has not begun is cancelled (S15) or does not come (S26)."""

    at: Moment
    room: str
    trigger: Annotated[str, Meta(pattern=r"^(S15|S26)$")] = "S15"
    reason: str = "PATIENT_UNWELL"


class Writeback(Struct, frozen=True, forbid_unknown_fields=True):
    """How the hospital answers changes: by number (first is 1) or by rate; echoes come later."""

    echo_seconds: tuple[Seconds, Seconds] = (20, 90)
    slow_seconds: tuple[Seconds, Seconds] = (60, 180)
    slow_rate: Share = 0.0
    refuse: tuple[int, ...] = ()
    refuse_rate: Share = 0.0
    alter: tuple[int, ...] = ()
    alter_rate: Share = 0.0
    alter_minutes: Minutes = 20
    silent: tuple[int, ...] = ()
    """Accepted, carried out and never echoed."""


class Scenario(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One day's script; everything it leaves out is the hospital's own course."""

    name: str
    starts: Moment = "07:00"
    ends: Moment = "21:00"
    bookings: Bookings = msgspec.field(default_factory=Bookings)
    overruns: tuple[Overrun, ...] = ()
    rooms_down: tuple[RoomDown, ...] = ()
    add_ons: tuple[AddOn, ...] = ()
    corrections: tuple[Correction, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()
    outstanding_readiness: Share = 0.2
    most_extra_minutes: Minutes | None = None
    """No case but a scripted one takes so much longer than booked; None: as chance has it."""
    pacu_beds: Annotated[int, Meta(ge=1, le=60)] = 10
    cleaning_teams: Annotated[int, Meta(ge=1, le=40)] = 4
    nursing_teams: Annotated[int, Meta(ge=1, le=60)] = 11
    report_beds_every_minutes: Annotated[int, Meta(ge=5, le=600)] = 60
    light_rooms: tuple[str, ...] = ()
    """Rooms with nothing booked: where others can go."""
    writeback: Writeback = msgspec.field(default_factory=Writeback)


def seconds(moment: str) -> int:
    """Seconds from midnight of `07:30` or `07:30:15`."""
    hours, minutes, *rest = (int(part) for part in moment.split(":"))
    return hours * 3600 + minutes * 60 + (rest[0] if rest else 0)


def check_scenario(scenario: Scenario, rooms: tuple[str, ...]) -> None:
    """Raise ValueError if the scenario names what the suite does not have, or ends before it starts."""
    named = [o.room for o in scenario.overruns] + [d.room for d in scenario.rooms_down]
    named += [a.room for a in scenario.add_ons] + [w.room for w in scenario.withdrawals]
    for room in (*named, *scenario.light_rooms):
        if room not in rooms:
            raise ValueError(
                f"Expected a room of the suite in scenario {scenario.name}, got {room!r}.\n"
                f"Maybe one of {', '.join(rooms)}."
            )
    for add_on in scenario.add_ons:
        if add_on.service not in SURGEONS:
            raise ValueError(
                f"Expected a known service for an add-on, got {add_on.service!r}.\nMaybe one of {', '.join(SURGEONS)}."
            )
        procedure(add_on.service, add_on.procedure)
    if seconds(scenario.ends) <= seconds(scenario.starts):
        raise ValueError(
            f"Expected scenario {scenario.name} to end after {scenario.starts}, got {scenario.ends}.\n"
            "Maybe the two times are swapped."
        )
    for down in scenario.rooms_down:
        if down.restored is not None and seconds(down.restored) <= seconds(down.at) + 60 * down.jitter_minutes:
            raise ValueError(
                f"Expected room {down.room} to be restored after {down.at}, got {down.restored}.\n"
                "Maybe leave `restored` out if it stays down."
            )
