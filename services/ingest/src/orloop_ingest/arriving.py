"""What arrives at a door, and what became of it once it was read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec

from orloop_common.domain.events import Event
from orloop_common.messages.identity import CASE, SenderIdentity
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.mllp import FaultKind
from orloop_common.runtime.records import Output

from .domain import hl7 as h
from .domain.acknowledging import Answers, answer_batch, answers
from .domain.hl7 import Message
from .domain.hl7.batches import is_batch, split_batch
from .domain.identities import CaseIdentityDraft
from .domain.quarantine import Quarantined, Reason
from .domain.told import Told

_log = get_logger("reception")
HL7 = "hl7"
STRANGER = "stranger"  # a certificate of another source


@dataclass(slots=True, eq=False)
class Arrival:
    """One message at the door. What stands in the journal of it: id, kind, when, how it was broken, the sealed body.

    `repeated` has its answers and is neither stored nor read again, except `reread`: stored before the last restart,
    and whether its events were written then is not known.
    """

    id: str
    kind: str
    received: datetime
    broken: str
    token: str
    header: h.Header
    body: bytes = b""
    message: Message | None = None
    members: tuple[tuple[h.Header, Message | None], ...] = ()  # of a batch
    told: Told | None = None
    answers: Answers = field(default_factory=Answers)
    repeated: bool = False
    reread: bool = False
    reused: bool = False
    length: int = 0
    sequence: int = 0
    placed: bool = False  # it waits to be read, or was
    owners: list[Any] = field(default_factory=list)

    def sealed(self) -> bytes:
        """Its entry in the journal."""
        return pack((self.id, self.kind, self.received, self.broken, self.token))


pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(tuple[str, str, datetime, str, str]).decode


@dataclass(frozen=True, slots=True)
class Received:
    """One message, read: `first` must be durable before `then` is sent."""

    id: str
    source: str
    outcome: str
    first: tuple[Output, ...] = ()
    then: tuple[Output, ...] = ()
    events: tuple[Event, ...] = ()
    records: tuple[CaseIdentityDraft, ...] = ()
    problem: Quarantined | None = None
    answers: tuple[bytes, ...] = ()

    @property
    def case(self) -> str | None:
        """The case whose identity is news."""
        return next((draft.name for draft in self.records if draft.kind == CASE), None)

    @property
    def identity(self) -> SenderIdentity | None:
        """What is news of it."""
        return next((draft.record for draft in self.records if draft.kind == CASE), None)


HEADS = frozenset((FaultKind.CUT_SHORT.value, FaultKind.JUNK.value, FaultKind.TOO_LONG.value))


def due(header: h.Header, members: Sequence[tuple[h.Header, object]], received: datetime, id: str) -> Answers:
    """The answers to a message, or to each of a batch."""
    if members and header.fault is None:
        return answer_batch(header, [member for member, _ in members], received, id)
    return answers(header, received, id)


def refuse(header: h.Header, broken: str) -> h.Header:
    """The header with what was wrong around it."""
    if broken == FaultKind.FS_INSIDE.value:
        fault = h.Fault("100", "MSH", "Expected no FS inside of a frame.")
    elif broken == STRANGER:
        fault = h.Fault("103", "MSH-3", "Expected the source that this connection's certificate names.")
    else:
        reason = Reason.TOO_LONG if broken == FaultKind.TOO_LONG.value else Reason.BROKEN_FRAME
        fault = h.Fault("207", "MSH", reason.sentence)
    return replace(header, fault=fault)


Member = tuple[h.Header, Message | None]


def opened_heads(
    body: bytes, judged: Callable[[h.Header, str], h.Header]
) -> tuple[h.Header, Message | None, tuple[Member, ...]]:
    """The header of a message, or of a batch with its members; what our own reading cannot survive is refused.

    Parameters
    ----------
    judged
        A member's header with what speaks against it.
    """
    try:
        if not is_batch(body):
            return (*h.read_header(body), ())
        return _opened_batch(body, judged)
    except Exception as error:  # noqa: BLE001 - a close would have the sender send it for ever
        _log.error("header_reader_failed", exc_info=error)
        return h.Header(fault=h.Fault("207", "MSH", Reason.MAPPER_FAILED.sentence)), None, ()


def _opened_batch(
    body: bytes, judged: Callable[[h.Header, str], h.Header]
) -> tuple[h.Header, Message | None, tuple[Member, ...]]:
    batch = split_batch(body)
    found = [h.read_header(message) for message in batch.messages]
    members = tuple((judged(header, ""), message) for header, message in found)
    header = members[0][0] if members else h.Header()
    fault = None
    if batch.faults or not members:  # a batch that lost a message must not be acknowledged as if it had not
        fault = h.Fault("100", "BTS-1", "Expected a batch that is whole and holds as many messages as it says.")
    return replace(header, fault=fault), None, members
