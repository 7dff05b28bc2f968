"""What only the two hospital doors may read: the sender's own ids of a case, encrypted on the log."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from orloop_common.domain.derived import CaseIdentity

from .codec import from_json, to_json

CASE = "case"


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientIdentity:
    """The patient as the sender names them (PID-3, PID-5, PID-7, PID-8, verbatim)."""

    id: str = ""
    assigner: str = ""
    type: str = ""
    name: str = ""
    birth: str = ""
    sex: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderIdentity:
    """All that is needed to address a case in the sender's own words.

    `filler` (SCH-2) is the sender's case id, `placer` SCH-1, `visit` PV1-19. `aliases` maps our room
    ids to the sender's words for them. `facility` is MSH-4, `zone` the UTC offset of the sender's times.

    Ingest finds the case again by the rest: `ids` are all sender ids that it was ever named by, in
    `namespace`, and `visits` all its visits, the first one first; `patient_keys` are the patient's keys
    under every secret in use, the current one first; `versions` says what each source told last, once a
    second source speaks of the case.
    """

    source: str
    suite: str
    filler: str
    placer: str = ""
    facility: str = ""
    visit: str = ""
    zone: str = "+0000"
    pid: PatientIdentity = field(default_factory=PatientIdentity)
    aliases: dict[str, str] = field(default_factory=dict)
    namespace: str = ""
    ids: tuple[str, ...] = ()
    visits: tuple[str, ...] = ()
    patient_keys: tuple[str, ...] = ()
    versions: dict[str, int] = field(default_factory=dict)


def seal_identity(case: str, at: datetime, identity: SenderIdentity, encrypt: Callable[[bytes], bytes]) -> CaseIdentity:
    """The record for `orloop.case-identity`; `encrypt` is `PayloadCipher.encrypt`."""
    return seal_record(CASE, case, identity.suite, at, identity, encrypt)


def seal_record(
    kind: str, name: str, suite: str, at: datetime, record: object, encrypt: Callable[[bytes], bytes]
) -> CaseIdentity:
    """Any record of the identity topic, sealed."""
    token = encrypt(to_json(record)).decode("ascii")
    return CaseIdentity(case=name, suite=suite, at=at, payload=token, kind=kind)


def key_of(record: CaseIdentity) -> str:
    """The key under which the topic keeps the newest of its kind and name."""
    return record_key(record.kind, record.suite, record.case)


def record_key(kind: str, suite: str, name: str) -> str:
    """The same of a record that need not exist: for its tombstone."""
    return f"{suite}/{name}" if kind == CASE else f"{suite}/{kind}/{name}"


def open_identity(record: CaseIdentity, decrypt: Callable[[bytes], bytes]) -> SenderIdentity:
    """The sender's ids that a record of kind `case` holds; `decrypt` is `PayloadCipher.decrypt`.

    Raises
    ------
    UnreadableMessage
        If what was encrypted is not a sender's identity.
    """
    return from_json(SenderIdentity, decrypt(record.payload.encode("ascii")))
