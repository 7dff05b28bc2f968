"""What the board reads from its environment."""

from typing import ClassVar

from pydantic import Field, SecretStr

from orloop_common.runtime.settings import CommaList, CommonSettings, Port


class Settings(CommonSettings):
    """Common settings, and where the gate, the manual door and the board's own door are."""

    service: ClassVar[str] = "board"

    board_port: Port = 8077
    board_hosts: CommaList = ("127.0.0.1", "localhost")
    board_user: str = Field(default="board", min_length=1, max_length=60)
    gate_address: str = "127.0.0.1:8073"
    replan_address: str = ""
    manual_url: str = "http://127.0.0.1:8071"
    link_key: SecretStr = Field(min_length=16)
    viewer_key: SecretStr | None = Field(default=None, min_length=16)
