"""The gate's settings, read once."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field, SecretStr, field_validator

from orloop_common.domain.vocabulary import Mode
from orloop_common.runtime.settings import CommonSettings, Port

from .domain.sight import MODES, Limits
from .flow import GateRules

_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


class Settings(CommonSettings):
    """Beside the common ones: where to listen, where to project to, and where stop conditions begin."""

    service: ClassVar[str] = "gate"

    grpc_port: Port = 0
    database_url: SecretStr | None = None
    mode: Mode = Mode.ADVISORY
    tick_limit_seconds: float = Field(default=10.0, gt=0)
    answer_limit_minutes: float = Field(default=20.0, gt=0)
    backlog_limit: int = Field(default=25, ge=1)
    forecast_grace_minutes: float = Field(default=10.0, gt=0)
    low_confidence_share: float = Field(default=0.5, gt=0, le=1)

    @field_validator("mode")
    @classmethod
    def mode_is_available(cls, value: Mode) -> Mode:
        """Refuse `auto` by name."""
        if value not in MODES:
            raise ValueError(
                f"Expected shadow, advisory or frozen, got {value.value!r}\n"
                "Maybe advisory: automatic mode is not available yet."
            )
        return value

    @field_validator("database_url")
    @classmethod
    def database_is_known(cls, value: SecretStr | None) -> SecretStr | None:
        """Refuse a database that was never tried."""
        if value is None or not value.get_secret_value():
            return None
        scheme = value.get_secret_value().partition(":")[0]
        if scheme.partition("+")[0] not in _DRIVERS:
            raise ValueError(
                "Expected a URL that begins with sqlite: or postgresql:, got another form\n"
                "Maybe postgresql://user:password@host:5432/orloop."
            )
        return value

    def database(self) -> str:
        """Where the projection lies, as SQLAlchemy says it."""
        if self.database_url is None:
            return f"sqlite:///{self.data.resolve() / 'gate.sqlite'}"
        scheme, _, rest = self.database_url.get_secret_value().partition(":")
        return f"{_DRIVERS.get(scheme, scheme)}:{rest}"

    def rules(self) -> GateRules:
        """The gate's own rules."""
        limits = Limits(
            forecast_grace=timedelta(minutes=self.forecast_grace_minutes),
            answer_within=timedelta(minutes=self.answer_limit_minutes),
            backlog=self.backlog_limit,
            low_confidence_share=self.low_confidence_share,
        )
        return GateRules(mode=self.mode, limits=limits, tick_limit=timedelta(seconds=self.tick_limit_seconds))
