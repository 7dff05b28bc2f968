"""What people report at the manual door: requests in, one event or several out. Pure."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from orloop_common.domain import events as e
from orloop_common.domain.digest import derived_id
from orloop_common.domain.vocabulary import BedUnit, Milestone, ReadinessItem, ReadinessStatus, Source

Word = Annotated[str, Field(min_length=1, max_length=80)]
Text = Annotated[str, Field(max_length=200)]
Count = Annotated[int, Field(ge=0, le=500)]


class Wrong(ValueError):
    """The report contradicts itself; the text says what was expected."""


class Report(BaseModel):
    """What every report may carry: when it was so, if not now."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: AwareDatetime | None = None


class RoomDown(Report):
    """The room cannot be used."""

    cause: Word
    expected_until: AwareDatetime | None = None


class RoomUp(Report):
    """The room can be used again."""


class Cleaning(Report):
    """Where the cleaning of a room stands."""

    status: Literal["dirty", "cleaning", "clean"]
    kind: Literal["routine", "terminal"] = "routine"
    team: Word | None = None
    expected_ready: AwareDatetime | None = None


class Short(Report):
    """Teams of a role are missing for a time."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    role: Word
    missing: Annotated[int, Field(ge=1, le=100)]
    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")


class RosterLine(BaseModel):
    """One team on shift; teams have ids here, people have no names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    team_id: Word
    role: Literal["anaesthesia", "cleaning", "nursing", "surgeon"]
    skills: tuple[Word, ...] = ()
    shift_start: AwareDatetime
    shift_end: AwareDatetime
    break_start: AwareDatetime | None = None
    break_end: AwareDatetime | None = None


class Roster(Report):
    """The day's teams; replaces what was known of each role that it names."""

    entries: Annotated[tuple[RosterLine, ...], Field(min_length=1, max_length=500)]


class Beds(Report):
    """A unit's beds."""

    unit: BedUnit
    capacity: Count
    occupied: Count = 0
    expected_discharges: Annotated[tuple[AwareDatetime, ...], Field(max_length=500)] = ()


class Equipment(Report):
    """How many of one kind are free."""

    kind: Word
    unit: Word | None = None
    free: Count
    in_use: Count = 0
    reprocessing_until: AwareDatetime | None = None


class Readiness(Report):
    """One item of a patient's readiness."""

    item: ReadinessItem
    status: ReadinessStatus


class Replan(Report):
    """A person asks for a new plan."""

    reason: Text = ""


class Block(Report):
    """Room time is allocated to an owner, or released by one."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    room: Word
    owner: Word
    status: Literal["allocated", "released"]
    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")


class Implant(Report):
    """An implant for a case arrives within a window."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    implant: Word
    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")


class Wish(Report):
    """A surgeon or a service asks for an exception from a rule: seen, reviewed, tracked."""

    wish: Annotated[str, Field(min_length=1, max_length=200)]
    rule: Word
    requested_by: Word | None = None
    case: Word | None = None


class Happened(Report):
    """A milestone that a person saw, or enters after a downtime: `at` is when it happened."""

    milestone: Milestone
    room: Word | None = None


def event_id(suite: str, path: str, body: dict[str, Any], at: datetime, key: str | None, user: str) -> str:
    """The same key, or the same content within a minute, is the same event."""
    if key:
        return derived_id("manual", suite, path, user, key)
    minute = at.replace(second=0, microsecond=0).isoformat()
    return derived_id("manual", suite, path, repr(sorted(body.items())), minute)


def room_events(id: str, suite: str, room: str, at: datetime, user: str, report: Report) -> list[e.Event]:
    """Events of a report about one room."""
    head: dict[str, Any] = {"id": id, "suite": suite, "at": at, "room": room}
    if isinstance(report, RoomDown):
        if report.expected_until is not None and report.expected_until <= at:
            raise Wrong("Expected expected_until after the room went down, got an earlier time.")
        return [e.RoomWentDown(**head, cause=report.cause, until=report.expected_until, reported_by=user)]
    if isinstance(report, Cleaning):
        told = report.model_dump(include={"status", "kind", "team", "expected_ready"})
        return [e.CleaningStatusChanged(**head, **told)]
    return [e.RoomRestored(**head, reported_by=user)]


def suite_events(id: str, suite: str, at: datetime, user: str, report: Report) -> list[e.Event]:
    """Events of a report about the suite; a roster gives one per role."""
    head: dict[str, Any] = {"id": id, "suite": suite, "at": at}
    if isinstance(report, Short):
        if report.end <= report.start or report.end - report.start > timedelta(days=2):
            raise Wrong("Expected `to` after `from`, by two days at most.")
        told = report.model_dump(include={"role", "missing", "start", "end"})
        return [e.StaffShort(**head, **told, reported_by=user)]
    if isinstance(report, Roster):
        return _rosters(id, suite, at, user, report)
    if isinstance(report, Beds):
        told = report.model_dump(include={"unit", "capacity", "occupied", "expected_discharges"})
        return [e.BedsChanged(**head, **told, reported_by=user)]
    if isinstance(report, Equipment):
        told = report.model_dump(include={"kind", "unit", "free", "in_use", "reprocessing_until"})
        return [e.EquipmentChanged(**head, **told, reported_by=user)]
    if isinstance(report, Replan):
        return [e.ReplanRequested(**head, requested_by=user, reason=report.reason)]
    if isinstance(report, Block):
        _need_window(report.start, report.end)
        told = report.model_dump(include={"room", "owner", "start", "end"})
        return [e.BlockChanged(**head, **told, allocated=report.status == "allocated")]
    if isinstance(report, Wish):
        by = report.requested_by or user
        told = report.model_dump(include={"wish", "rule", "case"})
        return [e.ExceptionRequested(**head, **told, exception=id, requested_by=by)]
    raise Wrong(f"Expected a report about a suite, got {type(report).__name__}.")


def case_events(id: str, suite: str, case: str, at: datetime, now: datetime, report: Report) -> list[e.Event]:
    """Events of a report about one case; a milestone says with `recorded` when it was entered."""
    head: dict[str, Any] = {"id": id, "suite": suite, "at": at, "case": case}
    if isinstance(report, Readiness):
        return [e.ReadinessChanged(**head, item=report.item, status=report.status, source=Source.MANUAL)]
    if isinstance(report, Implant):
        _need_window(report.start, report.end)
        return [e.ImplantExpected(**head, implant=report.implant, start=report.start, end=report.end)]
    if isinstance(report, Happened):
        told = report.model_dump(include={"milestone", "room"})
        return [e.MilestoneRecorded(**head, **told, source=Source.MANUAL, recorded=now)]
    raise Wrong(f"Expected a report about a case, got {type(report).__name__}.")


def _need_window(start: datetime, end: datetime) -> None:
    if not start < end <= start + timedelta(days=2):
        raise Wrong("Expected `to` after `from`, by two days at most.")


def _rosters(id: str, suite: str, at: datetime, user: str, report: Roster) -> list[e.Event]:
    by_role: dict[str, list[e.RosterEntry]] = {}
    for line in report.entries:
        if line.shift_end <= line.shift_start:
            raise Wrong(f"Expected team {line.team_id} to end its shift after it starts.")
        told = line.model_dump(exclude={"team_id"})
        by_role.setdefault(line.role, []).append(e.RosterEntry(team=line.team_id, **told))
    return [
        e.RosterChanged(
            id=derived_id(id, role), suite=suite, at=at, role=role, entries=tuple(entries), reported_by=user
        )
        for role, entries in sorted(by_role.items())
    ]
