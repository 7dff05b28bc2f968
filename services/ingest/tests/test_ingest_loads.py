"""Files at the desk: rows read strictly, all or none, the same file twice is once, and who is believed."""

import asyncio
import dataclasses
import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest

from orloop_common.domain import events as e
from orloop_common.domain.site import Truth
from orloop_common.messages.sitefile import SiteFileError, parse_site
from orloop_common.runtime.auth import Role, Tokens
from orloop_common.testing import ManualClock
from orloop_ingest.adapters.desk import add_desk
from orloop_ingest.adapters.manual import ManualDoor, build_app
from orloop_ingest.domain import tables as t
from orloop_ingest.ledger import Ledger

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
ROSTER = """team_id,role,skills,shift_start,shift_end
A1,anaesthesia,regional;cardiac,2026-03-02T07:00,2026-03-02T15:30
A2,anaesthesia,,2026-03-02T07:00,2026-03-02T19:00
C1,cleaning,,2026-03-02T06:00,2026-03-02T14:00
"""


class Writer:
    """Has every output at once, and folds it."""

    def __init__(self, ledger):
        self.ledger, self.taken = ledger, []

    def write(self, outputs):
        async def done():
            self.taken += outputs
            for output in outputs:
                self.ledger.fold(output.message)
            return []

        return asyncio.ensure_future(done())


class Files:
    """The desk's routes without a socket."""

    def __init__(self, site):
        self.clock, self.ledger = ManualClock(NOW), Ledger(site, ["main"])
        self.writer, self.tokens = Writer(self.ledger), Tokens("t" * 40, self.clock)
        door = ManualDoor(site, self.ledger, self.writer, self.clock, self.tokens)
        self.app = build_app(door)
        add_desk(self.app, door)

    def post(self, path, body, role=Role.INTERFACE_ANALYST):
        headers = {"Authorization": f"Bearer {self.tokens.mint('anna', role, 'main')}"}

        async def ask():
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
                return await client.post(f"/v1/suites/main/{path}", json=body, headers=headers)

        return asyncio.run(ask())

    def load(self, kind, content, **more):
        return self.post(f"files/{kind}", {"content": content, **more})

    @property
    def events(self):
        return [output.message for output in self.writer.taken]

    @property
    def day(self):
        return self.ledger.day("main")


@pytest.fixture
def files(site):
    return Files(site)


def test_a_roster_is_one_event_for_each_role_with_its_version_as_cause(files):
    answer = files.load("roster", ROSTER, source="kronos")
    assert (answer.status_code, answer.json()["written"]) == (202, 2)
    anaesthesia, cleaning = files.events
    assert [entry.team for entry in anaesthesia.entries] == ["A1", "A2"]
    assert anaesthesia.entries[0].skills == ("regional", "cardiac")
    assert anaesthesia.entries[0].shift_start == datetime(2026, 3, 2, 6, tzinfo=UTC), "site time: Berlin"
    assert (cleaning.role, cleaning.reported_by, cleaning.at) == ("cleaning", "kronos", NOW)
    assert files.writer.taken[0].cause == f"file/roster/kronos/{answer.json()['version'][:16]}"
    assert not files.day.refused


def test_the_same_file_again_makes_no_event_in_csv_or_json(files):
    first = files.load("roster", ROSTER)
    files.clock.set(NOW + timedelta(hours=1))
    again = files.load("roster", ROSTER.replace(",", ";").replace("regional;cardiac", "regional"))
    assert again.json()["written"] == 1, "another list of skills is another roster"
    rows = [
        dict(zip(ROSTER.splitlines()[0].split(","), line.split(","), strict=True)) for line in ROSTER.splitlines()[1:]
    ]
    back = files.load("roster", json.dumps({"rows": rows}))
    assert (back.json()["written"], back.json()["version"]) == (1, first.json()["version"])
    last = files.load("roster", ROSTER).json()
    assert (last["written"], last["unchanged"], last["version"]) == (0, 2, first.json()["version"])
    assert len(files.events) == 4


def test_an_older_version_does_not_replace_a_newer_one(files):
    files.load("beds", "unit,capacity\npacu,8\n", as_of="2026-03-02T05:30:00Z")
    answer = files.load("beds", "unit,capacity\npacu,6\n", as_of="2026-03-02T05:00:00Z").json()
    assert [line["outcome"] for line in answer["lines"]] == ["superseded"]
    assert answer["warnings"]
    assert len(files.events) == 1


def test_a_dry_run_shows_the_events_and_writes_none(files):
    answer = files.load("equipment", "kind,free,in_use\nLAPTOWER,2,1\n", dry_run=True)
    assert (answer.status_code, files.events) == (200, [])
    (line,) = answer.json()["lines"]
    assert (line["type"], line["event"]["free"], line["outcome"]) == ("EquipmentChanged", 2, "new")


def test_blocks_of_one_room_stand_beside_each_other(files):
    rows = (
        "room,owner,status,start,end\n"
        "3,orthopaedics,allocated,2026-03-02T07:30,2026-03-02T12:00\n"
        "3,urology,allocated,2026-03-02T12:00,2026-03-02T16:00\n"
    )
    assert files.load("blocks", rows).json()["written"] == 2
    assert sorted(block.owner for block in files.day.blocks.values()) == ["orthopaedics", "urology"]


@pytest.mark.parametrize(
    ("kind", "content", "fault"),
    [
        ("roster", ROSTER.replace("T15:30", "T25:30"), "line 2, column shift_end: Expected a time"),
        ("roster", ROSTER.replace("T15:30", "T05:30"), "line 2, column shift_end: Expected a time after shift_start"),
        ("roster", ROSTER.replace("cleaning", "porter"), "line 4, column role: Expected one of anaesthesia"),
        (
            "roster",
            ROSTER.replace("A2", "A1"),
            "line 3, column team_id: Expected each of them once, got the same as in",
        ),
        ("roster", ROSTER.replace(",2026-03-02T14:00", ""), "line 4: Expected 5 cells, got 4"),
        ("roster", ROSTER.replace("team_id", "name"), "line 2, column team_id: Expected a value, got nothing"),
        ("roster", "a,b\n1,2\n", "line 1: Expected the columns team_id"),
        ("roster", 'team_id,role\n"A1,x', "line 2: Expected well-formed CSV"),
        ("roster", "team_id,role,shift_start,shift_end\n", "the file: Expected at least one row, got none"),
        ("beds", '[{"unit": "pacu", "capacity": -1}]', "row 1, column capacity: Expected a whole number"),
        ("beds", '[{"unit": "pacu",]', "line 1: Expected well-formed JSON"),
        ("beds", "unit,capacity,colour\npacu,8,red\n", "line 2, column colour: Expected one of the columns"),
        ("blocks", "room,owner,status,start,end\n9,x,released,2026-03-02T07:30Z,2026-03-02T12:00Z\n", "rooms 1, 3"),
    ],
)
def test_a_fault_is_told_with_line_and_column_and_nothing_is_written(files, kind, content, fault):
    answer = files.load(kind, content)
    assert answer.status_code == 422
    assert any(fault in line for line in answer.json()["faults"]), answer.json()["faults"]
    assert files.events == []


def test_every_fault_of_a_file_is_told_at_once(files):
    answer = files.load("beds", "unit,capacity\npacu,x\nattic,3\nicu,5\n")
    assert [line.partition(":")[0] for line in answer.json()["faults"]] == [
        "line 2, column capacity",
        "line 3, column unit",
    ]


def test_a_roster_that_no_record_can_hold_is_refused(files):
    shift = "nursing,2026-03-02T07:00,2026-03-02T15:00"
    content = "team_id,role,shift_start,shift_end\n" + "".join(f"T{n},{shift}\n" for n in range(1001))
    assert files.load("roster", content).json()["faults"] == [
        "the file, column role: Expected at most 1000 rows of one role, got 1001 of nursing."
    ]


def test_an_hour_that_comes_twice_needs_its_offset():
    read = t.moment(ZoneInfo("Europe/Berlin"))
    assert read("2026-10-25T02:30+01:00") == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    for given in ("2026-10-25T02:30", "2026-03-29T02:30"):
        with pytest.raises(t.Expected, match="offset"):
            read(given)


def test_a_private_cell_is_never_shown():
    table = t.read_table("name\nZzyxcanary\n", [t.Column("name", t.count(), private=True)])
    assert table.faults == ["line 2, column name: Expected a whole number from 0 to 500, got another value."]


def test_a_source_of_lower_rank_never_overrides_in_silence(site):
    files = Files(dataclasses.replace(site, truth=Truth(staffing=("kronos", "manual"), rooms=("manual", "bms"))))
    files.load("roster", ROSTER, source="kronos")
    files.clock.set(NOW + timedelta(minutes=5))
    other = ROSTER.replace("A2,anaesthesia,,2026-03-02T07:00,2026-03-02T19:00\n", "")
    answer = files.load("roster", other, source="excel")
    assert answer.status_code == 202
    assert {line["outcome"] for line in answer.json()["lines"]} == {"outranked", "unchanged"}
    assert "kronos is believed before" in answer.json()["warnings"][0]
    disagreed = files.events[-1]
    assert isinstance(disagreed, e.SourceDisagreed)
    assert (disagreed.subject, disagreed.first) == ("roster:anaesthesia", "kronos: 2 teams")
    assert len(files.day.rosters["anaesthesia"].entries) == 2
    assert files.load("roster", other, source="excel").json()["written"] == 0, "told once"
    assert files.load("roster", other, source="kronos").json()["written"] == 1, "the source of truth changes its mind"


def test_a_person_may_not_override_the_source_of_truth_in_silence_either(site):
    files = Files(dataclasses.replace(site, truth=Truth(staffing=("kronos",))))
    files.load("roster", ROSTER, source="kronos")
    files.clock.set(NOW + timedelta(minutes=5))
    shift = {"shift_start": "2026-03-02T07:00:00Z", "shift_end": "2026-03-02T16:00:00Z"}
    answer = files.post("roster", {"entries": [{"team_id": "C9", "role": "cleaning", **shift}]}, Role.BOARD_RUNNER)
    assert (answer.status_code, "believed" in answer.json()["warning"]) == (202, True)
    assert isinstance(files.events[-1], e.SourceDisagreed)


def test_a_viewer_loads_nothing(files):
    assert files.post("files/beds", {"content": "unit,capacity\npacu,8\n"}, Role.VIEWER).status_code == 403
    assert files.events == []


def test_a_site_file_with_an_unknown_truth_is_refused():
    text = "site: x\ntimezone: UTC\nsuites: [{id: main, rooms: []}]\ntruth: "
    assert parse_site(text + "{staffing: [kronos]}").truth == Truth(staffing=("kronos",))
    with pytest.raises(SiteFileError, match="staffing"):
        parse_site(text + "{beds: [x]}")
