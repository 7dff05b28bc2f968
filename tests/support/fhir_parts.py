"""R4 resources of one case, with canary words where a person's name, number or free text may stand."""

from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from orloop_common.domain.events import Event
from orloop_common.runtime.errors import NotDurable
from orloop_ingest.domain.fhir import FhirProfile, parse_fhir_profile
from orloop_ingest.domain.told import Told
from orloop_ingest.intake import Taken
from orloop_ingest.ledger import Ledger
from orloop_ingest.reception import Reception

EXAMPLE = Path(__file__).resolve().parents[2] / "contracts" / "profiles" / "fhir-r4.yaml"
RECEIVED = datetime(2026, 3, 2, 12, tzinfo=UTC)
CASES, VISITS = "urn:oid:1.2.276.0.76.3.1.999.1", "urn:oid:1.2.276.0.76.3.1.999.2"
PATIENTS, STAFF = "urn:oid:1.2.276.0.76.3.1.999.3", "urn:oid:1.2.276.0.76.3.1.999.4"
SNOMED = "http://snomed.info/sct"


@cache
def _example() -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    return raw


def profile(**more: Any) -> FhirProfile:
    """The example profile; keywords replace keys of its section `fhir`."""
    raw = deepcopy(_example())
    raw |= {name: more.pop(name) for name in ("namespace", "suite", "source", "staff", "tables") if name in more}
    raw["fhir"] |= more
    read = parse_fhir_profile(raw)
    assert read is not None
    return read


def changed(resource: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A copy with other elements; None takes one out."""
    new = deepcopy(resource) | more
    return {name: value for name, value in new.items() if value is not None}


def appointment(case: str = "A100", at: str = "2026-03-02T07:15:00Z", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Appointment",
        "id": f"ap-{case}",
        "meta": {"versionId": "3", "lastUpdated": at},
        "contained": [
            {
                "resourceType": "Patient",
                "id": "p",
                "identifier": [{"system": PATIENTS, "value": "CANARYMRN77"}],
                "name": [{"family": "Zzyxcanary", "given": ["Ada"]}],
                "gender": "female",
                "birthDate": "1951-11-23",
                "address": [{"text": "Canary Lane"}],
            }
        ],
        "identifier": [{"system": CASES, "value": case}],
        "status": "booked",
        "specialty": [{"coding": [{"system": SNOMED, "code": "394801008"}]}],
        "serviceType": [{"coding": [{"system": SNOMED, "code": "52734007", "display": "Total hip replacement"}]}],
        "priority": 5,
        "description": "free canary text",
        "start": "2026-03-02T09:00:00Z",
        "end": "2026-03-02T10:30:00Z",
        "comment": "free canary text",
        "basedOn": [{"reference": f"ServiceRequest/sr-{case}"}],
        "participant": [
            {"actor": {"reference": "#p", "type": "Patient"}, "status": "accepted"},
            {
                "type": [{"coding": [{"code": "PPRF"}]}],
                "actor": {
                    "reference": "Practitioner/pr-17",
                    "identifier": {"system": STAFF, "value": "S017"},
                    "display": "Anna Meyer",
                },
                "status": "accepted",
            },
            {"actor": {"reference": "Location/or-3"}, "status": "accepted"},
            {"actor": {"reference": "Device/LAPTOWER"}, "status": "accepted"},
        ],
    }
    return changed(made, **more)


def encounter(case: str = "A100", at: str = "2026-03-02T11:00:00Z", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Encounter",
        "id": f"en-{case}",
        "meta": {"lastUpdated": at},
        "identifier": [{"system": VISITS, "value": f"VN{case}"}],
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"identifier": {"system": PATIENTS, "value": "CANARYMRN77"}, "display": "Zzyxcanary"},
        "appointment": [{"reference": f"https://ehr.example/fhir/Appointment/ap-{case}/_history/2"}],
        "statusHistory": [
            {"status": "arrived", "period": {"start": "2026-03-02T07:30:00Z", "end": "2026-03-02T08:00:00Z"}}
        ],
        "location": [
            {
                "location": {"reference": "Location/or-3"},
                "status": "completed",
                "period": {"start": "2026-03-02T09:02:00Z", "end": "2026-03-02T10:41:00Z"},
            },
            {
                "location": {"identifier": {"value": "PACU"}},
                "status": "active",
                "period": {"start": "2026-03-02T10:45:00Z"},
            },
        ],
    }
    return changed(made, **more)


def procedure(case: str = "A100", at: str = "2026-03-02T11:00:00Z", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Procedure",
        "id": f"pc-{case}",
        "meta": {"lastUpdated": at},
        "basedOn": [{"reference": f"ServiceRequest/sr-{case}"}],
        "status": "completed",
        "category": {"coding": [{"system": SNOMED, "code": "387713003"}]},
        "code": {"coding": [{"system": SNOMED, "code": "52734007"}], "text": "free canary text"},
        "subject": {"identifier": {"system": PATIENTS, "value": "CANARYMRN77"}},
        "performedPeriod": {"start": "2026-03-02T09:20:00Z", "end": "2026-03-02T10:30:00Z"},
        "location": {"reference": "Location/or-3"},
    }
    return changed(made, **more)


def request(case: str = "A100", at: str = "2026-03-02T07:20:00Z", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "id": f"sr-{case}",
        "meta": {"lastUpdated": at},
        "identifier": [{"system": CASES, "value": case}],
        "status": "active",
        "intent": "order",
        "category": [{"coding": [{"system": SNOMED, "code": "387713003"}]}],
        "priority": "urgent",
        "code": {"coding": [{"system": SNOMED, "code": "52734007", "display": "Total hip replacement"}]},
        "subject": {"identifier": {"system": PATIENTS, "value": "CANARYMRN77"}},
        "authoredOn": "2026-02-20T10:00:00Z",
        "bodySite": [{"coding": [{"system": SNOMED, "code": "7771000"}]}],
    }
    return changed(made, **more)


def task(case: str = "A100", at: str = "2026-03-02T08:10:00Z", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Task",
        "id": f"ta-{case}",
        "meta": {"lastUpdated": at},
        "basedOn": [{"identifier": {"system": CASES, "value": case}}],
        "status": "completed",
        "intent": "order",
        "code": {"coding": [{"system": "urn:hospital:tasks", "code": "consent"}]},
        "for": {"identifier": {"system": PATIENTS, "value": "CANARYMRN77"}},
        "lastModified": "2026-03-02T08:10:00Z",
    }
    return changed(made, **more)


def location(state: str = "C", at: str = "2026-03-02T08:00:00Z", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Location",
        "id": "or-3",
        "meta": {"lastUpdated": at},
        "status": "active",
        "operationalStatus": {"system": "http://terminology.hl7.org/CodeSystem/v2-0116", "code": state},
        "name": "OR 3",
    }
    return changed(made, **more)


def all_six() -> list[dict[str, Any]]:
    return [appointment(), encounter(), location(), request(), procedure(), task()]


class FakeIntake:
    """Keeps what it is told; `away` is a disk that takes nothing."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.bodies: list[bytes] = []
        self.away = False

    async def take(self, told: Told, body: bytes, kind: str) -> Taken:
        if self.away:
            raise NotDurable("Expected the journal to take it, got nothing.\nMaybe the disk is full.")
        self.told.append(told)
        self.bodies.append(body)
        return Taken(told.raw)


class FoldingIntake:
    """The intake without disk and broker: the real reception settles, and what it says is folded at once."""

    def __init__(self, reception: Reception, ledger: Ledger) -> None:
        self.reception, self.ledger = reception, ledger
        self.events: list[Event] = []
        self.problems: list[str] = []
        self.outputs: list[Any] = []

    async def take(self, told: Told, body: bytes, kind: str) -> Taken:
        received = self.reception.read(self.reception.arrive_told(told, body, kind))
        for event in received.events:
            self.ledger.fold(event)
        for record in received.records:
            self.ledger.fold_record(record)
        self.reception.settled(received)
        self.events += received.events
        self.outputs += [*received.first, *received.then]
        if received.problem is not None:
            self.problems.append(str(received.problem))
        return Taken(told.raw, received.events, received.problem)
