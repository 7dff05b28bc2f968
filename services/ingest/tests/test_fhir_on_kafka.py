"""The FHIR door of a real ingest on a real broker: killed after 2xx, nothing is lost; no person's word in clear."""

import json
import time
from collections.abc import Callable
from typing import Any

import fhir_parts as f
import httpx
import jwt
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

pytestmark = pytest.mark.broker
KEY = ec.generate_private_key(ec.SECP256R1())


class Sender:
    """Sends to the door of an ingest with a token for each request."""

    def __init__(self, ingest: Any, port: int) -> None:
        self.ingest, self.port, self.number = ingest, port, 0
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())) | {"kid": "k1"}
        keys = ingest.folder / "jwks.json"
        keys.write_text(json.dumps({"keys": [public]}))
        raw = yaml.safe_load(f.EXAMPLE.read_text())
        raw |= {"suite": ingest.suite, "namespace": ingest.source, "source": f"{ingest.source}-FHIR"}
        raw["fhir"]["door"] = {"issuer": "https://idp", "audience": "https://us", "jwks": str(keys)}
        del raw["fhir"]["server"]
        (ingest.folder / "fhir.yaml").write_text(yaml.safe_dump(raw))
        self.source = raw["source"]

    def post(self, resource: dict[str, Any], kind: str = "") -> httpx.Response:
        self.number += 1
        now = int(time.time())
        claims = {"iss": "https://idp", "aud": "https://us", "iat": now, "exp": now + 60, "jti": f"{now}-{self.number}"}
        token = jwt.encode(claims, KEY, algorithm="ES256", headers={"kid": "k1"})
        url = f"http://127.0.0.1:{self.port}/fhir/{self.source}{kind}"
        return httpx.post(url, json=resource, headers={"Authorization": f"Bearer {token}"}, timeout=15)


def eventually(ask: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := ask():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come")


def test_what_the_fhir_door_acknowledged_survives_a_kill_and_hides_who_it_is_about(
    make_ingest: Any, siu: Callable[..., bytes], canaries: tuple[str, ...]
) -> None:
    from orloop_cli.ports import free_port

    port = free_port()
    ingest = make_ingest(start=False, ORLOOP_FHIR_PORT=str(port), ORLOOP_FHIR_PROFILES="fhir.yaml")
    sender = Sender(ingest, port)
    ingest.start()
    assert sender.post(f.appointment(), "/Appointment").status_code == 201
    ingest.kill()
    ingest.start()
    topic = "orloop.suite-events.v1"

    def cases() -> list[Any]:
        return [e for e in ingest.records(topic) if type(e).__name__ == "CaseScheduled"]

    assert len(eventually(cases)) == 1
    assert sender.post(f.appointment(), "/Appointment").status_code == 201
    assert sender.post(f.encounter(), "/Encounter").status_code == 201
    assert sender.post(f.appointment(status="bogus"), "/Appointment").status_code == 422
    ingest.connect().ask(siu(source=ingest.source))
    assert eventually(lambda: [e for e in ingest.records(topic) if type(e).__name__ == "MilestoneRecorded"])
    assert len({e.case for e in cases()}) == 1, "HL7 and FHIR told of one case"
    metrics = ingest.get("/metrics").text
    assert "orloop_ingest_fhir_total" in metrics
    said = [ingest.log, metrics]
    for name in (topic, "orloop.hl7-raw.v1", "orloop.hl7-raw.v1.dlq", "orloop.case-identity.v1"):
        said += [f"{headers} {key} {value!r}" for headers, key, value in ingest.read(name)]
    text = "\n".join(said)
    assert not [word for word in (*canaries, "1951-11-23") if word in text]
