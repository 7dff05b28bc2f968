"""Procedure: when it began and ended."""

from datetime import datetime

from orloop_common.domain.vocabulary import Milestone
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import MilestoneTold, Statement

from . import elements as e
from .context import Context

_SAID = frozenset({"in-progress", "on-hold", "stopped", "completed"})
_DEFAULT = (Milestone.PROCEDURE_START, Milestone.PROCEDURE_END)


def read(c: Context) -> list[Statement]:
    """Milestones of its period.

    Raises
    ------
    Quarantined
        UNKNOWN_CODE for one that was not done, or entered in error: what it means for the case, a person decides.
    """
    category, code = e.element(c.resource, "category", c.kind), e.element(c.resource, "code", c.kind)
    concepts = ("Procedure.category", category), ("Procedure.code", code)
    milestones = c.coded(c.profile.procedure_milestones, code, "Procedure.code")
    if milestones is None and not c.is_ours(*concepts):
        c.notes.append("not_surgical")
        return []
    status = c.text("status")
    if status in ("not-done", "entered-in-error"):
        c.ref()  # one that names no case is none of ours
        raise Quarantined(Reason.UNKNOWN_CODE, "Procedure.status")
    if status not in _SAID or "performedPeriod" not in c.resource:
        c.notes.append("no_milestone")
        return []
    first, last = milestones or c.profile.procedure_milestones.get("*", _DEFAULT)
    began, ended = c.period("performedPeriod")
    return [*_milestone(c, first, began), *_milestone(c, last, ended if status in ("stopped", "completed") else None)]


def _milestone(c: Context, milestone: Milestone | None, at: datetime | None) -> list[Statement]:
    if milestone is None or at is None:
        return []
    room = c.room_of(c.reference("location"), "Procedure.location")
    return [MilestoneTold(ref=c.ref(room, at), milestone=milestone, at=at, room=room)]
