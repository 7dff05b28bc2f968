"""ADT: locations that are milestones, numbers that are one patient, visits that move, beds."""

from datetime import UTC, datetime

import pytest

from orloop_common.domain.vocabulary import BedUnit, Milestone
from orloop_common.messages.sitefile import parse_site
from orloop_ingest.domain.hl7 import SourceProfile, read_header, read_message
from orloop_ingest.domain.hl7.profile_file import parse_profile
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import BedTold, PatientsMerged, VisitMoved

SITE = parse_site("""
site: test
timezone: UTC
suites: [{id: main, rooms: [{id: "1", service: general, block_start: "07:30", block_end: "15:30", closes: "19:00"}]}]
hl7:
  sources: {ADT1: {suite: main}}
  rooms: {OR1: "1", OR3: "3"}
  services: {}
  milestones: {}
  pacu_locations: [PACU]
""")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ADT = {
    "arrivals": {"PACU": "pacu_in", "PREOP": "patient_in_preop", "DSU": "patient_in_facility"},
    "departures": {"PACU": "pacu_out"},
    "units": {"PACU": "pacu", "ICU1": "icu"},
}


def profile(**raw) -> SourceProfile:
    return parse_profile({"profile": "adt", "adt": ADT, **raw}, "ADT1", "main", SITE)


def tell(trigger: str, *lines: str, evn: str = "20260302110200||||20260302110000", by: SourceProfile | None = None):
    body = [f"MSH|^~\\&|ADT1|D|||20260302110500||ADT^{trigger}|M1|P|2.5.1", f"EVN|{trigger}|{evn}", *lines]
    header, message = read_header("\r".join(body).encode())
    return read_message(message, header, by or profile(), SITE, NOON, "raw").statements


def pv1(location: str = "W1", prior: str = "", temporary: str = "") -> str:
    return f"PV1|1|I|{location}|||{prior}|||||{temporary}||||||||V1"


def milestones(*given, **more):
    return [(s.milestone, s.room, s.fills_gap_only) for s in tell(*given, **more)]


IN, OUT = Milestone.PATIENT_IN_ROOM, Milestone.PATIENT_OUT_OF_ROOM


@pytest.mark.parametrize(
    ("trigger", "line", "found"),
    [
        ("A01", pv1("DSU"), [(Milestone.PATIENT_IN_FACILITY, None, True)]),
        ("A04", pv1("DSU"), [(Milestone.PATIENT_IN_FACILITY, None, True)]),
        ("A01", pv1("W1"), []),
        ("A02", pv1("PACU"), [(Milestone.PACU_IN, None, False)]),
        ("A02", pv1("PACU", prior="OR3"), [(OUT, "3", True), (Milestone.PACU_IN, None, False)]),
        ("A02", pv1("W1", prior="PACU"), [(Milestone.PACU_OUT, None, True)]),
        ("A03", pv1("PACU"), [(Milestone.PACU_OUT, None, True)]),
        ("A08", pv1("W1", temporary="OR3"), [(IN, "3", True)]),
        ("A08", pv1("W1", prior="PACU"), []),
        ("A09", pv1("W1", prior="OR3"), [(OUT, "3", True)]),
        ("A09", pv1("PACU"), []),
        ("A10", pv1("W1", temporary="OR1"), [(IN, "1", False)]),
        ("A10", pv1("PREOP"), [(Milestone.PATIENT_IN_PREOP, None, False)]),
    ],
)
def test_locations_of_the_tables_are_milestones_and_repeated_ones_only_fill_a_gap(trigger, line, found):
    assert milestones(trigger, "PID|1||4711", line) == found


def test_a_move_happened_at_evn_6_else_when_it_was_told_and_then_only_fills_a_gap():
    (sure,) = tell("A02", "PID|1||4711", pv1("PACU"))
    assert (sure.at, sure.fills_gap_only) == (datetime(2026, 3, 2, 11, tzinfo=UTC), False)
    (unsure,) = tell("A02", "PID|1||4711", pv1("PACU"), evn="20260302110200")
    assert (unsure.at, unsure.fills_gap_only) == (datetime(2026, 3, 2, 11, 2, tzinfo=UTC), True)


def test_a_movement_names_its_case_by_visit_room_and_time():
    (told,) = tell("A10", "PID|1||4711", pv1(temporary="OR3"))
    assert (told.ref.ids, told.ref.visit, told.ref.room) == ((), "V1", "3")
    assert told.ref.at == told.at


@pytest.mark.parametrize("trigger", ["A11", "A12", "A13"])
def test_what_is_cancelled_tells_nothing_unless_a_milestone_may_stand_on_it(trigger):
    assert tell(trigger, "PID|1||4711", pv1("W1", prior="W2")) == ()
    with pytest.raises(Quarantined) as caught:
        tell(trigger, "PID|1||4711", pv1("W1", prior="PACU"))
    assert caught.value.reason is Reason.MOVE_WITHDRAWN


@pytest.mark.parametrize("trigger", ["A34", "A36", "A39", "A40", "A47"])
def test_patients_are_merged_group_by_group(trigger):
    lines = ["PID|1||4711^^^D^MR", "MRG|999^^^D&1.2^MR", "PID|2||4712^^^D^MR", "MRG|888^^^D^MR"]
    told = tell(trigger, *lines)
    assert all(isinstance(s, PatientsMerged) for s in told)
    pairs = [(s.survivor.id, s.retired.id, s.retired.assigner, s.retired.type) for s in told]
    assert pairs == [("4711", "999", "D", "MR"), ("4712", "888", "D", "MR")]


@pytest.mark.parametrize("lines", [("PID|1||4711",), ("PID|1||4711", "MRG|"), ("MRG|999",), ("PID|1", "MRG|999")])
def test_a_merge_that_does_not_name_both_is_quarantined(lines):
    with pytest.raises(Quarantined) as caught:
        tell("A40", *lines)
    assert caught.value.reason is Reason.WRONG_BODY


@pytest.mark.parametrize("trigger", ["A42", "A45", "A50"])
def test_a_visit_gets_another_number_or_patient(trigger):
    (told,) = tell(trigger, "PID|1||4711^^^D^MR", "MRG|999||||V0", pv1())
    assert isinstance(told, VisitMoved)
    assert (told.visit, told.now_visit, told.patient.id) == ("V0", "V1", "4711")


def test_a_visit_that_keeps_its_number_moves_to_the_patient():
    (told,) = tell("A45", "PID|1||4711", "MRG|999||||V0")
    assert (told.visit, told.now_visit) == ("V0", "V0")


def test_unlinking_patients_is_for_a_person():
    with pytest.raises(Quarantined) as caught:
        tell("A37", "PID|1||4711", "PID|2||999")
    assert caught.value.reason is Reason.PATIENTS_UNLINKED


@pytest.mark.parametrize("state", "UOHKIC")
def test_a_beds_state_is_told_of_its_unit(state):
    (told,) = tell("A20", f"NPU|ICU1^R2^B7|{state.lower()}")
    assert told == BedTold(unit=BedUnit.ICU, bed="ICU1-R2-B7", status=state, at=datetime(2026, 3, 2, 11, tzinfo=UTC))


def test_a_bed_of_another_unit_is_none_of_ours_and_an_unknown_state_is_quarantined():
    assert tell("A20", "NPU|W1^R2^B7|O") == ()
    with pytest.raises(Quarantined) as caught:
        tell("A20", "NPU|PACU^R2^B7|Z")
    assert caught.value.reason is Reason.UNKNOWN_CODE
