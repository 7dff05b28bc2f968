"""The only wiring: settings -> adapters -> flow -> run."""

from orloop_common.messages.sitefile import SiteFileError, parse_site
from orloop_common.runtime.auth import Tokens
from orloop_common.runtime.errors import ConfigurationError
from orloop_common.runtime.health import bind
from orloop_common.runtime.records import LoopSettings
from orloop_common.runtime.service import Runtime, run_service

from .adapters.door import Door
from .adapters.gate import GateClient
from .adapters.manual import ManualClient
from .adapters.parts import Board
from .adapters.planner import PlannerClient
from .adapters.server import WebServer
from .adapters.snapshots import Snapshots
from .adapters.web import build
from .flow import TOPICS, BoardFlow
from .settings import Settings


def run(runtime: Runtime[Settings]) -> None:
    """Read all topics, and serve the page once they have been read to their end."""
    settings = runtime.settings
    flow = _flow(runtime)
    tokens = Tokens(settings.secret(), runtime.clock)
    gate = GateClient(settings.gate_address, tokens, settings.board_user)
    manual = ManualClient(settings.manual_url, tokens, settings.board_user)
    planner = PlannerClient(settings.replan_address) if settings.replan_address else None
    viewer = settings.viewer_key.get_secret_value() if settings.viewer_key else None
    door = Door(settings.secret(), settings.link_key.get_secret_value(), viewer, settings.data, runtime.clock)
    listener = bind(settings.board_port, "ORLOOP_BOARD_PORT")
    board = Board(
        source=flow,
        gate=gate,
        manual=manual,
        door=door,
        snapshots=Snapshots(flow, runtime.clock),
        planner=planner,
        cookie=f"orloop_board_{listener.getsockname()[1]}",  # cookies do not tell ports apart
        hosts=tuple(settings.board_hosts),
    )
    server = WebServer(build(board), listener)
    runtime.health.checks["web"] = lambda: server.serving or "the page is not served yet"
    runtime.spawn("web", server.run)
    try:
        runtime.run_flow(flow, LoopSettings(topics=TOPICS, group=None))
    finally:
        server.stop()
        gate.close()
        manual.close()
        if planner is not None:
            planner.close()


def _flow(runtime: Runtime[Settings]) -> BoardFlow:
    settings = runtime.settings
    try:
        site = parse_site(settings.site.read_text())
    except SiteFileError as error:
        raise ConfigurationError(f"ORLOOP_SITE: {error}") from None
    unknown = [s for s in settings.suites if s not in {known.id for known in site.suites}]
    if unknown:
        raise ConfigurationError(
            f"ORLOOP_SUITES: Expected suites of site {site.site}, got {', '.join(unknown)}.\nMaybe one is misspelt."
        )
    return BoardFlow(site, settings.suites, runtime.clock)


def main() -> None:
    """Run the board to its end."""
    run_service(Settings, run)
