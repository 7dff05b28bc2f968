"""Task: a readiness item, a milestone that its completion marks, or the cleaning of a room."""

from datetime import datetime

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import CleaningStatusChanged
from orloop_common.domain.vocabulary import ReadinessStatus
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import FactTold, MilestoneTold, ReadinessTold, Statement

from . import elements as e
from .context import Context

_GONE = frozenset({"entered-in-error", "cancelled", "rejected", "failed"})


def read(c: Context) -> list[Statement]:
    """What the Task's code stands for by the profile; a code that it does not name is none of ours."""
    if any(system in c.profile.own_tasks for system, _ in e.identifiers(c.resource, c.kind)):
        c.notes.append("own_task")
        return []
    word = c.coded(c.profile.tasks, e.element(c.resource, "code", c.kind), "Task.code")
    if word is None:
        c.notes.append("unmapped_task")
        return []
    status = c.text("status")
    if word.cleaning is not None:
        return _cleaning(c, word.cleaning, status)
    if word.milestone is not None:
        at = _done_at(c) if status == "completed" else None
        if at is None:
            return []
        return [MilestoneTold(ref=c.ref(at=at), milestone=word.milestone, at=at)]
    if word.item is None:
        return []
    known = c.profile.task_statuses.get(status)
    if known is None:
        c.ref()
        raise Quarantined(Reason.UNKNOWN_CODE, "Task.status")
    return [ReadinessTold(ref=c.ref(), item=word.item, status=ReadinessStatus(known))]


def _done_at(c: Context) -> datetime | None:
    _, ended = c.period("executionPeriod")
    return ended or c.moment("lastModified")


def _cleaning(c: Context, kind: str, status: str) -> list[Statement]:
    room = c.room_of(c.reference("location"), "Task.location")
    if room is None:
        raise Quarantined(Reason.UNKNOWN_ROOM, "Task.location")
    if status in _GONE:
        c.notes.append("cleaning_called_off")
        return []
    stage = {"completed": "clean", "in-progress": "cleaning"}.get(status, "dirty")
    began, ended = c.period("executionPeriod")
    at = {"clean": ended, "cleaning": began}.get(stage) or c.moment("lastModified") or c.at
    id = derived_id("CleaningStatusChanged", c.profile.suite, room, stage, kind, at.isoformat())
    event = CleaningStatusChanged(id=id, suite=c.profile.suite, at=at, room=room, status=stage, kind=kind)
    return [FactTold(event=event)]
