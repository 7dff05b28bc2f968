"""Sends facts: idempotent, acks=all, in the partition of their suite.

One outbox per process. `send` queues and `flush` waits for all that was queued, as long as it takes
while the broker is away; `send_now` is for adapters that must answer somebody.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass

from orloop_common.domain.derived import DeadLetter

from .clock import Clock
from .cloudevents import decode_headers, encode_headers
from .errors import ClientFailed, DeliveryFailed, NotDurable, Stalled
from .logs import get_logger
from .metrics import DEAD_LETTERS, OUTPUTS_SENT
from .partition import partition_of
from .ports import Codec, Headers, RawRecord, Sender
from .records import Output, Unreadable
from .tracing import traceparent_for

_log = get_logger("outbox")
Posted = Callable[[Exception | None, int], None]
_COPIED = frozenset({"content-type", "traceparent"})
_REPLICAS = "Maybe the broker's disk is full, or too few replicas are in sync."


@dataclass(frozen=True, slots=True)
class Delivered:
    """Where an output came to lie."""

    topic: str
    partition: int
    offset: int


class Outbox:
    """Thread-safe; what is queued in one thread keeps its order."""

    def __init__(
        self, sender: Sender, codec: Codec, clock: Clock, service: str, *, stall_seconds: float = 20.0
    ) -> None:
        self._sender = sender
        self._codec = codec
        self._clock = clock
        self._service = service
        self._stall = stall_seconds
        self._partitions: dict[str, int] = {}
        self._sent: dict[str, Callable[[], None]] = {}
        self._changed = threading.Condition()
        self._outstanding = 0
        self._refused: str | None = None

    def send(self, output: Output, parent: str | None = None, beat: Callable[[], None] = lambda: None) -> None:
        """Queue an output; `parent` is the `traceparent` of the record that caused it."""
        self._queue(output, parent, beat, None)

    def flush(self, beat: Callable[[], None] = lambda: None) -> None:
        """Wait until all that was queued by `send` is acknowledged; `beat` is called while it waits.

        Raises
        ------
        Stalled
            If the broker answers and still does not acknowledge for `stall_seconds`.
        DeliveryFailed
            If the broker refused an output for good.
        """
        patience = _Patience(self._sender, self._clock, self._stall)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._outstanding or self._refused, 0.2)
                self._raise_if_broken()
                if not self._outstanding:
                    return
            beat()
            patience.check("outputs to be acknowledged")

    def submit(self, output: Output, parent: str | None = None, timeout: float = 5.0) -> Future[Delivered]:
        """Queue an output and return its future; `timeout` is for a queue or a broker that is not there."""
        future: Future[Delivered] = Future()
        deadline = self._clock.monotonic() + timeout

        def beat() -> None:
            if self._clock.monotonic() > deadline:
                raise NotDurable(_not_durable(output, timeout))

        self._queue(output, parent, beat, future)
        return future

    def post(self, output: Output, done: Posted) -> bool:
        """Queue an output without ever waiting: False while the queue is full or the topic is not known yet.

        `done(error, offset)` is called once it is acknowledged or refused, in the thread that serves the sender.
        Call `learn` first, in a thread that may wait.
        """
        self._raise_if_broken()
        count = self._partitions.get(output.topic)
        if count is None:
            return False
        message, topic = output.message, output.topic
        value = None if message is None else self._codec.encode(message)
        headers, place = self._headers(output, None), partition_of(output.suite, count)
        sent = self._sent.get(topic)
        if sent is None:
            sent = self._sent[topic] = OUTPUTS_SENT.labels(topic).inc

        def delivered(error: Exception | None, offset: int) -> None:
            if error is None:
                sent()
            done(error, offset)

        return self._sender.produce(topic, place, output.key.encode(), value, headers, delivered)

    def learn(self, *topics: str, beat: Callable[[], None] = lambda: None) -> None:
        """Wait until it is known how many partitions these topics have, so that `post` never has to."""
        for topic in topics:
            self._count(topic, beat)

    def send_now(self, *outputs: Output, parent: str | None = None, timeout: float = 5.0) -> list[Delivered]:
        """Return once the broker has every output (acks=all), or raise `NotDurable`.

        After `NotDurable` an output may still arrive: send it again under the same id.
        """
        futures = [(output, self.submit(output, parent, timeout)) for output in outputs]
        deadline = self._clock.monotonic() + timeout
        done = []
        for output, future in futures:
            try:
                done.append(future.result(max(0.0, deadline - self._clock.monotonic())))
            except FutureTimeout:
                raise NotDurable(_not_durable(output, timeout)) from None
        return done

    def dead_letter(self, raw: RawRecord, unreadable: Unreadable, beat: Callable[[], None] = lambda: None) -> None:
        """Queue a pointer to an unreadable record on `<topic>.dlq`, under its key and with its headers.

        Never its value, which may name a patient.
        """
        letter = DeadLetter(
            topic=raw.topic,
            partition=raw.partition,
            offset=raw.offset,
            reason=unreadable.reason,
            service=self._service,
            at=unreadable.at,
        )
        topic = f"{raw.topic}.dlq"
        output = Output(topic, "", unreadable.suite, letter, unreadable.id, at=unreadable.at)
        kept = tuple((f"original_{k}", v) for k, v in raw.headers if k.startswith("ce_") or k in _COPIED)
        pointer = {
            "orloop_reason": unreadable.reason,
            "orloop_topic": raw.topic,
            "orloop_partition": str(raw.partition),
            "orloop_offset": str(raw.offset),
        }
        headers = self._headers(output, decode_headers(raw.headers).get("traceparent")) + kept
        headers += tuple((name, text.encode()) for name, text in pointer.items())
        place = raw.partition % self._count(topic, beat)
        self._produce(topic, place, raw.key or b"", self._codec.encode(letter), headers, beat, None)
        DEAD_LETTERS.labels(raw.topic).inc()

    def close(self) -> None:
        """Let go of the client; what was not flushed may be lost."""
        self._sender.close()

    def _queue(
        self, output: Output, parent: str | None, beat: Callable[[], None], future: "Future[Delivered] | None"
    ) -> None:
        self._raise_if_broken()
        headers = self._headers(output, parent)
        value = None if output.message is None else self._codec.encode(output.message)
        place = partition_of(output.suite, self._count(output.topic, beat))
        self._produce(output.topic, place, output.key.encode(), value, headers, beat, future)

    def _headers(self, output: Output, parent: str | None) -> Headers:
        message = output.message
        return encode_headers(
            id=output.id,
            service=self._service,
            type="orloop.Tombstone" if message is None else self._codec.ce_type_of(message),
            subject=output.suite,
            time=output.at or self._clock.now(),
            dataschema="" if message is None else self._codec.dataschema_of(message),
            traceparent=traceparent_for(output.id, output.traceparent or parent),
            cause=output.cause,
        )

    def _count(self, topic: str, beat: Callable[[], None]) -> int:
        patience = _Patience(self._sender, self._clock, self._stall)
        while topic not in self._partitions:
            count = self._sender.partitions_of(topic)
            if count:
                self._partitions[topic] = count
                break
            self._raise_if_broken()
            beat()
            patience.check(f"topic {topic} to exist", "Maybe run: orloop topics apply.")
            with self._changed:
                self._changed.wait(0.1)
        return self._partitions[topic]

    def _produce(
        self,
        topic: str,
        partition: int,
        key: bytes,
        value: bytes | None,
        headers: Headers,
        beat: Callable[[], None],
        future: "Future[Delivered] | None",
    ) -> None:
        def done(error: Exception | None, offset: int) -> None:
            if error is None:
                OUTPUTS_SENT.labels(topic).inc()
            if future is not None:
                if error is None:
                    future.set_result(Delivered(topic, partition, offset))
                else:
                    future.set_exception(NotDurable(f"Expected {topic} to take a record, got: {error}"))
                return
            with self._changed:
                self._outstanding -= 1
                if error is not None:
                    self._refused = f"Expected {topic} to take a record of this service, got: {error}"
                self._changed.notify_all()

        if future is None:
            with self._changed:
                self._outstanding += 1
        try:
            while not self._sender.produce(topic, partition, key, value, headers, done):
                self._raise_if_broken()
                beat()
                with self._changed:
                    self._changed.wait(0.05)
        except BaseException:
            if future is None:
                with self._changed:
                    self._outstanding -= 1
            raise

    def _raise_if_broken(self) -> None:
        if self._refused is not None:
            raise DeliveryFailed(self._refused)
        if (fatal := self._sender.fatal()) is not None:
            raise ClientFailed(fatal)


class _Patience:
    """Waits for a broker that is away, gives up on one that answers and does not acknowledge."""

    def __init__(self, sender: Sender, clock: Clock, limit: float) -> None:
        self._sender, self._clock, self._limit = sender, clock, limit
        self._next = clock.monotonic() + min(2.0, limit / 2)
        self._up_since: float | None = None

    def check(self, what: str, hint: str = _REPLICAS) -> None:
        now = self._clock.monotonic()
        if now < self._next:
            return
        self._next = now + min(2.0, self._limit / 2)
        if not self._sender.alive():
            self._up_since = None
        elif self._up_since is None:
            self._up_since = now
        elif now - self._up_since >= self._limit:
            raise Stalled(f"Expected {what} within {self._limit:.0f} s while the broker answers, got nothing.\n{hint}")


def _not_durable(output: Output, timeout: float) -> str:
    return (
        f"Expected {output.topic} to acknowledge {output.id} within {timeout:g} s, got nothing.\n"
        "Maybe the broker is away: send it again under the same id."
    )
