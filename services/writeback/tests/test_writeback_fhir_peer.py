"""Medplum's FHIR router, a server that we did not write, as the hospital: versions, If-Match, a Task created once."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from writing_back import CIPHER, a_step, identity, sealed
from writing_back_fhir import SYSTEM, appointment

from orloop_cli.ports import free_port
from orloop_common.runtime import SystemClock
from orloop_writeback.adapters.courier import Courier, Patience
from orloop_writeback.adapters.fhir import FhirScribe
from orloop_writeback.adapters.fhir_client import FhirClient
from orloop_writeback.domain.message import Answer, Step
from orloop_writeback.domain.routes import Postponements, Route, Way

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(180)]
PEERS = Path(__file__).parents[3] / "tests" / "peers"
ROUTE = Route(name="epr", way=Way.FHIR, postponements=Postponements.CANCEL)
ROOMS = {"1": "Location/or1", "2": "Location/or2", "3": "Location/or3"}


def missing(why: str) -> None:
    assert os.environ.get("CI") != "true", why
    pytest.skip(why)


@pytest.fixture(scope="module")
def medplum() -> Path:
    """The folder with the locked packages, installed once into the cache."""
    npm, source = shutil.which("npm"), PEERS / "fhir"
    if npm is None or shutil.which("node") is None:
        missing("no node and npm here (Debian: apt install nodejs npm)")
    if not (source / "package-lock.json").is_file():
        missing("no lock of Medplum's packages in tests/peers/fhir")
    lock = (source / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "orloop"
    home = cache / f"fhir-peers-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (home / "node_modules" / "@medplum" / "fhir-router").is_dir():
        home.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, home / name)
        command = [str(npm), "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        if subprocess.run(command, cwd=home, capture_output=True, timeout=120, check=False).returncode:
            missing("npm could not fetch Medplum's router: is a registry reachable?")
    return home


class Hospital:
    """Medplum in a process of its own; `lines` are `METHOD PATH STATUS If-Match`."""

    def __init__(self, home: Path) -> None:
        self.port, self.lines = free_port(), list[str]()
        command = ["node", str(PEERS / "FhirReceiver.mjs"), str(home), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        deadline = time.monotonic() + 60
        while "ready" not in self.lines:
            assert self.process.poll() is None
            assert time.monotonic() < deadline, "Medplum did not start"
            time.sleep(0.05)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}/r4/", trust_env=False)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(ValueError), self.process.stdout as lines:
            self.lines.extend(line.strip() for line in lines)

    def put(self, **more: Any) -> None:
        assert self.client.put("Appointment/a1", json=appointment(**more)).is_success

    def held(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get("Appointment/a1").json()
        return found

    def close(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait(10)


@pytest.fixture(scope="module")
def hospital_on_fhir(medplum: Path) -> Iterator[Hospital]:
    made = Hospital(medplum)
    yield made
    made.close()


@pytest.fixture
def carry(hospital_on_fhir: Hospital) -> Iterator[Callable[..., Answer]]:
    """`carry(step, send="task")` carries one step to Medplum, with a hook before each write."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def run(step: Step, send: Any = "appointment", before_write: Callable[[], None] = lambda: None) -> Answer:
        def hook(request: httpx.Request) -> None:
            if request.method != "GET":
                before_write()

        client = httpx.Client(
            base_url=hospital_on_fhir.client.base_url, trust_env=False, event_hooks={"request": [hook]}
        )
        courier = Courier(FhirClient(client), Patience(3, 0.1, 0.2), SystemClock(), stop)
        threads.append(threading.Thread(target=courier.run, daemon=True))
        threads[-1].start()
        scribe = FhirScribe(CIPHER.decrypt, send=send, case_id=SYSTEM, rooms=ROOMS)
        courier.send(step, *scribe.write(step, sealed(step.case, identity(zone="+0100"))))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if found := courier.answers():
                return found[0]
            time.sleep(0.01)
        raise AssertionError("no answer")

    yield run
    stop.set()
    for thread in threads:
        thread.join(5)


def test_an_appointment_is_changed_in_its_version_and_found_done_when_asked_again(
    hospital_on_fhir: Hospital, carry: Any
) -> None:
    hospital_on_fhir.put()
    assert carry(a_step(route=ROUTE)).kind == "accepted"
    held = hospital_on_fhir.held()
    assert held["start"] == "2026-03-02T12:00:00+01:00"
    assert held["participant"][1]["actor"] == {"reference": "Location/or3"}
    assert held["comment"] == "as it was"
    writes = len([line for line in hospital_on_fhir.lines if line.startswith("PUT")])
    assert carry(a_step(route=ROUTE)).kind == "accepted"
    assert len([line for line in hospital_on_fhir.lines if line.startswith("PUT")]) == writes


def test_its_412_leads_to_another_look_and_to_a_refusal_where_the_case_was_moved(
    hospital_on_fhir: Hospital, carry: Any
) -> None:
    hospital_on_fhir.put()
    news = iter((lambda: hospital_on_fhir.put(comment="news"),))
    assert carry(a_step(route=ROUTE), before_write=lambda: next(news, lambda: None)()).kind == "accepted"
    assert any(line.startswith("PUT /Appointment/a1 412 W/") for line in hospital_on_fhir.lines)
    assert hospital_on_fhir.held()["comment"] == "news"
    hospital_on_fhir.put()
    moved = iter((lambda: hospital_on_fhir.put(start="2026-03-02T09:00:00+01:00"),))
    answer = carry(a_step(route=ROUTE), before_write=lambda: next(moved, lambda: None)())
    assert answer.kind == "refused"
    assert "planned anew" in answer.text
    assert hospital_on_fhir.held()["start"] == "2026-03-02T09:00:00+01:00"


def test_a_postponement_cancels_there(hospital_on_fhir: Hospital, carry: Any) -> None:
    hospital_on_fhir.put()
    assert carry(a_step(None, route=ROUTE)).kind == "accepted"
    assert hospital_on_fhir.held()["status"] == "cancelled"


def test_a_task_asked_twice_is_one_task(hospital_on_fhir: Hospital, carry: Any) -> None:
    step = a_step(case="tasked", route=ROUTE)
    assert [carry(step, "task").kind for _ in range(2)] == ["accepted"] * 2
    found = hospital_on_fhir.client.get("Task", params={"identifier": f"urn:orloop:change|{step.control_id}"}).json()
    assert found["total"] == 1
