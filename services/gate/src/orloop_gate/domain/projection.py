"""Rows for people who ask SQL: projections of the log, each under the offset that it came from."""

from dataclasses import dataclass
from typing import Any

from orloop_common.domain import events as e
from orloop_common.domain.derived import AuditEntry
from orloop_common.messages import to_json


@dataclass(frozen=True, slots=True)
class Row:
    """One row of `table`, told by the record at `offset`."""

    offset: int
    table: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a stretch of one partition tells: rows, and the offset to read next."""

    topic: str
    partition: int
    next_offset: int
    rows: tuple[Row, ...] = ()


def rows_of(offset: int, event: e.Event, entries: tuple[AuditEntry, ...], voided: tuple[str, ...]) -> tuple[Row, ...]:
    """The rows of one event that was folded; `entries` are its audit entries."""
    rows = [Row(offset, "audit_entries", _audit(entry)) for entry in entries]
    if isinstance(event, e.PlanDecided) and entries:
        rows.append(Row(offset, "decisions", _decision(event, voided)))
    if isinstance(event, e.ModeChanged) and entries:
        rows.append(Row(offset, "modes", _mode(event)))
    return tuple(rows)


def _audit(entry: AuditEntry) -> dict[str, Any]:
    names = ("suite", "sequence", "id", "as_of", "at", "who", "what", "subject", "why", "outcome", "previous", "hash")
    return {name: getattr(entry, name) for name in names}


def _decision(event: e.PlanDecided, voided: tuple[str, ...]) -> dict[str, Any]:
    return {
        "proposal": event.proposal,
        "suite": event.suite,
        "event": event.id,
        "verdict": str(event.verdict),
        "decided_by": event.decided_by,
        "alternative": event.alternative,
        "reason_code": event.reason_code,
        "reason": event.reason,
        "based_on": event.based_on,
        "at": event.at,
        "voided": ",".join(voided),
        "changes": to_json(event.changes).decode(),
    }


def _mode(event: e.ModeChanged) -> dict[str, Any]:
    return {
        "event": event.id,
        "suite": event.suite,
        "mode": str(event.mode),
        "decided_by": event.decided_by,
        "reason": event.reason,
        "at": event.at,
    }
