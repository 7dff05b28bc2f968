"""The case's identity record: what this message adds to it, and who its patient is."""

from orloop_common.domain.evolving import evolve as replace
from orloop_common.messages.identity import CASE, PatientIdentity, SenderIdentity
from orloop_ingest.domain.identities import Person, person_of
from orloop_ingest.domain.told import CaseRef

from .weighing import Weighing

NOBODY = PatientIdentity()


def name_case(w: Weighing, case: str, told: SenderIdentity | None, ref: CaseRef, *, trusted: bool = False) -> None:
    """Keep what the message adds to the case's identity; what it leaves empty stays, the first id is for ever.

    Parameters
    ----------
    trusted
        Whether the message tells the newest version of the schedule: only then may it name another patient.
    """
    held = w.identities.by_case.get(case)
    visit = told.visit if told else ref.visit
    pid = told.pid if told else ref.patient
    if held is not None and _says_nothing_new(w, held, told, ref, visit, pid, trusted):
        return
    if visit and w.identities.visits:
        visit, pid = moved(w, visit, pid)
    ids = ref.ids or ((told.filler,) if told else ())
    if held is None:
        new = told or SenderIdentity(source=w.told.source, suite=w.told.suite, filler=ids[0])
        new = replace(
            new,
            namespace=w.told.namespace,
            filler=new.filler or ids[0],
            ids=ids,
            visit=visit,
            visits=(visit,) if visit else (),
            pid=pid,
        )
    else:
        is_new_visit = bool(visit) and visit not in _visits(held)
        new = replace(
            held,
            namespace=w.told.namespace,
            ids=tuple(dict.fromkeys((*(held.ids or (held.filler,)), *ids))),
            visit=visit if is_new_visit else held.visit,
            visits=(*_visits(held), visit) if is_new_visit else held.visits,
            pid=_patient(pid, held.pid, trusted),
        )
        if told is not None and told.source == held.source:
            new = replace(
                new,
                placer=told.placer or held.placer,
                facility=told.facility or held.facility,
                zone=told.zone,
                aliases=told.aliases or held.aliases,
            )
    if new.pid.id:
        new = replace(new, patient_keys=w.pseudonyms.patient_keys(*person_of(new.pid)))
    if new != held:
        w.keep(CASE, case, new)


def _visits(held: SenderIdentity) -> tuple[str, ...]:
    return held.visits or ((held.visit,) if held.visit else ())


def _says_nothing_new(
    w: Weighing,
    held: SenderIdentity,
    told: SenderIdentity | None,
    ref: CaseRef,
    visit: str,
    pid: PatientIdentity,
    trusted: bool,
) -> bool:
    """The usual message: compared field by field, without building anything."""
    if visit and visit != held.visit and visit not in held.visits:
        return False
    for id in ref.ids:
        if id not in held.ids:
            return False
    if pid.id:
        if len(held.patient_keys) != 1 + len(w.pseudonyms.former):
            return False
        if pid != held.pid and _patient(pid, held.pid, trusted) != held.pid:
            return False
    if told is None or told.source != held.source:
        return True
    return (
        (not told.placer or told.placer == held.placer)
        and (not told.facility or told.facility == held.facility)
        and told.zone == held.zone
        and (not told.aliases or told.aliases is held.aliases or told.aliases == held.aliases)
    )


def _patient(told: PatientIdentity, held: PatientIdentity, trusted: bool) -> PatientIdentity:
    if not told.id:
        return held
    if person_of(told) != person_of(held):
        return told if trusted or not held.id else held
    return PatientIdentity(
        id=held.id,
        assigner=held.assigner,
        type=held.type,
        name=told.name or held.name,
        birth=told.birth or held.birth,
        sex=told.sex or held.sex,
    )


def moved(w: Weighing, visit: str, pid: PatientIdentity) -> tuple[str, PatientIdentity]:
    """Visit and patient as an A45 has them now, though the message may still speak of the former ones."""
    seen = set()
    while (record := w.identities.visits.get((w.told.namespace, visit))) is not None and visit not in seen:
        seen.add(visit)
        visit = record.now_visit
        if person_of(pid) != person_of(record.patient):
            pid = record.patient
    return visit, pid


def told_person(w: Weighing, told: SenderIdentity) -> Person:
    """Under which number the patient is told, a visit's moves followed."""
    pid = told.pid
    if told.visit and w.identities.visits:
        _, pid = moved(w, told.visit, pid)
    return person_of(pid)


def told_keys(w: Weighing, case: str, told: SenderIdentity) -> tuple[str, ...]:
    """The patient's keys as merges and moves have it now, the current secret's first; empty if none is told."""
    person = told_person(w, told)
    if not person[2]:
        return ()
    root = w.identities.root(person) if w.identities.merges else person
    if root == person:
        held = w.identities.by_case.get(case)
        if held is not None and held.patient_keys and person_of(held.pid) == person:
            return held.patient_keys
    return keys_of(w, root)


def keys_of(w: Weighing, person: Person) -> tuple[str, ...]:
    """Under every secret in use."""
    return w.pseudonyms.patient_keys(*person)
