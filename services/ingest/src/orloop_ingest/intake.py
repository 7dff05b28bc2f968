"""From an arrival to the log: durable, acknowledged, read, written; in one order for all doors.

Everything here runs in the doors' thread and never waits. An arrival is first made durable: in the journal, or, where
three replicas stand in for the disk, by the broker itself. Then it is read, in the order of the journal (`backlog`),
and its records are sent: raw and identity, and when the broker has these, its events (`sending`). When it has all, the
journal moves on. A broker that is away stops only the sending; what waits stays on the disk and is read back from it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from orloop_common.domain.derived import RawMessage
from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import Event
from orloop_common.runtime.errors import FatalError, NotDurable
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.mllp import Frame

from . import metrics
from .backlog import Backlog
from .domain.hl7.header import Header
from .domain.quarantine import Quarantined
from .domain.told import Told
from .items import Item, Waiter
from .ports import Hook, Keeping, Owner, Posting
from .reception import Arrival, Reception
from .sending import Sending

_log = get_logger("intake")
SLICE, BUSY_SLICE = 16, 2  # read at a stretch; the second while senders wait for acknowledgements
BUSY_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of it: the events that were news, or why it is in quarantine. All of it is durable."""

    id: str
    events: tuple[Event, ...] = ()
    problem: Quarantined | None = None


def raw_id(kind: str, source: str, body: bytes) -> str:
    """The id of a raw record, from its content: `Told.raw` of what is handed to `Intake.take`."""
    return derived_id("raw", kind, source, sha256(body).hexdigest())


class Intake:
    """All doors hand their arrivals to it; see the module's first lines for what it does with them."""

    def __init__(
        self,
        reception: Reception,
        journal: Keeping,
        broker: Posting,
        hook: Hook,
        *,
        limit_bytes: int,
        held: Callable[[], bool] = lambda: False,
        by_broker: Callable[[], bool] = lambda: False,
        monotonic: Callable[[], float],
        fallback_seconds: float = 1.0,
        take_seconds: float = 10.0,
    ) -> None:
        self.reception, self._journal, self._hook = reception, journal, hook
        self._limit, self._held, self._by_broker = limit_bytes, held, by_broker
        self._monotonic, self._fallback, self._take_seconds = monotonic, fallback_seconds, take_seconds
        self._pending: dict[str, Arrival] = {}
        self._batch: list[Arrival] = []
        self._overflow: deque[Arrival] = deque()
        self._uncommitted_bytes = 0
        self._backlog = Backlog(journal, reception.reopen)
        self._sending = Sending(broker, hook, self._is_over, self._served)
        self._direct: dict[str, tuple[Arrival, float]] = {}  # durable once the broker has it
        self._working = self._flushing = False
        self.readers: dict[str, Callable[[Arrival], Told]] = {}

    @property
    def full(self) -> bool:
        """Whether senders must wait: read nothing more from them."""
        return bool(self._overflow)

    @property
    def waiting(self) -> int:
        """Durable and not on the broker yet, or about to be."""
        return self._journal.last - self._journal.drained + len(self._direct) + len(self._pending)

    @property
    def oldest(self) -> datetime | None:
        """When the oldest message in memory came that is not on the broker yet."""
        return self._sending.oldest or self._backlog.oldest

    def start(self) -> None:
        """Read on where the last process ended."""
        metrics.JOURNAL_WAITING.set_function(lambda: self.waiting)
        metrics.JOURNAL_BYTES.set_function(lambda: self._journal.size)
        self._work()
        self._tidy()

    def pass_over(self, sequence: int) -> None:
        """What the journal held up to this entry was put aside."""
        self._backlog.pass_over(sequence)
        self._journal.drained = max(self._journal.drained, sequence)

    def admit(self, arrival: Arrival, owner: Owner) -> None:
        """Make it durable, then tell the owner; a duplicate of what is not durable yet waits with the first."""
        first = self._pending.get(arrival.id)
        if first is not None:
            first.owners.append(owner)
            return
        arrival.owners.append(owner)
        self._pending[arrival.id] = arrival
        if self._overflow or self._over_limit():
            self._overflow.append(arrival)
            metrics.BACK_PRESSURE.set(1)
        else:
            self._store(arrival)

    def forget(self, arrival: Arrival, owner: Owner) -> None:
        """An owner gave up before it was durable: keep it out, if it waits for room and nobody else waits with it."""
        first = self._pending.get(arrival.id)
        if first is None or owner not in first.owners or first not in self._overflow:
            return
        first.owners.remove(owner)
        if not first.owners:
            self._overflow.remove(first)
            self._pending.pop(arrival.id, None)
            if not self._overflow:
                metrics.BACK_PRESSURE.set(0)

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
        if self.reception.knows(told.raw):
            return Taken(told.raw)
        return await self._admitted(self.reception.arrive_told(told, body, kind))

    async def take_message(self, frame: Frame) -> Taken:
        """A message out of a file, as if a sender had sent it now."""
        arrival = self.reception.arrive(frame)
        return Taken(arrival.id) if arrival.repeated else await self._admitted(arrival)

    async def again(self, record: RawMessage) -> Taken:
        """Read a raw record once more, after a profile was mended: it is not stored again, what it says is settled."""
        return await self._admitted(self.reception.arrive_again(record))

    async def _admitted(self, arrival: Arrival) -> Taken:
        waiter = Waiter(asyncio.get_running_loop().create_future())
        self.admit(arrival, waiter)
        try:
            async with asyncio.timeout(self._take_seconds):
                received = await waiter.result
        except TimeoutError:
            raise NotDurable(
                f"Expected the journal to take it within {self._take_seconds:g} s, got nothing.\n"
                "Maybe the disk is full or the broker is away for long: send it again."
            ) from None
        return Taken(arrival.id, received.events, received.problem)

    # --- durable -----------------------------------------------------------------------------------------

    def _store(self, arrival: Arrival) -> None:
        if self._by_broker() and not self._held() and not self._backlog.cold and not self._uncommitted_bytes:
            self._direct[arrival.id] = arrival, self._monotonic()
            self._backlog.add(arrival)
            self._soon()
            return
        self._batch.append(arrival)
        self._uncommitted_bytes += len(arrival.token)
        if not self._flushing:
            self._flushing = True
            self._hook.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        batch, self._batch = self._batch, []
        if batch:
            self._journal.put(batch)

    def committed(self, batch: Sequence[Arrival], last: int, error: OSError | None) -> None:
        """The disk took these arrivals, or it did not: then nothing that was handed over until now is in it."""
        if error is not None:
            self._lose()
            return
        self._uncommitted_bytes -= sum(len(arrival.token) for arrival in batch)
        sequence = last - len(batch)
        remember, pending = self.reception.remember, self._pending
        for arrival in batch:
            sequence += 1
            arrival.sequence = sequence
            remember(arrival.id, arrival.received)
            if pending.pop(arrival.id, None) is None:
                continue
            for owner in arrival.owners:
                owner.durable()
            self._backlog.keep(arrival)
        self._backlog.trim()
        self._soon()

    def _lose(self) -> None:
        """What the disk refused, and all that came after it: a sender's next message must not overtake a lost one."""
        waiting = set(self._overflow)
        lost = [a for a in self._pending.values() if a not in waiting and a.id not in self._direct]
        self._batch, self._uncommitted_bytes = [], 0
        owners = [owner for arrival in lost for owner in arrival.owners]
        for arrival in lost:
            del self._pending[arrival.id]
            arrival.owners.clear()
        for owner in owners:
            owner.lost()

    def _over_limit(self) -> bool:
        return self._journal.size + self._uncommitted_bytes > self._limit

    # --- read and sent ---------------------------------------------------------------------------------

    def _soon(self) -> None:
        if not self._working:
            self._working = True
            self._hook.call_soon(self._work)

    def _work(self) -> None:
        self._working, held = False, self._held()
        for _ in range(0 if held else BUSY_SLICE if self._pending else SLICE):
            if self._sending.full or (arrival := self._backlog.next()) is None:
                break
            self._read(arrival)
        self._post()
        if self._backlog and not self._sending.full and not held:
            self._next()

    def _next(self) -> None:
        """Go on; while senders wait for their answers, only now and then: the journal can wait, they cannot."""
        if not self._pending:
            self._soon()
        elif not self._working:
            self._working = True
            self._hook.call_later(BUSY_SECONDS, self._work)

    def _read(self, arrival: Arrival) -> None:
        try:
            received = self.reception.read(self._told(arrival))
        except FatalError:
            raise
        except Exception as error:  # noqa: BLE001 - acknowledged already: quarantine, alert, never a poison loop
            _log.error("reading_failed", raw=arrival.id, exc_info=error)
            received = self.reception.read_nothing(arrival)
        for owner in arrival.owners:
            if isinstance(owner, Waiter):
                owner.received = received
            owner.mapped()
        arrival.body, arrival.message = b"", None
        self._sending.add(arrival, received)

    def _told(self, arrival: Arrival) -> Arrival:
        if arrival.told is None and arrival.kind != "hl7":
            arrival.told = self.readers[arrival.kind.partition(":")[0]](arrival)
            arrival.header = Header(application=arrival.told.source, kind=arrival.kind)
        return arrival

    def _post(self) -> None:
        self._sending.post()
        if self._overflow:
            self._make_room()

    def _served(self) -> None:
        """The broker's answers were looked for: read on, or send what they let go."""
        if self._direct:
            self._fall_back()
        if self._backlog and not self._pending:
            self._work()
        else:
            self._post()
            if self._backlog:
                self._next()

    def _is_over(self, item: Item) -> None:
        """The broker has all of it."""
        arrival = item.arrival
        self.reception.settled(item.received)
        if self._direct.pop(arrival.id, None) is not None:
            self._pending.pop(arrival.id, None)
            self.reception.remember(arrival.id, arrival.received)
            for owner in arrival.owners:
                owner.durable()
        elif arrival.sequence:
            self._journal.drained = arrival.sequence
        if arrival.id not in self._pending:  # else its owners wait for the journal, to which it fell back
            arrival.owners.clear()  # they hold it, too: let both go now, not when cycles are looked for

    def _make_room(self) -> None:
        while self._overflow and not self._over_limit():
            self._store(self._overflow.popleft())
        if not self._overflow:
            metrics.BACK_PRESSURE.set(0)

    def _fall_back(self) -> None:
        """The broker takes too long: what it should have made durable goes to the journal after all."""
        now = self._monotonic()
        oldest = next(iter(self._direct.values()))[1]
        if now - oldest < self._fallback:
            return
        late = [arrival for arrival, _ in self._direct.values()]
        self._direct.clear()
        self._uncommitted_bytes += sum(len(arrival.token) for arrival in late)
        self._journal.put(late)

    def _tidy(self) -> None:
        """Now and then: note on the disk how far the broker is, show how much waits, look whether we may go on."""
        self._journal.put(())
        if not (self._sending or self._batch or self._backlog):
            self._journal.drained = self._backlog.taken
        metrics.JOURNAL_HELD.set(1 if self._held() else 0)
        if self._overflow:
            self._make_room()
        if self._backlog:
            self._soon()
        self._hook.call_later(0.5, self._tidy)
