"""The one loop on a real broker, with health and a graceful stop."""

from typing import Any

from .core import LoopCore
from .kafkalog import KafkaLog
from .records import Flow, LoopSettings
from .service import Runtime


def run_flow(flow: Flow, settings: LoopSettings, runtime: Runtime[Any]) -> None:
    """Fold the log from its start; from the committed offset on, send what follows, then commit.

    Returns when the process is asked to stop; raises `FatalError` when only a new process helps.
    """
    health = runtime.loop
    log = KafkaLog(runtime.settings.kafka, runtime.settings.instance, settings)
    core = LoopCore(flow, log, runtime.outbox, runtime.codec, settings, health.beat)

    def state() -> dict[str, Any]:
        return {"offsets": core.offsets(), "suites": flow.state()}

    core.open()
    while not runtime.stop.is_set():
        core.step()
        health.settle(core.caught_up, state)
    core.close()
