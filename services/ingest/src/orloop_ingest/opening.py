"""How the intake begins and ends: its journal opened on the log, its producer, its turn, and its last word."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence

from orloop_common.messages import CASE_IDENTITY, HL7_RAW, INGEST_JOURNALS, SUITE_EVENTS
from orloop_common.runtime.errors import NotDurable
from orloop_common.runtime.kafkalog import KafkaSender
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.outbox import Outbox
from orloop_common.runtime.service import Runtime, fail

from . import metrics
from .adapters.committing import Committer
from .adapters.journal import Journal
from .adapters.mllp import MllpDoor
from .adapters.writer import Poster, Replicas
from .domain.told import Told
from .intake import Intake
from .journals import DRAINED, LOST, OPEN, Journals
from .reception import Arrival, Reception
from .settings import Settings

_log = get_logger("journals")
_CLOSE_SECONDS = 4.0
_BATCHED = {"linger.ms": 2}  # what is sent has been acknowledged: two milliseconds later costs an eighth less


class Hooked:
    """The loop's two ways to call back; what fails there ends the process, and the journal keeps what it has."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def call_soon(self, callback: Callable[[], None]) -> object:
        return self._loop.call_soon(self.run, callback)

    def call_later(self, delay: float, callback: Callable[[], None]) -> object:
        return self._loop.call_later(delay, self.run, callback)

    def run(self, callback: Callable[[], None]) -> None:
        """Call it, or end the process."""
        try:
            callback()
        except BaseException as error:  # noqa: BLE001 - half done work must not be gone on with
            fail(error)


class Opening:
    """Opens the intake in the doors' loop, closes it from the main thread."""

    def __init__(
        self, runtime: Runtime[Settings], journal: Journal, journals: Journals, sources: Sequence[str]
    ) -> None:
        self._runtime, self._journal, self._journals, self._sources = runtime, journal, journals, tuple(sources)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._intake: Intake | None = None
        self._committer: Committer[Arrival] | None = None
        self._blocked: str | None = None
        self._looked_at: object = None
        self._is_held = True

    def open(self, reception: Reception, readers: Mapping[str, Callable[[Arrival], Told]] | None = None) -> Intake:
        """The intake in the running event loop, with a producer that this loop serves. The fold has been read.

        Parameters
        ----------
        readers
            By kind, how what the journal kept from another door than MLLP's is read.
        """
        settings, clock, loop = self._runtime.settings, self._runtime.clock, asyncio.get_running_loop()
        sender = KafkaSender(settings.kafka, f"{settings.instance}-doors", polled=False, **_BATCHED)
        outbox = Outbox(sender, self._runtime.codec, clock, settings.service)
        outbox.learn(HL7_RAW, f"{HL7_RAW}.dlq", CASE_IDENTITY, SUITE_EVENTS, INGEST_JOURNALS)
        self._own()
        self._remember(reception)
        hook = Hooked(loop)

        def committed(batch: Sequence[Arrival], last: int, error: OSError | None) -> None:
            hook.run(lambda: intake.committed(batch, last, error))

        committer = Committer(self._journal, Arrival.sealed, committed, loop.call_soon_threadsafe, clock.monotonic)
        replicas = Replicas(sender)
        self._runtime.spawn("replicas", lambda: replicas.watch(self._runtime.stop))
        intake = Intake(
            reception,
            committer,
            Poster(outbox, sender),
            hook,
            limit_bytes=settings.journal_limit_mb * 2**20,
            held=self._held,
            by_broker=lambda: replicas.enough,
            monotonic=clock.monotonic,
        )
        self._loop, self._intake, self._committer = loop, intake, committer
        intake.readers.update(readers or {})
        intake.start()
        return intake

    def close(self, door: MllpDoor) -> None:
        """Take no more, let what was acknowledged reach the broker, and say that the journal is drained."""
        loop, intake, clock = self._loop, self._intake, self._runtime.clock
        if loop is None or intake is None or self._committer is None:
            return
        loop.call_soon_threadsafe(door.shut)
        until = clock.monotonic() + _CLOSE_SECONDS
        while intake.waiting and clock.monotonic() < until:
            threading.Event().wait(0.02)
        self._committer.close()
        if intake.waiting or self._held():
            _log.warning("journal_left_open", waiting=intake.waiting, hint="start ingest again on the same folder")
            return
        self._tell(DRAINED)

    def _own(self) -> None:
        held = self._journals.of(self._journal.id)
        if held is not None and held.state == LOST:
            lost = self._journal.id
            entries = self._journal.clear()
            _log.error("journal_was_declared_lost", journal=lost, entries=entries, hint="its segments are put aside")
            held = None
        if held is None or held.state != OPEN:
            self._tell(OPEN)

    def _remember(self, reception: Reception) -> None:
        """What waits since before a restart is no news if it comes again."""
        after = self._journal.drained
        while entries := self._journal.read(after, 1000):
            for entry in entries:
                reception.remember_sealed(entry.payload)
                after = entry.sequence
        metrics.JOURNAL_DAMAGED.set(self._journal.damaged)

    def _held(self) -> bool:
        if self._looked_at is self._journals.known:
            return self._is_held
        self._looked_at = self._journals.known
        self._is_held = self._look()
        return self._is_held

    def _look(self) -> bool:
        if self._journals.is_my_turn(self._journal.id, self._sources):
            self._blocked = None
            return False
        before = self._journals.before(self._journal.id, self._sources)
        if before and self._blocked != before[0].id:
            self._blocked = before[0].id
            hint = f"start its owner again, or POST /v1/journals/{before[0].id}/lost"
            _log.error("another_journal_is_open", journal=before[0].id, owner=before[0].owner, hint=hint)
        return True

    def _tell(self, state: str) -> None:
        runtime = self._runtime
        told = self._journals.told(
            self._journal.id, runtime.settings.instance, state, self._sources, runtime.clock.now()
        )
        try:
            runtime.outbox.send_now(told, timeout=runtime.settings.durable_seconds)
        except NotDurable:
            _log.warning("journal_state_not_told", state=state, hint="it is queued and follows when the broker is back")
