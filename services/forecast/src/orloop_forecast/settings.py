"""The service's settings."""

from pathlib import Path
from typing import ClassVar

from orloop_common.runtime.settings import CommonSettings, Port

SHIPPED = Path(__file__).parent / "bundle"


class Settings(CommonSettings):
    """`bundle` is a folder that `make train` wrote; the shipped one by default."""

    service: ClassVar[str] = "forecast"

    grpc_port: Port = 0
    bundle: Path = SHIPPED
