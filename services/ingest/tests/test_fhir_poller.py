"""Polling a FHIR server: nothing lost between rounds, restarts and faults, nothing handed on twice by one process."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import fhir_parts as f
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from orloop_common.domain.site import Site
from orloop_common.testing import ManualClock
from orloop_ingest.adapters.fhir_client import FhirClient, ServerAway
from orloop_ingest.adapters.fhir_cursors import Cursors
from orloop_ingest.adapters.fhir_poller import MOST_PAGES, FhirPoller
from orloop_ingest.adapters.fhir_sources import FhirSource, ServerRules, SmartRules
from orloop_ingest.adapters.fhir_taking import FhirTaking
from orloop_ingest.domain.fhir.counting import Count
from orloop_ingest.domain.quarantine import Reason
from orloop_ingest.domain.told import Act, CaseTold

NOON = f.RECEIVED


class Server:
    """A server's search, history and paging, as far as the poller asks for them; written after the standard."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock, self.requests = clock, list[httpx.Request]()
        self.versions: list[dict[str, Any]] = []
        self.deleted: list[dict[str, Any]] = []
        self.history, self.page, self.host = False, 200, "https://ehr.example"
        self.faults: list[httpx.Response | Exception] = []

    def put(self, resource: dict[str, Any], at: datetime | None = None) -> None:
        at = at or self.clock.wall()
        number = 1 + sum(v["id"] == resource["id"] for v in self.versions)
        self.versions.append(resource | {"meta": {"versionId": str(number), "lastUpdated": stamp(at)}})

    def delete(self, kind: str, id: str) -> None:
        self.versions = [v for v in self.versions if v["id"] != id]
        answer = {"status": "204", "lastModified": stamp(self.clock.wall())}
        self.deleted.append({"request": {"method": "DELETE", "url": f"{kind}/{id}"}, "response": answer})

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        kind = request.url.path.removeprefix("/fhir/r4/").partition("/")[0]
        if kind == "metadata":
            code = "history-type" if self.history else "read"
            resource = [{"type": "Appointment", "interaction": [{"code": code}]}]
            return self._told({"resourceType": "CapabilityStatement", "rest": [{"resource": resource}]})
        asked = request.url.params
        since = datetime.fromisoformat((asked.get("_since") or asked["_lastUpdated"]).removeprefix("ge"))
        found = [v for v in self.versions if v["resourceType"] == kind and when(v) >= since]
        if request.url.path.endswith("_history"):
            entries = [{"resource": v} for v in sorted(found, key=when, reverse=True)]
            entries += [e for e in self.deleted if e["request"]["url"].startswith(kind)]
        else:
            newest = {v["id"]: v for v in found}
            entries = [{"resource": v} for v in sorted(newest.values(), key=when)]
        start = int(asked.get("_offset", 0))
        bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
        bundle["entry"] = entries[start : start + self.page]
        if start + self.page < len(entries):
            rest = request.url.copy_set_param("_offset", start + self.page)
            link = str(rest).replace("https://ehr.example", self.host)
            bundle["link"] = [{"relation": "next", "url": link}]
        return self._told(bundle)

    def _told(self, resource: dict[str, Any]) -> httpx.Response:
        date = format_datetime(self.clock.wall().replace(tzinfo=UTC), usegmt=True)
        return httpx.Response(200, json=resource, headers={"Date": date})


def stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def when(resource: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(resource["meta"]["lastUpdated"])


class Desk:
    """A poller and its server; `restart` makes a new poller on the same folder."""

    def __init__(self, site: Site, folder: Path, **more: Any) -> None:
        self.site, self.folder, self.more = site, folder, more
        self.clock, self.slept = ManualClock(NOON), list[float]()
        self.server = Server(self.clock)
        self.restart()

    def restart(self) -> None:
        self.intake = f.FakeIntake()
        rules = ServerRules(base="https://ehr.example/fhir/r4", **self.more)
        source = FhirSource(profile=f.profile(case_id=["id"]), server=rules)
        self.cursors = Cursors(self.folder, "EHR-FHIR")
        transport = httpx.MockTransport(self.server.answer)
        client = FhirClient(rules, self.clock, transport=transport, sleep=self._sleep)
        taking = FhirTaking(self.intake, self.site, self.clock)
        self.poller = FhirPoller(source, rules, client, taking, self.cursors, self.clock)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def round(self) -> bool:
        return asyncio.run(self.poller.round())

    def step(self, seconds: float = 30) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @property
    def ids(self) -> list[str]:
        return [str(json.loads(body).get("id")) for body in self.intake.bodies]


@pytest.fixture
def desk(site: Site, tmp_path: Path) -> Desk:
    return Desk(site, tmp_path)


def booked(id: str, **more: Any) -> dict[str, Any]:
    return f.appointment(id=id, identifier=None, meta=None, **more)


def test_what_was_created_or_changed_is_taken_once(desk: Desk) -> None:
    desk.server.put(booked("a1"))
    desk.step()
    desk.round()
    desk.round()
    assert desk.ids == ["a1"]
    desk.server.put(booked("a1", minutesDuration=90))
    desk.server.put(booked("a2"))
    desk.step()
    desk.round()
    desk.round()
    assert desk.ids == ["a1", "a1", "a2"]
    assert len({told.raw for told in desk.intake.told}) == 3


def test_after_a_restart_it_goes_on_where_it_stood(desk: Desk) -> None:
    for number in range(5):
        desk.server.put(booked(f"a{number}"))
        desk.step(300)
    desk.round()
    first = {told.raw for told in desk.intake.told}
    desk.server.put(booked("b"))
    desk.step()
    desk.restart()
    desk.round()
    assert desk.ids == ["a4", "b"], "the overlap comes again, and nothing older"
    assert desk.intake.told[0].raw in first, "what comes again is the same record"


def test_a_change_that_the_server_showed_late_is_in_the_overlap(desk: Desk) -> None:
    early = desk.clock.wall()
    desk.step(60)
    desk.server.put(booked("a1"))
    desk.step()
    desk.round()
    desk.server.put(booked("late"), at=early)
    desk.round()
    assert desk.ids == ["a1", "late"]


def test_pages_are_followed_on_the_host_that_is_known(desk: Desk) -> None:
    desk.server.page, desk.server.host = 2, "http://inside.example:8080"
    for number in range(7):
        desk.server.put(booked(f"a{number}"))
        desk.step(1)
    desk.round()
    assert len(set(desk.ids)) == 7
    assert {request.url.host for request in desk.server.requests} == {"ehr.example"}


def test_all_types_are_taken_in_the_order_of_their_change(desk: Desk) -> None:
    desk.server.put(f.location("C"))
    desk.step(1)
    desk.server.put(f.encounter())
    desk.step(1)
    desk.server.put(booked("a1"))
    desk.step(1)
    desk.server.put(f.location("U"))
    desk.step(10)
    desk.round()
    assert desk.ids == ["en-A100", "a1", "or-3"], "a search tells the newest version alone"


def test_a_history_tells_every_version_and_deletions(desk: Desk) -> None:
    desk.server.history = True
    desk.server.put(booked("a1"))
    desk.step(1)
    desk.server.put(booked("a1", minutesDuration=90))
    desk.server.put(booked("a2"))
    desk.step(1)
    desk.server.delete("Appointment", "a2")
    desk.step(10)
    desk.round()
    assert desk.ids[:2] == ["a1", "a1"]
    gone = desk.intake.told[-1]
    assert gone.problem is not None
    assert gone.problem.reason is Reason.DELETED
    assert gone.about is not None
    assert gone.about.ids == ("Appointment/a2",)


def test_a_profile_may_say_what_a_deletion_means(site: Site) -> None:
    from orloop_ingest.domain.fhir import tell

    entry = {"request": {"method": "DELETE", "url": "Appointment/a2"}, "response": {"lastModified": stamp(NOON)}}
    bundle = {"resourceType": "Bundle", "type": "history", "entry": [entry]}
    told = tell(bundle, f.profile(deleted="entered_in_error"), site, NOON, "r").statements[0]
    assert isinstance(told, CaseTold)
    assert (told.act, told.creates) == (Act.ENTERED_IN_ERROR, False)


def test_more_than_a_round_takes_comes_in_the_next(desk: Desk) -> None:
    desk.server.page = 3
    for number in range(3 * MOST_PAGES + 10):
        desk.server.put(booked(f"a{number}"))  # all within the overlap: the window alone would never get on
        desk.step(0.01)
    desk.step()
    assert desk.round()
    assert len(desk.ids) == 3 * MOST_PAGES
    assert not desk.round()
    assert len(desk.ids) == len(set(desk.ids)) == 3 * MOST_PAGES + 10


def test_a_server_s_faults_are_tried_again_and_its_word_on_when_is_kept(desk: Desk) -> None:
    desk.server.put(booked("a1"))
    desk.step()
    desk.server.faults = [
        httpx.ConnectError("away"),
        httpx.Response(429, headers={"Retry-After": "17"}),
        httpx.Response(503),
        httpx.Response(200, text="<html>"),
    ]
    desk.round()
    assert desk.ids == ["a1"]
    assert len(desk.slept) == 4
    assert 17 <= desk.slept[1] < 30


def test_a_server_that_stays_away_fails_the_round_and_loses_nothing(desk: Desk) -> None:
    desk.server.put(booked("a1"))
    desk.step()
    desk.server.faults = [httpx.ConnectError("away")] * 5
    with pytest.raises(ServerAway):
        desk.round()
    desk.round()
    assert desk.ids == ["a1"]


def test_what_we_may_not_read_is_told_at_once(desk: Desk) -> None:
    desk.server.faults = [httpx.Response(403)]
    with pytest.raises(ServerAway, match="403"):
        desk.round()
    assert desk.slept == []


def test_a_disk_that_takes_nothing_leaves_the_cursor_where_it_was(desk: Desk) -> None:
    desk.server.put(booked("a1"))
    desk.step()
    desk.intake.away = True
    with pytest.raises(Exception, match="journal"):
        desk.round()
    desk.restart()
    desk.round()
    assert desk.ids == ["a1"]


def test_a_catch_up_query_pays_what_was_owed(desk: Desk) -> None:
    desk.cursors.counted("Subscription/s1", Count(done=4, owed=True, known=True))
    desk.server.faults = [httpx.ConnectError("away")] * 5
    with pytest.raises(ServerAway):
        desk.round()
    assert Cursors(desk.folder, "EHR-FHIR").owed
    desk.round()
    assert not Cursors(desk.folder, "EHR-FHIR").owed


def test_a_torn_cursor_file_is_begun_anew(desk: Desk) -> None:
    desk.server.put(booked("a1"))
    desk.step()
    desk.round()
    (desk.folder / "EHR-FHIR.json").write_text('{"since": {"Appoin')
    desk.restart()
    desk.round()
    assert desk.ids == ["a1"]


def test_an_unreadable_resource_does_not_stop_the_round(desk: Desk) -> None:
    desk.server.put(booked("a1", start="soon"))
    desk.step(1)
    desk.server.put(booked("a2"))
    desk.step(10)
    desk.round()
    problems = [told.problem for told in desk.intake.told]
    assert [p is None for p in problems] == [False, True]


def test_run_asks_again_when_it_is_woken_and_survives_a_server_that_is_away(desk: Desk) -> None:
    desk.server.faults = [httpx.Response(403)]

    async def go() -> None:
        running = asyncio.create_task(desk.poller.run())
        await asyncio.sleep(0.05)
        desk.server.put(booked("a1"))
        desk.step()
        desk.poller.ask()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if desk.intake.bodies:
                break
        running.cancel()

    asyncio.run(go())
    assert desk.ids == ["a1"]


def test_the_server_is_asked_with_a_token_that_is_kept_and_renewed_once_it_is_refused(
    site: Site, tmp_path: Path
) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "smart.pem").write_bytes(pem)
    smart = SmartRules(
        token_url="https://idp.example/token", client_id="orloop", key_file=tmp_path / "smart.pem", scope="system/*.rs"
    )
    desk = Desk(site, tmp_path, smart=smart)
    tokens, plain = list[dict[str, Any]](), desk.server.answer

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "idp.example":
            asked = dict(parse_qsl(request.content.decode()))
            claims = jwt.decode(
                asked["client_assertion"], key.public_key(), algorithms=["ES384"], audience=smart.token_url,
                options={"verify_exp": False, "verify_iat": False},
            )  # fmt: skip
            tokens.append(claims)
            return httpx.Response(200, json={"access_token": f"t{len(tokens)}", "expires_in": 300})
        if request.headers["authorization"] == "Bearer t1" and len(desk.server.requests) >= 3:
            return httpx.Response(401)  # revoked early
        return plain(request)

    desk.server.answer = answer  # type: ignore[method-assign]
    desk.restart()
    desk.server.put(booked("a1"))
    desk.step()
    desk.round()
    desk.round()
    assert desk.ids == ["a1"]
    assert [claims["iss"] for claims in tokens] == ["orloop", "orloop"], "one token for all requests, one after the 401"
    assert len({claims["jti"] for claims in tokens}) == 2


def test_a_server_that_does_not_page_is_asked_for_more_at_once_and_nothing_is_cut_off(desk: Desk) -> None:
    plain = desk.server.answer

    def answer(request: httpx.Request) -> httpx.Response:
        desk.server.page = int(request.url.params.get("_count", 9))
        told = plain(request).json()
        told.pop("link", None)
        return httpx.Response(200, json=told)

    desk.server.answer = answer  # type: ignore[method-assign]
    desk.more = {"page": 3}
    desk.restart()
    for number in range(40):
        desk.server.put(booked(f"a{number}"))
    desk.step()
    desk.round()
    assert len(set(desk.ids)) == 40
