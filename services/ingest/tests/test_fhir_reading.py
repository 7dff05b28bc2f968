"""FHIR R4 in: what each of the six resources says, and what is refused with the element's name."""

import json
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fhir_parts as f
import jsonschema
import pytest
import yaml

from orloop_common.domain.events import CleaningStatusChanged, Procedure, RoomRestored, RoomWentDown, Surgeon
from orloop_common.domain.site import Site
from orloop_common.domain.vocabulary import BedUnit, Milestone, ReadinessItem, ReadinessStatus, Urgency
from orloop_ingest.domain.fhir import ProfileError, check, outcome, parse_fhir_profile, read_resource, refs
from orloop_ingest.domain.fhir.profile import READ
from orloop_ingest.domain.fhir.profile_file import KEYS
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import Act, BedTold, CaseTold, FactTold, MilestoneTold, ReadinessTold, Told


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, 2, hour, minute, tzinfo=UTC)


@pytest.fixture
def read(site: Site) -> Any:
    def one(resource: dict[str, Any], **more: Any) -> Told:
        return read_resource(resource, f.profile(**more), site, f.RECEIVED, "raw1")

    return one


def place_or_told(read: Any, resource: Any) -> Any:
    try:
        return read(resource)
    except Quarantined as error:
        return error


def case_in(told: Told) -> CaseTold:
    found = [s for s in told.statements if isinstance(s, CaseTold)]
    assert len(found) == 1
    return found[0]


def test_an_appointment_books_a_case_with_room_people_and_length(read: Any) -> None:
    told = read(f.appointment())
    case = case_in(told)
    assert (told.source, told.suite, told.namespace, told.at) == ("EHR-FHIR", "main", "EHR", at(7, 15))
    assert case.ref.ids == ("A100", "Appointment/ap-A100", "ServiceRequest/sr-A100")
    assert (case.act, case.start, case.booked) == (Act.BOOKED, at(9), timedelta(minutes=90))
    assert case.fields["room"] == "3"
    assert case.fields["service"] == "orthopaedics"
    assert case.fields["urgency"] is Urgency.ELECTIVE
    assert case.fields["surgeons"] == (Surgeon(id="S017", role="surgeon", name="Anna Meyer"),)
    assert case.fields["procedures"] == (Procedure(code="52734007", text="Total hip replacement", system="SNOMED CT"),)
    assert case.fields["equipment"] == ("Device/LAPTOWER",)
    assert (case.identity.filler, case.identity.placer) == ("A100", "Appointment/ap-A100")
    assert (case.identity.pid.id, case.identity.pid.assigner, case.identity.pid.type) == ("CANARYMRN77", "EHR", "MR")
    assert (case.identity.pid.birth, case.identity.pid.sex) == ("19511123", "F")
    assert told.flags == ()


@pytest.mark.parametrize(
    ("status", "act"),
    [("cancelled", Act.CANCELLED), ("noshow", Act.NO_SHOW), ("entered-in-error", Act.ENTERED_IN_ERROR)],
)
def test_an_appointment_ends_its_case_by_status(read: Any, status: str, act: Act) -> None:
    reason = {"coding": [{"code": "pat"}]}
    case = case_in(read(f.appointment(status=status, cancelationReason=reason)))
    assert (case.act, case.creates, case.reason_code) == (act, False, "pat")


@pytest.mark.parametrize("status", ["proposed", "pending", "waitlist"])
def test_what_is_not_booked_yet_is_heard_and_not_read(read: Any, status: str) -> None:
    told = read(f.appointment(status=status))
    assert (told.statements, told.notes) == ((), ("not_booked",))


def test_an_arrived_patient_is_in_the_facility(read: Any) -> None:
    milestones = [s for s in read(f.appointment(status="arrived")).statements if isinstance(s, MilestoneTold)]
    assert [(m.milestone, m.fills_gap_only) for m in milestones] == [(Milestone.PATIENT_IN_FACILITY, True)]


def test_an_unknown_room_surgeon_and_service_are_flags_and_the_case_still_comes(read: Any) -> None:
    resource = f.appointment(specialty=[{"coding": [{"code": "XX"}]}])
    resource["participant"][1]["actor"]["identifier"]["value"] = "S999"
    resource["participant"][2]["actor"]["reference"] = "Location/or-9"
    told = read(resource)
    assert {(flag.kind, flag.word) for flag in told.flags} == {
        ("unknown_room", "Location/or-9"), ("unknown_surgeon", "S999"), ("unknown_service", "XX"),
    }  # fmt: skip
    assert case_in(told).fields["room"] is None
    assert "service" not in case_in(told).fields


def test_who_declined_does_not_come(read: Any) -> None:
    resource = f.appointment()
    resource["participant"][1]["status"] = "declined"
    assert case_in(read(resource)).fields["surgeons"] == ()


def test_two_rooms_in_one_appointment_are_quarantined(read: Any) -> None:
    resource = f.appointment()
    resource["participant"].append(
        {"actor": {"identifier": {"value": "OR1"}, "type": "Location"}, "status": "accepted"}
    )
    with pytest.raises(Quarantined) as caught:
        read(resource)
    assert (caught.value.reason, caught.value.field) == (Reason.WRONG_BODY, "Appointment.participant")


def test_end_minus_start_wins_over_a_stated_length(read: Any) -> None:
    told = read(f.appointment(minutesDuration=60))
    assert case_in(told).booked == timedelta(minutes=90)
    assert told.notes == ("length_disagrees",)


def test_an_encounter_gives_the_milestones_of_its_stays(read: Any) -> None:
    told = read(f.encounter())
    found = [(s.milestone, s.at, s.room) for s in told.statements if isinstance(s, MilestoneTold)]
    assert found == [
        (Milestone.PATIENT_IN_ROOM, at(9, 2), "3"),
        (Milestone.PATIENT_OUT_OF_ROOM, at(10, 41), "3"),
        (Milestone.PACU_IN, at(10, 45), None),
        (Milestone.PATIENT_IN_FACILITY, at(7, 30), None),
    ]
    first = told.statements[0]
    assert isinstance(first, MilestoneTold)
    assert (first.ref.ids, first.ref.visit, first.ref.at) == (("Appointment/ap-A100",), "VNA100", at(9, 2))


def test_a_procedure_gives_start_and_end_and_one_that_was_not_done_is_for_a_person(read: Any) -> None:
    found = [(s.milestone, s.at) for s in read(f.procedure()).statements]
    assert found == [(Milestone.PROCEDURE_START, at(9, 20)), (Milestone.PROCEDURE_END, at(10, 30))]
    going = read(f.procedure(status="in-progress", performedPeriod={"start": "2026-03-02T09:20:00Z"}))
    assert [s.milestone for s in going.statements] == [Milestone.PROCEDURE_START]
    with pytest.raises(Quarantined) as caught:
        read(f.procedure(status="not-done"))
    assert caught.value.reason is Reason.UNKNOWN_CODE


def test_a_procedure_s_code_may_mark_other_milestones(read: Any) -> None:
    code = {"coding": [{"system": f.SNOMED, "code": "399097000"}]}
    found = [s.milestone for s in read(f.procedure(code=code, category=None)).statements]
    assert found == [Milestone.ANAESTHESIA_START, Milestone.ANAESTHESIA_END]


def test_a_request_tells_what_is_to_be_done_and_books_nothing(read: Any) -> None:
    case = case_in(read(f.request()))
    assert (case.creates, case.start, case.booked) == (False, None, None)
    assert case.fields["urgency"] is Urgency.URGENT
    assert case.fields["waiting_since"] == datetime(2026, 2, 20, 10, tzinfo=UTC)
    assert case.fields["procedures"][0].laterality == "left"
    assert case_in(read(f.request(status="revoked"))).act is Act.CANCELLED
    assert read(f.request(category=None, code=None)).notes == ("not_surgical",)


def test_a_task_is_readiness_a_milestone_or_cleaning_by_its_code(read: Any) -> None:
    def coded(code: str, **more: Any) -> dict[str, Any]:
        return f.task(code={"coding": [{"code": code}]}, **more)

    consent = read(f.task()).statements[0]
    assert isinstance(consent, ReadinessTold)
    assert (consent.item, consent.status) == (ReadinessItem.CONSENT, ReadinessStatus.DONE)
    assert consent.ref.ids == ("A100",)
    open_one = read(coded("consent", status="in-progress")).statements[0]
    assert isinstance(open_one, ReadinessTold)
    assert open_one.status is ReadinessStatus.OUTSTANDING
    ready = read(coded("pacu-ready", executionPeriod={"end": "2026-03-02T11:10:00Z"})).statements[0]
    assert isinstance(ready, MilestoneTold)
    assert (ready.milestone, ready.at) == (Milestone.PACU_READY, at(11, 10))
    clean = read(coded("terminal-cleaning", location={"identifier": {"value": "OR3"}, "reference": "Location/or-3"}))
    event = clean.statements[0].event
    assert isinstance(event, CleaningStatusChanged)
    assert (event.room, event.status, event.kind, event.at) == ("3", "clean", "terminal", at(8, 10))
    assert read(coded("call-relatives")).notes == ("unmapped_task",)
    ours = [{"system": "urn:orloop:change", "value": "p1"}]
    assert read(f.task(identifier=ours)).notes == ("own_task",)
    with pytest.raises(Quarantined):
        read(coded("consent", status="failed"))


def test_a_location_goes_down_and_comes_back_once_per_change(read: Any) -> None:
    def event(resource: dict[str, Any]) -> Any:
        statement = read(resource).statements[0]
        assert isinstance(statement, FactTold)
        return statement.event

    down = event(f.location("C"))
    assert isinstance(down, RoomWentDown)
    assert (down.room, down.cause, down.at) == ("3", "closed", at(8))
    assert event(f.location("C")).id == down.id
    assert isinstance(event(f.location("U", at="2026-03-02T09:00:00Z")), RoomRestored)
    assert event(f.location("U", status="suspended")).cause == "suspended"
    hall = read(f.location(id="hall"))
    assert (hall.statements, hall.notes) == ((), ("unmapped_location",))


def test_a_bed_s_state_is_told_of_its_unit(read: Any) -> None:
    bed = read(f.location("O", id="bed1", identifier=[{"value": "PACU-01"}])).statements[0]
    assert bed == BedTold(unit=BedUnit.PACU, bed="PACU-01", status="O")


def test_the_sender_s_clock_never_runs_ahead_of_ours(read: Any) -> None:
    assert read(f.appointment(at="2026-03-02T18:00:00Z")).at == f.RECEIVED


@pytest.mark.parametrize(
    ("broken", "place", "code"),
    [
        ({"status": "bogus"}, "Appointment.status", "code-invalid"),
        ({"status": None}, "Appointment.status", "required"),
        ({"participant": []}, "Appointment.participant", "required"),
        ({"participant": None}, "Appointment.participant", "required"),
        ({"participant": [{"actor": {}, "status": "there"}]}, "Appointment.participant[0].status", "code-invalid"),
        ({"start": None}, "Appointment.start", "invariant"),
        ({"start": None, "end": None}, "Appointment.start", "invariant"),
        ({"end": None}, "Appointment.end", "invariant"),
        ({"end": "2026-03-02T08:00:00Z"}, "Appointment.end", "invariant"),
        ({"identifier": {"value": "x"}}, "Appointment.identifier", "structure"),
        ({"reason": [{"concept": {"text": "x"}}]}, "Appointment.reason", "not-supported"),
        ({"serviceType": [{"concept": {"coding": []}}]}, "Appointment.serviceType", "not-supported"),
    ],
)
def test_a_rule_of_r4_names_the_element(broken: dict[str, Any], place: str, code: str) -> None:
    issues = check(f.appointment(**broken))
    assert (place, code) in {(issue.expression, issue.code) for issue in issues}
    told = outcome(issues)
    assert told["resourceType"] == "OperationOutcome"
    assert any(place in issue.get("expression", ()) for issue in told["issue"])


@pytest.mark.parametrize(
    "resource",
    [
        f.encounter(actualPeriod={"start": "2026-03-02T09:00:00Z"}),
        f.encounter(**{"class": [{"coding": [{"code": "IMP"}]}]}),
        f.procedure(occurrencePeriod={"start": "2026-03-02T09:00:00Z"}),
        f.request(code={"concept": {"coding": [{"code": "1"}]}}),
        f.location(form={"coding": [{"code": "ro"}]}),
        f.task(requestedPeriod={"start": "2026-03-02T09:00:00Z"}),
    ],
)
def test_r5_is_refused_by_name(read: Any, resource: dict[str, Any]) -> None:
    with pytest.raises(Quarantined) as caught:
        read(resource)
    assert caught.value.reason is Reason.LATER_RELEASE
    assert caught.value.field.startswith(resource["resourceType"])


@pytest.mark.parametrize("resource", f.all_six(), ids=lambda r: r["resourceType"])
def test_any_element_of_another_type_is_a_quarantine_and_never_a_crash(read: Any, resource: dict[str, Any]) -> None:
    odd: tuple[Any, ...] = (
        None,
        7,
        True,
        "x",
        "x" * 600,
        [],
        [7],
        {},
        {"reference": 5},
        [{"coding": 3}],
        [{"actor": []}],
    )
    names = (*resource, "identifier", "basedOn", "focus", "encounter", "executionPeriod", "cancelationReason", "zz")
    for name in names:
        for value in odd:
            assert place_or_told(read, resource | {name: value})


def test_an_unreadable_resource_still_names_its_case(site: Site) -> None:
    ref = refs(f.appointment(start="soon"), f.profile(), site, f.RECEIVED)
    assert ref is not None
    assert ref.ids[0] == "A100"
    assert refs(f.location(), f.profile(), site, f.RECEIVED) is None


def test_a_time_without_offset_must_leave_no_doubt(read: Any) -> None:
    told = case_in(read(f.appointment(start="2026-03-02T09:00:00", end="2026-03-02T10:00:00")))
    assert told.start == at(8)  # Berlin
    for start, end in (("2026-03-29T02:30:00", "2026-03-29T04:30:00"), ("2026-10-25T02:30:00", "2026-10-25T04:00:00")):
        with pytest.raises(Quarantined) as caught:
            read(f.appointment(start=start, end=end))
        assert caught.value.reason is Reason.BAD_TIME


def test_no_quarantine_or_flag_holds_a_person_s_words(read: Any, canaries: tuple[str, ...]) -> None:
    for resource in f.all_six():
        for name in resource:
            try:
                told = read(resource | {name: "Zzyxcanary Canary Lane"})
                text = repr((told.notes, told.flags))
            except Quarantined as error:
                text = str(error)
            text += json.dumps(outcome(check(resource | {name: "Zzyxcanary Canary Lane"})))
            assert not [word for word in (*canaries, "1951-11-23") if word in text]


def test_a_profile_names_what_is_wrong_with_it() -> None:
    with pytest.raises(ProfileError, match=r"fhir\.case_id"):
        parse_fhir_profile({"source": "A", "suite": "main", "fhir": {}})
    with pytest.raises(ProfileError, match=r"fhir\.tasks\.x"):
        parse_fhir_profile({"source": "A", "suite": "main", "fhir": {"case_id": ["id"], "tasks": {"x": {"y": 1}}}})
    with pytest.raises(ProfileError, match="case_id was meant"):
        parse_fhir_profile({"source": "A", "suite": "main", "fhir": {"case_ids": ["id"]}})
    with pytest.raises(ProfileError, match=r"fhir\.arrived"):
        parse_fhir_profile({"source": "A", "suite": "main", "fhir": {"case_id": ["id"], "arrived": "here"}})
    assert parse_fhir_profile({"source": "A", "suite": "main"}) is None


def test_the_schema_and_the_parser_know_the_same_keys_and_the_example_has_them_all() -> None:
    schema = json.loads((f.EXAMPLE.parents[1] / "schemas" / "source-profile.v1.schema.json").read_text())
    example = yaml.safe_load(f.EXAMPLE.read_text())
    jsonschema.Draft202012Validator(schema).validate(example)
    assert set(schema["$defs"]["fhir"]["properties"]) == KEYS
    assert set(example["fhir"]) == KEYS - {"codes", "patient_classes"}


@pytest.fixture
def r4_corpus() -> list[dict[str, Any]]:
    """The examples of the R4 standard; they are not part of this project."""
    folder = os.environ.get("ORLOOP_SHARED")
    root = Path(folder) if folder else Path(__file__).resolve().parents[3].parent / "shared"
    files = sorted((root / "data" / "fhir_r4").glob("*.json"))
    if not files:
        pytest.skip("no FHIR corpus: put the shared data beside the checkout, or name it in ORLOOP_SHARED")
    return [json.loads(path.read_text()) for path in files]


def test_every_resource_of_the_corpus_is_read_or_quarantined_with_a_reason(
    r4_corpus: list[dict[str, Any]], site: Site
) -> None:
    profile = f.profile(case_id=[f.CASES, "id"], surgical=[])
    told = [place_or_told(lambda r: read_resource(r, profile, site, f.RECEIVED, "raw1"), r) for r in r4_corpus]
    assert len(told) == 261
    for resource, one in zip(r4_corpus, told, strict=True):
        if isinstance(one, Quarantined):
            assert (one.reason is Reason.UNKNOWN_TYPE) == (resource["resourceType"] not in READ)
            assert one.reason not in (Reason.LATER_RELEASE, Reason.MAPPER_FAILED), (resource["id"], one.field)
    reasons = Counter(one.reason if isinstance(one, Quarantined) else "read" for one in told)
    assert reasons["read"] >= 50, reasons
