"""What every process is made of: settings, logs, clock, outbox, health, and a way to stop.

def main() -> None:
    run_service(Settings, run)

def run(runtime: Runtime[Settings]) -> None:
    flow = ...
    runtime.run_flow(flow, LoopSettings(topics=[SUITE_EVENTS], group="orloop.gate"))
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

from .clock import Clock, open_clock
from .codec import default_codec
from .errors import ConfigurationError, FatalError, Stalled
from .health import HealthServer, LoopHealth
from .logs import configure_logging, get_logger
from .outbox import Outbox
from .ports import Codec, Delivered, Headers, Sender
from .records import Flow, LoopSettings
from .settings import CommonSettings, load, refuse

_log = get_logger("service")
GRACE = 8.0
STALLED = 60
S = TypeVar("S", bound=CommonSettings)


@dataclass
class Runtime(Generic[S]):
    """The parts of a running service; handed to its body by `run_service`."""

    settings: S
    clock: Clock
    outbox: Outbox
    health: HealthServer
    loop: LoopHealth
    codec: Codec
    stop: threading.Event = field(default_factory=threading.Event)

    def run_flow(self, flow: Flow, loop: LoopSettings) -> None:
        """Run the one loop in this thread until the process is asked to stop."""
        from .loop import run_flow

        self.spawn("loop-watchdog", self._watch)
        run_flow(flow, loop, self)

    def spawn(self, name: str, body: Callable[[], None]) -> threading.Thread:
        """Run something beside the loop; if it fails, the process ends (and is started again)."""

        def run() -> None:
            try:
                body()
            except BaseException as error:  # noqa: BLE001 - a dead thread must not go unnoticed
                fail(error)

        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread

    def _watch(self) -> None:
        """End the process when the loop hangs, in a client library for one.

        It counts its own seconds, so that a process that was stopped and goes on is not taken for hung.
        """
        silent, last = 0, -1
        while not self.stop.wait(1.0):
            silent, last = (silent + 1 if self.loop.beats == last else 0), self.loop.beats
            if silent > STALLED:
                raise Stalled(
                    f"Expected the loop to make progress within {STALLED} s, got none.\n"
                    "Maybe one event takes too long to fold, or the client library hangs."
                )


def run_service(
    settings_class: type[S], body: Callable[[Runtime[S]], None], *, sensitive: bool = False, broker: bool = True
) -> NoReturn:
    """Run a service to its end: code 0 when asked to stop, 2 for configuration, 1 for everything else.

    Parameters
    ----------
    sensitive
        For the doors that see patient data: texts of unexpected exceptions stay out of the log.
    broker
        False for a process that has nothing to do with Kafka (the twin): its outbox leads nowhere, and
        its body settles the health of its own loop.
    """
    settings = load(settings_class)
    stop = threading.Event()
    try:
        clock = open_clock(settings.clock)
        configure_logging(settings.service, settings.instance, settings.log_level, clock=clock, sensitive=sensitive)
        _stop_on_signal(stop)
        if settings.parent_pipe:
            _stop_with_parent(stop)
        _end_after_grace(stop)
        _make_writable(settings.data)
        with contextlib.ExitStack() as stack:
            runtime = _build(settings, clock, stop, broker)
            stack.callback(runtime.outbox.close)
            runtime.health.start()
            stack.callback(runtime.health.stop)
            _log.info("service_started", health_port=runtime.health.port)
            body(runtime)
        _log.info("service_stopped")
    except BaseException as error:  # noqa: BLE001 - the last line of defence: say why, and end
        fail(error)
    _leave(0)


class _Nowhere:
    """The sender of a process without a broker."""

    def partitions_of(self, topic: str) -> int | None:
        return None

    def produce(
        self, topic: str, partition: int, key: bytes, value: bytes | None, headers: Headers, done: Delivered
    ) -> bool:
        return False

    def alive(self) -> bool:
        return False

    def fatal(self) -> str | None:
        return "this process was started without a broker"

    def close(self) -> None: ...


def _sender(settings: CommonSettings, broker: bool) -> Sender:
    if not broker:
        return _Nowhere()
    from .kafkalog import KafkaSender

    return KafkaSender(settings.kafka, settings.instance)


def _build(settings: S, clock: Clock, stop: threading.Event, broker: bool) -> Runtime[S]:
    codec = default_codec()
    loop = LoopHealth(clock)
    health = HealthServer(settings.service, settings.instance, settings.health_port, loop)
    outbox = Outbox(_sender(settings, broker), codec, clock, settings.service)
    return Runtime(settings, clock, outbox, health, loop, codec, stop)


def _make_writable(data: Path) -> None:
    """The directory of this service, or the reason why it cannot write there."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        probe = data / ".writable"
        probe.write_bytes(b"1")
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(
            f"ORLOOP_DATA: Expected a directory to write to, got {data}: {error.strerror}.\n"
            "Maybe the disk is full (df -h), or the directory belongs to someone else."
        ) from None


def fail(error: BaseException) -> NoReturn:
    """End the process at once: one clear line on stderr, code 2 for configuration, else 1."""
    if isinstance(error, SystemExit):
        _leave(error.code if isinstance(error.code, int) else 1)
    if isinstance(error, KeyboardInterrupt):
        _leave(0)
    if isinstance(error, ConfigurationError):
        try:
            refuse(str(error))
        except SystemExit:
            _leave(2)
    if isinstance(error, FatalError):
        _log.error("service_failed", error=type(error).__name__, reason=str(error))
    else:
        _log.error("service_failed", exc_info=error)
    _leave(1)


def _leave(code: int) -> NoReturn:
    """End without waiting for threads that may hang in a client library."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _stop_on_signal(stop: threading.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())


def _stop_with_parent(stop: threading.Event) -> None:
    """Stop when the launcher's end of our stdin closes, however the launcher came to its end."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        stop.set()

    threading.Thread(target=watch, name="parent-pipe", daemon=True).start()


def _end_after_grace(stop: threading.Event) -> None:
    def watch() -> None:
        stop.wait()
        threading.Event().wait(GRACE)
        _log.error("stop_took_too_long", seconds=GRACE)
        _leave(1)

    threading.Thread(target=watch, name="grace", daemon=True).start()
