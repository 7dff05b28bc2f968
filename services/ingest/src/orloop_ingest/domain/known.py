"""What is known before a message is weighed: the suite's day, what the log has said, and the senders' ids."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from immutables import Map

from orloop_common.domain.evolving import evolve as replace
from orloop_common.domain.records import CaseRecord
from orloop_common.domain.site import Truth
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import BedUnit
from orloop_common.messages.identity import CASE, SenderIdentity

from . import identities as i
from .past import KEPT, Past, Pasts

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Identities:
    """Senders' ids by case, cases by sender id, visit and patient, merges, and what waits: the identity topic's fold.

    A record replaces the one of the same kind and name, so the newest of each is enough to build this again.
    Several cases under one id, visit or patient are sorted; `written` is the day on which a case's record
    was, as the topic says.
    """

    by_case: Map[str, SenderIdentity] = Map()
    by_id: Map[tuple[str, str], tuple[str, ...]] = Map()
    by_visit: Map[tuple[str, str], tuple[str, ...]] = Map()
    by_patient: Map[i.Person, tuple[str, ...]] = Map()
    by_key: Map[str, i.Person] = Map()
    written: Map[str, date] = field(default=Map(), compare=False)
    merges: Map[i.Person, i.PatientsRecord] = Map()
    retired: Map[i.Person, tuple[i.Person, ...]] = Map()
    visits: Map[tuple[str, str], i.VisitRecord] = Map()
    parked: Map[str, i.ParkedRecord] = Map()
    again: Map[str, i.AgainRecord] = Map()
    overtaken: Map[str, i.OvertakenRecord] = Map()
    beds: Map[tuple[str, BedUnit], i.BedsRecord] = Map()

    def with_draft(self, draft: i.CaseIdentityDraft) -> "Identities":
        """The index with the newest word of one record."""
        record = draft.record
        if draft.kind == CASE:
            if record is None:
                return self.without(draft.name)
            return self.with_identity(draft.name, record, draft.at)
        if draft.kind == i.PATIENTS:
            return self._with_merge(record) if record is not None else self
        if draft.kind == i.VISIT:
            return replace(self, visits=self.visits.set((record.namespace, record.visit), record)) if record else self
        if draft.kind == i.BEDS:
            return replace(self, beds=self.beds.set((draft.suite, record.unit), record)) if record else self
        open_ones: Map[str, Any] = getattr(self, draft.kind)
        over = record is None or (
            record.done if draft.kind == i.PARKED else draft.kind == i.AGAIN and not record.fields
        )
        changes: dict[str, Any] = {
            draft.kind: _without(open_ones, draft.name) if over else open_ones.set(draft.name, record)
        }
        return replace(self, **changes)

    def with_identity(self, case: str, identity: SenderIdentity, at: datetime | None = None) -> "Identities":
        """The index with the newest word on one case, written at this time."""
        held, written = self.by_case.get(case), self.written
        if at is not None:
            written = written.set(case, _day(at.toordinal()))
        if held == identity:
            return self if at is None else replace(self, written=written)
        alone = (case,)
        ids, visits, patients, keys = self.by_id, self.by_visit, self.by_patient, self.by_key
        space = identity.namespace or identity.source
        for id in _ids(identity):
            ids = _add(ids, (space, id), alone)
        for visit in _visits(identity):
            visits = _add(visits, (space, visit), alone)
        person = i.person_of(identity.pid)
        if held is not None and held.pid.id and i.person_of(held.pid) != person:
            patients = _take(patients, i.person_of(held.pid), case)
        if person[2]:
            patients = _add(patients, person, alone)
            for key in identity.patient_keys:
                keys = keys.set(key, person)
        return replace(
            self,
            by_case=self.by_case.set(case, identity),
            by_id=ids,
            by_visit=visits,
            by_patient=patients,
            by_key=keys,
            written=written,
        )

    def without(self, case: str) -> "Identities":
        """The index without a case whose day is long over; whom merges speak of is still found by key."""
        held = self.by_case.get(case)
        if held is None:
            return self
        ids, visits, keys, space = self.by_id, self.by_visit, self.by_key, held.namespace or held.source
        for id in _ids(held):
            ids = _take(ids, (space, id), case)
        for visit in _visits(held):
            visits = _take(visits, (space, visit), case)
        person = i.person_of(held.pid)
        patients = _take(self.by_patient, person, case)
        if person not in patients and person not in self.merges and person not in self.retired:
            for key in held.patient_keys:
                keys = _without(keys, key)
        return replace(
            self,
            by_case=self.by_case.delete(case),
            by_id=ids,
            by_visit=visits,
            by_patient=patients,
            by_key=keys,
            written=_without(self.written, case),
        )

    def _with_merge(self, record: i.PatientsRecord) -> "Identities":
        person, held = i.person_of(record.retired), self.merges.get(i.person_of(record.retired))
        retired, keys = self.retired, self.by_key
        if held is not None and not held.undone:
            retired = _take(retired, i.person_of(held.survivor), person)
        if not record.undone:
            retired = _add(retired, i.person_of(record.survivor), (person,))
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
            left += self.retired.get(found[-1], ())
        return found

    def cases_of(self, namespace: str, visit: str) -> tuple[str, ...]:
        """The cases of one visit, sorted."""
        return self.by_visit.get((namespace, visit), ())

    def cases_of_patient(self, person: i.Person) -> tuple[str, ...]:
        """The cases of a patient, under whatever number they were told, sorted."""
        if not self.merges:
            return self.by_patient.get(person, ())
        everyone = self.persons(self.root(person))
        return tuple(sorted({case for each in everyone for case in self.by_patient.get(each, ())}))


@dataclass(frozen=True, slots=True)
class Known:
    """Lookups of the settling; a value, so that settling is a function of it.

    `truth` says which of the site's sources are believed before others; `remembered` how long a case's ids are kept
    after the last word on it and after its day, None for ever.
    """

    day: SuiteDay
    identities: Identities
    pasts: Pasts = field(default_factory=Pasts)
    truth: Truth = field(default_factory=Truth)
    remembered: timedelta | None = None

    def case(self, case: str) -> CaseRecord:
        return self.day.cases.get(case) or CaseRecord(case=case)

    def past(self, case: str) -> Past:
        """What the log has said of the case so far."""
        return self.pasts.of(case)

    def over_since(self, case: str) -> datetime | None:
        """The last word on the case or its planned time, if its day is so long over that the day forgot it."""
        if case in self.day.cases or self.day.now is None:
            return None
        last = self.pasts.last(case)
        return last if last is not None and self.day.now - last > KEPT - _DAY else None


def _ids(identity: SenderIdentity) -> tuple[str, ...]:
    return identity.ids or (identity.filler,)


def _visits(identity: SenderIdentity) -> tuple[str, ...]:
    return identity.visits or ((identity.visit,) if identity.visit else ())


@lru_cache(maxsize=1024)
def _day(ordinal: int) -> date:
    """One object for all cases of a day."""
    return date.fromordinal(ordinal)


def _add(index: Map[Any, tuple[Any, ...]], key: Any, alone: tuple[Any]) -> Map[Any, tuple[Any, ...]]:
    """`alone` is what is added; where there is nothing else it is kept as it is, shared by the indexes."""
    held: tuple[Any, ...] = index.get(key, ())
    if alone[0] in held:
        return index
    return index.set(key, tuple(sorted((*held, *alone))) if held else alone)


def _take(index: Map[Any, tuple[Any, ...]], key: Any, value: Any) -> Map[Any, tuple[Any, ...]]:
    left = tuple(each for each in index.get(key, ()) if each != value)
    return index.set(key, left) if left else _without(index, key)


def _without(index: Map[Any, Any], key: Any) -> Map[Any, Any]:
    return index.delete(key) if key in index else index
