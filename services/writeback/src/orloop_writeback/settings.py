"""Write-back's settings, read once."""

from typing import ClassVar

from pydantic import Field, SecretStr

from orloop_common.runtime.settings import CommonSettings, Port


class Settings(CommonSettings):
    """Off by default; when on, it needs the hospital's address and the key of the identities.

    The section `writeback` of the site file says which changes leave which way; `hospital_host` and `hospital_port`
    are the address of every MLLP route that names none. `worklist_port` 0 serves no worklist.
    """

    service: ClassVar[str] = "writeback"

    writeback_enabled: bool = False
    hospital_host: str = "127.0.0.1"
    hospital_port: Port = 0
    payload_key: SecretStr | None = None
    worklist_host: str = "127.0.0.1"
    worklist_port: Port = 0
    ack_timeout_seconds: float = Field(default=10.0, gt=0)
    send_tries: int = Field(default=6, ge=1)
    retry_seconds: float = Field(default=0.5, gt=0)
    task_seconds: float = Field(default=15.0, gt=0)
    echo_timeout_minutes: float = Field(default=10.0, gt=0)
