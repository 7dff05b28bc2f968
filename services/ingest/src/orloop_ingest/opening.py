"""How the intake begins and ends: its journal, its producer, what it learns of the log, its turn, and its last word.

Messages may be taken before the log can be read (the broker is away, or the log is long): the header, the profile
and the journal are all that an acknowledgement needs. What only the log knows is made good once it was read, before
anything is mapped: which messages are stored already, whose turn it is, and whether our journal was declared lost.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from orloop_common.messages import CASE_IDENTITY, HL7_RAW, INGEST_JOURNALS, SUITE_EVENTS
from orloop_common.runtime.errors import NotDurable
from orloop_common.runtime.kafkalog import KafkaSender
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.outbox import Outbox
from orloop_common.runtime.service import Runtime, fail

from . import metrics
from .adapters.committing import Committer
from .adapters.journal import Entry, Journal
from .adapters.mllp import MllpDoor
from .adapters.writer import Poster, Replicas
from .domain.told import Told
from .intake import Intake
from .journals import DRAINED, LOST, OPEN, Journals
from .reception import Arrival, Reception
from .settings import Settings

_log = get_logger("journals")
_CLOSE_SECONDS = 4.0
_BATCHED = {"linger.ms": 5}  # what is sent has been acknowledged; small batches keep librdkafka and the broker busy


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


class Nobody:
    """The owner of what nobody waits for."""

    def durable(self) -> None: ...

    def mapped(self) -> None: ...

    def lost(self) -> None: ...


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
        self._outbox: Outbox | None = None
        self._before = journal.last  # what is newer was taken by this process
        self.has_read = False

    def open(self, reception: Reception, readers: Mapping[str, Callable[[Arrival], Told]] | None = None) -> Intake:
        """The intake in the running event loop, with a producer that this loop serves. It emits nothing before `go_on`.

        Parameters
        ----------
        readers
            By kind, how what the journal kept from another door than MLLP's is read.
        """
        settings, clock, loop = self._runtime.settings, self._runtime.clock, asyncio.get_running_loop()
        sender = KafkaSender(settings.kafka, f"{settings.instance}-doors", polled=False, **_BATCHED)
        outbox = Outbox(sender, self._runtime.codec, clock, settings.service)
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
        self._loop, self._intake, self._committer, self._outbox = loop, intake, committer, outbox
        intake.readers.update(readers or {})
        intake.start()
        return intake

    def learn(self, reception: Reception, stored: Iterable[tuple[str, datetime]]) -> None:
        """The log was read: what is stored already, and what became of our journal.

        Parameters
        ----------
        stored
            Id and time of receipt of the newest raw records on the broker.
        """
        for id, received in stored:
            reception.remember(id, received, stored=True)
        self._look_for_loss(reception)
        reception.asked = None

    async def go_on(self) -> None:
        """From now on what was taken is mapped and emitted, when it is our turn."""
        assert self._outbox is not None
        topics = (HL7_RAW, f"{HL7_RAW}.dlq", CASE_IDENTITY, SUITE_EVENTS, INGEST_JOURNALS)
        await asyncio.to_thread(self._outbox.learn, *topics)
        await asyncio.to_thread(self._own)
        self.has_read = True
        metrics.LOG_UNREAD.set(0)

    def unread(self) -> None:
        """The doors open although the log could not be read yet."""
        metrics.LOG_UNREAD.set(1)
        hint = "messages are acknowledged from the journal and mapped later; is the broker away?"
        _log.warning("doors_open_before_the_log_was_read", hint=hint)

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
        if held is None or held.state != OPEN:
            self._tell(OPEN)

    def _remember(self, reception: Reception) -> None:
        """What the journal still has is no news if it comes again, whether the broker has it, too, or not."""
        reception.asked = set()
        for entry in self._entries(0):
            reception.remember_sealed(entry.payload)
        metrics.JOURNAL_DAMAGED.set(self._journal.damaged)

    def _look_for_loss(self, reception: Reception) -> None:
        """A person may have declared our journal lost while we were away: what others went on without stays out.

        What a sender sent again since we began is taken as if it came now: it was told that we have it.
        """
        held = self._journals.of(self._journal.id)
        if held is None or held.state != LOST:
            return
        assert self._intake is not None
        assert self._committer is not None
        lost, again = [], []
        for entry in self._entries(self._journal.drained):
            if entry.sequence > self._before:
                break
            lost.append(reception.id_of(entry.payload))
            if lost[-1] in (reception.asked or ()):
                again.append(entry.payload)
        id = self._journal.id
        self._committer.put_aside(self._before)
        self._intake.pass_over(self._before)
        reception.forget(lost)
        for sealed in again:
            self._intake.admit(reception.reopen(sealed), Nobody())
        hint = "its segments are put aside"
        _log.error("journal_was_declared_lost", journal=id, entries=len(lost), sent_again=len(again), hint=hint)

    def _entries(self, after: int) -> Iterator[Entry]:
        while entries := self._journal.read(after, 1000):
            yield from entries
            after = entries[-1].sequence

    def _held(self) -> bool:
        if not self.has_read:
            return True
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
