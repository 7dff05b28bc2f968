"""One way in for everything that is no MLLP frame: FHIR resources, files, people's reports."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from typing import Any, Protocol

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import Event
from orloop_common.messages import CASE_IDENTITY
from orloop_common.runtime.outbox import Delivered
from orloop_common.runtime.records import Output

from .domain.pseudonyms import Pseudonyms
from .domain.quarantine import Quarantined
from .domain.told import FactTold, Told
from .ledger import Ledger
from .reception import event_output, pointer_output, raw_output


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of it: the events that were news, or why it is in quarantine. All of it is durable."""

    id: str
    events: tuple[Event, ...] = ()
    problem: Quarantined | None = None


class Writing(Protocol):
    """Returns when the broker has every output, or raises `NotDurable`."""

    async def write(self, outputs: Sequence[Output]) -> list[Delivered]: ...


class Sealing(Protocol):
    """Compresses and encrypts a payload."""

    def __call__(self, body: bytes) -> str: ...


def raw_id(kind: str, source: str, body: bytes) -> str:
    """The id of a raw record, from its content: `Told.raw` of what is handed to `Intake.take`."""
    return derived_id("raw", kind, source, sha256(body).hexdigest())


class Intake:
    """`await take(told, body, kind)`: raw, identity, then events; it returns when they are durable."""

    def __init__(self, ledger: Ledger, pseudonyms: Pseudonyms, writer: Writing, seal: Sealing) -> None:
        self._ledger, self._pseudonyms, self._writer, self._seal = ledger, pseudonyms, writer, seal

    async def take(self, told: Told, body: bytes, kind: str) -> Taken:
        """Store the body, settle what it says, write what is news.

        Parameters
        ----------
        told
            What it says; `told.raw` is `raw_id(kind, told.source, body)`.
        kind
            What is stored as the raw record's type, such as `fhir:Appointment` or `file:roster`.

        Raises
        ------
        NotDurable
            If neither the broker nor the journal has it in time: the same call again doubles nothing.
        """
        settled = self._settle(told)
        news = tuple(e for e in settled.events if not self._ledger.is_written(e))
        self._ledger.expect(news)
        raw = raw_output(told.raw, told.source, told.suite, kind, told.received, self._seal(body), settled.problem)
        try:
            places = await self._writer.write([raw, *self._sealed(settled.identities, told)])
            then = [event_output(e, told.raw) for e in news]
            if settled.problem is not None:
                then.append(pointer_output(told.raw, raw.key, told.suite, settled.problem, places[0], told.received))
            await self._writer.write(then)
        except BaseException:
            self._ledger.forget(news)
            raise
        self._ledger.written(news)
        return Taken(told.raw, news, settled.problem)

    def _settle(self, told: Told) -> Any:
        facts = tuple(s.event for s in told.statements if isinstance(s, FactTold))
        if len(facts) == len(told.statements):
            return _Facts(facts)
        settle = import_module("orloop_ingest.domain.settling").settle
        return settle(told, self._ledger.known(told.suite), self._pseudonyms)

    def _sealed(self, drafts: Sequence[Any], told: Told) -> list[Output]:
        return [
            Output(CASE_IDENTITY, f"{told.suite}/{d.case}", told.suite, d, derived_id("identity", d.case, told.raw))
            for d in drafts
        ]


@dataclass(frozen=True, slots=True)
class _Facts:
    events: tuple[Event, ...]
    identities: tuple[Any, ...] = ()
    problem: Quarantined | None = None
