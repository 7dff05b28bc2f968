"""The only wiring: settings, routes, adapters, flow, loop."""

import ssl
from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn

import httpx

from orloop_common.domain.site import Site
from orloop_common.messages import CASE_IDENTITY
from orloop_common.messages.sitefile import SiteFileError, parse_site
from orloop_common.runtime import ConfigurationError, LoopSettings
from orloop_common.runtime.auth import Tokens
from orloop_common.runtime.crypto import PayloadCipher
from orloop_common.runtime.health import bind
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.service import Runtime, run_service
from orloop_common.runtime.smart import SmartAuth, read_key

from . import metrics
from .adapters import door
from .adapters.courier import Courier, Exchange, Patience
from .adapters.fhir import FhirScribe
from .adapters.fhir_client import FhirClient
from .adapters.inbox import Inbox
from .adapters.mllp import MllpClient
from .adapters.post import Counter, PostOffice
from .adapters.routes_file import RouteEntry, parse_writeback
from .adapters.siu import SiuScribe
from .adapters.task_watch import TaskWatch
from .adapters.tls import client_context
from .domain.routes import Route, Routes, Way
from .flow import TOPICS, WritebackFlow
from .ports import Scribe
from .settings import Settings

Decrypt = Callable[[bytes], bytes]


def run(runtime: Runtime[Settings]) -> None:
    settings, clock = runtime.settings, runtime.clock
    try:
        site = parse_site(settings.site.read_text())
    except SiteFileError as error:
        raise ConfigurationError(f"ORLOOP_SITE: {error}") from None
    pairs = parse_writeback(settings.site.read_text()).pairs()
    suites = [layout.id for layout in site.suites if settings.wants(layout.id)]
    post = _post_office(runtime, site, pairs) if settings.writeback_enabled else None
    routes = Routes(tuple(route for route, _ in pairs), sending=post is not None)
    metrics.ENABLED.set(1 if post else 0)
    get_logger("writeback").info("write_back_is_on" if post else "write_back_is_off", routes=len(pairs))
    words = Inbox() if settings.worklist_port else None
    echo_within = timedelta(minutes=settings.echo_timeout_minutes)
    flow = WritebackFlow(site, suites, clock, post, post, echo_within, routes, words, post)
    if words is not None:
        _serve_worklist(runtime, site, flow, words)
    runtime.run_flow(
        flow,
        LoopSettings(topics=TOPICS, group="orloop.writeback", skip_outputs=frozenset({CASE_IDENTITY})),
    )


def _serve_worklist(runtime: Runtime[Settings], site: Site, flow: WritebackFlow, words: Inbox) -> None:
    settings = runtime.settings
    listener = bind(settings.worklist_port, "ORLOOP_WORKLIST_PORT", settings.worklist_host)
    tokens = Tokens(settings.secret(), runtime.clock)
    app = door.build_app(door.WorklistDoor(site, flow.lines, words, _decrypt(settings), tokens))
    runtime.spawn("worklist", lambda: door.serve(app, listener, runtime.stop))


def _post_office(runtime: Runtime[Settings], site: Site, pairs: tuple[tuple[Route, RouteEntry], ...]) -> PostOffice:
    settings = runtime.settings
    decrypt = _decrypt(settings)
    counters, watches = {}, {}
    for route, entry in pairs:
        if route.way is Way.MANUAL:
            continue
        scribe, exchange = scribe_of(site, entry, decrypt), _exchange(runtime, route, entry)
        courier = Courier(exchange, Patience(settings.send_tries, settings.retry_seconds), runtime.clock, runtime.stop)
        runtime.spawn(f"courier-{route.name}", courier.run)
        counters[route.name] = Counter(scribe, courier)
        if route.tasks:
            reader = FhirClient(_http(runtime, entry, _tls(entry)))  # of its own: a client belongs to one thread
            watches[route.name] = TaskWatch(reader, settings.task_seconds, runtime.stop)
            runtime.spawn(f"tasks-{route.name}", watches[route.name].run)
    return PostOffice(counters, watches)


def scribe_of(site: Site, entry: RouteEntry, decrypt: Decrypt, *, masked: bool = False) -> Scribe:
    """Who writes the messages of a route."""
    if entry.fhir is not None:
        said = entry.fhir
        return FhirScribe(decrypt, send=said.send, case_id=said.case_id, rooms=said.rooms)
    if site.hl7 is None:
        raise ConfigurationError(
            "ORLOOP_SITE: Expected an hl7 profile when write-back is on, got none.\nMaybe add the section hl7."
        )
    return SiuScribe(site.hl7, decrypt, timezone=site.timezone, masked=masked)


def _exchange(runtime: Runtime[Settings], route: Route, entry: RouteEntry) -> Exchange:
    settings, clock = runtime.settings, runtime.clock
    tls = _tls(entry)
    if entry.fhir is not None:
        return FhirClient(_http(runtime, entry, tls))
    port = entry.port or settings.hospital_port
    if not port:
        raise ConfigurationError(
            "ORLOOP_HOSPITAL_PORT: Expected a port when ORLOOP_WRITEBACK_ENABLED is on, got none.\n"
            "Maybe name the port on which the hospital's engine takes SIU messages."
        )
    return MllpClient(
        entry.host or settings.hospital_host,
        port,
        clock,
        settings.ack_timeout_seconds,
        tls,
        entry.tls.server_name if entry.tls else None,
        route.style.enhanced,
    )


def _tls(entry: RouteEntry) -> ssl.SSLContext | None:
    return client_context(entry.tls.ca, entry.tls.certificate, entry.tls.key) if entry.tls else None


def _http(runtime: Runtime[Settings], entry: RouteEntry, tls: ssl.SSLContext | None) -> httpx.Client:
    assert entry.fhir is not None
    smart = entry.fhir.smart
    auth = None
    if smart is not None:
        key = read_key(smart.key, "writeback.fhir.smart.key")
        auth = SmartAuth(smart.token_url, smart.client_id, key, runtime.clock, smart.scope, smart.key_id)
    base = entry.fhir.base.rstrip("/") + "/"
    return httpx.Client(
        base_url=base, auth=auth, verify=tls or True, timeout=runtime.settings.ack_timeout_seconds, trust_env=False
    )


def _decrypt(settings: Settings) -> Decrypt:
    if settings.payload_key is None:
        raise ConfigurationError(
            "ORLOOP_PAYLOAD_KEY: Expected the key of the identities when ORLOOP_WRITEBACK_ENABLED is on or a worklist "
            "is served, got none.\nMaybe it is the key that ingest was given."
        )
    return PayloadCipher(settings.payload_key.get_secret_value()).decrypt


def main() -> NoReturn:
    run_service(Settings, run, sensitive=True)
