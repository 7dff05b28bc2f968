"""HAPI's FHIR validator over everything FHIR that ingest sends or accepts, and over what it must not accept."""

import json
import os
from pathlib import Path
from typing import Any

import fhir_parts as f
import pytest
from fhir_peers import validate as hapi

from orloop_ingest.adapters.fhir_door import capabilities
from orloop_ingest.adapters.fhir_models import validate
from orloop_ingest.domain.fhir import outcome
from orloop_ingest.domain.fhir.profile import READ

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # the validator needs 15 s of CPU to begin with

DELETION = {"fullUrl": "https://ehr.example/fhir/Appointment/a2",
            "request": {"method": "DELETE", "url": "Appointment/a2"},
            "response": {"status": "204", "lastModified": "2026-03-02T12:00:00Z"}}  # fmt: skip
SENT: list[dict[str, Any]] = [
    capabilities(),
    outcome([]),
    outcome(validate(f.appointment(status="bogus", participant=[]))),
    {
        "resourceType": "Bundle",
        "type": "batch-response",
        "entry": [{"response": {"status": "200 OK", "outcome": outcome([])}}],
    },
    {"resourceType": "Bundle", "type": "history", "entry": [DELETION]},
]
ACCEPTED = [*f.all_six(), f.appointment(status="cancelled"), f.location("U"), f.request(status="revoked")]
PLANTED = [
    f.appointment(status="bogus"),
    f.appointment(participant=[]),
    f.appointment(start=None),
    f.appointment(end=None),
    f.appointment(start=None, end=None),
    f.appointment(start="soon"),
    f.appointment(minutesDuration=-4),
    f.appointment(zz=1),
    f.encounter(**{"class": None}),
    f.encounter(actualPeriod={"start": "2026-03-02T09:00:00Z"}),
    f.encounter(status="here"),
    f.procedure(subject=None),
    f.procedure(occurrenceDateTime="2026-03-02"),
    f.request(intent=None),
    f.request(priority="soon"),
    f.location(status="open"),
    f.task(intent="wish"),
    f.task(lastModified="2026-03-01T00:00:00Z", authoredOn="2026-03-02T00:00:00Z"),
]


@pytest.fixture(scope="module")
def judged() -> dict[str, list[str]]:
    """Every verdict by the resource's canonical text; one start of the validator for all."""
    asked = [*SENT, *ACCEPTED, *PLANTED, *corpus()]
    return {json.dumps(one): said for one, said in zip(asked, hapi(asked), strict=True)}


def corpus() -> list[dict[str, Any]]:
    """Resources of the standard's examples that ingest reads; none where the shared data is not at hand."""
    folder = os.environ.get("ORLOOP_SHARED")
    root = Path(folder) if folder else Path(__file__).resolve().parents[3].parent / "shared"
    found = [json.loads(path.read_text()) for path in sorted((root / "data" / "fhir_r4").glob("*.json"))]
    return [resource for resource in found if resource["resourceType"] in READ]


def test_what_we_send_and_what_our_examples_accept_is_valid(judged: dict[str, list[str]]) -> None:
    for resource in [*SENT, *ACCEPTED]:
        assert judged[json.dumps(resource)] == [], resource["resourceType"]
    for resource in ACCEPTED:
        assert validate(resource) == []


def test_every_planted_fault_is_found_by_hapi_and_by_us(judged: dict[str, list[str]]) -> None:
    for resource in PLANTED:
        assert judged[json.dumps(resource)], "HAPI takes it, so it is no fault"
        assert [issue for issue in validate(resource) if issue.is_error], judged[json.dumps(resource)]


def test_we_refuse_nothing_of_the_standard_s_examples_that_hapi_takes(judged: dict[str, list[str]]) -> None:
    found = corpus()
    if not found:
        pytest.skip("no FHIR corpus: put the shared data beside the checkout, or name it in ORLOOP_SHARED")
    for resource in found:
        ours = [issue.expression for issue in validate(resource) if issue.is_error]
        assert not ours or judged[json.dumps(resource)], (resource["resourceType"], resource["id"], ours)
