"""The only wiring of ingest: settings to adapters to flow."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from orloop_common.domain.site import Site
from orloop_common.messages import CASE_IDENTITY, HL7_RAW, SUITE_EVENTS
from orloop_common.messages.sitefile import SiteFileError, parse_site
from orloop_common.runtime.auth import Tokens
from orloop_common.runtime.crypto import PayloadCipher
from orloop_common.runtime.errors import ConfigurationError
from orloop_common.runtime.health import bind
from orloop_common.runtime.kafkalog import KafkaSender
from orloop_common.runtime.outbox import Outbox
from orloop_common.runtime.records import LoopSettings
from orloop_common.runtime.service import Runtime, fail, run_service

from . import metrics
from .adapters import manual
from .adapters.committing import Committer
from .adapters.desk import add_desk
from .adapters.journal import Journal
from .adapters.mllp import Limits, MllpDoor
from .adapters.raw_desk import RawDesk, add_raw_desk
from .adapters.rawstore import RawStore
from .adapters.source_desk import add_sources
from .adapters.tail import read_tail
from .adapters.tls import server_context
from .adapters.writer import DurableWriter, Poster
from .domain.pseudonyms import Pseudonyms
from .domain.subjects import parse_subjects
from .flow import LETTERS, IngestFlow
from .intake import Intake
from .ledger import Ledger
from .reception import Arrival, Reception
from .rereading import Rereading
from .settings import Settings
from .watching import SourceWatch


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
        watch_sources(site, ledger, settings),
    )
    pseudonyms = Pseudonyms(settings.identity_secret.get_secret_value().encode())
    raw_cipher = PayloadCipher(settings.raw_key.get_secret_value(), "ORLOOP_RAW_KEY") if settings.raw_key else cipher
    reception = Reception(
        site,
        ledger,
        pseudonyms,
        cipher.encrypt,
        clock,
        flow.hear,
        seal=raw_cipher.encrypt,
        open_token=raw_cipher.decrypt,
    )
    reception.stamp = lambda header, at: flow.sources.stamp(header.application, header.sent, header.sequence, at)

    def rehearsal() -> Reception:
        return Reception(site, ledger.copy(), pseudonyms, cipher.encrypt, clock, open_token=raw_cipher.decrypt)

    writer = DurableWriter(runtime.outbox, settings.durable_seconds)
    store = RawStore(settings.kafka, settings.instance, raw_cipher.decrypt)
    journal = Journal(settings.journal_folder)
    door = MllpDoor(clock, limits(settings), tls=tls(settings), subjects=parse_subjects(settings.mllp_tls_subjects))
    runtime.health.checks["mllp"] = lambda: door.listening or "the MLLP door waits for the log to be read"

    async def serve() -> None:
        intake = open_intake(runtime, reception, journal)
        reports = manual.ManualDoor(site, ledger, writer, clock, tokens)
        app = manual.build_app(reports)
        add_desk(app, reports)
        rereading = Rereading(intake.again, rehearsal, ledger, writer, store, clock, lambda: flow.letters)
        add_raw_desk(app, RawDesk(reports, rereading, settings.raw_readers))
        add_sources(app, reports, flow)
        await asyncio.gather(door.serve(mllp_socket, intake), manual.serve(app, manual_socket))

    def doors() -> None:
        flow.caught_up.wait()  # mapping needs the whole fold; senders wait in the backlog until then
        for id, received in read_tail(settings.kafka, settings.instance, settings.raw_tail):
            reception.remember(id, received, stored=True)
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(serve())

    runtime.spawn("doors", doors)
    runtime.run_flow(flow, LoopSettings(topics=[SUITE_EVENTS, CASE_IDENTITY, LETTERS], group=None))


def open_intake(runtime: Runtime[Settings], reception: Reception, journal: Journal) -> Intake:
    """The intake in the running event loop, with a producer that this loop serves."""
    settings, clock, loop = runtime.settings, runtime.clock, asyncio.get_running_loop()
    sender = KafkaSender(settings.kafka, f"{settings.instance}-doors", polled=False)
    outbox = Outbox(sender, runtime.codec, clock, settings.service)
    outbox.learn(HL7_RAW, f"{HL7_RAW}.dlq", CASE_IDENTITY, SUITE_EVENTS)
    after = journal.drained
    while entries := journal.read(after, 1000):  # what waits since before a restart is no news if it comes again
        for entry in entries:
            reception.remember_sealed(entry.payload)
            after = entry.sequence
    metrics.JOURNAL_DAMAGED.set(journal.damaged)

    def committed(batch: Sequence[Arrival], last: int, error: OSError | None) -> None:
        hook.run(lambda: intake.committed(batch, last, error))

    hook = Hooked(loop)
    committer = Committer(journal, Arrival.sealed, committed, loop.call_soon_threadsafe, clock.monotonic)
    intake = Intake(
        reception,
        committer,
        Poster(outbox, sender),
        hook,
        limit_bytes=settings.journal_limit_mb * 2**20,
        monotonic=clock.monotonic,
    )
    intake.start()
    return intake


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


def limits(settings: Settings) -> Limits:
    """What a sender may do."""
    return Limits(
        frame_bytes=settings.frame_limit_bytes,
        half_frame_seconds=settings.half_frame_seconds,
        connections=settings.connection_limit,
        connections_per_source=settings.connections_per_source,
        answer_seconds=settings.answer_seconds,
        answer_seconds_by_source=settings.patience,
        idle_seconds=settings.idle_seconds,
    )


def tls(settings: Settings) -> ssl.SSLContext | None:
    """TLS if a certificate is set."""
    if settings.mllp_tls_cert is None:
        return None
    return server_context(settings.mllp_tls_cert, settings.mllp_tls_key, settings.mllp_tls_client_ca)


def watch_sources(site: Site, ledger: Ledger, settings: Settings) -> SourceWatch:
    """What is learned of the sources, and kept over a restart."""
    known, path = site.hl7.sources if site.hl7 else {}, settings.data / "source-rates.json"
    feeds = [source for source, suite in known.items() if suite in ledger.suites]
    return SourceWatch(feeds, ZoneInfo(site.timezone), path, site.hl7.expected if site.hl7 else None)


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
