"""What is known before a message is weighed: the suite's day, what the log has said, and the senders' ids."""

from dataclasses import dataclass, field
from typing import Any

from immutables import Map

from orloop_common.domain.evolving import evolve as replace
from orloop_common.domain.records import CaseRecord
from orloop_common.domain.site import Truth
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import BedUnit
from orloop_common.messages.identity import CASE, SenderIdentity

from . import identities as i
from .past import Past, Pasts

_NO_CASES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Identities:
    """Senders' ids by case, cases by sender id, visit and patient, merges, and what waits: the identity topic's fold.

    A record replaces the one of the same kind and name, so the newest of each is enough to build this again.
    """

    by_case: Map[str, SenderIdentity] = Map()
    by_id: Map[tuple[str, str], frozenset[str]] = Map()
    by_visit: Map[tuple[str, str], frozenset[str]] = Map()
    by_patient: Map[i.Person, frozenset[str]] = Map()
    by_key: Map[str, i.Person] = Map()
    merges: Map[i.Person, i.PatientsRecord] = Map()
    retired: Map[i.Person, frozenset[i.Person]] = Map()
    visits: Map[tuple[str, str], i.VisitRecord] = Map()
    parked: Map[str, i.ParkedRecord] = Map()
    again: Map[str, i.AgainRecord] = Map()
    overtaken: Map[str, i.OvertakenRecord] = Map()
    beds: Map[tuple[str, BedUnit], i.BedsRecord] = Map()

    def with_draft(self, draft: i.CaseIdentityDraft) -> "Identities":
        """The index with the newest word of one record."""
        record = draft.record
        if draft.kind == CASE:
            return self.with_identity(draft.name, record)
        if draft.kind == i.PATIENTS:
            return self._with_merge(record)
        if draft.kind == i.VISIT:
            return replace(self, visits=self.visits.set((record.namespace, record.visit), record))
        if draft.kind == i.BEDS:
            return replace(self, beds=self.beds.set((draft.suite, record.unit), record))
        open_ones: Map[str, Any] = getattr(self, draft.kind)
        over = record.done if draft.kind == i.PARKED else draft.kind == i.AGAIN and not record.fields
        changes: dict[str, Any] = {
            draft.kind: _without(open_ones, draft.name) if over else open_ones.set(draft.name, record)
        }
        return replace(self, **changes)

    def with_identity(self, case: str, identity: SenderIdentity) -> "Identities":
        """The index with the newest word on one case."""
        held = self.by_case.get(case)
        if held == identity:
            return self
        ids, visits, patients, keys = self.by_id, self.by_visit, self.by_patient, self.by_key
        space = identity.namespace or identity.source
        for id in identity.ids or (identity.filler,):
            ids = _add(ids, (space, id), case)
        for visit in identity.visits or ((identity.visit,) if identity.visit else ()):
            visits = _add(visits, (space, visit), case)
        person = i.person_of(identity.pid)
        if held is not None and held.pid.id and i.person_of(held.pid) != person:
            patients = _take(patients, i.person_of(held.pid), case)
        if person[2]:
            patients = _add(patients, person, case)
            for key in identity.patient_keys:
                keys = keys.set(key, person)
        return replace(
            self,
            by_case=self.by_case.set(case, identity),
            by_id=ids,
            by_visit=visits,
            by_patient=patients,
            by_key=keys,
        )

    def _with_merge(self, record: i.PatientsRecord) -> "Identities":
        person, held = i.person_of(record.retired), self.merges.get(i.person_of(record.retired))
        retired, keys = self.retired, self.by_key
        if held is not None and not held.undone:
            retired = _take(retired, i.person_of(held.survivor), person)
        if not record.undone:
            retired = _add(retired, i.person_of(record.survivor), person)
        for key in record.keys:
            keys = keys.set(key, person)
        return replace(self, merges=self.merges.set(person, record), retired=retired, by_key=keys)

    def root(self, person: i.Person) -> i.Person:
        """Who the patient is now: chains of merges followed to their end; there are no cycles."""
        while (record := self.merges.get(person)) is not None and not record.undone:
            person = i.person_of(record.survivor)
        return person

    def persons(self, person: i.Person) -> list[i.Person]:
        """The patient and all who were merged into it, near and far."""
        found, left = [], [person]
        while left:
            found.append(left.pop())
            left += sorted(self.retired.get(found[-1], ()))
        return found

    def cases_of(self, namespace: str, visit: str) -> frozenset[str]:
        """The cases of one visit."""
        return self.by_visit.get((namespace, visit), _NO_CASES)

    def cases_of_patient(self, person: i.Person) -> frozenset[str]:
        """The cases of a patient, under whatever number they were told."""
        if not self.merges:
            return self.by_patient.get(person, _NO_CASES)
        everyone = self.persons(self.root(person))
        return frozenset(case for each in everyone for case in self.by_patient.get(each, _NO_CASES))


@dataclass(frozen=True, slots=True)
class Known:
    """Lookups of the settling; a value, so that settling is a function of it.

    `truth` says which of the site's sources are believed before others.
    """

    day: SuiteDay
    identities: Identities
    pasts: Pasts = field(default_factory=Pasts)
    truth: Truth = field(default_factory=Truth)

    def case(self, case: str) -> CaseRecord:
        return self.day.cases.get(case) or CaseRecord(case=case)

    def past(self, case: str) -> Past:
        """What the log has said of the case so far."""
        return self.pasts.of(case)


def _add(index: Map[Any, frozenset[Any]], key: Any, value: Any) -> Map[Any, frozenset[Any]]:
    held: frozenset[Any] = index.get(key, frozenset())
    return index if value in held else index.set(key, held | {value})


def _take(index: Map[Any, frozenset[Any]], key: Any, value: Any) -> Map[Any, frozenset[Any]]:
    left = index.get(key, frozenset()) - {value}
    return index.set(key, left) if left else _without(index, key)


def _without(index: Map[Any, Any], key: Any) -> Map[Any, Any]:
    return index.delete(key) if key in index else index
