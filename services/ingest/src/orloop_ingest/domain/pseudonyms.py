"""Where patients' identifiers end: keyed hashes and age bands are all that leaves ingest."""

import hmac
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256

_BANDS = ((1, "0"), (10, "1-9"), (18, "10-17"), (30, "18-29"), *((d + 10, f"{d}-{d + 9}") for d in range(30, 90, 10)))


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """HMAC-SHA256 under the identity secret; the same sender id always gives the same pseudonym."""

    secret: bytes = field(repr=False)

    def case_uid(self, source: str, sender_case: str) -> str:
        """Our id of a sender's case: kept for ever, whatever the sender does to the booking."""
        return "c" + self._hash("case", source, sender_case)

    def patient_key(self, assigner: str, kind: str, number: str) -> str:
        """Tells that two cases are of one patient, and nothing else."""
        return "p" + self._hash("patient", assigner, kind, number)

    def _hash(self, domain: str, *parts: str) -> str:
        text = "|".join(parts) if domain == "case" else "|".join((domain, *parts))
        return hmac.new(self.secret, text.encode(), sha256).hexdigest()[:16]


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
