"""The only wiring: settings, log, Faust, flow."""

from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.messages import SUITE_EVENTS
from orloop_common.messages.sitefile import SiteFileError, parse_site
from orloop_common.runtime.errors import ConfigurationError
from orloop_common.runtime.reader import RecordReader
from orloop_common.runtime.service import Runtime, run_service

from .adapters.log_reader import KafkaLogReader
from .flow import FeaturesFlow
from .follower import Follower
from .settings import Settings


def main() -> None:
    """Run the service until it is asked to stop."""
    run_service(Settings, run)


def run(runtime: Runtime[Settings]) -> None:
    """Wire the parts and work."""
    from .adapters.faust_worker import GROUP, FeaturesWorker

    settings = runtime.settings
    flow = build_flow(settings)
    log = KafkaLogReader(settings.kafka, settings.instance, SUITE_EVENTS, GROUP)
    watch = KafkaLogReader(settings.kafka, f"{settings.instance}-watch", SUITE_EVENTS, GROUP)
    follower = Follower(
        flow,
        log,
        runtime.outbox,
        RecordReader(runtime.codec),
        runtime.clock,
        partitions=log.partitions(),
        snapshot_every=settings.snapshot_every,
        beat=runtime.loop.beat,
    )
    FeaturesWorker(runtime, follower, watch, log.replication()).run()


def build_flow(settings: Settings) -> FeaturesFlow:
    """The flow for the suites of the site file that this process serves."""
    try:
        site = parse_site(settings.site.read_text())
    except SiteFileError as error:
        raise ConfigurationError(f"ORLOOP_SITE: {error}") from None
    layouts = {layout.id: layout for layout in site.suites if settings.wants(layout.id)}
    return FeaturesFlow(layouts, OperationalCalendar(site.timezone, site.day_boundary))
