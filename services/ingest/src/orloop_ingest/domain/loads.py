"""`orloop load`: rosters, beds, equipment and blocks out of files become events, each file with its version. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from orloop_common.domain import events as e
from orloop_common.domain.digest import derived_id, digest
from orloop_common.domain.site import Site
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import BedUnit

from . import tables as t
from .truth import believe

MOST_TEAMS = 1000  # a roster is one record on the log
_NEVER = datetime(1, 1, 1, tzinfo=UTC)
ROLES = ("anaesthesia", "cleaning", "nursing", "surgeon")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHead:
    """Which file this is: who made it, as of when, and the digest of what its rows say."""

    suite: str
    source: str
    as_of: datetime
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What becomes of one event of a file: new, unchanged, superseded (a newer word is held), outranked."""

    outcome: str
    subject: str
    event: e.Event
    warning: str | None = None

    @property
    def written(self) -> bool:
        return self.outcome in ("new", "outranked")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of file: its columns, its checks across cells, and its events (with ids to be given)."""

    columns: Callable[[ZoneInfo], Sequence[t.Column]]
    check: Callable[[t.Table, Site, str], None]
    events: Callable[[Sequence[t.Row], FileHead, Site], list[e.Event]]


def read_file(kind: str, text: str, site: Site, suite: str) -> t.Table:
    """The rows of a file of this kind; its faults name line and column."""
    rules = KINDS[kind]
    table = t.read_table(text, rules.columns(ZoneInfo(site.timezone)))
    rules.check(table, site, suite)
    return table


def version_of(table: t.Table) -> str:
    """The digest of what the rows say: neither spaces nor the order of columns nor CSV or JSON changes it."""
    return digest([row.cells for row in table.rows])


def outcomes(kind: str, table: t.Table, head: FileHead, site: Site, day: SuiteDay) -> list[Outcome]:
    """What each event of a good file would change now; the same file again changes nothing."""
    return [_weigh(event, head, site, day) for event in KINDS[kind].events(table.rows, head, site)]


def _weigh(event: e.Event, head: FileHead, site: Site, day: SuiteDay) -> Outcome:
    subject, held = subject_of(event), _held(event, day)
    if held is not None:
        if _said(held) == _said(event):
            return Outcome(outcome="unchanged", subject=subject, event=replace(event, id=held.id))
        if held.at > event.at:
            warning = f"{subject}: a newer word is held (as of {held.at.isoformat()}), so this was left out."
            return Outcome(outcome="superseded", subject=subject, event=event, warning=warning)
    id = derived_id("load", head.suite, head.source, subject, digest(_said(event)), held.id if held else "")
    believed = believe(replace(event, id=id), head.source, day, site.truth)
    outcome = "new" if believed.warning is None else "outranked"
    if believed.event.id in day.seen:
        outcome = "unchanged"
    return Outcome(outcome=outcome, subject=subject, event=believed.event, warning=believed.warning)


def _said(event: e.Event) -> Any:
    said: dict[str, Any] = {"id": "", "at": _NEVER}
    if hasattr(event, "reported_by"):
        said["reported_by"] = None
    return replace(event, **said)


def subject_of(event: e.Event) -> str:
    """What the event is about, as people name it."""
    if isinstance(event, e.RosterChanged):
        return f"roster:{event.role}"
    if isinstance(event, e.BedsChanged):
        return f"beds:{event.unit}"
    if isinstance(event, e.EquipmentChanged):
        return f"equipment:{event.kind}"
    if isinstance(event, e.BlockChanged):
        return f"block:{event.room}@{event.start.isoformat()}"
    return type(event).__name__


def _held(event: e.Event, day: SuiteDay) -> Any:
    if isinstance(event, e.RosterChanged):
        return day.rosters.get(event.role)
    if isinstance(event, e.BedsChanged):
        return day.beds.get(event.unit)
    if isinstance(event, e.EquipmentChanged):
        keyed: Mapping[Any, Any] = day.equipment
        return keyed.get((event.kind, event.unit or ""))
    if isinstance(event, e.BlockChanged):
        return day.blocks.get((event.room, event.start))
    return None


# --- the kinds -------------------------------------------------------------------------------------------------


def _roster_columns(zone: ZoneInfo) -> Sequence[t.Column]:
    at = t.moment(zone)
    return (
        t.Column("team_id", t.word),
        t.Column("role", t.one_of(*ROLES)),
        t.Column("shift_start", at),
        t.Column("shift_end", at),
        t.Column("skills", t.words, required=False, default=()),
        t.Column("break_start", at, required=False),
        t.Column("break_end", at, required=False),
    )


def _check_roster(table: t.Table, site: Site, suite: str) -> None:
    seen: dict[tuple[Any, ...], str] = {}
    for role in ROLES:
        teams = sum(row.cells["role"] == role for row in table.rows)
        if teams > MOST_TEAMS:
            table.wrong("the file", "role", f"at most {MOST_TEAMS} rows of one role", f"{teams} of {role}")
    for row in table.rows:
        cells = row.cells
        if cells["shift_end"] <= cells["shift_start"]:
            table.wrong(row.place, "shift_end", "a time after shift_start", "an earlier one")
        if (cells["break_start"] is None) != (cells["break_end"] is None):
            table.wrong(row.place, "break_end", "both ends of the break, or neither", "one")
        elif cells["break_start"] is not None and not (
            cells["shift_start"] <= cells["break_start"] < cells["break_end"] <= cells["shift_end"]
        ):
            table.wrong(row.place, "break_start", "a break within the shift", "another")
        _once(table, row, seen, "team_id", cells["role"], cells["team_id"], cells["shift_start"])


def _roster_events(rows: Sequence[t.Row], head: FileHead, site: Site) -> list[e.Event]:
    by_role: dict[str, list[e.RosterEntry]] = {}
    for row in rows:
        told = {name: value for name, value in row.cells.items() if name != "team_id"}
        by_role.setdefault(row.cells["role"], []).append(e.RosterEntry(team=row.cells["team_id"], **told))
    return [
        e.RosterChanged(
            id="",
            suite=head.suite,
            at=head.as_of,
            role=role,
            entries=tuple(sorted(entries, key=lambda entry: (entry.shift_start, entry.team))),
            reported_by=head.source,
        )
        for role, entries in sorted(by_role.items())
    ]


def _bed_columns(zone: ZoneInfo) -> Sequence[t.Column]:
    return (
        t.Column("unit", t.member(BedUnit)),
        t.Column("capacity", t.count()),
        t.Column("occupied", t.count(), required=False, default=0),
        t.Column("expected_discharges", t.moments(zone), required=False, default=()),
    )


def _check_beds(table: t.Table, site: Site, suite: str) -> None:
    seen: dict[tuple[Any, ...], str] = {}
    for row in table.rows:
        if len(row.cells["expected_discharges"]) > row.cells["occupied"]:
            table.wrong(row.place, "expected_discharges", "no more than are occupied", "more")
        _once(table, row, seen, "unit", row.cells["unit"])


def _equipment_columns(zone: ZoneInfo) -> Sequence[t.Column]:
    return (
        t.Column("kind", t.word),
        t.Column("unit", t.word, required=False),
        t.Column("free", t.count()),
        t.Column("in_use", t.count(), required=False, default=0),
        t.Column("reprocessing_until", t.moment(zone), required=False),
    )


def _check_equipment(table: t.Table, site: Site, suite: str) -> None:
    seen: dict[tuple[Any, ...], str] = {}
    for row in table.rows:
        _once(table, row, seen, "kind", row.cells["kind"], row.cells["unit"])


def _block_columns(zone: ZoneInfo) -> Sequence[t.Column]:
    at = t.moment(zone)
    return (
        t.Column("room", t.word),
        t.Column("owner", t.word),
        t.Column("status", t.one_of("allocated", "released")),
        t.Column("start", at, aliases=("from",)),
        t.Column("end", at, aliases=("to",)),
    )


def _check_blocks(table: t.Table, site: Site, suite: str) -> None:
    rooms = [room.id for room in site.suite(suite).rooms]
    seen: dict[tuple[Any, ...], str] = {}
    for row in table.rows:
        if row.cells["room"] not in rooms:
            table.wrong(row.place, "room", f"one of the suite's rooms {', '.join(rooms)}", repr(row.cells["room"]))
        if row.cells["end"] <= row.cells["start"]:
            table.wrong(row.place, "end", "a time after start", "an earlier one")
        _once(table, row, seen, "room", row.cells["room"], row.cells["start"])


def _block_events(rows: Sequence[t.Row], head: FileHead, site: Site) -> list[e.Event]:
    said = [{k: v for k, v in row.cells.items() if k != "status"} for row in rows]
    return [
        e.BlockChanged(
            id="",
            suite=head.suite,
            at=head.as_of,
            allocated=row.cells["status"] == "allocated",
            site=site.site,
            **cells,
        )
        for row, cells in zip(rows, said, strict=True)
    ]


def _each(kind: type[e.Event]) -> Callable[[Sequence[t.Row], FileHead, Site], list[e.Event]]:
    """One event for each row, whose columns are called as the event's fields."""

    def events(rows: Sequence[t.Row], head: FileHead, site: Site) -> list[e.Event]:
        common: dict[str, Any] = {"id": "", "suite": head.suite, "at": head.as_of, "reported_by": head.source}
        return [kind(**common, **row.cells) for row in rows]

    return events


def _once(table: t.Table, row: t.Row, seen: dict[tuple[Any, ...], str], column: str, *key: Any) -> None:
    if (before := seen.setdefault(key, row.place)) != row.place:
        table.wrong(row.place, column, "each of them once", f"the same as in {before}")


KINDS: dict[str, Kind] = {
    "roster": Kind(_roster_columns, _check_roster, _roster_events),
    "beds": Kind(_bed_columns, _check_beds, _each(e.BedsChanged)),
    "equipment": Kind(_equipment_columns, _check_equipment, _each(e.EquipmentChanged)),
    "blocks": Kind(_block_columns, _check_blocks, _block_events),
}
