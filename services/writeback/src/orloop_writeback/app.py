"""The only wiring: settings, adapters, flow, loop."""

from datetime import timedelta
from typing import NoReturn

from orloop_common.domain.site import Site
from orloop_common.messages import CASE_IDENTITY
from orloop_common.messages.sitefile import SiteFileError, parse_site
from orloop_common.runtime import ConfigurationError, LoopSettings
from orloop_common.runtime.crypto import PayloadCipher
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.service import Runtime, run_service

from . import metrics
from .adapters.courier import Courier, Patience
from .adapters.mllp import MllpClient
from .adapters.siu import SiuScribe
from .flow import TOPICS, WritebackFlow
from .settings import Settings


def run(runtime: Runtime[Settings]) -> None:
    settings, clock = runtime.settings, runtime.clock
    try:
        site = parse_site(settings.site.read_text())
    except SiteFileError as error:
        raise ConfigurationError(f"ORLOOP_SITE: {error}") from None
    suites = [layout.id for layout in site.suites if settings.wants(layout.id)]
    courier, scribe = _hospital(runtime, site) if settings.writeback_enabled else (None, None)
    metrics.ENABLED.set(1 if courier else 0)
    get_logger("writeback").info("write_back_is_on" if courier else "write_back_is_off")
    echo_within = timedelta(minutes=settings.echo_timeout_minutes)
    flow = WritebackFlow(site, suites, clock, scribe, courier, echo_within)
    runtime.run_flow(
        flow,
        LoopSettings(topics=TOPICS, group="orloop.writeback", skip_outputs=frozenset({CASE_IDENTITY})),
    )


def _hospital(runtime: Runtime[Settings], site: Site) -> tuple[Courier, SiuScribe]:
    settings, clock = runtime.settings, runtime.clock
    if site.hl7 is None:
        raise ConfigurationError(
            "ORLOOP_SITE: Expected an hl7 profile when write-back is on, got none.\nMaybe add the section hl7."
        )
    if not settings.hospital_port:
        raise ConfigurationError(
            "ORLOOP_HOSPITAL_PORT: Expected a port when ORLOOP_WRITEBACK_ENABLED is on, got none.\n"
            "Maybe name the port on which the hospital's engine takes SIU messages."
        )
    if settings.payload_key is None:
        raise ConfigurationError(
            "ORLOOP_PAYLOAD_KEY: Expected the key of the identities when ORLOOP_WRITEBACK_ENABLED is on, got none.\n"
            "Maybe it is the key that ingest was given."
        )
    cipher = PayloadCipher(settings.payload_key.get_secret_value())
    client = MllpClient(settings.hospital_host, settings.hospital_port, clock, settings.ack_timeout_seconds)
    courier = Courier(client, Patience(settings.send_tries, settings.retry_seconds), clock, runtime.stop)
    runtime.spawn("courier", courier.run)
    return courier, SiuScribe(site.hl7, cipher.decrypt)


def main() -> NoReturn:
    run_service(Settings, run, sensitive=True)
