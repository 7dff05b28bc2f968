"""The worklist's door: the sender's own words for people with a token, a word on the log once, nothing of a patient."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from writing_back import CANARY, CIPHER, Mesh, identity, sealed

from orloop_common.domain import events as e
from orloop_common.runtime import SystemClock
from orloop_common.runtime.auth import Role, Tokens
from orloop_common.testing.suite import booked, change, clock, small_site
from orloop_writeback.adapters import door as doors
from orloop_writeback.adapters.inbox import Inbox
from orloop_writeback.domain.routes import Route, Way

SECRET = "s" * 40
TOKENS = Tokens(SECRET, SystemClock())
A = change("hip", ("1", "10:30"), ("2", "12:30"))
B = change("knee", ("2", "12:30"), ("3", "12:30"))


@dataclass
class Desk:
    """A log, write-back on it in a thread of its own, and its door."""

    mesh: Mesh
    inbox: Inbox
    door: doors.WorklistDoor
    stop: threading.Event = field(default_factory=threading.Event)

    def ask(self, method: str, path: str, role: Role | None = Role.BOARD_RUNNER, **more: Any) -> httpx.Response:
        headers, suite = more.pop("headers", {}), more.pop("suite", "main")
        if role is not None:
            headers["Authorization"] = f"Bearer {TOKENS.mint('anna', role, suite)}"

        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(doors.build_app(self.door))
            async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
                return await client.request(method, f"/v1/suites/{path}", headers=headers, **more)

        return asyncio.run(go())

    def lines(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", "main/worklist").json()["lines"]
        return found


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(doors, "PATIENCE", 2.0)
    mesh, inbox = Mesh(routes=(Route(way=Way.MANUAL),)), Inbox()
    mesh.people = inbox  # type: ignore[assignment]
    mesh.flow._words = inbox
    mesh.approve(A, B)
    for case in ("hip", "knee"):
        mesh.identify(case, sealed(case, identity(filler=f"C-{case}")))
    mesh.run()
    made = Desk(mesh, inbox, doors.WorklistDoor(small_site(), mesh.flow.lines, inbox, CIPHER.decrypt, TOKENS))

    def loop() -> None:
        while not made.stop.is_set():
            mesh.core.step()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    yield made
    made.stop.set()
    thread.join(5)


def test_lines_are_in_the_senders_words_and_in_the_order_in_which_rooms_come_free(desk: Desk) -> None:
    first, second = desk.lines()
    assert (first["case_id"], first["state"], first["behind"]) == ("C-knee", "now", [])
    assert (second["case_id"], second["state"], second["behind"]) == ("C-hip", "after", [1])
    assert second["now"] == {"room": "OR1", "ours": "1", "start": "2026-03-02T10:30:00+00:00"}
    assert second["to"] == {"room": "OR2", "ours": "2", "start": "2026-03-02T12:30:00+00:00"}
    assert (second["source"], second["minutes"]) == ("TWIN", 60)


def test_nothing_of_the_patient_leaves_and_nothing_is_kept_by_a_browser(desk: Desk) -> None:
    answer = desk.ask("GET", "main/worklist")
    assert answer.headers["Cache-Control"] == "no-store"
    assert all(word not in answer.text for canary in CANARY for word in canary.split("^"))


@pytest.mark.parametrize(
    ("role", "suite", "path", "status"),
    [
        (None, "main", "main/worklist", 401),
        (Role.VIEWER, "main", "main/worklist", 403),
        (Role.BOARD_RUNNER, "other", "main/worklist", 403),
        (Role.BOARD_RUNNER, "main", "nowhere/worklist", 404),
    ],
)
def test_a_token_of_a_board_runner_of_this_suite_is_needed(
    desk: Desk, role: Role | None, suite: str, path: str, status: int
) -> None:
    answer = desk.ask("GET", path, role, suite=suite)
    assert answer.status_code == status
    assert "C-hip" not in answer.text


def test_a_token_that_has_ended_opens_nothing(desk: Desk) -> None:
    old = TOKENS.mint("anna", Role.BOARD_RUNNER, "main", timedelta(minutes=-5))
    answer = desk.ask("GET", "main/worklist", None, headers={"Authorization": f"Bearer {old}"})
    assert answer.status_code == 401


def test_done_is_on_the_log_before_it_is_answered_and_counts_by_the_echo(desk: Desk) -> None:
    answer = desk.ask("POST", "main/worklist/p1/knee/done")
    assert answer.status_code == 202
    (event,) = [m for m in desk.mesh.log() if isinstance(m, e.ChangeAnswered)]
    assert event.id == answer.json()["event_id"]
    assert event.text == "Keyed in by anna."
    assert desk.mesh.outcomes()["knee"] == "acknowledged"
    assert [line["state"] for line in desk.lines() if line["case"] == "knee"] == ["entered"]


def test_cannot_keeps_the_persons_words_without_the_patient(desk: Desk) -> None:
    words = {"text": "Ottilie Zimtstern (990017) is in the room already"}
    assert desk.ask("POST", "main/worklist/p1/knee/cannot", json=words).status_code == 202
    (event,) = [m for m in desk.mesh.log() if isinstance(m, e.ChangeAnswered)]
    assert event.text == "Not keyed in, says anna. … … (…) is in the room already"
    assert desk.mesh.outcomes() == {"hip": "stopped", "knee": "refused"}
    assert desk.lines() == []


def test_a_line_that_is_gone_is_404_with_what_to_try(desk: Desk) -> None:
    desk.mesh.say(booked("knee", "3", "12:30", version=2))
    answer = desk.ask("POST", "main/worklist/p1/ear/done")
    assert answer.status_code == 404
    assert "read the worklist again" in answer.json()["hint"]


def test_a_word_that_the_log_does_not_confirm_in_time_is_503_and_counts_once_when_said_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.stop.set()
    monkeypatch.setattr(doors, "PATIENCE", 0.2)
    assert desk.ask("POST", "main/worklist/p1/knee/done").status_code == 503
    assert desk.ask("POST", "main/worklist/p1/knee/done").status_code == 503
    desk.mesh.run()
    assert len([m for m in desk.mesh.log() if isinstance(m, e.ChangeAnswered)]) == 1


def test_an_identity_that_our_key_does_not_open_keeps_our_own_words(desk: Desk) -> None:
    desk.stop.set()
    desk.mesh.identify("knee", "locked")
    desk.mesh.run()
    found = {line["case"]: line for line in desk.lines()}
    assert (found["knee"]["case_id"], found["knee"]["to"]["room"]) == ("", "OR3")
    assert json.dumps(found["knee"]["decided"]) == f'"{clock("09:00").isoformat()}"'
