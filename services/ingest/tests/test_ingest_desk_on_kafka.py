"""The desk on a real broker: quarantine to event, replays that double nothing, files loaded twice."""

import json
import time
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner

from orloop_cli.errors import LauncherError
from orloop_cli.main import app
from orloop_common.domain import events as e
from orloop_common.messages import HL7_RAW, SUITE_EVENTS
from orloop_common.runtime.auth import Role

pytestmark = [pytest.mark.broker, pytest.mark.timeout(150)]


@dataclass
class Said:
    returncode: int
    stdout: str
    stderr: str


def orloop(ingest, *words, user="anna"):
    """The command as a person types it, against this ingest, without a process of its own."""
    environment = {
        "ORLOOP_MANUAL_URL": f"http://127.0.0.1:{ingest.manual_port}",
        "ORLOOP_TOKEN_SECRET": ingest.token_secret,
    }
    result = CliRunner().invoke(app, [*words, "--user", user], env=environment)
    if isinstance(result.exception, LauncherError):  # main() prints it and exits with 2
        return Said(2, result.stdout, str(result.exception))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def told(ingest):
    return [event for event in ingest.records(SUITE_EVENTS) if not isinstance(event, e.ClockTicked | e.FeedWentSilent)]


def soon(ask, seconds=10.0):
    """The first answer that is not empty."""
    deadline = time.monotonic() + seconds
    while not (found := ask()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def entries(ingest):
    return json.loads(orloop(ingest, "quarantine", "list", "--json").stdout)


def test_a_quarantined_message_is_listed_shown_masked_mended_and_retried(make_ingest, siu, canaries):
    ingest = make_ingest(ORLOOP_RAW_READERS="anna,ben")
    line = ingest.connect()
    assert b"MSA|AA|" in line.ask(siu(source=ingest.source, control="M1"))
    spoilt = siu(
        "S14",
        source=ingest.source,
        control="M2",
        version="V2",
        start="20260302100000+0000",
        end="20260302113000+0000",
        replace={"PV1": "PV1|1|I|WARD1|||||||ORX|||||||||VNA100"},
    )
    assert b"MSA|AA|" in line.ask(spoilt)
    (entry,) = soon(lambda: entries(ingest))
    assert (entry["reason"], entry["source"]) == ("unknown_service", ingest.source)
    (case,) = entry["cases"]
    short = entry["raw"][:12]

    assert orloop(ingest, "quarantine", "show", short, "--reason", "ticket 7", user="eve").returncode == 2
    masked = orloop(ingest, "quarantine", "show", short, "--reason", "ticket 7")
    assert masked.returncode == 0, masked.stderr
    assert "AIL|1||OR3" in masked.stdout
    assert [word for word in canaries if word in masked.stdout] == []
    clear = orloop(ingest, "quarantine", "show", short, "--reason", "ticket 7", "--show-phi")
    assert "Zzyxcanary" in clear.stdout
    looks = [letter.reason for letter in ingest.records(f"{HL7_RAW}.dlq") if letter.reason.startswith("shown to ")]
    assert looks == ["shown to anna masked: ticket 7", "shown to anna with identifying fields: ticket 7"]

    assert orloop(ingest, "quarantine", "retry", short).returncode == 1, "nothing was mended yet"
    assert len(entries(ingest)) == 1
    ingest.stop()
    mend(ingest)
    ingest.start()
    rehearsed = orloop(ingest, "quarantine", "retry", "--dry-run")
    assert (rehearsed.returncode, "1 mended" in rehearsed.stdout) == (0, True), rehearsed.stdout + rehearsed.stderr
    assert len(entries(ingest)) == 1, "a dry run closes nothing"
    retried = orloop(ingest, "quarantine", "retry", short)
    assert (retried.returncode, "1 mended" in retried.stdout) == (0, True), retried.stdout + retried.stderr
    assert [x.version for x in told(ingest) if isinstance(x, e.CaseScheduled)] == [1, 2]
    doubts = [x for x in told(ingest) if isinstance(x, e.CaseDoubted)]
    assert [(x.case, x.withdrawn) for x in doubts] == [(case, False), (case, True)]
    assert soon(lambda: orloop(ingest, "quarantine", "list").returncode == 0)
    assert [word for word in canaries if word in ingest.log] == []


def test_a_message_that_a_person_drops_doubts_nobody_any_more(make_ingest, siu):
    ingest = make_ingest()
    ingest.connect().ask(siu(source=ingest.source, replace={"PV1": "PV1|1|I|WARD1|||||||ORX|||||||||VNA100"}))
    (entry,) = soon(lambda: entries(ingest))
    dropped = orloop(ingest, "quarantine", "drop", entry["raw"][:8], "--reason", "test message")
    assert dropped.returncode == 0, dropped.stderr
    assert soon(lambda: orloop(ingest, "quarantine", "list").returncode == 0)
    assert [x.withdrawn for x in told(ingest) if isinstance(x, e.CaseDoubted)] == [False, True]
    assert orloop(ingest, "quarantine", "drop", entry["raw"], "--reason", "twice").returncode == 1


def mend(ingest):
    """The analyst's work: a table of services that knows the sender's ORX."""
    path = ingest.folder / "site.yaml"
    path.write_text(path.read_text().replace("services: {ORT: ", "services: {ORX: orthopaedics, ORT: "))


def test_a_replay_keeps_the_order_and_doubles_nothing(make_ingest, siu):
    ingest = make_ingest()
    line = ingest.connect()
    for number in range(1, 6):
        line.ask(
            siu(
                source=ingest.source,
                case=f"A{number}",
                control=f"M{number}",
                obx=("DTM|WHEELS_IN||20260302090500+0000",),
            )
        )
    line.ask(siu("S15", source=ingest.source, case="A1", control="M9", version="V2"))
    before = soon(lambda: told(ingest) if len(told(ingest)) == 11 else None)
    first = min(raw.received for raw in ingest.records(HL7_RAW)).isoformat()
    ingest.kill()
    ingest.start()
    for flag in ("--dry-run", "--json"):
        answer = orloop(ingest, "raw", "replay", "--since", first, "--source", ingest.source, flag)
        assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["summary"] == {"read": 6, "events": 0, "unchanged": 6}
    assert told(ingest) == before
    assert len(ingest.records(HL7_RAW)) == 6
    old = orloop(ingest, "raw", "replay", "--since", "2020-01-01T00:00Z")
    assert (old.returncode, "within the last 7 days" in old.stderr) == (1, True)


def test_a_file_loaded_twice_is_once_even_after_a_restart(make_ingest, tmp_path):
    ingest = make_ingest()
    roster = tmp_path / "roster.csv"
    roster.write_text("team_id,role,shift_start,shift_end\nA1,anaesthesia,2026-03-02T07:00,2026-03-02T15:00\n")
    rehearsed = orloop(ingest, "load", "roster", str(roster), "--source", "kronos", "--dry-run")
    assert (rehearsed.returncode, "RosterChanged" in rehearsed.stdout) == (0, True), rehearsed.stderr
    assert told(ingest) == []
    first = orloop(ingest, "load", "roster", str(roster), "--source", "kronos")
    assert "1 events written" in first.stdout, first.stdout + first.stderr
    ingest.kill()
    ingest.start()
    again = orloop(ingest, "load", "roster", str(roster), "--source", "kronos")
    assert "0 events written, 1 unchanged" in again.stdout, again.stdout + again.stderr
    (event,) = told(ingest)
    assert event.reported_by == "kronos"
    roster.write_text(roster.read_text().replace("T15:00", "T25:00"))
    wrong = orloop(ingest, "load", "roster", str(roster))
    assert wrong.returncode == 1
    assert "line 2, column shift_end: Expected a time" in wrong.stderr
    assert ingest.post("files/roster", {"content": "x"}, role=Role.VIEWER).status_code == 403


BOOKED = (
    "case_id,start,minutes,room,service,urgency\n"
    "A100,2026-03-02T10:00,90,OR3,ORT,4\n"
    "A200,2026-03-02T13:00,60,OR1,URO,4\n"
)


def test_a_backload_is_met_by_the_feed_and_reconciled(make_ingest, siu, tmp_path):
    ingest = make_ingest()
    booked = tmp_path / "booked.csv"
    booked.write_text(BOOKED)
    rehearsed = orloop(ingest, "backload", str(booked), "--dry-run")
    assert "2 would be loaded (dry run)" in rehearsed.stdout, rehearsed.stdout + rehearsed.stderr
    assert told(ingest) == []
    assert "2 loaded" in orloop(ingest, "backload", str(booked)).stdout
    assert "0 loaded, 2 unchanged" in orloop(ingest, "backload", str(booked)).stdout
    cases = {x.case for x in told(ingest)}
    moved = siu("S13", source=ingest.source, start="20260302100000+0000", end="20260302113000+0000")
    assert b"MSA|AA|" in ingest.connect().ask(moved)
    assert soon(lambda: len(told(ingest)) == 3)
    assert {x.case for x in told(ingest)} == cases
    assert "1 left to the feed" in orloop(ingest, "backload", str(booked)).stdout
    compared = orloop(ingest, "reconcile", "--day", str(booked), "--json")
    found = json.loads(compared.stdout)
    assert compared.returncode == 1
    assert [(f["field"], f["theirs"], f["ours"]) for f in found["findings"]] == [
        ("start", "2026-03-02T09:00Z", "2026-03-02T10:00Z")
    ]
    messages = tmp_path / "booked.hl7"
    messages.write_bytes(siu(source=ingest.source, case="A300", control="M3").replace(b"\r", b"\n"))
    assert "1 loaded" in orloop(ingest, "backload", str(messages)).stdout
    booked.write_text(BOOKED.replace("OR1", "OR9"))
    wrong = orloop(ingest, "backload", str(booked))
    assert (wrong.returncode, "line 3, column room" in wrong.stderr) == (1, True), wrong.stdout + wrong.stderr
    ingest.kill()
    ingest.start()
    booked.write_text(BOOKED)
    assert "1 unchanged, 1 left to the feed" in orloop(ingest, "backload", str(booked)).stdout
    assert len(told(ingest)) == 4


def test_the_table_of_sources_says_how_each_does(make_ingest, siu):
    ingest = make_ingest()
    ingest.connect().ask(siu(source=ingest.source))
    answer = orloop(ingest, "sources", "--json")
    (line,) = json.loads(answer.stdout)["sources"]
    assert (line["source"], line["messages"], line["quarantined"], line["parked"]) == (ingest.source, 1, 0, 0)
    assert ingest.source in orloop(ingest, "sources").stdout


def test_without_ingest_the_command_says_what_to_do(make_ingest):
    ingest = make_ingest(start=False)
    answer = orloop(ingest, "quarantine", "list")
    assert answer.returncode == 2
    assert "Expected ingest's desk at" in answer.stderr
    assert "Maybe" in answer.stderr
