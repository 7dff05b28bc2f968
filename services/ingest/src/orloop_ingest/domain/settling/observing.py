"""Milestones and readiness: news, a correction, the same again, or what was told before."""

from datetime import timedelta

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import MilestoneRecorded, ReadinessChanged
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import MilestoneTold, ReadinessTold

from .aging import is_past
from .matching import case_of, case_of_milestone
from .naming import name_case
from .weighing import TICK, Weighing

FUTURE = timedelta(minutes=10)


def tell_milestone(w: Weighing, told: MilestoneTold) -> None:
    """Record a milestone, or its correction; a late message undoes none.

    Raises
    ------
    Quarantined
        FUTURE_MILESTONE if it has not come yet, or a reason of the matching.
    """
    if told.at > w.told.received + FUTURE:
        raise Quarantined(Reason.FUTURE_MILESTONE, str(told.milestone))
    case = case_of_milestone(w, told)
    if is_past(w, case, told.at, follows=True):
        return
    if told.ref.ids:
        name_case(w, case, None, told.ref)
    held = w.known.case(case).milestones.get(told.milestone)
    field = f"milestone {told.milestone}"
    if held is None:
        _record(w, case, told, None)
        return
    if held.at == told.at:
        w.settled_fields.setdefault(case, set()).add(field)
        return
    before = any(each.at == told.at for each in held.earlier)
    if told.fills_gap_only or (before and w.told.at < held.recorded):
        return
    if before and not w.follows(case):
        w.deferred.append((case, (field,), lambda: _record(w, case, told, held.event)))
        return
    _record(w, case, told, held.event if w.told.at >= held.recorded else None)


def _record(w: Weighing, case: str, told: MilestoneTold, replaces: str | None) -> None:
    recorded = w.told.at
    held = w.known.case(case).milestones.get(told.milestone)
    if replaces is not None and held is not None:
        recorded = max(recorded, held.recorded + TICK)
    id = derived_id("MilestoneRecorded", w.told.suite, case, told.milestone, told.at.isoformat(), w.told.at.isoformat())
    w.others.append(
        MilestoneRecorded(
            id=id,
            suite=w.told.suite,
            at=told.at,
            case=case,
            milestone=told.milestone,
            room=told.room,
            recorded=recorded,
            replaces=replaces,
        )
    )


def tell_readiness(w: Weighing, told: ReadinessTold) -> None:
    """A readiness item that changed."""
    case = case_of(w, told.ref)
    if is_past(w, case, None, follows=True):
        return
    name_case(w, case, None, told.ref)
    field = f"readiness {told.item}"
    if w.known.case(case).readiness.get(told.item) is told.status:
        w.settled_fields.setdefault(case, set()).add(field)
        return

    def record() -> None:
        id = derived_id("ReadinessChanged", w.told.suite, case, told.item, told.status, w.told.at.isoformat())
        w.others.append(
            ReadinessChanged(id=id, suite=w.told.suite, at=w.told.at, case=case, item=told.item, status=told.status)
        )

    if (told.item, told.status) in w.known.past(case).readiness and not w.follows(case):
        w.deferred.append((case, (field,), record))
    else:
        record()
