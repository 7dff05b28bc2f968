"""Go-live and downtime: rows of booked cases told like messages, a day compared, milestones entered afterwards."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from orloop_common.domain.vocabulary import Source
from orloop_ingest.domain import backentry, booked, reconciling
from orloop_ingest.domain import tables as t
from orloop_ingest.domain.hl7.profile import default_profile
from orloop_ingest.intake import raw_id

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PATIENT = "patient_id,patient_assigner,patient_id_type,patient_name,birth_date,sex"
ROWS = f"""case_id,start,minutes,room,service,procedure_code,surgeon_id,urgency,{PATIENT}
A100,2026-03-02T10:00,90,OR3,ORT,5-820,S017,4,CANARYMRN77,DEMO,MR,Zzyxcanary^Ada,1951-11-23,F
A200,2026-03-02T13:00,60,1,urology,5-573,S020,elective,,,,,,
"""


@pytest.fixture
def columns(site):
    return booked.columns(site, "main", default_profile(site, "TWIN"))


def read(text, columns, *, whole=True):
    table = t.read_table(text, columns)
    booked.check(table, whole=whole)
    return table


def backload(desk, text, columns):
    """As the desk does: a body for each row, told through the reception."""
    origin = booked.Origin(feed="TWIN", suite="main", namespace="TWIN", source="backload", site="test", facility="DEMO")
    received = []
    for row in read(text, columns).rows:
        body = booked.body_of(row, origin, None)
        told = booked.told_by(body, desk.clock.now(), raw_id(booked.KIND, "backload", body))
        done = desk.reception.read(desk.reception.arrive_told(told, body, booked.KIND))
        for record in done.records:
            desk.ledger.fold_record(record)
        for event in done.events:
            desk.ledger.fold(event)
        desk.reception.settled(done)
        received.append(done)
    return received


def test_a_booked_row_is_the_case_that_the_feed_will_speak_of(desk, siu, columns):
    first, _ = backload(desk, ROWS, columns)
    (scheduled,) = first.events
    assert (scheduled.room, scheduled.service, scheduled.booked) == ("3", "orthopaedics", timedelta(minutes=90))
    assert (scheduled.start, scheduled.age_band) == (datetime(2026, 3, 2, 9, tzinfo=UTC), "70-79")
    assert scheduled.patient_key
    case = scheduled.case
    moved = desk.tell(siu("S13", control="M2", version="V2", start="20260302100000+0000", end="20260302113000+0000"))
    assert [event.case for event in moved.events] == [case]
    assert desk.case().schedule.start == datetime(2026, 3, 2, 10, tzinfo=UTC)
    ended = desk.tell(siu("S15", control="M3", version="V3"))
    assert [event.case for event in ended.events] == [case]
    assert desk.case().status == "cancelled"


def test_a_row_that_says_what_the_feed_said_makes_no_event(desk, siu, columns):
    desk.tell(
        siu(drop=("NTE", "AIG"), replace={"AIS": "AIS|1||5-820^5-820^local|||||||Booked", "AIP": "AIP|1||S017|SURGEON"})
    )
    first, second = backload(desk, ROWS, columns)
    assert first.events == ()
    assert len(second.events) == 1
    again = backload(desk, ROWS, columns)
    assert [done.events for done in again] == [(), ()]


def test_a_stored_row_is_told_again_the_same(columns):
    row = read(ROWS, columns).rows[0]
    origin = booked.Origin(feed="TWIN", suite="main", namespace="TWIN", source="backload", site="test")
    body = booked.body_of(row, origin, NOON - timedelta(hours=1))
    told = booked.told_by(body, NOON, "r1")
    assert told == booked.told_by(body, NOON, "r1")
    assert told.at == NOON - timedelta(hours=1)
    assert told.statements[0].ref.patient.name == "Zzyxcanary^Ada"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("OR3", "OR9"), "line 2, column room: Expected one of"),
        (("ORT", "XYZ"), "line 2, column service: Expected one of"),
        (("2026-03-02T13:00", ""), "line 3, column start: Expected a value"),
        ((",60,", ",,"), "line 3, column minutes: Expected a value here or in end"),
        (("A200", "A100"), "line 3, column case_id: Expected each case once, got the same as in line 2."),
        (("1951-11-23", "the fifties"), "line 2, column birth_date: Expected a birth date"),
        ((",90,", ",0,"), "line 2, column minutes: Expected a whole number from 1"),
    ],
)
def test_a_row_that_cannot_be_booked_is_named_without_its_patient(columns, canaries, change, fault):
    table = read(ROWS.replace(*change), columns)
    assert any(line.startswith(fault) for line in table.faults), table.faults
    assert [word for word in (*canaries, "fifties", "A100") for line in table.faults if word in line] == []


def reconcile(desk, text, columns, on=date(2026, 3, 2)):
    known = desk.ledger.known("main")
    return reconciling.reconcile(read(text, columns, whole=False).rows, known.day, known.identities, "TWIN", on)


def test_a_day_that_agrees_has_no_findings(desk, columns):
    backload(desk, ROWS, columns)
    done = reconcile(desk, ROWS, columns)
    assert (done.compared, done.agreeing, done.findings) == (2, 2, ())


def test_missing_extra_and_different_are_told_with_the_field(desk, siu, columns):
    backload(desk, ROWS, columns)
    desk.tell(siu(case="A300", control="M9", start="20260302140000+0000", end="20260302150000+0000"))
    extract = (
        "case_id,start,minutes,room,status\n"
        "A100,2026-03-02T10:15,90,1,\n"  # another time and room
        "A200,2026-03-02T13:00,60,1,cancelled\n"
        "A400,2026-03-02T15:00,30,3,\n"
        "A500,2026-03-02T16:00,30,3,cancelled\n"  # neither of us has it open
    )
    done = reconcile(desk, extract, columns)
    found = [(f.kind, f.place, f.field, f.theirs, f.ours) for f in done.findings]
    assert found == [
        ("different", "line 2", "start", "2026-03-02T09:15Z", "2026-03-02T09:00Z"),
        ("different", "line 2", "room", "1", "3"),
        ("different", "line 3", "status", "cancelled", "booked"),
        ("missing", "line 4", "", "room 3, 2026-03-02T14:00Z", ""),
        ("extra", "", "", "", "room 3, orthopaedics, 2026-03-02T14:00Z"),
    ]
    assert done.agreeing == 1
    assert all("A400" not in json.dumps(f.theirs) for f in done.findings)


def test_a_case_of_another_day_is_not_extra(desk, siu, columns):
    desk.tell(siu(case="A300", control="M9", start="20260303140000+0000", end="20260303150000+0000"))
    assert reconcile(desk, ROWS, columns).findings[0].kind == "missing"
    assert all(f.kind != "extra" for f in reconcile(desk, ROWS, columns).findings)
    rows = read(ROWS, columns, whole=False).rows
    assert reconciling.day_of(rows, desk.ledger.day("main")) == date(2026, 3, 2)


MILESTONES = "case_id,milestone,at,room\nA100,WHEELS_IN,2026-03-02T10:05,OR3\nA100,procedure_start,2026-03-02T10:31,3\n"


def enter(desk, site, text, back_entry=False):
    known, now = desk.ledger.known("main"), desk.clock.now()
    table = t.read_table(text, booked.milestone_columns(site, "main", default_profile(site, "TWIN")))
    oldest = now - timedelta(days=30 if back_entry else 1)
    found = backentry.entered(table, known.day, known.identities, "TWIN", "paper", now, oldest, now)
    for one in found if not table.faults else ():
        desk.ledger.fold(one.event)
    return table.faults, found


def test_back_entry_keeps_event_times_and_says_when_it_was_entered(desk, site, siu):
    desk.tell(siu())
    faults, found = enter(desk, site, MILESTONES)
    assert faults == []
    assert [one.outcome for one in found] == ["new", "new"]
    assert found[0].event.at == datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
    assert (found[0].event.recorded, found[0].event.source) == (NOON, Source.MANUAL)
    desk.clock.set(NOON + timedelta(hours=1))
    assert [one.outcome for one in enter(desk, site, MILESTONES)[1]] == ["unchanged", "unchanged"]
    _, corrected = enter(desk, site, MILESTONES.replace("10:05", "10:07"))
    assert (corrected[0].outcome, corrected[0].event.replaces) == ("corrects", found[0].event.id)


def test_milestones_of_unknown_cases_and_of_last_week_are_faults(desk, site, siu):
    desk.tell(siu())
    faults, _ = enter(desk, site, MILESTONES.replace("A100,WHEELS_IN", "A999,WHEELS_IN"))
    assert faults == ["line 2, column case_id: Expected a case that is known here, got another."]
    old = MILESTONES.replace("2026-03-02", "2026-02-26")
    faults, _ = enter(desk, site, old)
    assert "--back-entry" in faults[0]
    assert enter(desk, site, old, back_entry=True)[0] == []
