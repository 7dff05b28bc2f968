"""Which of our cases a message is about: by any sender id it was ever named by, or by visit, room and time."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from orloop_common.domain.reading import entered, left
from orloop_common.domain.records import CaseRecord
from orloop_common.domain.vocabulary import Milestone
from orloop_common.messages.identity import SenderIdentity
from orloop_ingest.domain.identities import person_of
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import CaseRef, MilestoneTold

from .weighing import Weighing

EARLY, LATE = timedelta(hours=2), timedelta(hours=4)


def find_case(w: Weighing, ref: CaseRef) -> str | None:
    """The known case that one of the ids names; None if it is a new one.

    The best id decides. A lesser one (an order that the appointments share) names a case only if the message
    contradicts none of the case's own ids and the case has not ended: else it is another appointment.
    """
    space = w.told.namespace
    for number, id in enumerate(ref.ids):
        cases = w.identities.by_id.get((space, id))
        if not cases:
            continue
        if number == 0:
            return _best(w, cases)
        fitting = {c for c in cases if _may_be(w, c, ref)}
        if not fitting:
            w.notes.append("shares_an_id")
            return None
        return _best(w, fitting)
    return None


def _may_be(w: Weighing, case: str, ref: CaseRef) -> bool:
    held = w.identities.by_case[case]
    return set(held.ids or (held.filler,)) <= set(ref.ids) and w.known.case(case).status == "scheduled"


def _best(w: Weighing, cases: Collection[str]) -> str:
    """Of several cases under one id the one that still stands, then the newest."""
    if len(cases) == 1:
        return next(iter(cases))
    return max(cases, key=lambda c: (w.known.case(c).active, _version(w.known.case(c)), c))


def _version(record: CaseRecord) -> datetime | None:
    return record.schedule.at if record.schedule else datetime.min.replace(tzinfo=UTC)


def case_of(w: Weighing, ref: CaseRef) -> str:
    """Our id of the case: the known one, else the keyed hash of namespace and first sender id.

    Raises
    ------
    Quarantined
        NO_CASE_ID if the message names none.
    """
    if not ref.ids:
        raise Quarantined(Reason.NO_CASE_ID, "SCH-2, OBR-3")
    case = find_case(w, ref)
    if case is None:
        ids = w.pseudonyms.case_uids(w.told.namespace, ref.ids[0])
        case = next((id for id in ids[1:] if id in w.known.day.cases), ids[0])
    if case not in w.cases:
        w.cases.append(case)
    return case


def case_of_milestone(w: Weighing, told: MilestoneTold) -> str:
    """The case of a milestone: by id, else by visit, room and time.

    Raises
    ------
    Quarantined
        UNKNOWN_VISIT if no case is open on the visit, AMBIGUOUS_VISIT if several are and none fits best.
    """
    ref = told.ref
    if ref.ids:
        return case_of(w, ref)
    case = _by_visit(w, told) if ref.visit else _by_patient(w, told)
    if case not in w.cases:
        w.cases.append(case)
    return case


def _by_visit(w: Weighing, told: MilestoneTold) -> str:
    visit = told.ref.visit
    moved = w.identities.visits.get((w.told.namespace, visit))
    found = w.identities.cases_of(w.told.namespace, moved.now_visit if moved else visit)
    cases = [w.known.case(case) for case in found if w.known.over_since(case) is None]
    cases = [c for c in cases if c.status == "scheduled"]
    if not cases:
        raise Quarantined(Reason.UNKNOWN_VISIT, "PV1-19")
    return cases[0].case if len(cases) == 1 else _fitting(cases, told)


def _by_patient(w: Weighing, told: MilestoneTold) -> str:
    """Without a visit the patient's cases are looked at; even a single one must fit by room and time."""
    person = person_of(told.ref.patient)
    if not person[2] or told.room is None:
        raise Quarantined(Reason.UNKNOWN_VISIT, "PV1-19")
    cases = [w.known.case(case) for case in w.identities.cases_of_patient(person)]
    cases = [c for c in cases if c.active and _fits(c, told) and _near(c, told.at)]
    if not cases:
        raise Quarantined(Reason.UNKNOWN_VISIT, "PV1-19")
    return _fitting(cases, told)


def _fitting(cases: list[CaseRecord], told: MilestoneTold) -> str:
    fitting = [c for c in cases if _fits(c, told)]
    if len(fitting) > 1:
        fitting = [c for c in fitting if _near(c, told.at)]
    if len(fitting) != 1:
        raise Quarantined(Reason.AMBIGUOUS_VISIT, "PV1-19")
    return fitting[0].case


def _fits(record: CaseRecord, told: MilestoneTold) -> bool:
    if told.room is None:
        return entered(record) is not None and told.milestone not in record.milestones
    here = record.schedule is not None and record.schedule.room == told.room
    if told.milestone is Milestone.PATIENT_OUT_OF_ROOM:
        return here and entered(record) is not None and told.milestone not in record.milestones
    return here and left(record) is None


def _near(record: CaseRecord, at: datetime) -> bool:
    schedule = record.schedule
    return schedule is not None and schedule.start - EARLY <= at <= schedule.start + schedule.booked + LATE


def known_ids(identity: SenderIdentity) -> tuple[str, ...]:
    """All sender ids that a case was ever named by."""
    return identity.ids or (identity.filler,)
