"""Medplum's FHIR router, a server that we did not write, as the hospital: versions, If-Match, a Task created once."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fhir_peers import Medplum, medplum_home, validate
from writing_back import CIPHER, a_step, identity, sealed
from writing_back_fhir import SYSTEM, appointment

from orloop_common.runtime import SystemClock
from orloop_writeback.adapters.courier import Courier, Patience
from orloop_writeback.adapters.fhir import FhirScribe
from orloop_writeback.adapters.fhir_client import FhirClient
from orloop_writeback.domain.message import Answer, Step
from orloop_writeback.domain.routes import Postponements, Route, Way

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(180)]
ROUTE = Route(name="epr", way=Way.FHIR, postponements=Postponements.CANCEL)
ROOMS = {"1": "Location/or1", "2": "Location/or2", "3": "Location/or3"}


class Hospital(Medplum):
    """Medplum in a process of its own; `lines` are `METHOD PATH STATUS If-Match`."""

    def __init__(self, home: Path) -> None:
        self.lines: list[str] = []
        super().__init__(home)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError), self._process.stdout as lines:
            for line in lines:
                self.lines.append(line.strip())
                if line.strip() == "ready":
                    self._ready.set()

    def put(self, **more: Any) -> None:
        assert self.client.put("/Appointment/a1", json=appointment(**more)).is_success

    def held(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get("/Appointment/a1").json()
        return found


@pytest.fixture(scope="module")
def hospital_on_fhir() -> Iterator[Hospital]:
    made = Hospital(medplum_home())
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

        client = httpx.Client(base_url=f"{hospital_on_fhir.base}/", trust_env=False, event_hooks={"request": [hook]})
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
    found = hospital_on_fhir.client.get("/Task", params={"identifier": f"urn:orloop:change|{step.control_id}"}).json()
    assert found["total"] == 1


def test_what_the_hospital_says_of_a_task_there_is_read(hospital_on_fhir: Hospital, carry: Any) -> None:
    step = a_step(case="answered", route=ROUTE)
    assert carry(step, "task").kind == "accepted"
    ours = FhirClient(httpx.Client(base_url=f"{hospital_on_fhir.base}/", trust_env=False))
    assert ours.task(step.control_id) == ("requested", "")
    query = {"identifier": f"urn:orloop:change|{step.control_id}"}
    task = hospital_on_fhir.client.get("/Task", params=query).json()["entry"][0]["resource"]
    hospital_on_fhir.update("Task", task["id"], task | {"status": "rejected", "statusReason": {"text": "Ward is full"}})
    assert ours.task(step.control_id) == ("rejected", "Ward is full")
    assert ours.task("ORLNEVERSENT") == ("", "")
    ours.close()


def test_hapis_validator_has_nothing_against_what_we_send(hospital_on_fhir: Hospital, carry: Any) -> None:
    sent = []
    for target, send in ((("3", "11:00"), "appointment"), (None, "appointment")):
        hospital_on_fhir.put()
        assert carry(a_step(target, route=ROUTE), send).kind == "accepted"
        sent.append(hospital_on_fhir.held())
    for target in (("3", "11:00"), None):
        assert carry(a_step(target, case=f"valid-{target}", route=ROUTE), "task").kind == "accepted"
    tasks = hospital_on_fhir.client.get("/Task").json()["entry"]
    told = validate([*sent, *(entry["resource"] for entry in tasks)])
    assert len(told) >= 4
    assert told == [[]] * len(told)
