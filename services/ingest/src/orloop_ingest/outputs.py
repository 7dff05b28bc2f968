"""Records of the intake as the broker takes them."""

from collections.abc import Callable
from datetime import datetime

from orloop_common.domain.derived import DeadLetter, RawMessage
from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import Event
from orloop_common.messages import CASE_IDENTITY, HL7_RAW, SUITE_EVENTS
from orloop_common.runtime.outbox import Delivered
from orloop_common.runtime.records import Output

from .arriving import Arrival
from .domain.identities import CaseIdentityDraft
from .domain.quarantine import Quarantined


def event_output(event: Event, cause: str) -> Output:
    """An event on its suite's log."""
    return Output(SUITE_EVENTS, event.suite, event.suite, event, event.id, cause, event.at)


def pointer_output(
    id: str, source: str, suite: str, problem: Quarantined, place: Delivered, received: datetime
) -> Output:
    """The dead letter of a quarantined message: where its raw record lies, and why."""
    letter = DeadLetter(
        topic=place.topic,
        partition=place.partition,
        offset=place.offset,
        reason=f"{problem.reason}: {problem}",
        service="ingest",
        at=received,
    )
    return Output(f"{HL7_RAW}.dlq", source, suite, letter, derived_id("DeadLetter", id), id, received)


def raw_output(arrival: Arrival, suite: str, problem: Quarantined | None) -> Output:
    """A message as it came, encrypted, and why it is in quarantine, if it is."""
    header = arrival.header
    record = RawMessage(
        id=arrival.id,
        source=header.application,
        received=arrival.received,
        payload=arrival.token,
        control_id=header.control_id if header.control_id.isprintable() else "",
        message_type=header.type,
        problem=f"{problem.reason}: {problem}" if problem is not None else None,
    )
    return Output(HL7_RAW, header.application or "unknown", suite, record, arrival.id, at=arrival.received)


def identity_output(
    draft: CaseIdentityDraft, received: datetime, cause: str, encrypt: Callable[[bytes], bytes]
) -> Output:
    """A record of the identity topic, sealed."""
    name = derived_id("identity", draft.kind, draft.name, cause)
    return Output(CASE_IDENTITY, draft.key, draft.suite, draft.seal(received, encrypt), name, cause, received)
