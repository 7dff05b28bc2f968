"""Ingest's settings: ORLOOP_* environment variables, read once."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, SecretStr, field_validator, model_validator

from orloop_common.runtime.settings import CommaList, CommonSettings, Port

from .domain.subjects import parse_subjects


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

    journal: Path | None = None
    journal_limit_mb: Annotated[int, Field(ge=1)] = 2048
    doors_wait_seconds: Annotated[float, Field(ge=0)] = 5.0
    answer_seconds: Annotated[float, Field(gt=0)] = 10.0
    answer_seconds_by_source: str = ""
    connection_limit: Annotated[int, Field(ge=1)] = 200
    connections_per_source: Annotated[int, Field(ge=1)] = 50
    idle_seconds: Annotated[float, Field(ge=0)] = 0.0
    mllp_tls_cert: Path | None = None
    mllp_tls_key: Path | None = None
    mllp_tls_client_ca: Path | None = None
    mllp_tls_subjects: str = ""
    mllp_plaintext_anywhere: bool = False
    raw_key: SecretStr | None = None
    raw_tail: Annotated[int, Field(ge=0)] = 50_000
    identity_days: Annotated[int, Field(ge=0, le=390)] = 90

    raw_readers: CommaList = ()
    fhir_port: Port | None = None
    fhir_host: str = "127.0.0.1"
    fhir_profiles: CommaList = ()

    @field_validator("raw_readers", "fhir_profiles", mode="before")
    @classmethod
    def split_readers(cls, value: Any) -> Any:
        """Let a comma list be a tuple."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @property
    def journal_folder(self) -> Path:
        """Where acknowledged messages wait for the broker; a persistent volume."""
        return self.journal or self.data / "journal"

    @property
    def remembered(self) -> timedelta | None:
        """How long a case's ids are kept after the last word on it; None for ever. The log keeps events 400 days."""
        return timedelta(days=self.identity_days) if self.identity_days else None

    @property
    def patience(self) -> dict[str, float]:
        """Seconds that each source waits for an answer, where it is not the default."""
        parts = (part.split("=") for part in self.answer_seconds_by_source.split(",") if part.strip())
        return {source.strip(): float(seconds) for source, seconds in parts}

    @field_validator("answer_seconds_by_source")
    @classmethod
    def patience_is_readable(cls, value: str) -> str:
        """`LAB=5,EPIC=30`."""
        if value and not re.fullmatch(r"(\s*[^=,]+=\d+(\.\d+)?\s*,?)+", value):
            raise ValueError(f"Expected SOURCE=SECONDS and commas, got {value!r}.\nMaybe LAB=5,EPIC=30.")
        return value

    @field_validator("mllp_tls_subjects")
    @classmethod
    def subjects_are_readable(cls, value: str) -> str:
        """`engine-1=EPIC+LAB,engine-2=CERNER`."""
        parse_subjects(value)
        return value

    @model_validator(mode="after")
    def plaintext_stays_at_home(self) -> "Settings":
        """Without TLS, names and numbers go over the wire as they are."""
        local = self.mllp_host in ("127.0.0.1", "::1", "localhost")
        if not local and self.mllp_tls_cert is None and not self.mllp_plaintext_anywhere:
            raise ValueError(
                f"ORLOOP_MLLP_HOST: Expected TLS on {self.mllp_host}, got no ORLOOP_MLLP_TLS_CERT.\n"
                "Maybe set it; or ORLOOP_MLLP_PLAINTEXT_ANYWHERE=1 where something else encrypts the line."
            )
        return self

    @field_validator("identity_secret")
    @classmethod
    def secret_is_long(cls, value: SecretStr) -> SecretStr:
        """A short secret could be guessed, and pseudonyms with it."""
        if len(value.get_secret_value().encode()) < 32:
            raise ValueError(
                "Expected at least 32 bytes, got fewer.\nMaybe make one with secrets.token_urlsafe(32), and keep it."
            )
        return value
