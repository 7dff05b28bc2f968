"""HAPI's FHIR validator over every kind of resource that write-back sends: the Task, and the Appointment put back."""

from typing import Any

import httpx
import pytest
from fhir_peers import validate
from writing_back import CIPHER, a_step, identity, sealed
from writing_back_fhir import SYSTEM, Server

from orloop_writeback.adapters.fhir import FhirScribe
from orloop_writeback.adapters.fhir_client import FhirClient
from orloop_writeback.domain.message import Step
from orloop_writeback.domain.routes import Postponements, Route, Way

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # the validator needs 15 s of CPU to begin with
ROOMS = {"1": "Location/or1", "2": "Location/or2", "3": "Location/or3"}
ROUTE = Route(name="epr", way=Way.FHIR, postponements=Postponements.CANCEL)


def sent(step: Step, send: Any, case_id: str) -> list[dict[str, Any]]:
    """What a server holds after this order: the Tasks, or the Appointment."""
    server = Server()
    scribe = FhirScribe(CIPHER.decrypt, send=send, case_id=case_id, rooms=ROOMS)
    body, _ = scribe.write(step, sealed(who=identity(zone="+0100")))
    http = httpx.Client(transport=httpx.MockTransport(server), base_url="https://fhir.example/r4/")
    assert FhirClient(http).ask(body, "id").accepted
    return list(server.tasks.values()) if send == "task" else [server.held]


def test_hapi_takes_every_task_and_appointment_that_we_send() -> None:
    steps = [a_step(target, route=ROUTE) for target in (("3", "11:00"), None)]
    told = [
        resource
        for step in steps
        for send in ("task", "appointment")
        for case_id in (SYSTEM, "id")
        for resource in sent(step, send, case_id)
    ]
    assert {resource["resourceType"] for resource in told} == {"Task", "Appointment"}
    assert dict(zip(map(repr, told), validate(told), strict=True)) == {repr(resource): [] for resource in told}
