"""From one message to what it says: `read_message` is the way in."""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import BlockChanged
from orloop_common.domain.site import Site
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import CaseRef, FactTold, Statement, Told

from . import words as w
from .header import Header
from .movements import READ_ADT, told_by_adt
from .observations import results
from .profile import SourceProfile
from .reading import Reading
from .resources import room_of
from .schedule import scheduled, when
from .tokens import Message

_UNSENT = Header()
_NEVER = datetime.max.replace(tzinfo=UTC)


def read_message(
    message: Message, header: Header, profile: SourceProfile, site: Site, received: datetime, raw: str
) -> Told:
    """What a message of a known source says.

    Parameters
    ----------
    received
        Event time at the door.
    raw
        The id of the raw record, which doubts and parked statements point to.

    Raises
    ------
    Quarantined
        With the reason and the place, never a value.
    """
    return read(Reading(message, header, profile, site.site, received, raw))


def read(r: Reading) -> Told:
    """As `read_message`, of a message that lies on the table already."""
    if r.message.unfit:
        raise Quarantined(Reason.UNREADABLE_CHARACTERS, "MSH-18")
    statements = tuple(_statements(r))
    if r.unsent is not None and statements:
        raise r.unsent
    return Told(
        source=r.profile.source,
        suite=r.profile.suite,
        namespace=r.profile.namespace,
        at=r.at,
        received=r.received,
        raw=r.raw,
        content=content_of(r.message, r.header),
        statements=statements,
        notes=tuple(r.notes),
        flags=tuple(r.flags),
    )


def content_of(message: Message, header: Header) -> str:
    """Digest of a message without its header: what an outage resend, with new MSH-7 and MSH-10, leaves as it was."""
    lines = [header.kind.encode(), header.trigger.encode()]
    lines += [segment.line for segment in message.segments[1:]]
    return sha256(b"\r".join(lines)).hexdigest()[:32]


def _statements(r: Reading) -> Iterator[Statement]:
    kind = r.profile.kinds.get(r.header.kind, r.header.kind)
    trigger = r.header.trigger
    if kind == "SIU":
        if trigger in w.ACTS or trigger in w.RESOURCE_TRIGGERS:
            return scheduled(r)
        if trigger in w.SLOT_TRIGGERS:
            return slot(r)
    elif kind == "ORU" and trigger == "R01":
        return results(r)
    elif kind == "ADT" and trigger in READ_ADT:
        return told_by_adt(r)
    if kind == "SIU" or r.has("SCH"):  # it speaks of a case, and we do not know what it says
        raise Quarantined(Reason.UNKNOWN_TYPE, "MSH-9")
    r.notes.append("unknown_type")  # most of what an engine sends is for others
    return iter(())


def slot(r: Reading) -> Iterator[Statement]:
    """S23 and S24: room time is blocked for nobody's cases, or open again."""
    r.need("SCH")
    room, _ = room_of(r)
    start, length = when(r)
    if room is None or start is None or length is None:
        r.notes.append("slot_without_room_or_time")
        return
    owner, taken = r.code("reason_code") or "blocked", r.header.trigger == "S23"
    id = derived_id("BlockChanged", r.profile.suite, room, owner, str(taken), start.isoformat(), str(length))
    yield FactTold(
        event=BlockChanged(
            id=id,
            suite=r.profile.suite,
            at=r.at,
            room=room,
            owner=owner,
            allocated=taken,
            start=start,
            end=start + length,
            site=r.site,
        )
    )


def refs(message: Message, profile: SourceProfile) -> CaseRef | None:
    """Which case a message names that cannot be read any further; None if it names none.

    Only SIU and ORU (and what the profile reads as such) name cases; an ADT's visit may have none of ours.
    """
    try:
        kind = message.text(message.msh, 9)
        if message.unfit or profile.kinds.get(kind, kind) not in ("SIU", "ORU"):
            return None
        r = Reading(message, _UNSENT, profile, "", _NEVER, "")
        ids = r.ids()
        return CaseRef(ids=ids, visit=r.pick("visit")[0], patient=r.patient()) if ids else None
    except Quarantined:
        return None
