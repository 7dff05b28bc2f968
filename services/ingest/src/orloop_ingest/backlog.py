"""What is durable and waits to be read, in the order of the journal: in memory, and beyond that on the disk alone."""

from collections import deque
from collections.abc import Callable
from datetime import datetime

from orloop_common.messages import HL7_RAW
from orloop_common.runtime.logs import get_logger

from . import metrics
from .ports import Keeping, Owner
from .reception import Arrival

_log = get_logger("backlog")
HOT = 3000  # arrivals that wait in memory
HOT_BYTES = 32 * 2**20
_READ_BACK = 128


class Backlog:
    """Lives in the doors' thread. `taken` is the sequence of the newest entry that was handed on to be read."""

    def __init__(self, journal: Keeping, reopen: Callable[[bytes], Arrival]) -> None:
        self._journal, self._reopen = journal, reopen
        self._hot: deque[Arrival] = deque()
        self._bytes = 0
        self.taken = journal.drained
        self.cold = journal.last > journal.drained  # some of it is on the disk alone
        self._applications: dict[int, tuple[Owner, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self._hot) or self.cold

    def __len__(self) -> int:
        return len(self._hot)

    @property
    def oldest(self) -> datetime | None:
        """When the oldest that is in memory came."""
        return self._hot[0].received if self._hot else None

    def add(self, arrival: Arrival) -> None:
        """The newest."""
        arrival.placed = True
        self._hot.append(arrival)
        self._bytes += arrival.length

    def keep(self, arrival: Arrival) -> None:
        """The newest entry of the journal: read from memory if nothing on the disk comes before it."""
        if arrival.placed:  # read already, while the broker was expected to make it durable
            self.taken = max(self.taken, arrival.sequence)
        elif not self.cold and arrival.sequence > self.taken:
            self.add(arrival)
        elif arrival.answers.application:
            self._applications[arrival.sequence] = tuple(arrival.owners)

    def trim(self) -> None:
        """If too many wait, let go of the newest: they are read back from the disk when their turn comes."""
        if len(self._hot) <= HOT and self._bytes <= HOT_BYTES:
            return
        while len(self._hot) > HOT // 2 and self._hot[-1].sequence and self._hot[-1].told is None:
            arrival = self._hot.pop()
            if arrival.answers.application:
                self._applications[arrival.sequence] = tuple(arrival.owners)
        self._bytes = sum(arrival.length for arrival in self._hot)
        self.cold = True

    def next(self) -> Arrival | None:
        """The one whose turn it is, or None."""
        if not self._hot and self.cold:
            self._warm()
        if not self._hot:
            return None
        arrival = self._hot.popleft()
        self._bytes -= arrival.length
        self.taken = max(self.taken, arrival.sequence)
        return arrival

    def pass_over(self, sequence: int) -> None:
        """What the journal held up to this entry was put aside."""
        self.taken = max(self.taken, sequence)

    def _warm(self) -> None:
        """Read the next of what waits on the disk."""
        entries = self._journal.read(self.taken, _READ_BACK)
        for sequence, sealed in entries:
            self.taken = sequence
            try:
                arrival = self._reopen(sealed)
            except Exception as error:  # noqa: BLE001 - one entry that nobody opens must not stop the rest
                _log.error("journal_entry_not_opened", sequence=sequence, error=type(error).__name__)
                metrics.DELIVERY_REFUSED.labels(HL7_RAW).inc()
                continue
            arrival.sequence = sequence
            arrival.owners.extend(self._applications.pop(sequence, ()))
            self.add(arrival)
        if not entries and self.taken >= self._journal.last:
            self.cold = False
