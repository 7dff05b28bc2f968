"""With each tick: what no message brings about is settled and written, and what waits is shown to the alarms."""

from collections.abc import Callable, Iterator
from datetime import datetime

from orloop_common.domain.digest import derived_id
from orloop_common.messages import CASE_IDENTITY, SUITE_EVENTS
from orloop_common.messages.identity import key_of
from orloop_common.runtime.records import Output

from . import metrics
from .domain.pseudonyms import Pseudonyms
from .domain.settling import Settled, sweep, waiting
from .ledger import Ledger

KINDS = ("parked", "told_again")


class Sweeper:
    """`flow.sweep`: records first, then the events that lean on them."""

    def __init__(self, ledger: Ledger, pseudonyms: Pseudonyms, encrypt: Callable[[bytes], bytes]) -> None:
        self._ledger, self._pseudonyms, self._encrypt = ledger, pseudonyms, encrypt

    def __call__(self, suite: str, now: datetime) -> Iterator[Output]:
        """What is due in a suite at this time."""
        known = self._ledger.known(suite)
        settled = sweep(known, self._pseudonyms, suite, now)
        self._ledger.expect(settled.events, records=settled.identities)
        yield from outputs(settled, now, self._encrypt)
        open_ones = waiting(known.identities, suite)
        for kind in KINDS:
            ages = [each.age(now).total_seconds() for each in open_ones if each.kind == kind]
            metrics.WAITING.labels(suite, kind).set(len(ages))
            metrics.WAITING_AGE.labels(suite, kind).set(max(ages, default=0))


def outputs(settled: Settled, at: datetime, encrypt: Callable[[bytes], bytes]) -> Iterator[Output]:
    """The records to write for what no message has brought about."""
    for draft in settled.identities:
        record = draft.seal(at, encrypt)
        id = derived_id("identity", draft.kind, draft.name, at.isoformat())
        yield Output(CASE_IDENTITY, key_of(record), draft.suite, record, id, at=at)
    for event in settled.events:
        yield Output(SUITE_EVENTS, event.suite, event.suite, event, event.id, at=event.at)
