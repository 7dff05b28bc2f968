"""Settings from environment variables: read once, frozen, passed down."""

import difflib
import os
import sys
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NoReturn, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .errors import ConfigurationError

PREFIX = "ORLOOP_"
Port = Annotated[int, Field(ge=0, le=65535)]
CommaList = Annotated[tuple[str, ...], NoDecode]


class CommonSettings(BaseSettings):
    """What every service reads; a service subclasses it, names itself, and adds its own."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    service: ClassVar[str] = "orloop"

    kafka: str = "127.0.0.1:9092"
    site: Path
    suites: CommaList = ()
    instance: str = ""
    health_port: Port = 0
    clock: str = "system"
    token_secret: SecretStr | None = None
    data: Path = Path(".orloop")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    parent_pipe: bool = False

    @field_validator("suites", mode="before")
    @classmethod
    def split(cls, value: Any) -> Any:
        """Let a comma list be a tuple."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("kafka")
    @classmethod
    def kafka_is_reachable_in_principle(cls, value: str) -> str:
        """Catch an address that no client could ever reach."""
        for address in value.split(","):
            host, _, port = address.strip().rpartition(":")
            bare = ":" in host and not host.startswith("[")  # an IPv6 address needs its brackets
            if not host or bare or not port.isdigit():
                raise ValueError(f"Expected host:port (several after commas), got {value!r}\nMaybe 127.0.0.1:9092.")
        return value

    @field_validator("site")
    @classmethod
    def site_exists(cls, value: Path) -> Path:
        """Name a missing site file before anything starts."""
        if not value.is_file():
            raise ValueError(f"Expected the path of a site file, got {value}, which is not a file")
        return value

    @field_validator("clock")
    @classmethod
    def clock_is_known(cls, value: str) -> str:
        """Catch a mistyped `system`."""
        if value != "system" and os.sep not in value and not value.endswith(".jsonl"):
            raise ValueError(f"Expected 'system' or the path of a clock file, got {value!r}")
        return value

    @model_validator(mode="before")
    @classmethod
    def name_instance(cls, values: Any) -> Any:
        """The first replica is `<service>-0`."""
        if isinstance(values, dict) and not values.get("instance"):
            return {**values, "instance": f"{cls.service}-0"}
        return values

    def secret(self) -> str:
        """The secret of the mesh's tokens, for a service that needs it."""
        if self.token_secret is None:
            raise ConfigurationError(
                "ORLOOP_TOKEN_SECRET: Expected the secret of the mesh's tokens, got nothing.\n"
                "Maybe start the service through the launcher, which makes one for each run."
            )
        return self.token_secret.get_secret_value()

    def wants(self, suite: str) -> bool:
        """Whether this process serves the suite; all of them by default."""
        return not self.suites or suite in self.suites


_HINTS = {
    "missing": "it has no default: set it, for example in the environment of the launcher",
    "int_parsing": "write it as digits only",
    "int_from_float": "write it as digits only",
    "float_parsing": "write it as a number with a point",
    "bool_parsing": "write 1 or 0",
    "less_than_equal": "a port is at most 65535",
    "greater_than_equal": "a negative one makes no sense here; 0 lets the system choose a port",
}

S = TypeVar("S", bound=BaseSettings)


def load(settings: type[S], **overrides: Any) -> S:
    """The settings, or one line per problem on stderr and the end of the process with code 2."""
    try:
        return settings(**overrides)
    except ValidationError as error:
        refuse("\n".join(problems(settings, error)))


def refuse(text: str) -> NoReturn:
    """End the process with code 2 and this text on stderr."""
    print(text, file=sys.stderr, flush=True)
    sys.exit(2)


def problems(settings: type[BaseSettings], error: ValidationError) -> list[str]:
    """One line per problem: the variable, what was expected, what came (never a secret), what to try."""
    prefix = settings.model_config.get("env_prefix", "")
    return [_line(settings, prefix, dict(problem)) for problem in error.errors(include_url=False)]


def _line(settings: type[BaseSettings], prefix: str, problem: dict[str, Any]) -> str:
    field = str(problem["loc"][0]) if problem["loc"] else ""
    variable = f"{prefix}{field}".upper()
    kind = problem["type"]
    if kind == "value_error":
        text = str(problem["ctx"]["error"]).splitlines()
        expected, hint = (
            text[0].rstrip("."),
            "".join(text[1:]) or "Maybe the path is relative to another folder.",
        )
    else:
        sentence = problem["msg"].removeprefix("Input should be ").split(",")[0]
        came = "nothing" if kind == "missing" else _shown(settings, field, variable)
        expected = f"Expected {'a value' if kind == 'missing' else sentence}, got {came}"
        hint = f"Maybe {_HINTS.get(kind, 'see the README of the service for what it takes')}."
    if kind == "missing" and (near := _near(variable)):
        hint = f"Maybe {near} was meant to be it."
    return f"{variable}: {expected}. {hint}"


def _shown(settings: type[BaseSettings], field: str, variable: str) -> str:
    declared = settings.model_fields.get(field)
    if declared is None or "Secret" in str(declared.annotation) or "SECRET" in variable or "KEY" in variable:
        return "something else (not shown)"
    value = os.environ.get(variable)
    return repr(value) if value is not None else "something else"


def _near(variable: str) -> str | None:
    known = [name for name in os.environ if name.startswith(PREFIX)]
    return next(iter(difflib.get_close_matches(variable, known, 1, 0.85)), None)


__all__ = ["CommaList", "CommonSettings", "Port", "load", "problems", "refuse"]
