"""Faust: the one file that knows it. A stream of the suite's log, a table of snapshots, a worker that ends or works.

Settings as measured in docs: at least once, a static member, RocksDB, no web server, no leader topic.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import faust

from orloop_common.messages import SUITE_EVENTS
from orloop_common.runtime.errors import FatalError, Stalled
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.ports import RawRecord
from orloop_common.runtime.service import Runtime, fail
from orloop_features.follower import Follower
from orloop_features.ports import LogReader
from orloop_features.settings import Settings

_log = get_logger("faust")
GROUP = "orloop.features"
LOOK = 0.1
STALL = 45.0
"""Seconds without progress, while the log is longer than the fold, after which only a new process helps."""


class Worker(faust.Worker):
    """Faust's worker without its own logging, signals, spinner and redirection: the service has them."""

    def _setup_logging(self) -> None:
        pass

    def install_signal_handlers(self) -> None:
        pass


def build_app(runtime: Runtime[Settings], partitions: int, replication: int) -> Any:
    """A Faust app for this instance."""
    settings = runtime.settings
    return faust.App(
        GROUP,
        broker=f"kafka://{settings.kafka}",
        store="rocksdb://",
        datadir=str(settings.data / settings.instance),
        processing_guarantee="at_least_once",
        consumer_group_instance_id=settings.instance,
        broker_client_id=settings.instance,
        broker_session_timeout=6,
        broker_heartbeat_interval=1.5,
        broker_commit_interval=0.5,
        broker_max_poll_interval=120,
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        producer_linger=0,
        stream_wait_empty=False,
        stream_buffer_maxsize=1024,
        topic_partitions=partitions,
        topic_replication_factor=replication,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        worker_redirect_stdouts=False,
        loghandlers=[],
        version=1,
    )


class FeaturesWorker:
    """Delivers the log to the follower, keeps its snapshots in the table, and tells health how it goes."""

    def __init__(self, runtime: Runtime[Settings], follower: Follower, watch: LogReader, replication: int) -> None:
        self._runtime, self._follower, self._watch = runtime, follower, watch
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="follower")
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self.app = build_app(runtime, follower.partitions, replication)
        log = self.app.topic(SUITE_EVENTS, key_serializer="raw", value_serializer="raw")
        self._table = self.app.Table("fold", key_type=str, value_type=str, partitions=follower.partitions)
        self._agent = self.app.agent(log, name="suite-events")(self._follow)
        self.app.task(self._keep)
        self.app.task(self._guard)
        self._progress: tuple[tuple[int, int], ...] = ()
        self._settled = False

    def run(self) -> None:
        """Work until asked to stop; anything else that ends the worker is fatal."""
        for noisy in ("faust", "mode", "aiokafka"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        logging.getLogger("aiokafka.client").setLevel(logging.CRITICAL)  # every reconnect; the outbox says it once
        worker = Worker(self.app, loop=self._loop, loglevel="warning", quiet=True, redirect_stdouts=False)
        worker.spinner = None
        try:
            worker.execute_from_commandline()
        except SystemExit as ended:
            if not self._runtime.stop.is_set():
                raise FatalError(f"Expected Faust to work until asked to stop, got its end ({ended.code}).") from None

    async def _follow(self, stream: Any) -> None:
        async for event in stream.events():
            try:
                await self._take(event)
            except Exception as error:  # noqa: BLE001 - an agent that dies inside a live worker helps nobody
                fail(error)

    async def _take(self, event: Any) -> None:
        message = event.message
        async with self._lock:
            if message.partition not in self._follower.places:
                await self._open(message.partition)
            snapshot = await self._work(self._follower.take, _raw(message))
        if snapshot is not None:
            self._table[str(message.partition)] = snapshot

    async def _open(self, partition: int) -> None:
        await self._work(self._follower.open, partition, self._table.get(str(partition)))

    async def _work(self, what: Callable[..., Any], *arguments: Any) -> Any:
        """Blocking work, one piece at a time even where Faust cancels who waits for it."""
        return await self._loop.run_in_executor(self._thread, what, *arguments)

    async def _keep(self) -> None:
        """Beside the stream: take on and let go of partitions, answer health, stop."""
        try:
            while not self._runtime.stop.is_set():
                await asyncio.sleep(LOOK)
                async with self._lock:
                    await self._settle()
        except Exception as error:  # noqa: BLE001
            fail(error)
        self._loop.create_task(self._stop())

    async def _settle(self) -> None:
        assigned = self._assigned()
        self._settled = assigned is not None
        if assigned is not None:
            self._follower.close_all_but(assigned)
            for partition in sorted(assigned - self._follower.places.keys()):
                await self._open(partition)
        self._runtime.loop.settle(self._settled and self._follower.caught_up(), self._follower.state)
        self._runtime.loop.beat()

    def _assigned(self) -> set[int] | None:
        """The log's partitions that are ours, once Faust has recovered its table; None while it moves them."""
        if self.app.rebalancing or not self.app.tables.recovery.completed.is_set():
            return None
        return {tp.partition for tp in self.app.consumer.assignment() if tp.topic == SUITE_EVENTS}

    async def _guard(self) -> None:
        """End the process when the log grows and the fold does not, or the agent is gone."""
        clock = self._runtime.clock
        since = clock.monotonic()
        try:
            while True:
                await asyncio.sleep(3.0)
                if any(actor.actor_task is not None and actor.actor_task.done() for actor in self._agent._actors):
                    _log.warning("agent_restarts")
                behind = await asyncio.to_thread(self._behind)
                now = tuple((p, place.next) for p, place in sorted(self._follower.places.items()))
                if now != self._progress or behind is False:
                    self._progress, since = now, clock.monotonic()
                elif clock.monotonic() - since > STALL:
                    raise Stalled(
                        f"Expected the fold to follow the log, got no event for {STALL:.0f} s while it grows.\n"
                        "Maybe the stream lost its partitions: a new process takes them again."
                    )
        except Exception as error:  # noqa: BLE001
            fail(error)

    def _behind(self) -> bool:
        """Whether the log is longer than a fold; False while the broker is away."""
        try:
            if not self._follower.places:
                return not self._settled
            return any(self._watch.end(p) > place.next for p, place in list(self._follower.places.items()))
        except Exception:  # noqa: BLE001 - a broker that is away is waited for
            return False

    async def _stop(self) -> None:
        await self.app.stop()
        self._loop.stop()


def _raw(message: Any) -> RawRecord:
    headers = message.headers.items() if isinstance(message.headers, dict) else message.headers or ()
    return RawRecord(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=tuple((name, value or b"") for name, value in headers),
        received=datetime.fromtimestamp(message.timestamp, UTC),
    )
