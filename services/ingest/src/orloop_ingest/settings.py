"""Ingest's settings: ORLOOP_* environment variables, read once."""

from typing import Annotated, Any, ClassVar

from pydantic import Field, SecretStr, field_validator

from orloop_common.runtime.settings import CommaList, CommonSettings, Port


class Settings(CommonSettings):
    """What ingest reads besides the common settings."""

    service: ClassVar[str] = "ingest"

    mllp_port: Port
    mllp_host: str = "127.0.0.1"
    manual_port: Port
    identity_secret: SecretStr
    payload_key: SecretStr
    feed_silence_minutes: Annotated[float, Field(gt=0)] = 15.0
    feed_silence_wall_seconds: Annotated[float, Field(ge=0)] = 10.0
    durable_seconds: Annotated[float, Field(gt=0)] = 5.0
    half_frame_seconds: Annotated[float, Field(gt=0)] = 30.0
    frame_limit_bytes: Annotated[int, Field(ge=1024)] = 4 * 2**20

    raw_readers: CommaList = ()

    @field_validator("raw_readers", mode="before")
    @classmethod
    def split_readers(cls, value: Any) -> Any:
        """Let a comma list be a tuple."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("identity_secret")
    @classmethod
    def secret_is_long(cls, value: SecretStr) -> SecretStr:
        """A short secret could be guessed, and pseudonyms with it."""
        if len(value.get_secret_value().encode()) < 32:
            raise ValueError(
                "Expected at least 32 bytes, got fewer.\nMaybe make one with secrets.token_urlsafe(32), and keep it."
            )
        return value
