"""What `_history` tells of a resource that was deleted: only its type, its id, and when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orloop_common.messages.identity import SenderIdentity
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import CaseRef, CaseTold, Statement, Told

from . import elements as e
from .profile import READ, FhirProfile


@dataclass(frozen=True, slots=True)
class Deletion:
    """A resource that is no more; `certain` unless its server only said that it does not find it."""

    name: str
    at: datetime | None
    certain: bool = True

    @property
    def ref(self) -> CaseRef | None:
        """The case that an Appointment stood for."""
        return CaseRef(ids=(self.name,)) if self.name.startswith("Appointment/") else None

    def told(self, profile: FhirProfile, received: datetime, raw: str) -> Told:
        """What the profile says that a deletion means.

        Raises
        ------
        Quarantined
            DELETED for an Appointment, if the profile leaves it to a person or nobody is certain.
        """
        statements: tuple[Statement, ...] = ()
        if (ref := self.ref) is not None:
            if profile.deleted is None or not self.certain:
                raise Quarantined(Reason.DELETED, "Bundle.entry.request")
            identity = SenderIdentity(source=profile.source, suite=profile.suite, filler=self.name)
            statements = (CaseTold(ref=ref, identity=identity, act=profile.deleted, creates=False),)
        return Told(
            source=profile.source,
            suite=profile.suite,
            namespace=profile.namespace,
            at=min(self.at or received, received),
            received=received,
            raw=raw,
            statements=statements,
            notes=("deleted",),
        )


def deletion(resource: Any) -> Deletion | None:
    """The deletion that a history Bundle of one entry is; None for anything else."""
    if not isinstance(resource, dict) or resource.get("resourceType") != "Bundle" or resource.get("type") != "history":
        return None
    entries = resource.get("entry")
    entry = entries[0] if isinstance(entries, list) and len(entries) == 1 else None
    asked = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(asked, dict) or asked.get("method") != "DELETE":
        return None
    url = asked.get("url")
    name = e.local(url) if isinstance(url, str) else ""
    if name.partition("/")[0] not in READ:
        return None
    answered = entry.get("response")
    answered = answered if isinstance(answered, dict) else {}
    told = answered.get("lastModified")
    certain = not str(answered.get("status", "")).startswith("404")
    return Deletion(name, e.parse_moment(told) if isinstance(told, str) else None, certain)


def gone_bundle(base: str, id: str, version: str, status: int) -> dict[str, Any]:
    """What a server's history would say of an Appointment that it no longer has.

    Parameters
    ----------
    version
        Of the case as we knew it: deleted, restored and deleted again is news a second time.
    status
        410 if the server knows that it was there, 404 if it does not say.
    """
    name = f"Appointment/{id}"
    request = {"method": "DELETE", "url": name}
    response = {"status": str(status), "etag": f'W/"{version}"'}
    entry = {"fullUrl": f"{base}/{name}", "request": request, "response": response}
    return {"resourceType": "Bundle", "type": "history", "entry": [entry]}
