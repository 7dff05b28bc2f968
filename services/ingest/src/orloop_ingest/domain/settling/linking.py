"""A case that was cancelled and booked again under a new sender id: linked as a possible replacement, never merged."""

from datetime import datetime, timedelta

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import CaseCancelled, CaseLinked, CaseScheduled
from orloop_common.domain.reading import entered
from orloop_ingest.domain.identities import person_of

from .weighing import Weighing

WINDOW = timedelta(hours=72)
"""Between the cancellation and the new booking, either way: some systems book first."""


def link_replacements(w: Weighing, case: str) -> None:
    """Link the patient's cases that may replace each other, now that this one was booked, ended or given a patient."""
    identity = w.identities.by_case.get(case)
    if identity is None or not identity.pid.id:
        return
    cases = w.identities.cases_of_patient(person_of(identity.pid))
    if len(cases) < 2:
        return
    ends = {old: at for old in cases if (at := _cancelled(w, old)) is not None}
    for new in cases if ends else ():
        best = max(
            ((key, old) for old, at in ends.items() if (key := _fits(w, new, old, at)) is not None), default=None
        )
        if best is None or w.known.case(new).replaces == best[1]:
            continue
        if any(isinstance(e, CaseLinked) and (e.case, e.replaces) == (new, best[1]) for e in w.others):
            continue
        id = derived_id("CaseLinked", w.told.suite, new, best[1])
        w.others.append(CaseLinked(id=id, suite=w.told.suite, at=w.told.at, case=new, replaces=best[1]))


def _fits(w: Weighing, new: str, old: str, cancelled: datetime) -> tuple[bool, str] | None:
    """How well `new` may replace `old`: by procedure, or by service alone; None if it may not."""
    booked, left = w.schedule(new), w.schedule(old)
    if new == old or booked is None or left is None or _ended(w, new):
        return None
    if entered(w.known.case(old)) is not None:
        return None
    first = w.known.past(new).schedules
    began = first[0].at if first else booked.at
    if abs(began - cancelled) > WINDOW:
        return None
    codes = {(p.system, p.code) for p in booked.procedures}
    same = bool(codes & {(p.system, p.code) for p in left.procedures})
    return (same, cancelled.isoformat()) if same or booked.service == left.service else None


def _cancelled(w: Weighing, case: str) -> datetime | None:
    for event in w.schedules:
        if isinstance(event, CaseCancelled) and event.case == case:
            return event.at
    if w.known.case(case).status != "cancelled":
        return None
    return next((end.at for end in w.known.past(case).ends if end.status == "cancelled"), None)


def _ended(w: Weighing, case: str) -> bool:
    now = any(e.case == case for e in w.schedules if not isinstance(e, CaseScheduled) and hasattr(e, "case"))
    return now or w.known.case(case).status != "scheduled"
