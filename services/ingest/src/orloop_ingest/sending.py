"""What was read, on its way to the broker: raw and identity, and when the broker has these, its events; in order.

Everything here runs in the doors' thread and never waits. Records are queued as far as the producer takes them; the
broker's answers are looked for every few milliseconds while any are due.
"""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from orloop_common.messages import HL7_RAW
from orloop_common.runtime.errors import FatalError
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.outbox import Delivered
from orloop_common.runtime.records import Output

from . import metrics
from .items import Item
from .ports import Hook, Posting
from .reception import Arrival, Received, pointer_output

_log = get_logger("sending")
WINDOW = 1000  # read and not yet on the broker
POLL_SECONDS, LONGEST_POLL_SECONDS = 0.002, 0.02


class Sending:
    """Takes what was read, in the order of the journal, and tells `over` in that order what the broker has whole.

    Parameters
    ----------
    served
        Called after each look for answers, instead of `post`, by whoever may have more to read first.
    """

    def __init__(self, broker: Posting, hook: Hook, over: Callable[[Item], None], served: Callable[[], None]) -> None:
        self._broker, self._hook, self._over, self._served = broker, hook, over, served
        self._half: deque[Item] = deque()  # raw and identity posted
        self._flight: deque[Item] = deque()  # all that is not on the broker, in order
        self._unposted: deque[tuple[Item, Sequence[Output]]] = deque()
        self._polling = False
        self.answered, self._pause = 0, POLL_SECONDS

    def __len__(self) -> int:
        return len(self._flight)

    @property
    def full(self) -> bool:
        """Whether nothing more should be read for now."""
        return len(self._flight) >= WINDOW or bool(self._unposted)

    @property
    def oldest(self) -> datetime | None:
        """When the oldest of it came."""
        return self._flight[0].arrival.received if self._flight else None

    def add(self, arrival: Arrival, received: Received) -> None:
        """One more, to be sent with the next `post`."""
        item = Item(self, arrival, received)
        self._flight.append(item)
        self._half.append(item)
        if received.first:
            self._unposted.append((item, received.first))

    def post(self) -> None:
        """Queue what may go, and say what is over."""
        self._send()
        while self._half and not self._half[0].first_left:
            self._go_on(self._half.popleft())
        self._send()
        while self._flight and not self._flight[0].first_left and not self._flight[0].then_left:
            self._over(self._flight.popleft())
        if self._flight and not self._polling:
            self._polling = True
            self._hook.call_later(self._pause, self._poll)

    def refused(self, error: Exception, topic: str) -> None:
        """The broker refused a record for good; the raw bytes are still in the log or in the journal's backup."""
        metrics.DELIVERY_REFUSED.labels(topic).inc()
        _log.error("record_refused", topic=topic, error=str(error))

    def _go_on(self, item: Item) -> None:
        """Its raw record is durable: now its events, and the pointer to it if it is in quarantine."""
        problem, arrival = item.received.problem, item.arrival
        if problem is not None and item.received.first:
            raw = item.received.first[0]
            place = Delivered(HL7_RAW, 0, item.offset)
            pointer = pointer_output(arrival.id, raw.key, raw.suite, problem, place, arrival.received)
            item.then = (*item.then, pointer)
        item.then_left = len(item.then)
        if item.then:
            self._unposted.append((item, item.then))

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
        self._served()
