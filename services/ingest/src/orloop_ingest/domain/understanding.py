"""Read, then settle: what an HL7 message means for the log. Pure."""

from collections.abc import Mapping
from datetime import datetime

from orloop_common.domain.site import Site

from .hl7 import Header, Message, SourceProfile, content_of, read_message, refs
from .known import Known
from .pseudonyms import Pseudonyms
from .quarantine import Quarantined
from .settling import Settled, doubt, settle
from .told import Told

Profiles = Mapping[str, SourceProfile]
"""How each source is read, by MSH-3."""


def understand(
    message: Message,
    header: Header,
    profile: SourceProfile,
    site: Site,
    received: datetime,
    known: Known,
    pseudonyms: Pseudonyms,
    raw: str,
) -> Settled:
    """Events and identity records of a message whose header is good, or why it is in quarantine.

    Parameters
    ----------
    received
        Event time at the door.
    known
        The fold of the suite that the source speaks for.
    raw
        The id of the raw record, which a doubt points to.
    """
    try:
        told = read_message(message, header, profile, site, received, raw)
    except Quarantined as problem:
        told = Told(
            source=profile.source,
            suite=profile.suite,
            namespace=profile.namespace,
            at=received,
            received=received,
            raw=raw,
            content=content_of(message, header),
        )
        only_known = profile.kinds.get(header.kind, header.kind) != "SIU"
        return doubt(told, refs(message, profile), problem, known, pseudonyms, only_known=only_known)
    return settle(told, known, pseudonyms)
