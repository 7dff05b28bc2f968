"""A whole service, as small as can be, for tests that start and kill processes.

Answers every tick of TRIAL_SOURCE with one on TRIAL_TARGET.
"""

import os
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from orloop_common.domain.events import ClockTicked
from orloop_common.runtime import LoopSettings, Output, Record
from orloop_common.runtime.service import Runtime, run_service
from orloop_common.runtime.settings import CommonSettings


class Settings(CommonSettings):
    service: ClassVar[str] = "echo"


class Echo:
    def __init__(self, target: str) -> None:
        self.target, self.folded = target, 0

    def fold(self, record: Record) -> None:
        self.folded += 1

    def outputs(self, record: Record) -> Iterator[Output]:
        cause = record.message
        message = ClockTicked(id=f"{cause.id}/echo", suite=record.suite, at=cause.at)
        yield Output(self.target, record.suite, record.suite, message, message.id, cause=cause.id, at=cause.at)

    def idle(self) -> Iterable[Output]:
        return ()

    def revoked(self, partitions: object) -> None:
        self.folded = 0

    def state(self) -> dict[str, Any]:
        return {"main": {"digest": str(self.folded)}}


def run(runtime: Runtime[Settings]) -> None:
    flow = Echo(os.environ["TRIAL_TARGET"])
    runtime.run_flow(flow, LoopSettings([os.environ["TRIAL_SOURCE"]], os.environ["TRIAL_GROUP"], batch=50))


if __name__ == "__main__":
    run_service(Settings, run)
