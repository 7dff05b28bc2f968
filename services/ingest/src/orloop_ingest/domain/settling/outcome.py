"""What settling leads to."""

from dataclasses import dataclass

from orloop_common.domain.events import Event
from orloop_ingest.domain.identities import CaseIdentityDraft
from orloop_ingest.domain.quarantine import Quarantined


@dataclass(frozen=True, slots=True)
class Settled:
    """What a message means for the log.

    `identities` must be durable before `events`, which are in the order of writing. `problem` says why the message
    is in quarantine: its only events are then that the cases it names are doubted. `notes` are counted by kind.
    """

    events: tuple[Event, ...] = ()
    identities: tuple[CaseIdentityDraft, ...] = ()
    problem: Quarantined | None = None
    notes: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
