"""The FHIR door: durable before 2xx, tokens, notifications in both forms, gaps, and R5 sent away.

No registry offers a FHIR server with subscriptions that a test could start, so the notifications here come from a
sender of our own, written after the backport guide 1.1 and R4B; no peer has confirmed them.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import fhir_parts as f
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from orloop_common.domain.site import Site
from orloop_common.runtime.errors import TokenRefused
from orloop_common.testing import ManualClock
from orloop_ingest.adapters import fhir_door
from orloop_ingest.adapters.fhir_cursors import Cursors
from orloop_ingest.adapters.fhir_sources import DoorRules, FhirSource, load_sources
from orloop_ingest.adapters.fhir_taking import FhirTaking
from orloop_ingest.adapters.fhir_tokens import DoorTokens, KeySet
from orloop_ingest.domain.quarantine import Reason
from orloop_ingest.domain.told import CaseTold

ISSUER, AUDIENCE = "https://idp.example", "https://orloop.example/fhir"
KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def key_set(key: Any = KEY, id: str = "k1") -> bytes:
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    return json.dumps({"keys": [public | {"kid": id, "alg": "ES256", "use": "sig"}]}).encode()


class Door:
    """A door for the example's source, its sender, and what lies behind it."""

    def __init__(self, site: Site, folder: Path, reuse: bool = False) -> None:
        self.clock, self.intake, self.asked, self.folder = ManualClock(f.RECEIVED), f.FakeIntake(), 0, folder
        self.keys, self.key_reads, self.number = key_set(), 0, 0
        rules = DoorRules(issuer=ISSUER, audience=AUDIENCE, jwks="https://idp.example/jwks", reuse=reuse)
        source = FhirSource(profile=f.profile(), door=rules)
        self.cursors = Cursors(folder, "EHR-FHIR")
        tokens = DoorTokens(rules, self.clock, KeySet(rules.jwks, self.clock, self._keys))
        taking = FhirTaking(self.intake, site, self.clock)
        self.app = fhir_door.build_app(
            {"EHR-FHIR": fhir_door.SourceDoor(source, tokens, taking, self.cursors, self._ask)}
        )

    async def _keys(self, place: str) -> bytes:
        self.key_reads += 1
        return self.keys

    def _ask(self) -> None:
        self.asked += 1

    def token(self, key: Any = KEY, kid: str = "k1", **changes: Any) -> str:
        self.number += 1
        now = int(self.clock.wall().timestamp())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 300, "jti": f"j{self.number}"} | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key, algorithm="ES256", headers={"kid": kid})

    def send(
        self, body: Any, path: str = "", method: str = "POST", token: str | None = None, **headers: str
    ) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = {"Authorization": f"Bearer {token or self.token()}", "Content-Type": "application/fhir+json"} | headers

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://door") as client:
                return await client.request(method, f"/fhir/EHR-FHIR{path}", content=content, headers=head)

        return asyncio.run(ask())


@pytest.fixture
def door(site: Site, tmp_path: Path) -> Door:
    return Door(site, tmp_path)


def issues(answer: httpx.Response) -> list[tuple[str, str]]:
    told = answer.json()
    assert told["resourceType"] == "OperationOutcome"
    return [(issue["code"], *issue.get("expression", [""])) for issue in told["issue"]]


def r4(kind: str, total: Any, *numbers: Any, resources: tuple[Any, ...] = (), status: str = "active") -> dict[str, Any]:
    """A notification as R4 servers send it: the backport's Parameters."""
    events = [
        {
            "name": "notification-event",
            "part": [
                {"name": "event-number", "valueString": str(number)},
                {"name": "focus", "valueReference": {"reference": f"https://ehr.example/fhir/Appointment/ap-{number}"}},
            ],
        }
        for number in numbers
    ]
    parameters = [
        {"name": "subscription", "valueReference": {"reference": "https://ehr.example/fhir/Subscription/s1"}},
        {"name": "topic", "valueCanonical": "https://ehr.example/topics/schedule"},
        {"name": "status", "valueCode": status},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(total)},
        *events,
    ]
    return bundle({"resourceType": "Parameters", "id": "n1", "parameter": parameters}, *resources)


def r4b(
    kind: str, total: Any, *numbers: Any, resources: tuple[Any, ...] = (), status: str = "active"
) -> dict[str, Any]:
    """A notification as R4B has it: SubscriptionStatus."""
    told: dict[str, Any] = {
        "resourceType": "SubscriptionStatus",
        "status": status,
        "type": kind,
        "eventsSinceSubscriptionStart": str(total),
        "subscription": {"reference": "Subscription/s1"},
        "notificationEvent": [
            {"eventNumber": str(n), "focus": {"reference": f"Appointment/ap-{n}"}} for n in numbers
        ],
    }  # fmt: skip
    return bundle(told, *resources)


def bundle(*resources: Any, kind: str = "history") -> dict[str, Any]:
    entries = [{"resource": each, "request": {"method": "PUT", "url": "x"}} for each in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


both = pytest.mark.parametrize("form", [r4, r4b])
Form = Callable[..., dict[str, Any]]


def test_a_resource_is_durable_before_201_and_its_bytes_are_kept(door: Door) -> None:
    body = json.dumps(f.appointment(), indent=3).encode()
    answer = door.send(body, "/Appointment")
    assert (answer.status_code, issues(answer)) == (201, [("informational", "")])
    assert answer.headers["content-type"] == "application/fhir+json; fhirVersion=4.0"
    assert door.intake.bodies == [body]
    assert isinstance(door.intake.told[0].statements[0], CaseTold)
    assert door.send(f.appointment(), "/Appointment/ap-A100", "PUT").status_code == 200


def test_nothing_is_acknowledged_that_is_not_durable(door: Door) -> None:
    door.intake.away = True
    answer = door.send(f.appointment(), "/Appointment")
    assert (answer.status_code, issues(answer)) == (503, [("transient", "")])
    assert answer.headers["retry-after"] == "5"
    assert door.send(r4("event-notification", 1, 1, resources=(f.appointment(),))).status_code == 503
    assert door.cursors.counts == {}
    assert door.send(bundle(f.appointment(), kind="batch")).status_code == 503


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "told"),
    [
        ("POST", "/Appointment", f.appointment(status="bogus"), 422, ("code-invalid", "Appointment.status")),
        ("POST", "/Appointment", f.appointment(participant=[]), 422, ("required", "Appointment.participant")),
        ("POST", "/Appointment", f.appointment(start=None), 422, ("invariant", "Appointment.start")),
        ("POST", "", f.encounter(actualPeriod={}), 422, ("not-supported", "Encounter.actualPeriod")),
        ("POST", "/Appointment", f.encounter(), 400, ("structure", "resourceType")),
        ("PUT", "/Appointment/other", f.appointment(), 400, ("invariant", "Appointment.id")),
        ("POST", "", b"{not json", 400, ("structure", "")),
        ("POST", "", b"[" * 100_000, 400, ("structure", "")),
        ("POST", "", [], 422, ("structure", "")),
        ("POST", "", {"resourceType": "Bundle", "type": "batch"}, 400, ("required", "Bundle.entry")),
        ("POST", "", bundle(f.task(requestedPeriod={}), kind="batch"), 422,
         ("not-supported", "Bundle.entry[0].resource.Task.requestedPeriod")),
        ("POST", "", {"resourceType": "Bundle", "type": "subscription-notification", "entry": []}, 422,
         ("not-supported", "Bundle.type")),
        ("POST", "", r4("surprise", 1), 422, ("structure", "Bundle.entry[0].resource.type")),
        ("DELETE", "/Appointment/x", b"", 405, ("not-supported", "")),
        ("GET", "/Appointment", b"", 405, ("not-supported", "")),
    ],
)  # fmt: skip
def test_a_refusal_is_an_operation_outcome_that_names_the_element(
    door: Door, method: str, path: str, body: Any, status: int, told: tuple[str, str]
) -> None:
    answer = door.send(body, path, method)
    assert (answer.status_code, told in issues(answer)) == (status, True), answer.text


def test_what_r4_s_rules_refuse_is_kept_in_quarantine_all_the_same(door: Door) -> None:
    door.send(f.encounter(actualPeriod={}))
    door.send(f.appointment(status="bogus"))
    reasons = [told.problem.reason for told in door.intake.told if told.problem]
    assert reasons == [Reason.LATER_RELEASE, Reason.WRONG_BODY]
    assert door.intake.told[1].about is not None


def test_a_later_release_in_the_media_type_and_xml_are_sent_away(door: Door) -> None:
    media = {"Content-Type": "application/fhir+json; fhirVersion=5.0"}
    assert door.send(f.appointment(), "", **media).status_code == 415
    assert door.send(b"<Appointment/>", "", **{"Content-Type": "application/fhir+xml"}).status_code == 415


def test_what_cannot_be_mapped_is_taken_and_told(door: Door) -> None:
    answer = door.send(f.appointment(identifier=None), "/Appointment")
    assert (answer.status_code, issues(answer)) == (201, [("business-rule", "Appointment.identifier")])
    assert answer.json()["issue"][0]["severity"] == "warning"


def test_each_entry_of_a_batch_gets_its_answer(door: Door) -> None:
    answer = door.send(bundle(f.appointment(), f.request(), f.appointment(identifier=None), kind="batch"))
    told = answer.json()
    assert (answer.status_code, told["type"]) == (200, "batch-response")
    assert [entry["response"]["status"] for entry in told["entry"]] == ["200 OK", "200 OK", "202 Accepted"]
    assert len(door.intake.told) == 3


def test_validate_finds_what_the_models_and_the_rules_know_and_keeps_nothing(door: Door) -> None:
    found = issues(door.send(f.appointment(status="bogus", minutesDuration=-4, zz="Zzyxcanary"), "/$validate"))
    assert {("code-invalid", "Appointment.status"), ("value", "Appointment.minutesDuration"),
            ("structure", "Appointment")} <= set(found)  # fmt: skip
    assert issues(door.send(f.appointment(), "/Appointment/$validate")) == [("informational", "")]
    assert door.intake.told == []


# --- tokens ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"aud": "https://other.example"},
        {"iss": "https://other.example"},
        {"iat": 4_000_000_000, "exp": 4_000_000_100},
        {"nbf": 4_000_000_000},
        {"jti": None},
        {"exp": None},
        {"exp": 4_000_000_000},
        {"key": OTHER},
        {"kid": "k9"},
    ],
    ids=lambda changes: next(iter(changes)) + str(next(iter(changes.values())))[:12],
)
def test_a_token_that_is_not_for_this_door_is_refused(door: Door, changes: dict[str, Any]) -> None:
    answer = door.send(f.appointment(), "/Appointment", token=door.token(**changes))
    assert (answer.status_code, issues(answer)[0][0]) == (401, "login")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert door.intake.told == []


def test_a_token_shown_twice_is_refused_and_one_that_ended_too(door: Door) -> None:
    token = door.token()
    assert door.send(f.appointment(), "/Appointment", token=token).status_code == 201
    assert door.send(f.appointment(), "/Appointment", token=token).status_code == 401
    late = door.token()
    door.clock.advance(timedelta(minutes=6))
    assert door.send(f.appointment(), "/Appointment", token=late).status_code == 401


def test_after_a_restart_a_token_from_before_is_refused_since_nobody_knows_whether_it_was_shown(door: Door) -> None:
    token = door.token()
    door.clock.advance(timedelta(minutes=1))
    rules = DoorRules(issuer=ISSUER, audience=AUDIENCE, jwks="x")
    restarted = DoorTokens(rules, door.clock, KeySet("x", door.clock, door._keys))
    with pytest.raises(TokenRefused, match="after this door opened"):
        asyncio.run(restarted.verify(token))


def test_an_access_token_is_reused_where_the_profile_says_so(site: Site, tmp_path: Path) -> None:
    door = Door(site, tmp_path, reuse=True)
    token = door.token(jti=None, exp=int(door.clock.wall().timestamp()) + 7200)
    for _ in range(3):
        assert door.send(f.appointment(), "/Appointment", token=token).status_code == 201


def test_no_token_and_one_without_signature_are_refused(door: Door) -> None:
    assert door.send(f.appointment(), token="x").status_code == 401
    now = int(door.clock.wall().timestamp())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 60, "jti": "n"}
    assert door.send(f.appointment(), token=jwt.encode(claims, "", algorithm="none")).status_code == 401
    assert door.send(f.appointment(), token=jwt.encode(claims, "s" * 40, algorithm="HS256")).status_code == 401


def test_a_new_key_is_fetched_once_a_minute_at_most(door: Door) -> None:
    assert door.send(f.appointment()).status_code == 201
    door.keys = key_set(OTHER, "k2")
    for _ in range(5):
        assert door.send(f.appointment(), token=door.token(OTHER, "k2")).status_code == 401
    assert door.key_reads == 1
    door.clock.advance(timedelta(seconds=61))
    assert door.send(f.appointment(), token=door.token(OTHER, "k2")).status_code == 201
    assert door.key_reads == 2


# --- notifications -----------------------------------------------------------------------------------


@both
def test_events_in_order_are_taken_and_nothing_is_asked(door: Door, form: Form) -> None:
    assert door.send(form("handshake", 0, status="requested")).status_code == 200
    assert door.send(form("event-notification", 1, 1, resources=(f.appointment(),))).status_code == 200
    assert door.send(form("event-notification", 3, 2, 3, resources=(f.encounter(), f.request()))).status_code == 200
    assert door.send(form("heartbeat", 3)).status_code == 200
    assert (door.asked, len(door.intake.told)) == (0, 3)
    assert door.cursors.counts["Subscription/s1"].done == 3


@both
def test_a_skipped_event_number_is_owed_and_asked_for(door: Door, form: Form, tmp_path: Path) -> None:
    door.send(form("handshake", 0))
    door.send(form("event-notification", 1, 1, resources=(f.appointment(),)))
    assert door.send(form("event-notification", 4, 4, resources=(f.encounter(),))).status_code == 200
    assert door.asked == 1
    assert door.cursors.owed
    assert Cursors(tmp_path, "EHR-FHIR").owed, "a restart must not forget it"


@both
def test_a_heartbeat_shows_a_lost_last_event(door: Door, form: Form) -> None:
    door.send(form("handshake", 2))
    door.send(form("heartbeat", 2))
    assert door.asked == 0
    door.send(form("heartbeat", 3))
    assert door.asked == 1


@both
def test_an_event_by_id_alone_is_asked_for(door: Door, form: Form) -> None:
    door.send(form("handshake", 0))
    assert door.send(form("event-notification", 1, 1)).status_code == 200
    assert (door.asked, door.cursors.owed, door.intake.told) == (1, True, [])


@both
def test_an_event_told_again_changes_no_count(door: Door, form: Form) -> None:
    door.send(form("handshake", 0))
    event = form("event-notification", 1, 1, resources=(f.appointment(),))
    door.send(event)
    door.send(form("event-notification", 2, 2, resources=(f.encounter(),)))
    door.send(event)
    assert door.cursors.counts["Subscription/s1"].done == 2
    assert door.asked == 0
    assert door.intake.told[0].raw == door.intake.told[2].raw


@both
def test_the_first_word_of_an_unknown_subscription_may_be_in_its_middle(door: Door, form: Form) -> None:
    door.send(form("event-notification", 7, 7, resources=(f.appointment(),)))
    assert door.asked == 1


@both
def test_a_subscription_that_begins_anew_is_counted_anew_and_asked_for(door: Door, form: Form) -> None:
    door.send(form("handshake", 50))
    door.send(form("handshake", 0))
    assert door.cursors.counts["Subscription/s1"].done == 0
    assert door.asked == 1


def test_an_r5_resource_inside_a_notification_is_quarantined_and_the_next_one_taken(door: Door) -> None:
    door.send(r4("handshake", 0))
    answer = door.send(r4("event-notification", 1, 1, resources=(f.encounter(actualPeriod={}), f.appointment())))
    assert answer.status_code == 200
    problems = [told.problem.reason if told.problem else None for told in door.intake.told]
    assert problems == [Reason.LATER_RELEASE, None]


def test_an_empty_body_means_that_something_changed(door: Door) -> None:
    assert door.send(b"").status_code == 202
    assert door.asked == 1


def test_no_answer_and_no_log_line_holds_a_person_s_word(
    door: Door, canaries: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    said = ""
    for resource in f.all_six():
        for body in (
            resource,
            resource | {"zz": "Zzyxcanary"},
            resource | {"status": "Canary Lane"},
            resource | {"id": 5},
        ):
            for path in ("", "/$validate"):
                said += door.send(body, path).text
    out, err = capfd.readouterr()
    assert said
    assert not [word for word in (*canaries, "1951-11-23") if word in said + out + err]


def test_the_example_profile_configures_door_and_server() -> None:
    source = load_sources([f.EXAMPLE])["EHR-FHIR"]
    assert source.door is not None
    assert source.server is not None
    assert source.server.smart is not None
    assert source.server.smart.key_file == f.EXAMPLE.parent / "smart.pem"
