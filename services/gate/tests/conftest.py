"""Databases for the projection: SQLite in a folder, and a private PostgreSQL where Debian's is installed."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orloop_gate.adapters.store import ProjectionStore

_HINT = "no PostgreSQL server here: install Debian's package postgresql, or set ORLOOP_TEST_POSTGRES to a URL"


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4]), reverse=True)
    path = shutil.which("initdb")
    return found[0].parent if found else Path(path).parent if path else None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _as_other(user: str | None, *command: str | Path) -> list[str]:
    return [*(("runuser", "-u", user, "--") if user else ()), *map(str, command)]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty cluster of our own; PostgreSQL refuses to run as root, so another user owns it."""
    if given := os.environ.get("ORLOOP_TEST_POSTGRES"):
        yield given
        return
    programs = _programs()
    if programs is None:
        assert os.environ.get("CI") != "true", _HINT
        pytest.skip(_HINT)
    user = "postgres" if os.geteuid() == 0 else None
    home = Path(subprocess.check_output(["mktemp", "-d", "/tmp/orloop-pg-XXXXXX"], text=True).strip())
    data, port = home / "data", _free_port()
    try:
        if user:
            shutil.chown(home, user, user)
        _run(_as_other(user, programs / "initdb", "-D", data, "-A", "trust", "-U", "orloop", "-N", "-E", "UTF8"), home)
        options = f"-h 127.0.0.1 -p {port} -k {home} -c fsync=off"
        control = programs / "pg_ctl"
        _run(_as_other(user, control, "-D", data, "-w", "-t", "30", "-l", home / "log", "-o", options, "start"), home)
        try:
            yield f"postgresql+psycopg://orloop@127.0.0.1:{port}/postgres"
        finally:
            _run(_as_other(user, control, "-D", data, "-m", "immediate", "-w", "stop"), home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _run(command: list[str], home: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=home, check=False)
    assert done.returncode == 0, f"{command[:6]}: {done.stdout}\n{done.stderr}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once for each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'gate.sqlite'}"
    import sqlalchemy as sa

    url = sa.engine.make_url(request.getfixturevalue("postgres"))
    name = f"t{abs(hash(request.node.nodeid)) % 10**12}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"create database {name}"))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def store(database: str) -> Iterator[ProjectionStore]:
    """A migrated store on an empty database."""
    found = ProjectionStore(database)
    found.migrate()
    yield found
    found.close()
