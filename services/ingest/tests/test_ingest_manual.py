"""The manual door over HTTP, with a writer that only says whether the broker would have it."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest

from orloop_common.domain import events as e
from orloop_common.domain.vocabulary import BedUnit, ReadinessStatus, Source
from orloop_common.runtime.auth import Role, Tokens
from orloop_common.runtime.errors import NotDurable
from orloop_common.testing import ManualClock
from orloop_ingest.adapters.manual import ManualDoor, build_app
from orloop_ingest.ledger import Ledger

NOW = datetime(2026, 3, 2, 10, 30, 20, tzinfo=UTC)


class FakeWriter:
    """Takes outputs, or says that the broker is away."""

    def __init__(self):
        self.taken, self.away = [], False

    def write(self, outputs):
        async def done():
            if self.away:
                raise NotDurable("Expected the broker to acknowledge within 5 s, got nothing.\nMaybe it is away.")
            self.taken += outputs
            return []

        return asyncio.ensure_future(done())


class Client:
    """Asks the app without a socket."""

    def __init__(self, app):
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def request(self, method, path, **more):
        async def ask():
            async with httpx.AsyncClient(transport=self._transport, base_url="http://door") as client:
                return await client.request(method, path, **more)

        return asyncio.run(ask())

    def post(self, path, **more):
        return self.request("POST", path, **more)

    def get(self, path):
        return self.request("GET", path)


class Door:
    def __init__(self, site):
        self.clock, self.writer, self.ledger = ManualClock(NOW), FakeWriter(), Ledger(site, ["main"])
        self.tokens = Tokens("t" * 40, self.clock)
        app = build_app(ManualDoor(site, self.ledger, self.writer, self.clock, self.tokens))
        self.client = Client(app)

    def post(self, path, body=None, role=Role.BOARD_RUNNER, suite="main", token=None, **headers):
        token = token or self.tokens.mint("anna", role, suite)
        headers = {"Authorization": f"Bearer {token}", **headers}
        return self.client.post(f"/v1/suites/main/{path}", json=body, headers=headers)

    @property
    def events(self):
        return [output.message for output in self.writer.taken]


@pytest.fixture
def door(site):
    return Door(site)


def test_a_room_down_is_on_the_log_when_202_is_answered(door):
    answer = door.post("rooms/3/down", {"cause": "air flow alarm", "expected_until": "2026-03-02T13:00:00Z"})
    (event,) = door.events
    assert (answer.status_code, answer.json()) == (202, {"event_id": event.id})
    assert event == e.RoomWentDown(
        id=event.id,
        suite="main",
        at=NOW,
        room="3",
        cause="air flow alarm",
        until=datetime(2026, 3, 2, 13, tzinfo=UTC),
        reported_by="anna",
    )


def test_every_report_becomes_its_event(door):
    shift = {"shift_start": "2026-03-02T07:00:00Z", "shift_end": "2026-03-02T16:00:00Z"}
    hours = {"from": "2026-03-02T11:00:00Z", "to": "2026-03-02T13:00:00Z"}
    reports = [
        ("rooms/3/restored", {}, e.RoomRestored),
        ("rooms/3/cleaning", {"status": "cleaning", "kind": "terminal", "team": "C01"}, e.CleaningStatusChanged),
        ("staff-short", {"role": "anaesthesia", "missing": 1, **hours}, e.StaffShort),
        ("roster", {"entries": [{"team_id": "A1", "role": "anaesthesia", **shift}]}, e.RosterChanged),
        ("beds", {"unit": "pacu", "capacity": 8, "occupied": 3}, e.BedsChanged),
        ("equipment", {"unit": "main", "kind": "LAPTOWER", "free": 2, "in_use": 1}, e.EquipmentChanged),
        ("blocks", {"room": "3", "owner": "urology", "status": "allocated", **hours}, e.BlockChanged),
        ("exceptions", {"wish": "start before the room is released", "rule": "room-open"}, e.ExceptionRequested),
        ("replan", {"reason": "the list is late"}, e.ReplanRequested),
    ]
    for path, body, kind in reports:
        assert door.post(path, body).status_code == 202, path
        assert isinstance(door.events[-1], kind)
        door.ledger.fold(door.events[-1])
    assert door.ledger.day("main").beds[BedUnit.PACU].occupied == 3
    assert not door.ledger.day("main").refused


def test_a_report_without_a_body_is_one_of_now(door):
    assert door.post("rooms/3/restored").status_code == 202
    assert door.post("replan").status_code == 202


def test_a_roster_is_one_event_for_each_role(door):
    shift = {"shift_start": "2026-03-02T07:00:00Z", "shift_end": "2026-03-02T16:00:00Z"}
    teams = [("A1", "anaesthesia"), ("A2", "anaesthesia"), ("C1", "cleaning")]
    door.post("roster", {"entries": [{"team_id": team, "role": role, **shift} for team, role in teams]})
    assert {event.role: len(event.entries) for event in door.events} == {"anaesthesia": 2, "cleaning": 1}


def test_readiness_by_hand_names_its_source(door, desk, siu):
    case = desk.tell(siu()).events[0]
    door.ledger.fold(case)
    assert door.post(f"cases/{case.case}/readiness", {"item": "consent", "status": "done"}).status_code == 202
    assert (door.events[0].status, door.events[0].source) == (ReadinessStatus.DONE, Source.MANUAL)


def test_an_implant_and_a_milestone_of_a_case_are_told_by_hand(door, desk, siu):
    case = desk.tell(siu()).events[0]
    door.ledger.fold(case)
    hours = {"from": "2026-03-02T11:00:00Z", "to": "2026-03-02T13:00:00Z"}
    assert door.post(f"cases/{case.case}/implants", {"implant": "hip-stem-12", **hours}).status_code == 202
    told = {"milestone": "patient_in_room", "room": "3", "at": "2026-03-02T09:05:00Z"}
    assert door.post(f"cases/{case.case}/milestones", told).status_code == 202
    implant, milestone = door.events
    assert (implant.case, implant.implant) == (case.case, "hip-stem-12")
    assert milestone.at == datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
    assert (milestone.recorded, milestone.source) == (NOW, Source.MANUAL)


def test_what_is_older_than_a_day_is_entered_only_as_a_back_entry(door, desk, siu):
    case = desk.tell(siu()).events[0]
    door.ledger.fold(case)
    told = {"milestone": "patient_in_room", "at": "2026-02-27T09:05:00Z"}
    refused = door.post(f"cases/{case.case}/milestones", told)
    assert (refused.status_code, "back_entry" in refused.json()["hint"]) == (422, True)
    assert door.post(f"cases/{case.case}/milestones?back_entry=true", told).status_code == 202
    assert door.events[0].at == datetime(2026, 2, 27, 9, 5, tzinfo=UTC)
    told["at"] = "2026-01-02T09:05:00Z"
    assert door.post(f"cases/{case.case}/milestones?back_entry=true", told).status_code == 422


def test_the_same_idempotency_key_is_the_same_event(door):
    key = {"Idempotency-Key": "k1"}
    first = door.post("rooms/3/down", {"cause": "water"}, **key).json()
    door.clock.set(NOW.replace(hour=11))
    assert door.post("rooms/3/down", {"cause": "water"}, **key).json() == first
    assert door.post("rooms/3/down", {"cause": "water"}, **{"Idempotency-Key": "k2"}).json() != first
    assert len(door.events) == 2, "what is on the log is not written again"


def test_the_same_report_within_a_minute_is_the_same_event(door):
    first = door.post("rooms/3/down", {"cause": "water"}).json()
    door.clock.set(NOW.replace(second=50))
    assert door.post("rooms/3/down", {"cause": "water"}).json() == first
    door.clock.set(NOW.replace(minute=31))
    assert door.post("rooms/3/down", {"cause": "water"}).json() != first


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("rooms/99/down", {"cause": "x"}, 404, "Expected a room of suite main"),
        ("cases/c0/readiness", {"item": "consent", "status": "done"}, 404, "Expected a case"),
        ("rooms/3/explode", {}, 404, "Expected a page"),
        ("rooms/3/down", {}, 422, "cause"),
        ("rooms/3/down", {"cause": "x", "colour": "red"}, 422, "colour"),
        ("rooms/3/down", {"cause": "x", "at": "2026-03-02T10:00:00"}, 422, "at"),
        ("rooms/3/down", {"cause": "x", "at": "2026-02-02T10:00:00Z"}, 422, "Expected `at`"),
        ("rooms/3/down", {"cause": "x", "at": "2026-03-02T19:00:00Z"}, 422, "Expected `at`"),
        ("rooms/3/down", {"cause": "x", "expected_until": "2026-03-02T09:00:00Z"}, 422, "expected_until"),
        ("rooms/3/cleaning", {"status": "sparkling"}, 422, "status"),
        ("beds", {"unit": "pacu", "capacity": -1}, 422, "capacity"),
        (
            "staff-short",
            {"role": "x", "missing": 1, "from": "2026-03-02T13:00:00Z", "to": "2026-03-02T11:00:00Z"},
            422,
            "`to` after",
        ),
        ("rooms/3/down", {"cause": "x" * 300_000}, 413, "bytes"),
    ],
)
def test_a_wrong_report_is_told_what_was_expected(door, path, body, status, error):
    answer = door.post(path, body)
    assert answer.status_code == status
    assert error in answer.json()["error"]
    assert answer.json()["hint"]
    assert door.events == []


def test_a_body_that_is_no_json_is_told_so(door):
    token = door.tokens.mint("anna", Role.BOARD_RUNNER, "main")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = door.client.post("/v1/suites/main/rooms/3/down", content=b"{cause", headers=headers)
    assert answer.status_code == 422
    assert set(answer.json()) == {"error", "hint"}


def test_only_those_who_may_report_are_heard(door):
    body = {"cause": "water"}
    assert door.client.post("/v1/suites/main/rooms/3/down", json=body).status_code == 401
    assert door.post("rooms/3/down", body, token="forged").status_code == 401
    assert door.post("rooms/3/down", body, role=Role.VIEWER).status_code == 403
    assert door.post("rooms/3/down", body, suite="other").status_code == 403
    token = door.tokens.mint("anna", Role.BOARD_RUNNER, "*")
    nowhere = door.client.post("/v1/suites/no/beds", json={}, headers={"Authorization": f"Bearer {token}"})
    assert nowhere.status_code == 404
    assert door.events == []


def test_a_report_that_is_not_durable_is_503_and_may_be_sent_again(door):
    door.writer.away = True
    answer = door.post("rooms/3/down", {"cause": "water"})
    assert answer.status_code == 503
    assert "broker" in answer.json()["error"]
    assert not door.ledger.known("main").day.rooms
    door.writer.away = False
    assert door.post("rooms/3/down", {"cause": "water"}).status_code == 202
    assert len(door.events) == 1


def test_the_door_describes_itself(door):
    paths = door.client.get("/openapi.json").json()["paths"]
    assert len([path for path in paths if path.startswith("/v1/suites/{suite}/")]) >= 13
