"""Merged patients and moved visits: in whatever order they come, with their cases, the state is the same."""

from orloop_common.domain.events import CaseScheduled
from orloop_common.domain.evolving import evolve as replace
from orloop_common.messages.identity import CASE
from orloop_ingest.domain import identities as i
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import PatientsMerged, PatientsParted, VisitMoved

from .linking import link_replacements
from .weighing import Weighing, named


def tell_merge(w: Weighing, told: PatientsMerged) -> None:
    """From now on the retired patient is the survivor; the cases of both are of one patient.

    Raises
    ------
    Quarantined
        MERGE_CYCLE if the survivor was ever said to become the retired one, PARTED_BY_HAND if a person took the
        merge back.
    """
    retired, survivor = i.person_of(told.retired), i.person_of(told.survivor)
    if not retired[2] or not survivor[2]:
        raise Quarantined(Reason.WRONG_BODY, "MRG-1")
    if retired == survivor:
        w.notes.append("merged_with_itself")
        return
    held = w.identities.merges.get(retired)
    new = i.PatientsRecord(
        retired=i.bare(told.retired),
        survivor=i.bare(told.survivor),
        at=w.told.at,
        raw=w.told.raw,
        keys=w.pseudonyms.patient_keys(*retired),
    )
    if held is not None:
        named_now = i.person_of(held.survivor)
        if held.undone and (survivor == named_now or _was_told(held, survivor)):
            raise Quarantined(Reason.PARTED_BY_HAND, "MRG-1")
        if survivor == named_now:
            _rekey(w, retired)  # the record is there: its events may not be
            return
        if _was_told(held, survivor):
            w.notes.append("told_before")
            return
        if w.told.at < held.at:
            w.notes.append("superseded")
            w.keep(i.PATIENTS, _name(w, retired), replace(held, earlier=(*held.earlier, new.survivor)))
            return
        new = replace(new, earlier=(*held.earlier, held.survivor))
    if retired in ever_led(w, survivor):
        raise Quarantined(Reason.MERGE_CYCLE, "MRG-1")
    w.keep(i.PATIENTS, _name(w, retired), new)
    _rekey(w, retired)


def tell_parted(w: Weighing, told: PatientsParted) -> None:
    """A person parts a patient from its survivor again; a resent A40 does not undo that."""
    retired = i.person_of(told.retired)
    held = w.identities.merges.get(retired)
    if held is None:
        w.notes.append("never_merged")
        return
    if not held.undone:
        w.keep(i.PATIENTS, _name(w, retired), replace(held, undone=told.by))
    _rekey(w, retired)


def tell_visit_moved(w: Weighing, told: VisitMoved) -> None:
    """A visit's number, or its patient, is another from now on; its cases go with it."""
    space, move = w.told.namespace, (told.now_visit, i.bare(told.patient))
    held = w.identities.visits.get((space, told.visit))
    if held is None or (held.now_visit, held.patient) != move:
        if held is not None and move in held.earlier:
            w.notes.append("told_before")
            return
        if held is not None and w.told.at < held.at:
            w.notes.append("superseded")
            w.keep(i.VISIT, _visit_name(w, told.visit), replace(held, earlier=(*held.earlier, move)))
            return
        if told.now_visit != told.visit and _leads_to(w, told.now_visit, told.visit):
            raise Quarantined(Reason.MERGE_CYCLE, "MRG-5")
        record = i.VisitRecord(
            namespace=space,
            visit=told.visit,
            now_visit=told.now_visit,
            patient=move[1],
            at=w.told.at,
            earlier=(*held.earlier, (held.now_visit, held.patient)) if held is not None else (),
        )
        w.keep(i.VISIT, _visit_name(w, told.visit), record)
    for case in w.identities.cases_of(space, told.visit):
        identity = w.identities.by_case[case]
        if identity.visit not in (told.visit, told.now_visit):
            continue  # it has been on another visit since
        visits = tuple(dict.fromkeys((*(identity.visits or (identity.visit,)), told.now_visit)))
        moved = replace(identity, visit=told.now_visit, visits=visits)
        if i.person_of(identity.pid) != i.person_of(told.patient):
            moved = replace(moved, pid=told.patient)
        moved = replace(moved, patient_keys=w.pseudonyms.patient_keys(*i.person_of(moved.pid)))
        if moved != identity:
            w.keep(CASE, case, moved)
        rekey_case(w, case)


def _visit_name(w: Weighing, visit: str) -> str:
    return w.pseudonyms.name("visit", w.told.namespace, visit)


def _leads_to(w: Weighing, visit: str, end: str) -> bool:
    """Whether moves lead, or ever led, from one visit to another."""
    seen: set[str] = set()
    left = [visit]
    while left:
        if (each := left.pop()) == end:
            return True
        record = w.identities.visits.get((w.told.namespace, each))
        if record is not None and each not in seen:
            seen.add(each)
            left += [record.now_visit, *(now for now, _ in record.earlier)]
    return False


def ever_led(w: Weighing, person: i.Person) -> set[i.Person]:
    """The patient, and all whom merges make of it, or ever made of it.

    What a later survivor has replaced counts, too: else a merge that was refused would be taken when the day is sent
    again, after the one that spoke against it has been replaced.
    """
    seen: set[i.Person] = set()
    left = [person]
    while left:
        each = left.pop()
        if each in seen:
            continue
        seen.add(each)
        record = w.identities.merges.get(each)
        if record is not None:
            left += [i.person_of(survivor) for survivor in (record.survivor, *record.earlier)]
    return seen


def _was_told(held: i.PatientsRecord, survivor: i.Person) -> bool:
    return any(i.person_of(each) == survivor for each in held.earlier)


def _name(w: Weighing, person: i.Person) -> str:
    return w.pseudonyms.patient_key(*person)


def _rekey(w: Weighing, person: i.Person) -> None:
    """Every case of the patient, under whatever number, gets the key that holds now."""
    cases: set[str] = set()
    for each in w.identities.persons(person):
        cases.update(w.identities.by_patient.get(each, ()))
    for case in sorted(cases):
        rekey_case(w, case)


def rekey_case(w: Weighing, case: str) -> None:
    """Tell the case's schedule once more, under its version, if its patient has another key now."""
    identity, held = w.identities.by_case.get(case), w.schedule(case)
    if identity is None or held is None or not identity.pid.id:
        return
    key = w.pseudonyms.patient_key(*w.identities.root(i.person_of(identity.pid)))
    if held.patient_key == key:
        return
    new = named(w, replace(held, patient_key=key, at=w.at_after(held, held.version)), held)
    w.schedules = [e for e in w.schedules if not (isinstance(e, CaseScheduled) and e.case == case)]
    w.schedules.append(new)
    link_replacements(w, case)
