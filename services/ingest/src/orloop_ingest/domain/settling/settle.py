"""What a message says, weighed against what is known: events and identity records, or a quarantine with a reason."""

from collections.abc import Callable
from typing import Any

from orloop_common.domain.events import CleaningStatusChanged, RoomRestored, RoomWentDown
from orloop_common.domain.evolving import evolve as replace
from orloop_ingest.domain import identities as i
from orloop_ingest.domain.known import Known
from orloop_ingest.domain.pseudonyms import Pseudonyms
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import (
    BedTold,
    CaseRef,
    CaseTold,
    FactTold,
    MilestoneTold,
    PatientsMerged,
    PatientsParted,
    ReadinessTold,
    Told,
    VisitMoved,
)
from orloop_ingest.domain.truth import believe

from .again import hold_what_was_told
from .beds import tell_bed
from .doubting import doubt_case, doubt_statements, tell_flags, withdraw_doubts
from .matching import case_of
from .observing import tell_milestone, tell_readiness
from .outcome import Settled
from .parking import reopen, waiting_for
from .patients import tell_merge, tell_parted, tell_visit_moved
from .schedules import tell_case
from .weighing import Weighing


def _tell_fact(w: Weighing, told: FactTold) -> None:
    """A fact as it came; a room's state that is known already is none (a Location is told with every poll)."""
    event = told.event
    if isinstance(event, RoomRestored | RoomWentDown | CleaningStatusChanged):
        record = w.known.day.rooms.get(event.room)
        if isinstance(event, CleaningStatusChanged):
            held = record.cleaning if record else None
            if held is not None and replace(held, id="", at=event.at) == replace(event, id=""):
                return
        else:
            down = record.down if record else None
            if isinstance(event, RoomRestored) and down is None:
                return
            if isinstance(event, RoomWentDown) and down is not None and down.cause == event.cause:
                return
    w.others.append(believe(event, w.told.source, w.known.day, w.known.truth).event)


WEIGHED: dict[type, Callable[[Weighing, Any], None]] = {
    CaseTold: tell_case,
    MilestoneTold: tell_milestone,
    ReadinessTold: tell_readiness,
    PatientsMerged: tell_merge,
    PatientsParted: tell_parted,
    VisitMoved: tell_visit_moved,
    BedTold: tell_bed,
    FactTold: _tell_fact,
}


def settle(told: Told, known: Known, pseudonyms: Pseudonyms) -> Settled:
    """What a message means, given what is known; a pure function of the three.

    Told again it means nothing, whether its records and events were written or only its records: whoever
    was killed in between settles it again and gets the rest.
    """
    if told.problem is not None:
        return doubt(told, told.about, told.problem, known, pseudonyms, only_known=True)
    return _settle(told, known, pseudonyms, parked=False)


def _settle(told: Told, known: Known, pseudonyms: Pseudonyms, *, parked: bool) -> Settled:
    w = Weighing(told, known, pseudonyms)
    try:
        for statement in told.statements:
            WEIGHED[type(statement)](w, statement)
    except Quarantined as problem:
        return _doubted(Weighing(told, known, pseudonyms), problem)
    hold_what_was_told(w)
    if told.flags or w.missing:
        tell_flags(w)
    withdraw_doubts(w)
    if not parked and w.identities.parked:
        _apply_parked(w)
    return _settled(w)


def doubt(
    told: Told,
    ref: CaseRef | None,
    problem: Quarantined,
    known: Known,
    pseudonyms: Pseudonyms,
    *,
    only_known: bool = False,
) -> Settled:
    """A message that could not be read puts the case that it names in doubt.

    Parameters
    ----------
    told
        Who spoke and when, without statements.
    only_known
        Whether a case that nobody knows is none of ours (a laboratory's result).
    """
    w = Weighing(told, known, pseudonyms)
    if ref is not None and ref.ids:
        case = case_of(w, ref)
        if not only_known or case in known.day.cases:
            doubt_case(w, case, problem)
    return replace(_settled(w), problem=problem)


def _doubted(w: Weighing, problem: Quarantined) -> Settled:
    if problem.reason is not Reason.LONG_PAST:  # a doubt would bring the case back
        doubt_statements(w, problem)
    return replace(_settled(w), problem=problem)


def _settled(w: Weighing) -> Settled:
    return Settled(
        events=(*w.schedules, *w.others, *w.doubts),
        identities=tuple(w.drafts.values()),
        notes=tuple(w.notes),
        cases=tuple(w.cases),
    )


def _apply_parked(w: Weighing) -> None:
    """Weigh what waits for the cases of this message; what has nothing more to say is done."""
    for case in w.cases:
        if w.schedule(case) is None:
            continue
        for name, record in waiting_for(w, case):
            outcome = settle_parked(w, record)
            w.others += outcome.events
            for draft in outcome.identities:
                w.drafts[draft.kind, draft.name] = draft
                w.identities = w.identities.with_draft(draft)
            if not outcome.events:
                w.keep(i.PARKED, name, replace(record, done=True))


def settle_parked(w: Weighing, record: i.ParkedRecord) -> Settled:
    """A parked statement against the case as it stands with this message."""
    day, pasts = w.known.day, w.known.pasts
    for event in (*w.schedules, *w.others):
        day, pasts = day.apply(event), pasts.apply(event)
    told = Told(
        source=record.source,
        suite=w.told.suite,
        namespace=record.namespace,
        at=record.at,
        received=record.received,
        raw=record.raw,
        statements=(reopen(record.statement),),
    )
    known = replace(w.known, day=day, pasts=pasts, identities=w.identities)
    return _settle(told, known, w.pseudonyms, parked=True)
