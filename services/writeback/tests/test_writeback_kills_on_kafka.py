"""Write-back killed again and again, the worklist by its command, and a dry run: processes on a real broker."""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from writing_back import CANARY, CIPHER_KEY, identity, sealed
from writing_back_fhir import SYSTEM, Server, appointment, serving

from orloop_cli.broker import Broker
from orloop_cli.testing import create_topics
from orloop_common.domain import events as e
from orloop_common.domain.derived import CaseIdentity
from orloop_common.domain.plan import Change
from orloop_common.domain.vocabulary import Verdict
from orloop_common.messages import CASE_IDENTITY, SUITE_EVENTS, TOPICS, WRITEBACK_STATUS, to_json
from orloop_common.testing.process import MESH_TOPICS, Desk, ServiceProcess, free_port, wait_for
from orloop_common.testing.suite import SITE_FILE, alternative, booked, change, clock, day_after, proposal, tick

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]
SECRET = "s" * 40
WORDS = [word for canary in CANARY for word in canary.split("^")]
A, B = change("hip", ("1", "10:30"), ("2", "10:30")), change("knee", ("1", "12:30"), ("3", "12:30"))


@pytest.fixture
def desk(own_broker: Broker) -> Iterator[Desk]:
    create_topics(own_broker.bootstrap, MESH_TOPICS)
    found = Desk(own_broker.bootstrap)
    yield found
    found.close()


def process(desk: Desk, home: Path, routes: str = "", **settings: str) -> ServiceProcess:
    environment = {"ORLOOP_PAYLOAD_KEY": CIPHER_KEY, "ORLOOP_TOKEN_SECRET": SECRET, "ORLOOP_RETRY_SECONDS": "0.1"}
    made = ServiceProcess("orloop_writeback", desk.bootstrap, home, clock("09:00"), environment=environment | settings)
    (home / "site.yaml").write_text(SITE_FILE + routes)
    return made


def book(desk: Desk, *changes: Change) -> None:
    for one in changes:
        record = CaseIdentity(
            case=one.case, suite="main", at=clock("08:00"), payload=sealed(one.case, identity(filler=f"C-{one.case}"))
        )
        desk.publish(CASE_IDENTITY, f"main/{one.case}", "main", record, f"identity/{one.case}")
        assert one.origin.start is not None
        desk.publish(SUITE_EVENTS, "main", "main", booked(one.case, one.origin.room, f"{one.origin.start:%H:%M}"))
    desk.publish(SUITE_EVENTS, "main", "main", tick("09:00"))


def approve(desk: Desk, *changes: Change) -> None:
    decision = e.PlanDecided(
        id="decision/p1",
        suite="main",
        at=clock("09:00"),
        proposal="p1",
        verdict=Verdict.APPROVED,
        based_on=0,
        decided_by="demo",
        changes=changes,
    )
    desk.publish(SUITE_EVENTS, "main", "main", decision)


def outcomes(desk: Desk) -> dict[str, str]:
    return dict(day_after(*desk.messages(SUITE_EVENTS)).decisions["p1"].outcomes)


def said(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ORLOOP_")}
    command = [sys.executable, "-m", "orloop_cli", *words]
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
def test_a_process_killed_at_any_moment_changes_each_case_once_and_sends_no_second_kind_of_bytes(
    desk: Desk, tmp_path: Path, hospital: Any, acknowledge: Any
) -> None:
    """The hospital applies a message once, whatever comes again under its id, and echoes it a little later."""
    kept, applied = dict[str, bytes](), list[str]()
    lock = threading.Lock()

    def script(number: int, payload: bytes) -> bytes:
        lines = {line[:3]: line.split("|") for line in payload.decode().split("\r") if line}
        control, case = lines["MSH"][9], lines["SCH"][2].removeprefix("C-")
        with lock:
            fresh = control not in kept
            assert kept.setdefault(control, payload) == payload
        if fresh:
            applied.append(case)
            room, start = lines["AIL"][3].split("^")[0].removeprefix("OR"), lines["TQ1"][7]
            told = booked(case, room, f"{start[8:10]}:{start[10:12]}", version=2)
            threading.Timer(0.4, lambda: desk.publish(SUITE_EVENTS, "main", "main", told)).start()
        return bytes(acknowledge(payload))

    there = hospital(script)
    changes = [change(f"c{n}", ("1", f"{10 + n}:00"), ("2", f"{10 + n}:00")) for n in range(6)]
    settings = {"ORLOOP_WRITEBACK_ENABLED": "1", "ORLOOP_HOSPITAL_PORT": str(there.port)}
    service = process(desk, tmp_path / "wb", **settings).start()
    chance, kills = random.Random(7), 0
    try:
        book(desk, *changes)
        service.wait_ready()
        approve(desk, *changes)
        deadline = time.monotonic() + 150
        while set(outcomes(desk).values()) != {"applied"} and time.monotonic() < deadline:
            if kills < 6 and len(applied) > kills:
                time.sleep(chance.uniform(0.0, 0.5))
                service.kill()
                kills += 1
                service.start().wait_ready()
            time.sleep(0.1)
        assert outcomes(desk) == {f"c{n}": "applied" for n in range(6)}
    finally:
        service.kill()
    assert applied == [f"c{n}" for n in range(6)]
    assert kills >= 3
    answered = [m.id for m in desk.messages(SUITE_EVENTS) if isinstance(m, e.ChangeAnswered)]
    assert len(set(answered)) <= 6


def test_people_key_in_what_the_command_lists_while_nothing_leaves(desk: Desk, tmp_path: Path, hospital: Any) -> None:
    there, port = hospital(), free_port()
    service = process(desk, tmp_path / "wb", ORLOOP_WORKLIST_PORT=str(port), ORLOOP_HOSPITAL_PORT=str(there.port))
    ours = {"ORLOOP_WORKLIST_URL": f"http://127.0.0.1:{port}", "ORLOOP_TOKEN_SECRET": SECRET}
    texts = []
    try:
        book(desk, A, B)
        approve(desk, A, B)
        service.start().wait_ready()
        table = wait_for("the worklist", lambda: (t := said("worklist", **ours)).stdout.count("C-") == 2 and t)
        texts.append(table.stdout)
        assert "OR1 10:30  OR2 10:30  60 min  now" in table.stdout
        done = said("worklist", "--user", "anna", "done", "C-hip", **ours)
        assert done.returncode == 0, done.stderr
        cannot = said("worklist", "--user", "anna", "cannot", "C-knee", "--text", "Zimtstern is in", "--json", **ours)
        assert json.loads(cannot.stdout)["event_id"]
        desk.publish(SUITE_EVENTS, "main", "main", booked("hip", "2", "10:30", version=2))
        wait_for("the echo to count", lambda: outcomes(desk) == {"hip": "applied", "knee": "refused"})
        empty = wait_for(
            "an empty list", lambda: (t := said("worklist", **ours)).stdout == "Nothing to key in.\n" and t
        )
        gone = said("worklist", "done", "1", **ours)
        assert (empty.returncode, gone.returncode) == (0, 2)
        assert "Expected one line named 1" in gone.stderr
        wrong = said("worklist", **{**ours, "ORLOOP_TOKEN_SECRET": "x" * 40})
        assert (wrong.returncode, wrong.stdout) == (2, "")
    finally:
        service.kill()
    assert there.received == []
    told = {m.case: m.text for m in desk.messages(SUITE_EVENTS) if isinstance(m, e.ChangeAnswered)}
    assert told == {"hip": "Keyed in by anna.", "knee": "Not keyed in, says anna. … is in"}
    texts += [service.log.read_text(), *(value.decode() for topic in TOPICS for value, _ in desk.raw(topic))]
    assert not [word for word in WORDS for text in texts if word in text]


def test_a_dry_run_shows_the_bytes_hides_the_patient_and_writes_nothing(
    desk: Desk, tmp_path: Path, hospital: Any
) -> None:
    there = hospital()
    book(desk, A, B)
    before = {topic: len(desk.raw(topic)) for topic in (SUITE_EVENTS, WRITEBACK_STATUS, CASE_IDENTITY)}
    site = tmp_path / "site.yaml"
    site.write_text(SITE_FILE)
    record = to_json(proposal("p1", "08:50", alternative("a", A), alternative("b", A, B)))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORLOOP_")} | {
        "ORLOOP_KAFKA": desk.bootstrap,
        "ORLOOP_SITE": str(site),
        "ORLOOP_PAYLOAD_KEY": CIPHER_KEY,
        "ORLOOP_HOSPITAL_PORT": str(there.port),
        "ORLOOP_WRITEBACK_ENABLED": "1",
    }

    def run(*more: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "orloop_writeback.dry_run", *more]
        return subprocess.run(command, env=environment, input=record, capture_output=True, timeout=60, check=False)

    plain = run()
    assert plain.returncode == 0, plain.stderr
    assert b"case hip to room 2" in plain.stdout
    assert not [word for word in WORDS if word.encode() in plain.stdout + plain.stderr]
    shown = run("--alternative", "2", "--show-phi", "--json")
    steps = json.loads(shown.stdout)["steps"]
    assert [step["case"] for step in steps] == ["hip", "knee"]
    assert "PID|1||990017^^^DEMO^MR||Zimtstern^Ottilie" in steps[0]["body"]
    assert steps[0]["body"].endswith("\r")
    assert run("--alternative", "9").returncode == 2
    assert there.received == []
    assert {topic: len(desk.raw(topic)) for topic in before} == before


@pytest.mark.slow
def test_a_fhir_route_reads_changes_and_waits_for_the_echo_with_a_token_of_its_own(desk: Desk, tmp_path: Path) -> None:
    """The server wants a SMART token, is busy once, and refuses another version than the newest."""
    server, tokens = Server(appointment(identifier=[{"system": SYSTEM, "value": "C-hip"}])), list[str]()
    server.before = [lambda _: None, lambda _: httpx.Response(503, headers={"Retry-After": "0"})]

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            tokens.append(request.content.decode())
            return httpx.Response(200, json={"access_token": "t1", "expires_in": 300})
        if request.headers.get("Authorization") != "Bearer t1":
            return httpx.Response(401)
        return server(request)

    key = ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "us.key").write_bytes(key)
    with serving(handler) as address:
        routes = f"""
writeback:
  routes:
    - name: epr
      way: fhir
      fhir:
        base: {address}/r4
        send: appointment
        case_id: {SYSTEM}
        rooms: {{"1": Location/or1, "2": Location/or2, "3": Location/or3}}
        smart: {{token_url: {address}/token, client_id: orloop, key: {tmp_path / "us.key"}}}
"""
        service = process(desk, tmp_path / "wb", routes, ORLOOP_WRITEBACK_ENABLED="1")
        server.case = "C-hip"
        try:
            book(desk, A)
            approve(desk, A)
            service.start().wait_ready()
            wait_for("the change to be acknowledged", lambda: outcomes(desk) == {"hip": "acknowledged"})
            desk.publish(SUITE_EVENTS, "main", "main", booked("hip", "2", "10:30", version=2))
            wait_for("the echo to count", lambda: outcomes(desk) == {"hip": "applied"})
        finally:
            service.kill()
    assert server.held["participant"][1]["actor"] == {"reference": "Location/or2"}
    assert [request.method for request in server.asked] == ["GET", "PUT", "GET", "PUT"]
    assert len(tokens) == 1
    text = service.log.read_text()
    assert "503" in text
    assert not [word for word in [*WORDS, "Bearer", "BEGIN"] if word in text]
