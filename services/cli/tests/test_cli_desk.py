"""The commands of the interface analyst: where the desk is, who asks, what is printed, which exit code."""

import json
import os

import httpx
import pytest
from typer.testing import CliRunner

from orloop_cli.desk import Desk
from orloop_cli.errors import LauncherError
from orloop_cli.main import app
from orloop_common.runtime.auth import Role, Tokens
from orloop_common.runtime.clock import SystemClock

SECRET = "t" * 40
COMMANDS = (
    ["load"],
    ["backload"],
    ["reconcile"],
    ["sources"],
    ["quarantine", "list"],
    ["quarantine", "show"],
    ["quarantine", "retry"],
    ["quarantine", "drop"],
    ["raw", "replay"],
    ["identity", "merges"],
    ["identity", "unmerge"],
)


@pytest.fixture
def door(monkeypatch):
    """An ingest that answers what the test puts into `answers`, and remembers what it was asked."""
    asked, answers = [], {"/v1/suites": (200, {"suites": ["main"]})}

    def request(method, url, *, json=None, params=None, headers, **_):
        path = url.removeprefix("http://ingest:1")
        asked.append((method, path, json, params, headers["Authorization"].removeprefix("Bearer ")))
        status, body = answers[path]
        return httpx.Response(status, json=body)

    monkeypatch.setenv("ORLOOP_MANUAL_URL", "http://ingest:1")
    monkeypatch.setenv("ORLOOP_TOKEN_SECRET", SECRET)
    monkeypatch.setattr(httpx, "request", request)
    return asked, answers


def run(*words):
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(words):
    shown = run(*words, "--help")
    assert shown.exit_code == 0
    assert f"Example: orloop {words[0]}" in shown.output


def test_the_token_is_an_interface_analysts_in_the_users_name(door):
    asked, answers = door
    answers["/v1/suites/main/quarantine"] = (200, {"entries": []})
    assert run("quarantine", "list", "--user", "anna").output == "nothing in quarantine\n"
    who = Tokens(SECRET, SystemClock()).verify(asked[-1][4])
    assert (who.user, who.role) == ("anna", Role.INTERFACE_ANALYST)


def test_what_waits_is_a_table_and_exit_code_1(door):
    entry = {"raw": "ab" * 16, "source": "EPIC", "reason": "no_start", "age_seconds": 7300, "cases": ["c1"]}
    door[1]["/v1/suites/main/quarantine"] = (200, {"entries": [{**entry, "sentence": "Why."}]})
    shown = run("quarantine", "list")
    assert shown.exit_code == 1
    assert shown.output.splitlines()[1].split() == [
        "abababababab",
        "EPIC",
        "no_start",
        "2",
        "h",
        "1",
        "min",
        "c1",
        "Why.",
    ]


def test_every_fault_of_a_file_is_printed_and_exit_code_is_1(door, tmp_path):
    faults = ["line 2, column room: Expected x.", "line 9, column end: Expected y."]
    door[1]["/v1/suites/main/files/blocks"] = (
        422,
        {"error": "Expected a file.", "hint": "Maybe mend.", "faults": faults},
    )
    (tmp_path / "b.csv").write_text("room\n")
    shown = run("load", "blocks", str(tmp_path / "b.csv"))
    assert (shown.exit_code, shown.stderr.splitlines()) == (1, ["Expected a file.", *faults, "Maybe mend."])


def test_a_silent_source_is_exit_code_1(door):
    line = {"source": "EPIC", "messages": 3, "age_seconds": 4000, "usual_this_hour": 41.5, "clock_skew_seconds": 90.0}
    line |= {"sequence_gaps": 1, "quarantined": 0, "quarantined_oldest_seconds": None, "parked": 2}
    line |= {"parked_oldest_seconds": 60, "silent_since": "2026-03-02T09:14:00+00:00"}
    door[1]["/v1/sources"] = (200, {"sources": [line], "journal": {"waiting": 0, "oldest_seconds": None}})
    shown = run("sources")
    assert shown.exit_code == 1
    for word in ("66 min", "41.5 usual", "+90 s", "2 (60 s)", "silent since 09:14Z"):
        assert word in shown.output
    assert json.loads(run("sources", "--json").output)["sources"] == [line]


def test_several_suites_must_be_named(door):
    door[1]["/v1/suites"] = (200, {"suites": ["main", "east"]})
    with pytest.raises(LauncherError, match="name one with --suite"):
        _ = Desk().suite
    assert Desk(suite="east").suite == "east"


def test_nobody_there_is_told_with_the_next_step(monkeypatch):
    monkeypatch.setenv("ORLOOP_TOKEN_SECRET", SECRET)
    with pytest.raises(LauncherError, match="--at"):
        Desk("http://127.0.0.1:9").ask("GET", "/v1/suites")


def test_another_program_at_the_address_is_no_desk(door):
    door[1]["/v1/sources"] = (200, "hello")
    with pytest.raises(LauncherError, match="something else"):
        Desk().ask("GET", "/v1/sources")


def test_the_secret_of_the_mesh_that_runs_is_found(monkeypatch, tmp_path):
    for name in ("ORLOOP_MANUAL_URL", "ORLOOP_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ORLOOP_HOME", str(tmp_path))
    with pytest.raises(LauncherError, match="orloop demo"):
        Desk()
    run_folder = tmp_path / "runs" / "0001"
    run_folder.mkdir(parents=True)
    told = {"launcher": {"pid": os.getpid()}, "ports": {"manual": 4711}}
    (run_folder / "processes.json").write_text(json.dumps(told))
    (run_folder / "secrets.json").write_text(json.dumps({"token_secret": SECRET}))
    assert Desk().url == "http://127.0.0.1:4711"


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path):
    from orloop_cli.load import read_text

    with pytest.raises(LauncherError, match="Expected a file"):
        read_text(tmp_path / "none.csv")
    (tmp_path / "x.csv").write_bytes(b"a,\xff\xfe")
    with pytest.raises(LauncherError, match="UTF-8"):
        read_text(tmp_path / "x.csv")
