"""`orloop plan`: help, what is handed to the planner, and whose exit code it is."""

import subprocess
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from orloop_cli import plan
from orloop_cli.errors import LauncherError
from orloop_cli.main import app
from orloop_cli.parts import module_command


@pytest.fixture
def planner(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A planner that notes what it was asked, and ends with the code that a test wants."""
    asked = SimpleNamespace(words=[], code=0)

    def run(command: list[str], **_: object) -> SimpleNamespace:
        here = module_command("orloop_replan.plan")
        assert command[: len(here)] == here
        asked.words = command[len(here) :]
        return SimpleNamespace(returncode=asked.code)

    monkeypatch.setattr(plan.subprocess, "run", run)
    return asked


@pytest.mark.parametrize("command", ["generate", "solve", "check", "explain"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, ["plan", command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert shown.exit_code == 0
    assert f"Example: orloop plan {command}" in shown.output
    assert "--json" in shown.output


@pytest.mark.parametrize(
    ("given", "handed"),
    [
        (
            "generate --rooms 40 --event storm --seed 7 --kind full --now 09:00",
            "generate --rooms 40 --event storm --seed 7 --kind full --now 09:00",
        ),
        ("solve p.json --room 4 --room 5 --json", "solve p.json --seed 0 --room 4 --room 5 --json"),
        ("solve - --output s.json.gz --seed 3", "solve - --seed 3 --output s.json.gz"),
        ("solve p.json --prove", "solve p.json --seed 0 --prove"),
        ("check p.json s.json --certificate", "check p.json s.json --certificate"),
    ],
)
def test_arguments_are_handed_on(planner: SimpleNamespace, given: str, handed: str) -> None:
    assert CliRunner().invoke(app, ["plan", *given.split()]).exit_code == 0
    assert planner.words == handed.split()


def test_every_wish_is_handed_on_whole(planner: SimpleNamespace) -> None:
    wishes = ["--why-not", "case=m003 room=4", "--why-not", "case=m004 leave"]
    CliRunner().invoke(app, ["plan", "explain", "p.json", "s.json", *wishes])
    assert planner.words == ["explain", "p.json", "s.json", *wishes]


@pytest.mark.parametrize("code", [0, 1, 2])
def test_the_exit_code_is_the_planners(planner: SimpleNamespace, code: int) -> None:
    planner.code = code
    assert CliRunner().invoke(app, ["plan", "check", "p.json", "s.json"]).exit_code == code


def test_a_planner_that_is_killed_is_named(planner: SimpleNamespace) -> None:
    planner.code = -9
    result = CliRunner().invoke(app, ["plan", "solve", "p.json"])
    assert isinstance(result.exception, LauncherError)
    assert "got exit code -9" in str(result.exception)


def test_an_event_that_nobody_knows_is_refused_before_anything_runs(planner: SimpleNamespace) -> None:
    assert CliRunner().invoke(app, ["plan", "generate", "--event", "flood"]).exit_code == 2
    assert planner.words == []


def test_the_planner_that_is_run_is_there() -> None:
    done = subprocess.run(
        [*module_command("orloop_replan.plan"), "generate", "--rooms", "1"], capture_output=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout.startswith(b"{")
