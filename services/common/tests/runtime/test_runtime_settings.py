"""Settings: one clear line per problem, never a traceback, never a secret."""

import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import SecretStr, ValidationError

from orloop_common.runtime import ConfigurationError
from orloop_common.runtime.settings import CommonSettings, Port, load


class Trial(CommonSettings):
    service: ClassVar[str] = "trial"
    door_port: Port = 0
    payload_key: SecretStr | None = None


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    import os

    for name in list(os.environ):
        if name.startswith("ORLOOP_"):
            monkeypatch.delenv(name)
    site = tmp_path / "site.yaml"
    site.write_text("site: demo")
    monkeypatch.setenv("ORLOOP_SITE", str(site))
    return site


def refused(capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit) as end:
        load(Trial)
    assert end.value.code == 2
    return capsys.readouterr().err.splitlines()


def test_what_is_not_set_has_the_documented_default(environment: Path) -> None:
    settings = load(Trial)
    assert (settings.kafka, settings.instance, settings.clock) == ("127.0.0.1:9092", "trial-0", "system")
    assert settings.wants("any")


def test_suites_are_a_comma_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORLOOP_SUITES", "main, day ,")
    settings = load(Trial)
    assert settings.suites == ("main", "day")
    assert not settings.wants("other")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        load(Trial).kafka = "elsewhere"


def test_every_problem_is_one_line_with_the_variables_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORLOOP_SITE", "/nowhere/site.yaml")
    monkeypatch.setenv("ORLOOP_DOOR_PORT", "abc")
    monkeypatch.setenv("ORLOOP_HEALTH_PORT", "99999")
    monkeypatch.setenv("ORLOOP_CLOCK", "sytem")
    monkeypatch.setenv("ORLOOP_LOG_LEVEL", "loud")
    lines = refused(capsys)
    assert {line.split(":")[0] for line in lines} == {
        "ORLOOP_SITE",
        "ORLOOP_DOOR_PORT",
        "ORLOOP_HEALTH_PORT",
        "ORLOOP_CLOCK",
        "ORLOOP_LOG_LEVEL",
    }
    assert all("Expected" in line and ", got " in line and "Maybe" in line for line in lines), lines


@pytest.mark.parametrize("address", ["", "localhost", "host:", ":9092", "nohost:x:y", "a:1,b"])
def test_an_address_that_no_client_could_reach_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    monkeypatch.setenv("ORLOOP_KAFKA", address)
    (line,) = refused(capsys)
    assert line.startswith("ORLOOP_KAFKA: Expected host:port")


@pytest.mark.parametrize("address", ["127.0.0.1:9092", "a.b:1, c:2", "[::1]:9092"])
def test_addresses_of_brokers_are_accepted(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("ORLOOP_KAFKA", address)
    assert load(Trial).kafka == address


def test_a_missing_variable_with_a_near_name_is_guessed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ORLOOP_SITE")
    monkeypatch.setenv("ORLOOP_SIET", "x")
    assert refused(capsys) == ["ORLOOP_SITE: Expected a value, got nothing. Maybe ORLOOP_SIET was meant to be it."]


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Strict(Trial):
        token_secret: SecretStr

    monkeypatch.setenv("ORLOOP_TOKEN_SECRET", "hunter2" * 5)
    assert "hunter2" not in repr(load(Strict))


def test_a_service_that_needs_the_secret_says_so() -> None:
    with pytest.raises(ConfigurationError, match="ORLOOP_TOKEN_SECRET: Expected the secret"):
        load(Trial).secret()


def test_importing_the_runtime_loads_no_client_library() -> None:
    heavy = ("confluent_kafka", "grpc", "uvicorn", "starlette", "jwt", "cryptography", "pydantic", "opentelemetry")
    program = f"import sys, orloop_common.runtime as r; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.strip() == "[]"
