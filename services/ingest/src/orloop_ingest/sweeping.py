"""With each tick: what no message brings about is settled and written, and what waits is shown to the alarms."""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice

from orloop_common.domain.digest import derived_id
from orloop_common.messages import CASE_IDENTITY, SUITE_EVENTS
from orloop_common.messages.identity import CASE
from orloop_common.runtime.records import Output

from . import metrics
from .domain.pseudonyms import Pseudonyms
from .domain.settling import Settled, age_out, sweep, waiting
from .ledger import Ledger

KINDS = ("parked", "told_again")
LOOKED_AT = 500  # cases whose age is looked at with one tick: 100,000 in less than an hour, without a pause


class Sweeper:
    """`flow.sweep`: records first, then the events that lean on them."""

    def __init__(self, ledger: Ledger, pseudonyms: Pseudonyms, encrypt: Callable[[bytes], bytes]) -> None:
        self._ledger, self._pseudonyms, self._encrypt = ledger, pseudonyms, encrypt
        self._round: dict[str, Iterator[str]] = {}

    def __call__(self, suite: str, now: datetime) -> Iterator[Output]:
        """What is due in a suite at this time."""
        known = self._ledger.known(suite)
        settled = sweep(known, self._pseudonyms, suite, now)
        self._ledger.expect(settled.events, records=settled.identities)
        yield from outputs(settled, now, self._encrypt)
        yield from self._age_out(suite, now)
        metrics.IDENTITIES.set(len(known.identities.by_case))
        open_ones = waiting(known.identities, suite)
        for kind in KINDS:
            ages = [each.age(now).total_seconds() for each in open_ones if each.kind == kind]
            metrics.WAITING.labels(suite, kind).set(len(ages))
            metrics.WAITING_AGE.labels(suite, kind).set(max(ages, default=0))

    def _age_out(self, suite: str, now: datetime) -> Iterator[Output]:
        """Tombstones for those of the next few cases whose day is long over, round and round."""
        known = self._ledger.known(suite)
        cases = list(islice(self._round.setdefault(suite, iter(known.identities.by_case)), LOOKED_AT))
        if len(cases) < LOOKED_AT:
            del self._round[suite]
        gone = age_out(known, suite, now, cases)
        self._ledger.expect((), records=gone.identities)
        metrics.AGED_OUT.inc(sum(1 for draft in gone.identities if draft.kind == CASE))
        yield from outputs(gone, now, self._encrypt)


def outputs(settled: Settled, at: datetime, encrypt: Callable[[bytes], bytes]) -> Iterator[Output]:
    """The records to write for what no message has brought about."""
    for draft in settled.identities:
        id = derived_id("identity", draft.kind, draft.name, at.isoformat())
        yield Output(CASE_IDENTITY, draft.key, draft.suite, draft.seal(at, encrypt), id, at=at)
    for event in settled.events:
        yield Output(SUITE_EVENTS, event.suite, event.suite, event, event.id, at=event.at)
