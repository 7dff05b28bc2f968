"""What can be missing on a machine: each has a clear error with a next step."""

import hashlib
import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orloop_cli import borrow, jars, java, main, ports, run
from orloop_cli.errors import LauncherError
from orloop_cli.simulated import SimulatedDay


def a_java(folder: Path, version: str) -> Path:
    executable = folder / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    executable.chmod(0o755)
    return executable


def test_java_is_taken_from_java_home_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, path = a_java(tmp_path / "home", "21.0.2"), a_java(tmp_path / "path", "17.0.15")
    monkeypatch.setenv("JAVA_HOME", str(home.parent.parent))
    monkeypatch.setenv("PATH", f"{path.parent}:/bin")
    assert java.find_installed() == java.Java(home, 21, "21.0.2")


def test_a_java_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, path = a_java(tmp_path / "home", "1.8.0_402"), a_java(tmp_path / "path", "25")
    monkeypatch.setenv("JAVA_HOME", str(home.parent.parent))
    monkeypatch.setenv("PATH", f"{path.parent}:/bin")
    assert java.find_installed() == java.Java(path, 25, "25")
    assert java.probe(home) == java.Java(home, 8, "1.8.0_402")


def test_without_java_the_error_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(borrow, "borrowed_java", lambda: None)
    with pytest.raises(LauncherError, match=r"Expected Java 17 or newer.*\nMaybe install one"):
        java.find_java()


def jar_lock(tmp_path: Path, content: bytes) -> tuple[Path, Path]:
    lock = tmp_path / "jars.lock"
    lock.write_text(f"org.example:thing:1.0 sha256:{hashlib.sha256(content).hexdigest()} {len(content)}\n")
    return lock, tmp_path / "repository"


def test_a_torn_jar_is_dropped_and_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, repository = jar_lock(tmp_path, b"whole jar")
    place = repository / "org/example/thing/1.0/thing-1.0.jar"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"whole")
    seen: list[bool] = []

    def download(jar: jars.Jar, into: Path) -> None:
        seen.append(jar.path_in(into).exists())
        place.write_bytes(b"torn again" if len(seen) == 1 else b"whole jar")

    monkeypatch.setattr(jars, "_download", download)
    assert jars.fetch(lock, repository) == [place]
    assert seen == [False, False]
    assert place.read_bytes() == b"whole jar"


def test_a_jar_of_the_right_size_and_another_content_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, repository = jar_lock(tmp_path, b"whole jar")

    def download(jar: jars.Jar, into: Path) -> None:
        jar.path_in(into).parent.mkdir(parents=True, exist_ok=True)
        jar.path_in(into).write_bytes(b"whole jaR")

    monkeypatch.setattr(jars, "_download", download)
    with pytest.raises(LauncherError, match=r"Expected org.example:thing:1.0 with SHA-256 .*torn.*\nMaybe"):
        jars.fetch(lock, repository)
    assert not list(repository.rglob("*.jar"))


def test_the_committed_lock_holds_all_of_kafka() -> None:
    locked = jars.read_lock()
    assert len(locked) == 45
    assert {"kafka_2.13", "kafka-clients", "log4j-slf4j-impl"} <= {jar.artifact for jar in locked}
    assert sum(jar.size for jar in locked) < 50_000_000


def test_no_port_is_handed_out_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_COUNT", 12)
    handed = [ports.free_port() for _ in range(9)]
    assert len(set(handed)) == 9


def test_a_port_in_use_is_named_with_the_option_that_picks_another() -> None:
    with socket.socket() as holder:
        holder.bind((ports.LOOPBACK, 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(LauncherError, match=rf"Expected port {port} to be free for the board.*\nMaybe.*--port"):
            ports.require_free(port, "the board", "--port")
    assert ports.require_free(ports.free_port(), "the board", "--port")


def test_the_command_tells_a_port_in_use_in_two_lines_and_exits_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as holder:
        holder.bind((ports.LOOPBACK, 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        monkeypatch.setenv("ORLOOP_HOME", str(tmp_path))
        monkeypatch.setattr("sys.argv", ["orloop", "demo", "--port", port])
        with pytest.raises(SystemExit) as ended:
            main.main()
    said = capfd.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 2
    assert "Traceback" not in said


def test_a_disk_that_is_nearly_full_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 3 * 2**20})())
    with pytest.raises(LauncherError, match=r"Expected 400 MB of free disk .* got 3 MB.\nMaybe remove old runs"):
        run.create_run(tmp_path)


def test_secrets_of_a_run_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    made = run.create_run(tmp_path)
    assert (made.path / "secrets.json").stat().st_mode & 0o777 == 0o600
    made.release()
    again = run.open_run(tmp_path)
    assert again.secrets == made.secrets
    assert again.about["seed"] == 1
    again.release()


def test_each_run_has_its_own_number_and_seed_and_the_oldest_are_dropped(tmp_path: Path) -> None:
    made = [run.create_run(tmp_path) for _ in range(2)]
    made[1].release()
    for _ in range(6):
        run.create_run(tmp_path).release()
    assert sorted(path.name for path in tmp_path.iterdir()) == [*("0001", "0004", "0005", "0006", "0007", "0008")]
    with pytest.raises(LauncherError, match="Expected run 0001 to be free"):
        run.open_run(tmp_path, "0001")
    made[0].release()


def test_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match=r"Expected run 0009 in .* got none"):
        run.open_run(tmp_path / "runs", "0009")


def test_a_run_goes_on_at_the_time_at_which_it_was_left(tmp_path: Path) -> None:
    seven = datetime(2026, 3, 2, 7, tzinfo=UTC)
    first = SimulatedDay(tmp_path / "clock.jsonl")
    first.hold(seven)
    assert first.now() == seven
    first.play(60.0)
    segments = [json.loads(line) for line in (tmp_path / "clock.jsonl").read_text().splitlines()]
    assert [segment["rate"] for segment in segments] == [0.0, 60.0]
    left = datetime.fromtimestamp(segments[-1]["wall"] + 10, UTC)
    (tmp_path / "clock.beat").write_text(left.isoformat())
    second = SimulatedDay(tmp_path / "clock.jsonl")
    second.hold(seven)
    assert abs(second.now() - (seven + timedelta(minutes=10))) < timedelta(seconds=5)


@pytest.mark.parametrize("command", ["demo", "up", "doctor", "topics apply", "topics diff", "replay", "trace", "send"])
def test_every_command_has_a_help_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(main.app, [*command.split(), "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "Example: " in shown.output
    assert "--json" in shown.output
