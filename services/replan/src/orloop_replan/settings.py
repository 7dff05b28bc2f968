"""The service's settings."""

from typing import ClassVar

from pydantic import Field

from orloop_common.runtime.settings import CommonSettings, Port


class Settings(CommonSettings):
    """`solve_limit` is the wall-clock guard in seconds; then right-shift answers."""

    service: ClassVar[str] = "replan"

    grpc_port: Port = 0
    solve_limit: float = Field(default=8.0, gt=0)
    standby: bool = True
