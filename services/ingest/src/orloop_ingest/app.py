"""The only wiring of ingest: settings to adapters to flow."""

import asyncio
import ctypes
import gc
import ssl
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from orloop_common.domain.site import Site
from orloop_common.messages.sitefile import SiteFileError, parse_site
from orloop_common.runtime.auth import Tokens
from orloop_common.runtime.clock import Clock
from orloop_common.runtime.crypto import PayloadCipher
from orloop_common.runtime.errors import ConfigurationError
from orloop_common.runtime.health import bind
from orloop_common.runtime.records import LoopSettings
from orloop_common.runtime.service import Runtime, run_service

from .adapters import manual
from .adapters.desk import add_desk
from .adapters.fhir_road import FhirRoad
from .adapters.identity_desk import add_identity
from .adapters.journal import SEGMENT_BYTES, Journal
from .adapters.load_desk import LoadDesk, add_load_desk, read_again
from .adapters.mllp import Limits, MllpDoor
from .adapters.profiles import load_profiles
from .adapters.raw_desk import RawDesk, add_raw_desk
from .adapters.rawstore import RawStore
from .adapters.source_desk import add_sources
from .adapters.tail import read_tail
from .adapters.tls import server_context
from .adapters.writer import DurableWriter
from .domain.hl7 import SourceProfile
from .domain.hl7.profile_file import ProfileError
from .domain.pseudonyms import Pseudonyms
from .domain.subjects import parse_subjects
from .flow import TOPICS, IngestFlow
from .ledger import Ledger
from .opening import Opening
from .reception import Reception
from .rereading import Rereading
from .settings import Settings
from .sweeping import Sweeper
from .watching import SourceWatch

_M_ARENA_MAX = -8  # malloc.h of the GNU C library


def main() -> None:
    """Run ingest to its end."""
    share_arenas()
    sys.setswitchinterval(0.001)  # the doors must not wait 5 ms for the interpreter while the fold reads
    gc.set_threshold(10_000, 100, 50)  # what stays has no cycles: look at little of it at a time, and seldom at all
    run_service(Settings, run, sensitive=True)


def run(runtime: Runtime[Settings]) -> None:
    """Fold, tick and watch in this thread; the doors have a thread of their own."""
    settings, clock = runtime.settings, runtime.clock
    site = load_site(settings)
    cipher = PayloadCipher(settings.payload_key.get_secret_value())
    tokens = Tokens(settings.secret(), clock)
    mllp_socket = bind(settings.mllp_port, "ORLOOP_MLLP_PORT", settings.mllp_host)
    manual_socket = bind(settings.manual_port, "ORLOOP_MANUAL_PORT")
    fhir_port = settings.fhir_port
    fhir_socket = bind(fhir_port, "ORLOOP_FHIR_PORT", settings.fhir_host) if fhir_port is not None else None
    ledger = Ledger(site, [s.id for s in site.suites if settings.wants(s.id)], settings.remembered)
    fhir = fhir_road(site, ledger, settings, clock)
    flow = IngestFlow(
        site,
        ledger,
        cipher,
        clock,
        timedelta(minutes=settings.feed_silence_minutes),
        timedelta(seconds=settings.feed_silence_wall_seconds),
        watch_sources(site, ledger, settings, fhir),
        fhir.suites,
    )
    pseudonyms = read_pseudonyms(settings)
    flow.sweep = Sweeper(ledger, pseudonyms, PayloadCipher(settings.payload_key.get_secret_value()).encrypt)
    raw_cipher = PayloadCipher(settings.raw_key.get_secret_value(), "ORLOOP_RAW_KEY") if settings.raw_key else cipher
    profiles = read_profiles(site, settings)
    reception = Reception(
        site,
        ledger,
        pseudonyms,
        cipher.encrypt,
        clock,
        flow.hear,
        seal=raw_cipher.encrypt,
        open_token=raw_cipher.decrypt,
        profiles=profiles,
    )
    reception.stamp = lambda header, at: flow.sources.stamp(header.application, header.sent, header.sequence, at)

    def rehearsal() -> Reception:
        again = ledger.copy()
        return Reception(
            site, again, pseudonyms, cipher.encrypt, clock, open_token=raw_cipher.decrypt, profiles=profiles
        )

    writer = DurableWriter(runtime.outbox, settings.durable_seconds)
    store = RawStore(settings.kafka, settings.instance, raw_cipher.decrypt)
    journal = Journal(settings.journal_folder, segment_bytes=min(SEGMENT_BYTES, settings.journal_limit_mb * 2**18))
    opened = Opening(runtime, journal, flow.journals, sources_of(site, ledger))
    door = MllpDoor(clock, limits(settings), tls=tls(settings), subjects=subjects(settings, profiles))
    runtime.health.checks["mllp"] = lambda: (opened.has_read and door.listening) or waits_for_the_log(door)

    def read_log() -> list[tuple[str, datetime]]:
        flow.caught_up.wait()
        settle_memory()
        return list(read_tail(settings.kafka, settings.instance, settings.raw_tail))

    async def serve() -> None:
        intake = opened.open(reception, {"fhir": fhir.reader(), "file": read_again})
        reports = manual.ManualDoor(site, ledger, writer, clock, tokens)
        app = manual.build_app(reports)
        add_desk(app, reports)
        letters, readers = lambda: flow.letters, intake.readers
        rereading = Rereading(intake.again, rehearsal, ledger, writer, store, clock, letters, readers)
        add_identity(app, reports, intake, pseudonyms)
        add_load_desk(app, LoadDesk(reports, intake, rehearsal, profiles, fhir.profiles))
        add_raw_desk(app, RawDesk(reports, rereading, settings.raw_readers))
        add_sources(app, reports, flow, lambda: (intake.waiting, intake.oldest))

        async def learn() -> None:
            opened.learn(reception, await asyncio.to_thread(read_log))

        log = asyncio.ensure_future(learn())

        async def others() -> None:  # they answer what only the fold knows
            await log
            await opened.go_on()
            await asyncio.gather(
                manual.serve(app, manual_socket), fhir.run(intake, fhir_socket, flow.hear, ledger.known)
            )

        async def messages() -> None:
            await asyncio.wait((log,), timeout=settings.doors_wait_seconds)
            if not log.done():
                opened.unread()
            await door.serve(mllp_socket, intake)

        await asyncio.gather(messages(), others())

    def doors() -> None:
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(serve())

    runtime.spawn("doors", doors)
    runtime.run_flow(flow, LoopSettings(topics=TOPICS, group=None, gather_seconds=0.02))
    opened.close(door)


def waits_for_the_log(door: MllpDoor) -> str:
    """What is missing, for /readyz."""
    if door.listening:
        return "messages are taken and acknowledged from the journal; they are mapped once the log has been read"
    return "the MLLP door waits for the log to be read"


def read_pseudonyms(settings: Settings) -> Pseudonyms:
    """The identity secret, and those before it while a rotation lasts."""
    try:
        return Pseudonyms.parse(settings.identity_secret.get_secret_value())
    except ValueError as error:
        raise ConfigurationError(f"ORLOOP_IDENTITY_SECRET: {error}") from None


def read_profiles(site: Site, settings: Settings) -> dict[str, SourceProfile]:
    """Every source's profile, from the files that the site file names."""
    try:
        return load_profiles(site, settings.site.parent)
    except ProfileError as error:
        raise ConfigurationError(f"ORLOOP_SITE: {error}") from None


def sources_of(site: Site, ledger: Ledger) -> tuple[str, ...]:
    """The sources of the suites that this process serves."""
    sources = site.hl7.sources if site.hl7 else {}
    return tuple(source for source, suite in sources.items() if suite in ledger.suites)


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


def subjects(settings: Settings, profiles: Mapping[str, SourceProfile]) -> dict[str, frozenset[str]]:
    """Which certificate speaks for which source: what the settings and the sources' profiles say."""
    found = parse_subjects(settings.mllp_tls_subjects)
    for source, profile in profiles.items():
        if profile.tls_subject:
            found[profile.tls_subject] = found.get(profile.tls_subject, frozenset()) | {source}
    return found


def tls(settings: Settings) -> ssl.SSLContext | None:
    """TLS if a certificate is set."""
    if settings.mllp_tls_cert is None:
        return None
    return server_context(settings.mllp_tls_cert, settings.mllp_tls_key, settings.mllp_tls_client_ca)


def fhir_road(site: Site, ledger: Ledger, settings: Settings, clock: Clock) -> FhirRoad:
    """The sources of FHIR whose suites this process serves; profiles lie beside the site file."""
    paths = tuple(settings.site.parent / name for name in settings.fhir_profiles)
    return FhirRoad(paths, site, settings.data, clock, ledger.suites, settings.fhir_port is not None)


def watch_sources(site: Site, ledger: Ledger, settings: Settings, fhir: FhirRoad) -> SourceWatch:
    """What is learned of the sources, and kept over a restart."""
    known, path = site.hl7.sources if site.hl7 else {}, settings.data / "source-rates.json"
    feeds = [source for source, suite in {**known, **fhir.suites}.items() if suite in ledger.suites]
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


def share_arenas() -> None:
    """A dozen threads, each with memory of its own that it does not give back, are 15 MB more than two such pools."""
    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
    except (AttributeError, OSError):
        return  # another C library


def settle_memory() -> None:
    """What was folded stays for days and holds no cycles: do not walk through all of it between two messages."""
    gc.collect()
    gc.freeze()
