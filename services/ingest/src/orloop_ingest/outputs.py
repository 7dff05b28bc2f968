"""Records of the intake as the broker takes them."""

from datetime import datetime

from orloop_common.domain.derived import DeadLetter
from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import Event
from orloop_common.messages import HL7_RAW, SUITE_EVENTS
from orloop_common.runtime.outbox import Delivered
from orloop_common.runtime.records import Output

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
