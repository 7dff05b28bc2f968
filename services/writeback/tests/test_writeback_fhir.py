"""FHIR R4: a Task once, an Appointment only in the version that was read; refusals in the server's words."""

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from writing_back import CANARY, CIPHER, a_step, identity, sealed
from writing_back_fhir import PRACTITIONER, SYSTEM, Server, appointment

from orloop_common.runtime import SystemClock
from orloop_writeback.adapters.courier import Courier, NoAnswer, Patience
from orloop_writeback.adapters.fhir import FhirScribe
from orloop_writeback.adapters.fhir_client import FhirClient
from orloop_writeback.domain.message import Reply, Step
from orloop_writeback.domain.routes import Postponements, Route, Way

ROOMS = {"1": "Location/or1", "2": "Location/or2", "3": "Location/or3"}
ROUTE = Route(name="epr", way=Way.FHIR, postponements=Postponements.CANCEL)


def order(step: Step, send: Any = "appointment", case_id: str = SYSTEM) -> bytes:
    scribe = FhirScribe(CIPHER.decrypt, send=send, case_id=case_id, rooms=ROOMS)
    body, secrets = scribe.write(step, sealed(who=identity(zone="+0100")))
    assert CANARY[0] in secrets
    assert all(word not in body.decode() for canary in CANARY for word in canary.split("^"))
    return body


def client(server: Callable[[httpx.Request], httpx.Response]) -> FhirClient:
    return FhirClient(httpx.Client(transport=httpx.MockTransport(server), base_url="https://fhir.example/r4/"))


def ask(server: Server, step: Step | None = None, **more: Any) -> Reply:
    return client(server).ask(order(step or a_step(route=ROUTE), **more), "id")


def writes(server: Server) -> list[str]:
    return [request.method for request in server.asked if request.method != "GET"]


@pytest.mark.parametrize("case_id", [SYSTEM, "id"])
def test_an_appointment_is_changed_in_the_version_that_was_read_and_in_nothing_else(case_id: str) -> None:
    server = Server()
    assert ask(server, case_id=case_id).accepted
    assert server.held["start"] == "2026-03-02T12:00:00+01:00"
    assert server.held["end"] == "2026-03-02T13:00:00+01:00"
    assert server.held["participant"] == [
        PRACTITIONER,
        {"actor": {"reference": "Location/or3"}, "status": "accepted"},
    ]
    assert server.held["comment"] == "as it was"
    assert server.asked[-1].headers["If-Match"] == 'W/"1"'


def test_the_same_change_asked_again_is_found_done_and_writes_nothing() -> None:
    server = Server()
    assert ask(server).accepted
    assert ask(server).accepted
    assert writes(server) == ["PUT"]


def test_a_412_about_something_else_is_read_anew_and_changed_in_the_newer_version() -> None:
    server = Server()
    server.before = [lambda _: None, lambda _: server.change(comment="news")]
    assert ask(server).accepted
    assert server.held["comment"] == "news"
    assert writes(server) == ["PUT", "PUT"]


def test_a_412_because_the_case_was_moved_is_refused_so_that_the_day_is_planned_anew() -> None:
    server = Server()
    server.before = [lambda _: None, lambda _: server.change(start="2026-03-02T14:00:00+01:00")]
    reply = ask(server)
    assert not reply.accepted
    assert "planned anew" in reply.text
    assert server.held["start"] == "2026-03-02T14:00:00+01:00"


def test_an_appointment_that_is_elsewhere_already_is_not_touched() -> None:
    server = Server(appointment(room="or2"))
    assert "planned anew" in ask(server).text
    assert writes(server) == []


def test_an_appointment_that_keeps_changing_is_given_back() -> None:
    server = Server()
    server.before = [None if n % 2 == 0 else lambda _: server.change(comment="again") for n in range(6)]  # type: ignore[misc]
    server.before = [one or (lambda _: None) for one in server.before]
    reply = ask(server)
    assert (reply.accepted, reply.code) == (False, "412")


def test_a_postponement_cancels_the_appointment() -> None:
    server = Server()
    assert ask(server, a_step(None, route=ROUTE)).accepted
    assert server.held["status"] == "cancelled"
    assert ask(server, a_step(None, route=ROUTE)).accepted
    assert writes(server) == ["PUT"]


def test_an_appointment_that_is_elsewhere_is_not_cancelled_either() -> None:
    server = Server(appointment(room="or2"))
    assert "planned anew" in ask(server, a_step(None, route=ROUTE)).text
    assert (writes(server), server.held["status"]) == ([], "booked")


def test_a_refusal_is_told_in_the_words_of_the_operation_outcome() -> None:
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "business-rule", "details": {"text": "The room is closed"}}],
    }
    server = Server()
    server.before = [lambda _: None, lambda _: httpx.Response(422, json=outcome)]
    reply = ask(server)
    assert (reply.accepted, reply.code, reply.text) == (False, "422", "The room is closed")


def test_a_case_that_the_server_does_not_have_or_has_twice_is_for_people() -> None:
    server = Server()
    assert "no appointment" in ask(server, case_id="urn:other").text
    twice = {"resourceType": "Bundle", "entry": [{"resource": appointment()}] * 2}
    server.before = [lambda _: httpx.Response(200, json=twice)]
    assert "several appointments" in ask(server).text
    assert writes(server) == []


def test_without_a_version_nothing_is_written() -> None:
    server = Server()
    bundle = {"resourceType": "Bundle", "entry": [{"resource": appointment()}]}
    server.before = [lambda _: httpx.Response(200, json=bundle)]
    assert "which version" in ask(server).text
    assert writes(server) == []


def test_several_rooms_in_one_appointment_are_for_people() -> None:
    both = [{"actor": {"reference": f"Location/or{n}"}} for n in (1, 2)]
    assert "several rooms" in ask(Server(appointment(participant=both))).text


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_server_that_is_busy_or_broken_is_asked_again_when_it_wants(status: int) -> None:
    server = Server()
    server.before = [lambda _: httpx.Response(status, headers={"Retry-After": "7"})]
    with pytest.raises(NoAnswer) as told:
        ask(server)
    assert told.value.wait == 7.0


def test_a_server_that_is_away_is_no_answer() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Zimtstern")

    with pytest.raises(NoAnswer, match="ConnectError"):
        client(away).ask(order(a_step(route=ROUTE)), "id")


def test_a_task_is_created_once_however_often_it_is_asked() -> None:
    server = Server()
    for _ in range(2):
        assert ask(server, send="task").accepted
    ((key, task),) = server.tasks.items()
    assert key == f"identifier=urn:orloop:change|{a_step().control_id}"
    assert (task["status"], task["intent"]) == ("requested", "proposal")
    assert task["focus"] == {"type": "Appointment", "identifier": {"system": SYSTEM, "value": "C1"}}
    told = {one["type"]["text"]: one for one in task["input"]}
    assert told["room"]["valueReference"] == {"reference": "Location/or3"}
    assert told["start"]["valueDateTime"] == "2026-03-02T12:00:00+01:00"
    assert "Room 1 is down" in task["description"]


def test_the_courier_keeps_the_patient_out_of_what_a_server_says() -> None:
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "conflict", "diagnostics": "Ottilie Zimtstern 990017 is not ready"}],
    }
    server = Server()
    server.before = [lambda _: httpx.Response(503), lambda _: None, lambda _: httpx.Response(409, json=outcome)]
    stop = threading.Event()
    courier = Courier(client(server), Patience(4, 0.01, 0.02), SystemClock(), stop)
    thread = threading.Thread(target=courier.run, daemon=True)
    thread.start()
    scribe = FhirScribe(CIPHER.decrypt, send="appointment", case_id=SYSTEM, rooms=ROOMS)
    step = a_step(route=ROUTE)
    courier.send(step, *scribe.write(step, sealed()))
    answers: list[Any] = []
    while not answers:
        answers += courier.answers()
    stop.set()
    thread.join(2)
    assert (answers[0].kind, answers[0].text, answers[0].tries) == ("refused", "… … … is not ready", 2)


def test_what_we_send_is_valid_fhir() -> None:
    """fhir.resources (R4B models on R4 content) takes the Task and the Appointment that we put back."""
    task_model = pytest.importorskip("fhir.resources.R4B.task").Task
    appointment_model = pytest.importorskip("fhir.resources.R4B.appointment").Appointment
    for target in (("3", "11:00"), None):
        server, step = Server(), a_step(target, route=ROUTE)
        assert ask(server, step, send="task").accepted
        assert ask(server, step).accepted
        appointment_model.model_validate(server.held)
        (task,) = server.tasks.values()
        task_model.model_validate(task)
