"""The only wiring: settings, adapters, flow, loop."""

from typing import NoReturn

from orloop_common.messages import CASE_FORECASTS, PLAN_PROPOSALS, SUITE_EVENTS
from orloop_common.messages.sitefile import SiteFileError, parse_site
from orloop_common.runtime import ConfigurationError, LoopSettings
from orloop_common.runtime.auth import Tokens
from orloop_common.runtime.service import Runtime, run_service

from . import metrics
from .adapters.door import open_door
from .adapters.projector import Projector
from .domain.recheck import recheck
from .flow import GateFlow
from .ports import Store
from .settings import Settings


def run(runtime: Runtime[Settings]) -> None:
    settings, clock = runtime.settings, runtime.clock
    try:
        site = parse_site(settings.site.read_text())
    except SiteFileError as error:
        raise ConfigurationError(f"ORLOOP_SITE: {error}") from None
    suites = [layout.id for layout in site.suites if settings.wants(layout.id)]
    projector = Projector(lambda: _open_store(settings.database()), runtime.stop)
    flow = GateFlow(site, suites, settings.rules(), clock, metrics.RECHECK_SECONDS.time()(recheck), projector)
    door = open_door(flow.desk.submit, Tokens(settings.secret(), clock), clock, settings.grpc_port)
    runtime.health.checks["projection"] = projector.ready
    writer = runtime.spawn("projector", projector.run)
    try:
        topics = [SUITE_EVENTS, PLAN_PROPOSALS, CASE_FORECASTS]
        runtime.run_flow(flow, LoopSettings(topics, "orloop.gate", dead_letters=frozenset({SUITE_EVENTS})))
    finally:
        door.stop(1.0)
    writer.join(2.0)


def _open_store(url: str) -> Store:
    """SQLAlchemy takes seconds to import: the projector's thread does, beside the loop."""
    from .adapters.store import ProjectionStore

    return ProjectionStore(url)


def main() -> NoReturn:
    run_service(Settings, run)
