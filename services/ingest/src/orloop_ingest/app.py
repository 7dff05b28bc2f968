"""The only wiring of ingest: settings to adapters to flow."""

import asyncio
from datetime import timedelta

from orloop_common.domain.site import Site
from orloop_common.messages import CASE_IDENTITY, SUITE_EVENTS
from orloop_common.messages.sitefile import SiteFileError, parse_site
from orloop_common.runtime.auth import Tokens
from orloop_common.runtime.crypto import PayloadCipher
from orloop_common.runtime.errors import ConfigurationError
from orloop_common.runtime.health import bind
from orloop_common.runtime.records import LoopSettings
from orloop_common.runtime.service import Runtime, run_service

from .adapters import manual
from .adapters.desk import add_desk
from .adapters.mllp import MllpDoor
from .adapters.writer import DurableWriter
from .domain.pseudonyms import Pseudonyms
from .flow import IngestFlow
from .ledger import Ledger
from .reception import Reception
from .settings import Settings


def main() -> None:
    """Run ingest to its end."""
    run_service(Settings, run, sensitive=True)


def run(runtime: Runtime[Settings]) -> None:
    """Fold, tick and watch in this thread; the doors have a thread of their own."""
    settings, clock = runtime.settings, runtime.clock
    site = load_site(settings)
    cipher = PayloadCipher(settings.payload_key.get_secret_value())
    tokens = Tokens(settings.secret(), clock)
    mllp_socket = bind(settings.mllp_port, "ORLOOP_MLLP_PORT", settings.mllp_host)
    manual_socket = bind(settings.manual_port, "ORLOOP_MANUAL_PORT")
    ledger = Ledger(site, [s.id for s in site.suites if settings.wants(s.id)])
    flow = IngestFlow(
        site,
        ledger,
        cipher,
        clock,
        timedelta(minutes=settings.feed_silence_minutes),
        timedelta(seconds=settings.feed_silence_wall_seconds),
    )
    pseudonyms = Pseudonyms(settings.identity_secret.get_secret_value().encode())
    reception = Reception(site, ledger, pseudonyms, cipher.encrypt, clock, flow.hear)
    writer = DurableWriter(runtime.outbox, settings.durable_seconds)
    door = MllpDoor(
        reception,
        writer,
        clock,
        limit=settings.frame_limit_bytes,
        half_frame_seconds=settings.half_frame_seconds,
    )
    runtime.health.checks["mllp"] = lambda: door.listening or "the MLLP door waits for the log to be read"

    async def serve() -> None:
        reports = manual.ManualDoor(site, ledger, writer, clock, tokens)
        app = manual.build_app(reports)
        add_desk(app, reports)
        await asyncio.gather(door.serve(mllp_socket), manual.serve(app, manual_socket))

    def doors() -> None:
        flow.caught_up.wait()  # mapping needs the whole fold; senders wait in the backlog until then
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(serve())

    runtime.spawn("doors", doors)
    runtime.run_flow(flow, LoopSettings(topics=[SUITE_EVENTS, CASE_IDENTITY], group=None))


def load_site(settings: Settings) -> Site:
    """The site file, or a configuration error that names it."""
    try:
        site = parse_site(settings.site.read_text())
    except (SiteFileError, OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"ORLOOP_SITE: {settings.site}: {error}") from None
    if site.hl7 is None:
        raise ConfigurationError(
            f"ORLOOP_SITE: Expected a section hl7 in {settings.site}, got none.\nMaybe copy it from the demo's file."
        )
    known = {s.id for s in site.suites}
    unknown = [s for s in (*settings.suites, *site.hl7.sources.values()) if s not in known]
    if unknown:
        raise ConfigurationError(
            f"ORLOOP_SUITES: Expected suites of {settings.site}, got {', '.join(unknown)}.\n"
            f"Maybe one of {', '.join(sorted(known))} was meant."
        )
    return site


def _loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # not on every platform
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
