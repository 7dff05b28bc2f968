"""HL7 of other projects: every byte comes out again, every schedule is mapped or quarantined with a reason."""

import json
import os
from collections import Counter
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest

from orloop_common.domain import events as e
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.messages.sitefile import parse_site
from orloop_ingest.domain.hl7 import NotHl7, SourceProfile, read_header, tokenize
from orloop_ingest.domain.hl7.explain import explain
from orloop_ingest.domain.hl7.profile_file import parse_profile
from orloop_ingest.domain.known import Identities, Known
from orloop_ingest.domain.pseudonyms import Pseudonyms
from orloop_ingest.domain.quarantine import Reason
from orloop_ingest.domain.settling import Settled
from orloop_ingest.domain.understanding import understand

SITE = parse_site("""
site: corpus
timezone: UTC
suites: [{id: main, rooms: [{id: "1", service: general, block_start: "07:30", block_end: "15:30", closes: "19:00"}]}]
""")
PROFILE = {
    "profile": "corpus",
    "default_service": "general",
    "fields": {"room": ["AIL-3", "PV1-3.2"], "urgency": [], "version": [], "visit": ["PV1-19"]},
    "tables": {"rooms": {"055": "1", "LabUnit101": "2"}},
    "expect": {"processing": []},
}
BY_TRIGGER = {
    "booked": e.CaseScheduled,
    "cancelled": e.CaseCancelled,
    "entered-in-error": e.CaseEnteredInError,
    "noshow": e.CaseNoShow,
}
LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def by() -> SourceProfile:
    return parse_profile(PROFILE, "ANY", "main", SITE)


def told(body: bytes, by: SourceProfile) -> Settled | None:
    """What a message means on an empty state; None if its header is refused."""
    header, message = read_header(body)
    if message is None or header.fault is not None:
        return None
    empty = Known(SuiteDay(suite="main", calendar=OperationalCalendar("UTC", time(4))), Identities())
    return understand(message, header, by, SITE, LATER, empty, Pseudonyms(b"s" * 32), "raw")


def test_every_message_of_the_corpora_is_encoded_again_to_the_byte(corpora):
    strange = 0
    for line in corpora:
        body = line["msg"].encode()
        try:
            assert tokenize(body).encode() == body
        except NotHl7:
            strange += 1
    assert (len(corpora), strange) == (1411, 0)


def test_every_schedule_of_the_corpora_is_mapped_or_quarantined_with_a_reason(corpora, by):
    found: Counter[str] = Counter()
    for line in corpora:
        if line["type"].startswith("SIU"):
            settled = told(line["msg"].encode(), by)
            assert settled is not None
            assert settled.problem is not None or any(isinstance(x, tuple(BY_TRIGGER.values())) for x in settled.events)
            found[settled.problem.reason if settled.problem else "mapped"] += 1
    assert found == {"mapped": 14, Reason.BAD_LENGTH: 1}


def test_every_message_of_the_corpora_is_read_or_named_by_a_reason(corpora, by):
    """Nothing crashes, whatever the type; what is quarantined is so for a reason that its sender would understand."""
    found: Counter[str] = Counter()
    for line in corpora:
        settled = told(line["msg"].encode(), by)
        outcome = "refused" if settled is None else settled.problem.reason if settled.problem else "read"
        found[outcome] += 1
        assert outcome is not Reason.MAPPER_FAILED
    print(dict(found))
    assert sum(found.values()) == len(corpora)
    assert found["read"] > 1000


def expected() -> list[tuple[str, str, dict[str, Any]]]:
    folder = os.environ.get("ORLOOP_SHARED")
    root = Path(folder) if folder else Path(__file__).resolve().parents[3].parent / "shared"
    files = sorted((root / "data/hl7/microsoft_siu_expected_fhir").glob("*/*.json"))
    found = []
    for path in files:
        bundle = json.loads(path.read_text())
        (appointment,) = [
            entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Appointment"
        ]
        found.append((path.name.removesuffix("-expected.json"), appointment["status"], appointment))
    return found


def test_status_and_times_are_those_of_the_expected_fhir(corpora, by):
    """Of each appointment its status, and where it is booked its start and end."""
    wanted = expected()
    if not wanted:
        pytest.skip("no expected FHIR: put the shared data beside the checkout, or name it in ORLOOP_SHARED")
    messages = {Path(line["path"]).stem: line["msg"].encode() for line in corpora if line["type"].startswith("SIU")}
    for name, status, appointment in wanted:
        settled = told(messages[name], by)
        assert settled is not None
        (event,) = [x for x in settled.events if isinstance(x, tuple(BY_TRIGGER.values()))]
        assert type(event) is BY_TRIGGER[status], name
        if isinstance(event, e.CaseScheduled):
            assert event.start == datetime.fromisoformat(appointment["start"]), name
            assert event.start + event.booked == datetime.fromisoformat(appointment["end"]), name
    assert len(wanted) == 14


def test_explaining_a_message_says_what_the_door_would_do(corpora, by):
    for line in corpora:
        body = line["msg"].encode()
        settled, explained = told(body, by), explain(body, by, SITE, LATER)
        outcome = "refused" if settled is None else "quarantined" if settled.problem else "read"
        if explained.outcome == "read" and outcome == "quarantined":
            continue  # read well, and then it fits no case that is known
        assert {"not_ours": "read"}.get(explained.outcome, explained.outcome) == outcome
