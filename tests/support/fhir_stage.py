"""A FHIR door before ingest's stage: real tokens, real reading, the real intake behind it; its sender is our own."""

import json
from pathlib import Path
from typing import Any

import fhir_parts as f
import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from door_stage import Stage

from orloop_ingest.adapters import fhir_door
from orloop_ingest.adapters.fhir_cursors import Cursors
from orloop_ingest.adapters.fhir_sources import DoorRules, FhirSource
from orloop_ingest.adapters.fhir_taking import FhirTaking
from orloop_ingest.adapters.fhir_tokens import DoorTokens, KeySet

ISSUER, AUDIENCE = "https://idp.example", "https://orloop.example/fhir"
KEY = ec.generate_private_key(ec.SECP256R1())
RULES = DoorRules(issuer=ISSUER, audience=AUDIENCE, jwks="https://idp.example/jwks")


class FhirStage:
    """The door of the example profile's source."""

    def __init__(self, folder: Path) -> None:
        self.stage, self.asked, self._number = Stage(), 0, 0
        self.cursors = Cursors(folder, "EHR-FHIR")
        tokens = DoorTokens(RULES, self.stage.clock, KeySet(RULES.jwks, self.stage.clock, self._keys))
        taking = FhirTaking(self.stage.intake, self.stage.site, self.stage.clock)
        source = FhirSource(profile=f.profile(), door=RULES)
        self.app = fhir_door.build_app(
            {"EHR-FHIR": fhir_door.SourceDoor(source, tokens, taking, self.cursors, self._ask)}
        )

    def token(self, **changes: Any) -> str:
        """One for this door, with a `jti` of its own; `exp` is seconds from now."""
        self._number += 1
        now = int(self.stage.clock.wall().timestamp())
        claims: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "jti": f"j{self._number}", **changes}
        claims["exp"] = now + changes.get("exp", 300)
        return jwt.encode(claims, KEY, algorithm="ES256", headers={"kid": "k1"})

    def send(self, body: bytes, path: str = "", media: str = "application/fhir+json", **claims: Any) -> httpx.Response:
        """POST it, and see what the door says."""
        head = {"Authorization": f"Bearer {self.token(**claims)}", "Content-Type": media}

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://door") as client:
                return await client.post(f"/fhir/EHR-FHIR{path}", content=body, headers=head)

        return self.stage.play(ask)

    async def _keys(self, place: str) -> bytes:
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key()))
        return json.dumps({"keys": [public | {"kid": "k1", "alg": "ES256", "use": "sig"}]}).encode()

    def _ask(self) -> None:
        self.asked += 1


def notification(kind: str, total: int, *numbers: int, resources: tuple[Any, ...] = ()) -> bytes:
    """A rest-hook notification as R4 servers send it: the backport's Parameters, then the resources."""
    events = [
        {"name": "notification-event", "part": [{"name": "event-number", "valueString": str(number)}]}
        for number in numbers
    ]
    parameters = [
        {"name": "subscription", "valueReference": {"reference": "https://ehr.example/fhir/Subscription/s1"}},
        {"name": "status", "valueCode": "active"},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(total)},
        *events,
    ]
    entries = ({"resourceType": "Parameters", "parameter": parameters}, *resources)
    told = [{"resource": each, "request": {"method": "PUT", "url": "x"}} for each in entries]
    return json.dumps({"resourceType": "Bundle", "type": "history", "entry": told}).encode()
