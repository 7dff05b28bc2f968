"""From an arrival to the log: durable, acknowledged, read, written; in one order for all doors.

Everything here runs in the doors' thread and never waits. An arrival is first made durable: in the journal, or, where
three replicas stand in for the disk, by the broker itself. Then it is read, in the order of the journal, and
its records are posted: raw and identity, and when the broker has these, its events. When it has all, the journal
moves on. A broker that is away stops only the posting; what waits stays on the disk and is read back from there.
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
from orloop_common.messages import HL7_RAW
from orloop_common.runtime.errors import FatalError, NotDurable
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.mllp import Frame
from orloop_common.runtime.outbox import Delivered
from orloop_common.runtime.records import Output

from . import metrics
from .domain.hl7.header import Header
from .domain.quarantine import Quarantined
from .domain.told import Told
from .items import Item, Waiter
from .ports import Hook, Keeping, Owner, Posting
from .reception import Arrival, Reception, pointer_output

_log = get_logger("intake")
WINDOW = 1000  # read and not yet on the broker
HOT = 4000  # arrivals that wait in memory before they wait on the disk alone
HOT_BYTES = 32 * 2**20
SLICE, BUSY_SLICE = 16, 2  # read at a stretch; the second while senders wait for acknowledgements
BUSY_SECONDS = 0.002
POLL_SECONDS, LONGEST_POLL_SECONDS = 0.002, 0.02


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
        self.reception, self._journal, self._broker, self._hook = reception, journal, broker, hook
        self._limit, self._held, self._by_broker = limit_bytes, held, by_broker
        self._monotonic, self._fallback, self._take_seconds = monotonic, fallback_seconds, take_seconds
        self._pending: dict[str, Arrival] = {}
        self._batch: list[Arrival] = []
        self._overflow: deque[Arrival] = deque()
        self._uncommitted_bytes = 0
        self._line: deque[Arrival] = deque()
        self._line_bytes = 0
        self._taken = journal.drained
        self._cold = journal.last > journal.drained
        self._applications: dict[int, tuple[Owner, ...]] = {}
        self._half: deque[Item] = deque()  # raw and identity posted
        self._flight: deque[Item] = deque()  # all that was read and is not on the broker, in order
        self._unposted: deque[tuple[Item, Sequence[Output]]] = deque()
        self._direct: dict[str, tuple[Arrival, float]] = {}  # durable once the broker has it
        self._working = self._polling = self._flushing = False
        self.answered, self._pause = 0, POLL_SECONDS
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
        if self._flight:
            return self._flight[0].arrival.received
        return self._line[0].received if self._line else None

    def start(self) -> None:
        """Read on where the last process ended."""
        metrics.JOURNAL_WAITING.set_function(lambda: self.waiting)
        metrics.JOURNAL_BYTES.set_function(lambda: self._journal.size)
        self._work()
        self._tidy()

    def pass_over(self, sequence: int) -> None:
        """What the journal held up to this entry was put aside."""
        self._taken = max(self._taken, sequence)
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

    def forget(self, arrival: Arrival) -> None:
        """Its owners gave up before it was durable: keep it out, if it waits for room."""
        if arrival in self._overflow:
            self._overflow.remove(arrival)
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
        if self._by_broker() and not self._held() and not self._cold:
            self._direct[arrival.id] = arrival, self._monotonic()
            arrival.placed = True
            self._line.append(arrival)
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
        """The disk took these arrivals, or it did not and none of them is in the journal."""
        self._uncommitted_bytes -= sum(len(arrival.token) for arrival in batch)
        if error is not None:
            for arrival in batch:
                self._pending.pop(arrival.id, None)
                for owner in arrival.owners:
                    owner.lost()
            return
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
            if arrival.placed:  # read already, while the broker was expected to make it durable
                self._taken = max(self._taken, sequence)
            elif not self._cold and sequence > self._taken:
                arrival.placed = True
                self._line.append(arrival)
                self._line_bytes += arrival.length
            elif arrival.answers.application:
                self._applications[sequence] = tuple(arrival.owners)
        if len(self._line) > HOT or self._line_bytes > HOT_BYTES:
            self._cool()
        self._soon()

    def _cool(self) -> None:
        """Too many wait: let go of the newest, they are read back from the disk when their turn comes."""
        while len(self._line) > HOT // 2 and self._line[-1].sequence and self._line[-1].told is None:
            arrival = self._line.pop()
            if arrival.answers.application:
                self._applications[arrival.sequence] = tuple(arrival.owners)
        self._line_bytes = sum(arrival.length for arrival in self._line)
        self._cold = True

    def _warm(self) -> None:
        """Read the next of what waits on the disk."""
        entries = self._journal.read(self._taken, 128)
        for sequence, sealed in entries:
            try:
                arrival = self.reception.reopen(sealed)
            except Exception as error:  # noqa: BLE001 - one entry that nobody opens must not stop the rest
                _log.error("journal_entry_not_opened", sequence=sequence, error=type(error).__name__)
                metrics.DELIVERY_REFUSED.labels(HL7_RAW).inc()
                self._taken = sequence
                continue
            arrival.sequence = sequence
            arrival.owners.extend(self._applications.pop(sequence, ()))
            self._line.append(arrival)
            self._taken = sequence
        if not entries and self._taken >= self._journal.last:
            self._cold = False

    def _over_limit(self) -> bool:
        return self._journal.size + self._uncommitted_bytes > self._limit

    # --- read and posted ---------------------------------------------------------------------------------

    def _soon(self) -> None:
        if not self._working:
            self._working = True
            self._hook.call_soon(self._work)

    def _work(self) -> None:
        self._working, held = False, self._held()
        for _ in range(0 if held else BUSY_SLICE if self._pending else SLICE):
            if len(self._flight) >= WINDOW or self._unposted:
                break
            if not self._line and self._cold:
                self._warm()
            if not self._line:
                break
            arrival = self._line.popleft()
            self._line_bytes -= arrival.length
            self._taken = max(self._taken, arrival.sequence)
            self._read(arrival)
        self._post()
        if (self._line or self._cold) and len(self._flight) < WINDOW and not self._unposted and not held:
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
        item = Item(self, arrival, received)
        self._flight.append(item)
        self._half.append(item)
        if received.first:
            self._unposted.append((item, received.first))

    def _told(self, arrival: Arrival) -> Arrival:
        if arrival.told is None and arrival.kind != "hl7":
            arrival.told = self.readers[arrival.kind.partition(":")[0]](arrival)
            arrival.header = Header(application=arrival.told.source, kind=arrival.kind)
        return arrival

    def _post(self) -> None:
        self._send()
        while self._half and not self._half[0].first_left:
            item = self._half.popleft()
            problem, arrival = item.received.problem, item.arrival
            if problem is not None and item.received.first:
                raw = item.received.first[0]
                place = Delivered(HL7_RAW, 0, item.offset)
                pointer = pointer_output(arrival.id, raw.key, raw.suite, problem, place, arrival.received)
                item.then = (*item.then, pointer)
            item.then_left = len(item.then)
            if item.then:
                self._unposted.append((item, item.then))
        self._send()
        self._advance()
        if self._flight and not self._polling:
            self._polling = True
            self._hook.call_later(self._pause, self._poll)

    def _send(self) -> None:
        while self._unposted:
            item, outputs = self._unposted[0]
            while item.posted < len(outputs):
                done = item.then_done if item.then_left >= 0 else item.raw_done if not item.posted else item.first_done
                try:
                    if not self._broker.post(outputs[item.posted], done):
                        return
                except FatalError:
                    raise
                except Exception as error:  # noqa: BLE001 - a record that cannot even be encoded
                    _log.error("record_not_posted", raw=item.arrival.id, exc_info=error)
                    done(None, -1)
                item.posted += 1
            item.posted = 0
            self._unposted.popleft()

    def _poll(self) -> None:
        self._polling = False
        before, self.answered = self.answered, 0
        self._broker.serve()
        self._pause = POLL_SECONDS if self.answered or before else min(LONGEST_POLL_SECONDS, 1.5 * self._pause)
        if self._direct:
            self._fall_back()
        if (self._line or self._cold) and not self._pending:
            self._work()
        else:
            self._post()
            if self._line or self._cold:
                self._next()

    def _advance(self) -> None:
        while self._flight and not self._flight[0].first_left and not self._flight[0].then_left:
            item = self._flight.popleft()
            arrival = item.arrival
            self.reception.settled(item.received)
            if self._direct.pop(arrival.id, None) is not None:
                self._pending.pop(arrival.id, None)
                self.reception.remember(arrival.id, arrival.received)
                for owner in arrival.owners:
                    owner.durable()
            elif arrival.sequence:
                self._journal.drained = arrival.sequence
        if self._overflow:
            self._make_room()

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
        self._journal.put(late)

    def refused(self, error: Exception, topic: str) -> None:
        """The broker refused a record for good; the raw bytes are still in the log or in the journal's backup."""
        metrics.DELIVERY_REFUSED.labels(topic).inc()
        _log.error("record_refused", topic=topic, error=str(error))

    def _tidy(self) -> None:
        """Now and then: note on the disk how far the broker is, show how much waits, look whether we may go on."""
        self._journal.put(())
        if not (self._flight or self._line or self._batch or self._cold):
            self._journal.drained = self._taken
        metrics.JOURNAL_HELD.set(1 if self._held() else 0)
        if self._overflow:
            self._make_room()
        if self._line or self._cold:
            self._soon()
        self._hook.call_later(0.5, self._tidy)
