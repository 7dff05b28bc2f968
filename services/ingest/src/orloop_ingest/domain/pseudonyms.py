"""Where patients' identifiers end: keyed hashes and age bands are all that leaves ingest."""

import hmac
import re
from dataclasses import dataclass, field
from datetime import date

_BANDS = ((1, "0"), (10, "1-9"), (18, "10-17"), (30, "18-29"), *((d + 10, f"{d}-{d + 9}") for d in range(30, 90, 10)))
_VERSIONED = re.compile(r"(\d{1,4}):(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of the HMACs; from version 2 on its version is part of the pseudonyms."""

    value: bytes = field(repr=False)
    version: int = 1


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """HMAC-SHA256 under a versioned secret; the same sender id always gives the same pseudonym.

    `former` are secrets that were current before, the newest first: while they are named, a patient is still
    found by the old keys. New events and records carry the current key.
    """

    secret: bytes = field(repr=False)
    version: int = 1
    former: tuple[Secret, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Pseudonyms":
        """From a setting: one secret, or `2:NEW,1:OLD` with the current one first.

        Raises
        ------
        ValueError
            If a version is missing where there are several, or stands twice.
        """
        if _VERSIONED.fullmatch(text) is None:
            return cls(text.encode())
        found = [_VERSIONED.fullmatch(part) for part in text.split(",")]
        secrets = [Secret(m[2].encode(), int(m[1])) for m in found if m is not None]
        versions = [secret.version for secret in secrets]
        if len(secrets) < len(found) or len(set(versions)) < len(versions):
            raise ValueError(
                "Expected secrets as VERSION:SECRET with commas between, each version once, got others.\n"
                "Maybe a secret holds a comma."
            )
        return cls(secrets[0].value, secrets[0].version, tuple(secrets[1:]))

    def case_uid(self, namespace: str, sender_case: str) -> str:
        """Our id of a sender's case: kept for ever, whatever the sender does to the booking."""
        return _case_uid(self.secret, self.version, namespace, sender_case)

    def case_uids(self, namespace: str, sender_case: str) -> tuple[str, ...]:
        """The ids that the case may have been given, under every secret in use."""
        former = (_case_uid(s.value, s.version, namespace, sender_case) for s in self.former)
        return (self.case_uid(namespace, sender_case), *former)

    def patient_key(self, assigner: str, kind: str, number: str) -> str:
        """Tells that two cases are of one patient, and nothing else."""
        return _patient_key(self.secret, self.version, assigner, kind, number)

    def is_current(self, key: str) -> bool:
        """Whether a patient's key was made under the current secret."""
        prefix = _prefix("p", self.version)
        return key.startswith(prefix) and len(key) == len(prefix) + 16

    def patient_keys(self, assigner: str, kind: str, number: str) -> tuple[str, ...]:
        """The patient's keys under every secret in use, the current one first."""
        former = (_patient_key(s.value, s.version, assigner, kind, number) for s in self.former)
        return (self.patient_key(assigner, kind, number), *former)

    def name(self, kind: str, *parts: str) -> str:
        """Names a record of the identity topic without saying whom it is about."""
        return _hash(self.secret, "|".join((kind, *parts)))


def _case_uid(secret: bytes, version: int, namespace: str, sender_case: str) -> str:
    return _prefix("c", version) + _hash(secret, f"{namespace}|{sender_case}")


def _patient_key(secret: bytes, version: int, assigner: str, kind: str, number: str) -> str:
    return _prefix("p", version) + _hash(secret, f"patient|{assigner}|{kind}|{number}")


def _prefix(letter: str, version: int) -> str:
    return letter if version == 1 else f"{letter}{version:04x}"


def _hash(secret: bytes, text: str) -> str:
    return hmac.digest(secret, text.encode(), "sha256")[:8].hex()


def age_band(birth: str, today: date) -> str | None:
    """The ten-year band of an HL7 birth date (PID-7); None if it cannot be read. From 90 on there is one band."""
    try:
        born = date(int(birth[:4]), int(birth[4:6] or 1), int(birth[6:8] or 1))
    except ValueError:
        return None
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    if age < 0:
        return None
    return next((name for below, name in _BANDS if age < below), "90+")
