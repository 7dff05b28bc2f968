"""Write-back's settings, read once."""

from typing import ClassVar

from pydantic import Field, SecretStr

from orloop_common.runtime.settings import CommonSettings, Port


class Settings(CommonSettings):
    """Off by default; when on, it needs the hospital's address and the key of the identities."""

    service: ClassVar[str] = "writeback"

    writeback_enabled: bool = False
    hospital_host: str = "127.0.0.1"
    hospital_port: Port = 0
    payload_key: SecretStr | None = None
    ack_timeout_seconds: float = Field(default=10.0, gt=0)
    send_tries: int = Field(default=6, ge=1)
    retry_seconds: float = Field(default=0.5, gt=0)
    echo_timeout_minutes: float = Field(default=10.0, gt=0)
