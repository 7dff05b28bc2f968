"""`POST files/backload` and `files/reconcile`: rows, messages and bundles, rehearsed or loaded; all of it, or none."""

import asyncio
import json

import fhir_parts as f
import httpx
import pytest

from orloop_common.runtime.auth import Role, Tokens
from orloop_ingest.adapters.load_desk import LoadDesk, add_load_desk
from orloop_ingest.adapters.manual import ManualDoor, build_app
from orloop_ingest.reception import Reception

ROWS = "case_id,start,minutes,room,service\nA100,2026-03-02T10:00,90,OR3,ORT\nA200,2026-03-02T13:00,60,OR1,URO\n"


class Loading:
    """The routes without a socket, on the reception of `desk`."""

    def __init__(self, desk):
        self.desk, self.tokens = desk, Tokens("t" * 40, desk.clock)
        intake = f.FoldingIntake(desk.reception, desk.ledger)
        intake.take_message = self.take_message
        door = ManualDoor(desk.site, desk.ledger, None, desk.clock, self.tokens)
        self.app = build_app(door)
        fhir = f.profile(namespace="TWIN")
        add_load_desk(self.app, LoadDesk(door, intake, self.rehearse, {}, {fhir.source: fhir}))

    def rehearse(self):
        old = self.desk.reception
        return Reception(
            self.desk.site, self.desk.ledger.copy(), old._pseudonyms, lambda body: b"sealed", self.desk.clock
        )

    async def take_message(self, frame):
        return self.desk.tell(frame.payload)

    def post(self, path, content, role=Role.INTERFACE_ANALYST, **more):
        headers = {"Authorization": f"Bearer {self.tokens.mint('anna', role, 'main')}"}

        async def ask():
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
                url = f"/v1/suites/main/files/{path}"
                return await client.post(url, json={"content": content, **more}, headers=headers)

        return asyncio.run(ask())

    def load(self, content, **more):
        answer = self.post("backload", content, **more)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.text.splitlines()[-1])

    @property
    def cases(self):
        return self.desk.ledger.day("main").cases


@pytest.fixture
def loading(desk):
    return Loading(desk)


def bundle(*resources):
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]})


def test_a_dry_run_says_what_a_load_will_do_and_does_nothing(loading):
    rehearsed = loading.load(ROWS, dry_run=True)["summary"]
    assert dict(loading.cases) == {}
    assert loading.load(ROWS)["summary"] == rehearsed
    assert rehearsed["loaded"] == len(loading.cases) == 2
    again = loading.load(ROWS)["summary"]
    assert (again["unchanged"], again["events"]) == (2, 0)


def test_progress_is_told_on_the_way(loading):
    rows = "".join(f"B{n},2026-03-02T10:00,30,OR3,ORT\n" for n in range(120))
    answer = loading.post("backload", "case_id,start,minutes,room,service\n" + rows)
    told = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["done"] for line in told[:-1]] == [50, 100, 120]
    assert told[-1]["summary"]["loaded"] == 120


def test_a_bundle_of_appointments_is_loaded_as_the_fhir_feed_tells_it(loading, siu):
    done = loading.load(bundle(f.appointment(), f.appointment(status="bogus", id="x2")))
    assert done["summary"]["loaded"] == 1
    assert done["summary"]["quarantined"] == 1
    assert done["problems"][0].startswith("entry 2: ")
    assert len(loading.cases) == 1
    loading.desk.tell(siu())
    assert len(loading.cases) == 1, "HL7 speaks of the same case"


def test_what_the_feed_has_told_is_left_to_the_feed(loading, siu):
    loading.desk.tell(siu(start="20260302110000+0000", end="20260302120000+0000"))
    told = loading.load(ROWS)["summary"]
    assert (told["loaded"], told["left_to_feed"]) == (1, 1)
    assert loading.desk.case().schedule.start.hour == 11


def test_a_file_of_messages_is_read_as_if_they_were_sent(loading, siu):
    content = (siu() + siu(case="A200", control="M2")).replace(b"\r", b"\r\n").decode()
    assert loading.load(content)["summary"]["loaded"] == 2
    assert len(loading.cases) == 2


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (ROWS.replace("OR1", "OR7"), "line 3, column room"),
        ('{"resourceType": "Bundle",}', "line 1: Expected well-formed JSON"),
        ('{"resourceType": "Bundle", "entry": []}', "Expected resources in the bundle"),
    ],
)
def test_one_fault_and_nothing_is_loaded(loading, content, fault):
    answer = loading.post("backload", content)
    assert answer.status_code == 422
    assert any(fault in line for line in answer.json()["faults"]), answer.json()["faults"]
    assert dict(loading.cases) == {}


def test_a_feed_that_is_none_of_the_suite_is_named(loading):
    answer = loading.post("backload", ROWS, feed="EPIC")
    assert (answer.status_code, answer.json()["hint"]) == (422, "Maybe one of TWIN.")


def test_only_interface_analysts_load_the_schedule(loading):
    assert loading.post("backload", ROWS, role=Role.BOARD_RUNNER).status_code == 403
    assert loading.post("reconcile", ROWS, role=Role.BOARD_RUNNER).status_code == 403


def test_reconcile_answers_with_the_day_and_its_findings(loading, canaries):
    loading.load(ROWS)
    told = loading.post("reconcile", ROWS.replace("A200", "A201")).json()
    assert (told["day"], told["compared"], told["agreeing"]) == ("2026-03-02", 2, 1)
    assert [finding["kind"] for finding in told["findings"]] == ["missing", "extra"]
    assert [word for word in (*canaries, "A200", "A201") if word in json.dumps(told)] == []
