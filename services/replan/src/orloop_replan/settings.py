"""The service's settings."""

from typing import ClassVar

from pydantic import Field

from orloop_common.runtime.settings import CommonSettings, Port


class Settings(CommonSettings):
    """`solve_limit` is the wall-clock guard in seconds; then right-shift answers.

    `solver_memory` are the megabytes of address space that a solver may use, `backups` the seconds between two
    rounds of back-ups (0: none).
    """

    service: ClassVar[str] = "replan"

    grpc_port: Port = 0
    solve_limit: float = Field(default=16.0, gt=0)
    solver_memory: int = Field(default=4096, ge=0)
    standby: bool = True
    backups: float = Field(default=60.0, ge=0)
