"""Versions of a case: by count or by time, each source for itself."""

from orloop_common.domain.events import CaseScheduled
from orloop_common.domain.records import CaseRecord
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import CaseTold

from .weighing import Weighing

EPOCH_VERSIONS = 10**8  # a version from here on is a time, not a count


def version_of(w: Weighing, told: CaseTold, record: CaseRecord, held: CaseScheduled | None) -> int:
    """The version by count or by time; a source does not mix the two.

    An amendment without a version of its own (an ORU's attribute) belongs to the version that is held.
    """
    version = told.version if told.version is not None else int(w.told.at.timestamp())
    ours = [held.version] if held is not None and held.source == w.told.source else []
    if record.ended_version is not None and (held is None or ours):
        ours.append(record.ended_version)
    identity = w.identities.by_case.get(record.case)
    if identity is not None and identity.versions:  # sources count each for itself: the number that is held is ours
        ours = [last for source, last in identity.versions.items() if source == w.told.source]
    if any((v < EPOCH_VERSIONS) != (version < EPOCH_VERSIONS) for v in ours):
        if told.version is None and not told.creates and held is not None:
            return held.version
        raise Quarantined(Reason.BAD_VERSION, "SCH-5")
    return version


def is_amendment(told: CaseTold) -> bool:
    """An attribute that came alone, such as an ORU's ASA: it belongs to whatever version is held."""
    return told.version is None and not told.creates and told.start is None and not told.actions


def is_told_by_several(w: Weighing, case: str, held: CaseScheduled | None) -> bool:
    identity = w.identities.by_case.get(case)
    return bool(identity and identity.versions) or (held is not None and held.source not in ("", w.told.source))


def last_told(w: Weighing, case: str, held: CaseScheduled | None, several: bool) -> int | None:
    """What this source told last: sources count each for itself."""
    identity = w.identities.by_case.get(case)
    if identity is not None and identity.versions:
        return identity.versions.get(w.told.source)
    if held is None or (several and held.source != w.told.source):
        return None
    return held.version
