"""The gate's settings: databases by URL, modes by name."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from orloop_common.domain.vocabulary import Mode
from orloop_common.testing.suite import SITE_FILE
from orloop_gate.settings import Settings


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(SITE_FILE)
    return path


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql://kim:hush@db:5432/orloop", "postgresql+psycopg://kim:hush@db:5432/orloop"),
        ("postgres://db/orloop", "postgresql+psycopg://db/orloop"),
        ("postgresql+psycopg://db/orloop", "postgresql+psycopg://db/orloop"),
        ("sqlite:////var/gate.sqlite", "sqlite:////var/gate.sqlite"),
    ],
)
def test_a_database_is_used_with_the_driver_that_was_tested(site: Path, given: str, used: str) -> None:
    assert Settings(site=site, database_url=given).database() == used


def test_without_a_database_sqlite_lies_in_the_services_own_folder(site: Path, tmp_path: Path) -> None:
    assert Settings(site=site, data=tmp_path).database() == f"sqlite:///{tmp_path.resolve() / 'gate.sqlite'}"


def test_a_database_that_was_never_tried_is_refused_without_its_password(site: Path) -> None:
    with pytest.raises(ValidationError, match="sqlite: or postgresql:") as error:
        Settings(site=site, database_url="mysql://kim:hush@db/x")
    assert "hush" not in str(error.value)


def test_automatic_mode_is_refused_by_name(site: Path) -> None:
    with pytest.raises(ValidationError, match="automatic mode is not available yet"):
        Settings(site=site, mode="auto")
    assert Settings(site=site).rules().mode is Mode.ADVISORY
