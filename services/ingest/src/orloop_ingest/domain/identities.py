"""What the identity topic keeps, by kind: enough to find every case again without a raw message."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Any

from orloop_common.domain.derived import CaseIdentity
from orloop_common.domain.vocabulary import BedUnit
from orloop_common.messages.codec import from_json
from orloop_common.messages.identity import CASE, PatientIdentity, SenderIdentity, record_key, seal_record

PATIENTS, VISIT, PARKED, AGAIN, OVERTAKEN, BEDS = "patients", "visit", "parked", "again", "overtaken", "beds"

Person = tuple[str, str, str]
"""Assigner, type and number of a patient."""


def person_of(patient: PatientIdentity) -> Person:
    return patient.assigner, patient.type, patient.id


def bare(patient: PatientIdentity) -> PatientIdentity:
    """The patient's number alone, without name, birth date and sex."""
    return PatientIdentity(id=patient.id, assigner=patient.assigner, type=patient.type)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientsRecord:
    """`retired` is `survivor` since `at`; `earlier` survivors were told before; `undone` says who parted them.

    `keys` are the retired patient's keys, by which a person names the merge.
    """

    retired: PatientIdentity
    survivor: PatientIdentity
    at: datetime
    raw: str
    earlier: tuple[PatientIdentity, ...] = ()
    keys: tuple[str, ...] = ()
    undone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRecord:
    """A visit has another number, or another patient, since `at`; `earlier` was told of it before."""

    namespace: str
    visit: str
    now_visit: str
    patient: PatientIdentity
    at: datetime
    earlier: tuple[tuple[str, PatientIdentity], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedRecord:
    """A statement about a case that nobody knows yet, as JSON; `done` once it was applied or overtaken."""

    case: str
    source: str
    namespace: str
    at: datetime
    received: datetime
    raw: str
    version: int
    statement: str
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainRecord:
    """The sender told an earlier state of the case again: sent again, or moved back?

    `fields` are still in question; `following` that news came in the midst of it, so that what comes is taken
    as it comes; `doubted` that it stayed open too long.
    """

    case: str
    fields: tuple[str, ...]
    since: datetime
    raw: str
    following: bool = False
    doubted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OvertakenRecord:
    """What came too late to count, as digests: sent again with a new time, it still does not count."""

    case: str
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BedsRecord:
    """The beds of one unit: status, the time of the newest word on each, and all words of that time."""

    unit: BedUnit
    beds: dict[str, str]
    at: dict[str, datetime]
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)


KINDS: dict[str, type[Any]] = {
    CASE: SenderIdentity,
    PATIENTS: PatientsRecord,
    VISIT: VisitRecord,
    PARKED: ParkedRecord,
    AGAIN: AgainRecord,
    OVERTAKEN: OvertakenRecord,
    BEDS: BedsRecord,
}


@dataclass(frozen=True, slots=True)
class CaseIdentityDraft:
    """A record that must be durable before the events that lean on it; without `record` it is forgotten.

    `at` is when it was written, of what was read from the topic.
    """

    kind: str
    name: str
    suite: str
    record: Any
    at: datetime | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """The key under which the topic keeps the newest of its kind and name."""
        return record_key(self.kind, self.suite, self.name)

    def seal(self, at: datetime, encrypt: Callable[[bytes], bytes]) -> CaseIdentity | None:
        """The record for the topic, None for a tombstone; `encrypt` is `PayloadCipher.encrypt`."""
        if self.record is None:
            return None
        return seal_record(self.kind, self.name, self.suite, at, self.record, encrypt)


def open_draft(record: CaseIdentity, decrypt: Callable[[bytes], bytes]) -> CaseIdentityDraft | None:
    """What a record of the topic says; None if its kind is newer than we are.

    Raises
    ------
    UnreadableMessage
        If what was encrypted is not of its kind.
    """
    kind = KINDS.get(record.kind)
    if kind is None:
        return None
    held = from_json(kind, decrypt(record.payload.encode("ascii")))
    if record.kind == CASE:
        held = shared(held)
    return CaseIdentityDraft(record.kind, record.case, record.suite, held, record.at)


def open_tombstone(key: str) -> CaseIdentityDraft | None:
    """Which record a tombstone's key forgets; None if that is no key of ours."""
    suite, _, rest = key.partition("/")
    kind, _, name = rest.rpartition("/")
    return CaseIdentityDraft(kind or CASE, name, suite, None) if name and (kind or CASE) in KINDS else None


def shared(identity: SenderIdentity) -> SenderIdentity:
    """The same identity; what it has in common with others, and what it says twice, is in memory once."""
    pid, ids, visits = identity.pid, identity.ids, identity.visits
    return SenderIdentity(
        source=intern(identity.source),
        suite=intern(identity.suite),
        filler=ids[0] if ids and ids[0] == identity.filler else identity.filler,
        placer=identity.placer,
        facility=intern(identity.facility),
        visit=visits[-1] if visits and visits[-1] == identity.visit else identity.visit,
        zone=intern(identity.zone),
        pid=PatientIdentity(
            id=pid.id,
            assigner=intern(pid.assigner),
            type=intern(pid.type),
            name=pid.name,
            birth=pid.birth,
            sex=intern(pid.sex),
        ),
        aliases=_same(tuple(identity.aliases.items())),
        namespace=intern(identity.namespace),
        ids=ids,
        visits=visits,
        patient_keys=identity.patient_keys,
        versions=dict(identity.versions) if identity.versions else _NO_VERSIONS,
    )


_NO_VERSIONS: dict[str, int] = {}


@lru_cache(maxsize=4096)
def _same(aliases: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return dict(aliases)
