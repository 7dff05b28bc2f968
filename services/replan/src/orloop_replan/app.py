"""The only wiring: settings, workers, flow, gRPC, loop."""

from typing import NoReturn

from orloop_common.domain.derived import Proposal
from orloop_common.messages.rulesfile import RulesFileError, load_rules
from orloop_common.messages.sitefile import SiteFileError, parse_site
from orloop_common.runtime import ConfigurationError, LoopSettings
from orloop_common.runtime.grpcserve import serve
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.service import Runtime, run_service

from .adapters.servicer import ReplanServicer, mounted
from .adapters.template import Template
from .adapters.workers import ChildWorkers, low_priority
from .backups import BackupDesk
from .flow import TOPICS, ReplanFlow
from .settings import Settings

_log = get_logger("replan")
GROUP = "orloop.replan"


def main() -> NoReturn:
    """Run the service until it is asked to stop."""
    run_service(Settings, run)


def run(runtime: Runtime[Settings]) -> None:
    """Wire the parts and work."""
    settings, clock = runtime.settings, runtime.clock
    try:
        site = parse_site(settings.site.read_text())
        rules = load_rules()
    except (SiteFileError, RulesFileError) as error:
        raise ConfigurationError(f"ORLOOP_SITE or the rules catalogue: {error}") from None
    suites = [layout.id for layout in site.suites if settings.wants(layout.id)]
    template = Template(settings.data)
    guard, memory = settings.solve_limit, settings.solver_memory
    workers = ChildWorkers(clock, guard=guard, standby=settings.standby, memory=memory, spawn=template.open)
    backups = BackupDesk(clock, lambda: low_priority(template.open, memory), every=settings.backups)
    flow = ReplanFlow(site, suites, workers, clock, rules.digest, backups=backups)

    def open_workers() -> ChildWorkers:
        return ChildWorkers(clock, guard=guard, standby=False, memory=memory, spawn=template.open)

    def find(proposal: str) -> Proposal | None:
        return next((p for s in flow.suites() if (p := flow.proposals(s).get(proposal))), None)

    questions = ReplanServicer(open_workers, find, lambda: {suite: flow.backups(suite) for suite in flow.suites()})
    server = serve([mounted(questions)], settings.grpc_port)
    _log.info("grpc_serves", port=server.port)
    runtime.health.checks["solver"] = workers.ready
    try:
        runtime.run_flow(flow, LoopSettings(topics=list(TOPICS), group=GROUP))
    finally:
        server.stop()
        questions.close()
        workers.close()
        backups.close()
        template.close()
