"""`orloop identity unmerge`: merges of patients by their keys, and a merge undone as a statement of its own. Pure."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from orloop_common.messages.identity import PatientIdentity

from .identities import PatientsRecord, person_of
from .known import Identities
from .pseudonyms import Pseudonyms
from .told import PatientsParted, Told

KIND = "file:unmerge"
SOURCE = "manual"


def merges_named(identities: Identities, pseudonyms: Pseudonyms, key: str) -> list[PatientsRecord]:
    """The merges whose retired patient has a key that begins so."""
    return [
        record
        for record in identities.merges.values()
        if any(each.startswith(key) for each in keys_of(record, pseudonyms))
    ]


def keys_of(record: PatientsRecord, pseudonyms: Pseudonyms) -> tuple[str, ...]:
    """The retired patient's keys: those that stood when it was merged, and today's."""
    return tuple(dict.fromkeys((pseudonyms.patient_key(*person_of(record.retired)), *record.keys)))


def describe(record: PatientsRecord, identities: Identities, pseudonyms: Pseudonyms) -> dict[str, Any]:
    """A merge without a number of anybody."""
    return {
        "retired": keys_of(record, pseudonyms)[0],
        "survivor": pseudonyms.patient_key(*identities.root(person_of(record.survivor))),
        "since": record.at.isoformat(),
        "raw": record.raw,
        "undone": record.undone or None,
    }


def body_of(record: PatientsRecord, suite: str, by: str, now: datetime) -> bytes:
    """What is stored of a person's decision."""
    told = {"retired": asdict(record.retired), "by": by, "suite": suite, "at": now.isoformat()}
    return json.dumps(told, sort_keys=True).encode()


def told_by(body: bytes, received: datetime, raw: str) -> Told:
    """What a stored decision says."""
    told = json.loads(body)
    parted = PatientsParted(retired=PatientIdentity(**told["retired"]), by=told["by"])
    return Told(
        source=SOURCE,
        suite=told["suite"],
        namespace=SOURCE,
        at=received,
        received=received,
        raw=raw,
        statements=(parted,),
    )
