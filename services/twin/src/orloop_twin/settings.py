"""The twin's settings."""

from datetime import date
from typing import ClassVar

from pydantic import Field

from orloop_common.runtime.settings import CommonSettings, Port


class Settings(CommonSettings):
    """Where to speak, where to listen, and which day to play."""

    service: ClassVar[str] = "twin"

    mllp_host: str = "127.0.0.1"
    mllp_port: Port = 2575
    hospital_port: Port = 2576
    manual_url: str = "http://127.0.0.1:8080"
    seed: int = Field(default=7, ge=0)
    scenario: str = "demo"
    day: date = date(2026, 3, 2)
