"""Durable writes for the doors: futures that are done when the broker has the record (acks=all)."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

from orloop_common.messages import HL7_RAW
from orloop_common.runtime.errors import NotDurable
from orloop_common.runtime.kafkalog import KafkaSender
from orloop_common.runtime.outbox import Delivered, Outbox
from orloop_common.runtime.records import Output


class DurableWriter:
    """One thread hands records to the producer, so that a full queue never stops the event loop and order is kept."""

    def __init__(self, outbox: Outbox, timeout: float) -> None:
        self._outbox, self._timeout = outbox, timeout
        self._pool = ThreadPoolExecutor(1, "writer")

    def write(self, outputs: Sequence[Output]) -> "asyncio.Task[list[Delivered]]":
        """Send in the order of the calls; the task ends when all are durable, or with `NotDurable`."""
        loop = asyncio.get_running_loop()
        submitted = loop.run_in_executor(self._pool, self._submit, tuple(outputs))
        return loop.create_task(self._wait(submitted))

    def _submit(self, outputs: tuple[Output, ...]) -> list[Future[Delivered]]:
        return [self._outbox.submit(output, timeout=self._timeout) for output in outputs]

    async def _wait(self, submitted: "asyncio.Future[list[Future[Delivered]]]") -> list[Delivered]:
        try:
            async with asyncio.timeout(self._timeout):
                futures = [asyncio.wrap_future(future) for future in await asyncio.shield(submitted)]
                return list(await asyncio.gather(*(asyncio.shield(future) for future in futures)))
        except TimeoutError:
            raise NotDurable(
                f"Expected the broker to acknowledge within {self._timeout:g} s, got nothing.\n"
                "Maybe it is away: the sender keeps the message and sends it again."
            ) from None


class Poster:
    """The intake's own producer: it is served by the doors' thread, so that nobody waits for the interpreter."""

    def __init__(self, outbox: Outbox, sender: KafkaSender) -> None:
        self._sender, self.post, self.learn = sender, outbox.post, outbox.learn

    def serve(self) -> None:
        """Run the callbacks that are due."""
        self._sender.serve()


class Replicas:
    """Whether the broker alone makes a raw record durable: three replicas, two of which must have it first."""

    NEEDED, INSISTED, EVERY_SECONDS = 3, 2, 10.0

    def __init__(self, sender: KafkaSender) -> None:
        self._sender = sender
        self.enough = False

    def watch(self, stop: Event) -> None:
        """Ask now and then; anything but a clear yes is a no."""
        while True:
            many = self._sender.replicas_of(HL7_RAW) >= self.NEEDED
            self.enough = many and self._sender.insists_on(HL7_RAW) >= self.INSISTED
            if stop.wait(self.EVERY_SECONDS):
                return
