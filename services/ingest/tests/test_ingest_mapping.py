"""The default profile, message by message."""

from datetime import UTC, datetime, timedelta

import pytest

from orloop_common.domain import events as e
from orloop_common.domain.vocabulary import BedUnit, Milestone, ReadinessItem, ReadinessStatus, Urgency
from orloop_ingest.domain.pseudonyms import age_band


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, 2, hour, minute, tzinfo=UTC)


def oru(*obx: str, control: str = "R1", sent: str = "20260302093500+0000", case: str = "A100") -> bytes:
    lines = [
        f"MSH|^~\\&|TWIN|DEMO|ORLOOP|ORLOOP|{sent}||ORU^R01^ORU_R01|{control}|P|2.5.1",
        "PID|1||CANARYMRN77^^^DEMO^MR||Zzyxcanary^Ada||19511123|F",
        f"ORC|RE||{case}",
        f"OBR|1||{case}|TIMES",
        *(f"OBX|{n}|{line}" for n, line in enumerate(obx, 1)),
    ]
    return "".join(line + "\r" for line in lines).encode()


def adt(
    trigger: str,
    *,
    location: str = "WARD1",
    temporary: str = "",
    visit: str = "VNA100",
    happened: str = "20260302111500+0000",
    told: str = "20260302111700+0000",
    control: str = "D1",
) -> bytes:
    lines = [
        f"MSH|^~\\&|TWIN|DEMO|ORLOOP|ORLOOP|{told}||ADT^{trigger}|{control}|P|2.5.1",
        f"EVN|{trigger}|{told}||||{happened}",
        "PID|1||CANARYMRN77^^^DEMO^MR||Zzyxcanary^Ada",
        f"PV1|1|I|{location}||||||||{temporary}||||||||{visit}",
    ]
    return "".join(line + "\r" for line in lines).encode()


# --- schedules -------------------------------------------------------------------------------------


def test_a_booking_is_read_whole(desk, siu):
    obx = (
        "NM|ASA||3",
        "ST|ANAESTHESIA||general",
        "NM|SETUP_MIN||15",
        "NM|CLEANUP_MIN||25",
        "DTM|WAITING_SINCE||20260210",
        "DTM|EARLIEST_START||202603020800+0000",
        "DTM|LATEST_START||202603021400+0000",
        "ST|BED_NEED||icu",
        "NM|PACU_MIN||60",
        "CWE|READY_CONSENT||done",
        "CWE|READY_FASTING||outstanding",
    )
    scheduled, *readiness = desk.tell(siu(obx=obx)).events
    assert isinstance(scheduled, e.CaseScheduled)
    assert scheduled.case.startswith("c")
    assert len(scheduled.case) == 17
    assert scheduled == e.CaseScheduled(
        id=scheduled.id,
        suite="main",
        at=at(7, 15),
        case=scheduled.case,
        version=1,
        service="orthopaedics",
        procedures=(e.Procedure(code="5-820", text="Hip replacement", system="OPS"),),
        surgeons=(e.Surgeon(id="S017", role="surgeon", name="Anna Meyer"),),
        room="3",
        start=at(9),
        booked=timedelta(minutes=90),
        setup=timedelta(minutes=15),
        cleanup=timedelta(minutes=25),
        urgency=Urgency.ELECTIVE,
        waiting_since=datetime(2026, 2, 10, tzinfo=UTC),
        patient_class="inpatient",
        anaesthesia="general",
        asa=3,
        age_band="70-79",
        patient_key=scheduled.patient_key,
        equipment=("LAPTOWER",),
        bed=BedUnit.ICU,
        recovery=timedelta(minutes=60),
        earliest=at(8),
        latest=at(14),
        site="test",
        source="TWIN",
    )
    assert {(r.item, r.status) for r in readiness} == {
        (ReadinessItem.CONSENT, ReadinessStatus.DONE),
        (ReadinessItem.FASTING, ReadinessStatus.OUTSTANDING),
    }


def test_nothing_of_the_patient_is_in_the_events(desk, siu, canaries):
    text = repr(desk.tell(siu(obx=("ST|REMARK||free canary text",))).events)
    assert [word for word in canaries if word in text] == []


def test_what_write_back_needs_is_in_the_sealed_identity(desk, siu):
    received = desk.tell(siu())
    assert received.identity is not None
    assert (received.identity.filler, received.identity.visit) == ("A100", "VNA100")
    assert (received.identity.pid.id, received.identity.pid.name) == ("CANARYMRN77", "Zzyxcanary^Ada")
    assert received.identity.aliases == {"1": "OR1", "3": "OR3"}
    assert desk.tell(siu("S13", version="V2", control="M2")).identity is None, "it is no news"


def test_a_newer_version_moves_the_case(desk, siu):
    desk.tell(siu())
    moved = siu("S13", control="M2", version="V2", room="OR1", start="20260302110000+0000", end="20260302123000+0000")
    (event,) = desk.tell(moved).events
    assert (event.version, event.room, event.start) == (2, "1", at(11))
    assert desk.case().schedule == event


def test_an_older_version_is_superseded_without_an_event(desk, siu):
    desk.tell(siu("S13", version="V3"))
    assert desk.tell(siu("S13", control="M2", version="V2", room="OR1")).events == ()


def test_a_late_booking_does_not_revive_a_cancelled_case(desk, siu):
    desk.tell(siu("S15", version="V2", reason="C03"))
    assert desk.tell(siu("S12", control="M2", version="V1")).events == ()
    assert desk.case().status == "cancelled"


def test_a_changed_case_without_a_new_version_puts_it_in_doubt(desk, siu):
    desk.tell(siu())
    received = desk.tell(siu("S14", control="M2", room="OR1"))
    assert [type(event) for event in received.events] == [e.CaseDoubted]
    assert desk.case().schedule.room == "3"


def test_a_sender_without_versions_is_versioned_by_its_clock_and_only_by_news(desk, siu):
    desk.tell(siu(version=""))
    assert desk.tell(siu("S14", version="", control="M2", sent="20260302080000+0000")).events == ()
    (event,) = desk.tell(siu("S14", version="", control="M3", sent="20260302081000+0000", room="OR1")).events
    assert event.version == int(at(8, 10).timestamp())


def test_what_a_message_leaves_out_stays_and_two_quotes_clear(desk, siu):
    desk.tell(siu(obx=("NM|ASA||3", "ST|BED_NEED||pacu", "DTM|LATEST_START||202603021400+0000")))
    (event,) = desk.tell(siu("S14", control="M2", version="V2", obx=('NM|ASA||""', 'DTM|LATEST_START||""'))).events
    assert (event.asa, event.latest, event.bed) == (None, None, BedUnit.PACU)


def test_resources_are_a_snapshot_and_a_deleted_segment_does_not_count(desk, siu):
    extra = {"AIP": "AIP|1|D|S017^Meyer^Anna|SURGEON\rAIP|2||S020^Falk^Ben|SURGEON\rAIP|3||S021^Ott^Eva|ASSISTANT"}
    (event,) = desk.tell(siu(replace=extra, drop=("AIG",))).events
    assert [(s.id, s.role) for s in event.surgeons] == [("S020", "surgeon"), ("S021", "assistant")]
    assert event.equipment == ()


@pytest.mark.parametrize(
    ("trigger", "kind", "status"),
    [
        ("S15", e.CaseCancelled, "cancelled"),
        ("S16", e.CaseCancelled, "cancelled"),
        ("S17", e.CaseEnteredInError, "entered_in_error"),
        ("S26", e.CaseNoShow, "no_show"),
    ],
)
def test_a_case_ends_in_the_way_its_trigger_says(desk, siu, trigger, kind, status):
    desk.tell(siu())
    (event,) = desk.tell(siu(trigger, control="M2", version="V2", reason="C03")).events
    assert isinstance(event, kind)
    assert (event.reason_code, event.version) == ("C03", 2)
    assert desk.case().status == status
    assert desk.tell(siu(trigger, control="M3", version="V2", reason="C03")).events == ()


def test_a_reason_in_free_text_does_not_pass(desk, siu):
    desk.tell(siu())
    (event,) = desk.tell(siu("S15", control="M2", version="V2", reason="free canary text")).events
    assert event.reason_code is None


def test_end_minus_start_wins_over_a_stated_length(desk, siu):
    (event,) = desk.tell(siu(end="20260302094500+0000")).events
    assert event.booked == timedelta(minutes=45)


@pytest.mark.parametrize(
    ("sch", "minutes"),
    [("90|min", 90), ("1800|seconds", 30), ("2|HR", 120), ("45|MIN", 45), ("120^minutes|", 120)],
)
def test_a_length_is_read_in_its_unit_when_no_end_is_given(desk, siu, sch, minutes):
    lines = {"TQ1": "TQ1|1||||||20260302090000+0000||4", "SCH": f"SCH||A100|||V1||ELECTIVE||{sch}"}
    (event,) = desk.tell(siu(replace=lines)).events
    assert event.booked == timedelta(minutes=minutes)


def test_a_start_may_stand_in_ail_6_alone(desk, siu):
    (event,) = desk.tell(siu(drop=("TQ1",))).events
    assert (event.start, event.booked) == (at(9), timedelta(minutes=90))


def test_a_time_without_offset_is_site_time(desk, siu):
    (event,) = desk.tell(siu(sent="20260302071500", start="20260302090000", end="20260302103000")).events
    assert event.start == at(8)


def test_a_time_without_offset_takes_the_headers_offset(desk, siu):
    (event,) = desk.tell(siu(sent="20260302071500-0500", start="20260302090000", end="20260302103000")).events
    assert event.start == at(14)


def test_an_add_on_and_its_urgency_are_read(desk, siu):
    lines = {
        "SCH": "SCH||A100|||V1||ADDON||90|min",
        "TQ1": "TQ1|1||||||20260302090000+0000|20260302103000+0000|2^Urgent",
    }
    (event,) = desk.tell(siu(replace=lines)).events
    assert (event.add_on, event.urgency) == (True, Urgency.URGENT)


# --- milestones and readiness ------------------------------------------------------------------------


def test_a_milestone_in_an_s14_is_recorded_with_its_room(desk, siu):
    desk.tell(siu())
    (event,) = desk.tell(siu("S14", control="M2", obx=("DTM|WHEELS_IN||20260302090500+0000",))).events
    assert (event.milestone, event.at, event.room) == (Milestone.PATIENT_IN_ROOM, at(9, 5), "3")
    assert event.replaces is None


def test_one_s14_may_carry_a_new_schedule_and_milestones(desk, siu):
    desk.tell(siu())
    message = siu("S14", control="M2", version="V2", room="OR1", obx=("DTM|INCISION||20260302093000+0000",))
    assert [type(event) for event in desk.tell(message).events] == [e.CaseScheduled, e.MilestoneRecorded]


def test_a_correction_names_what_it_replaces(desk, siu):
    desk.tell(siu())
    (first,) = desk.tell(oru("DTM|INCISION||20260302093000+0000")).events
    later = oru("DTM|INCISION||20260302092500+0000", control="R2", sent="20260302095000+0000")
    (second,) = desk.tell(later).events
    assert second.replaces == first.id
    assert desk.case().when(Milestone.PROCEDURE_START) == at(9, 25)


def test_a_correction_back_to_the_first_time_counts_with_news_beside_it(desk, siu):
    """Alone it may be the first message sent again: see the tests of settling."""
    desk.tell(siu())
    for number, minute in enumerate((30, 25, 30)):
        told = [f"DTM|INCISION||2026030209{minute}+0000"] + ["DTM|PROC_END||20260302100100+0000"] * (number == 2)
        desk.tell(oru(*told, control=f"R{number}", sent=f"2026030210{number:02d}00+0000"))
    assert desk.case().when(Milestone.PROCEDURE_START) == at(9, 30)
    assert len(desk.case().milestones[Milestone.PROCEDURE_START].earlier) == 2


def test_a_late_message_does_not_undo_a_correction(desk, siu):
    desk.tell(siu())
    desk.tell(oru("DTM|INCISION||20260302092500+0000", sent="20260302095000+0000"))
    (late,) = desk.tell(oru("DTM|INCISION||20260302093000+0000", control="R0", sent="20260302093500+0000")).events
    assert late.replaces is None
    assert desk.case().when(Milestone.PROCEDURE_START) == at(9, 25)


def test_a_milestone_told_again_is_no_news(desk, siu):
    desk.tell(siu())
    desk.tell(oru("DTM|INCISION||20260302093000+0000"))
    assert desk.tell(oru("DTM|INCISION||20260302093000+0000", control="R2", sent="20260302100000+0000")).events == ()


def test_a_milestone_may_come_before_its_case(desk, siu):
    early = siu("S14", obx=("DTM|WHEELS_IN||20260302090500+0000",), drop=("TQ1", "RGS", "AIS", "AIL", "AIP", "AIG"))
    assert [type(event) for event in desk.tell(early).events] == [e.MilestoneRecorded]
    desk.tell(siu(control="M2"))
    assert desk.case().schedule is not None
    assert desk.case().when(Milestone.PATIENT_IN_ROOM) == at(9, 5)


def test_readiness_by_oru_changes_once(desk, siu):
    desk.tell(siu(obx=("CWE|READY_CONSENT||outstanding",)))
    (event,) = desk.tell(oru("CWE|READY_CONSENT||done")).events
    assert (event.item, event.status) == (ReadinessItem.CONSENT, ReadinessStatus.DONE)
    assert desk.tell(oru("CWE|READY_CONSENT||done", control="R2")).events == ()


def test_a_laboratory_result_is_kept_raw_and_is_none_of_ours(desk):
    received = desk.tell(oru("NM|CREATININE||98", case="LAB1"))
    assert (received.outcome, received.events, received.problem) == ("nothing", (), None)
    assert len(desk.raws) == 1


# --- movements -----------------------------------------------------------------------------------------


def test_a_patient_who_is_moved_to_the_pacu_is_in_the_pacu(desk, siu):
    desk.tell(siu())
    (event,) = desk.tell(adt("A02", location="PACU")).events
    assert (event.milestone, event.at) == (Milestone.PACU_IN, at(11, 15))


def test_a_temporary_location_in_a_room_is_patient_in_room(desk, siu):
    desk.tell(siu())
    (event,) = desk.tell(adt("A08", temporary="OR3")).events
    assert (event.milestone, event.room) == (Milestone.PATIENT_IN_ROOM, "3")


def test_an_update_that_repeats_the_location_corrects_nothing(desk, siu):
    desk.tell(siu())
    desk.tell(adt("A08", temporary="OR3"))
    again = adt("A08", temporary="OR3", happened="20260302114000+0000", told="20260302114000+0000", control="D2")
    assert desk.tell(again).events == ()


def test_a_move_elsewhere_has_nothing_to_map(desk, siu):
    desk.tell(siu())
    assert desk.tell(adt("A02", location="WARD7")).outcome == "nothing"


def test_a_visit_with_two_cases_is_matched_by_the_room_or_not_at_all(desk, siu):
    desk.tell(siu(replace={"PV1": "PV1|1|I|W|||||||ORT|||||||||V1"}))
    other = {"PV1": "PV1|1|I|W|||||||ORT|||||||||V1"}
    desk.tell(siu(case="A200", control="M2", room="OR1", replace=other))
    (event,) = desk.tell(adt("A02", temporary="OR1", visit="V1")).events
    assert event.case == desk.case("A200").case
    desk.tell(siu("S13", case="A200", control="M3", version="V2", room="OR3", replace=other))
    received = desk.tell(adt("A02", temporary="OR3", visit="V1", control="D2"))
    assert received.problem.reason == "ambiguous_visit"


@pytest.mark.parametrize(
    ("birth", "band"),
    [
        ("20251224", "0"),
        ("2020", "1-9"),
        ("20080303", "10-17"),
        ("20080302", "18-29"),
        ("19511123", "70-79"),
        ("19360301", "90+"),
        ("19200101", "90+"),
        ("", None),
        ("20270101", None),
        ("19991350", None),
    ],
)
def test_an_age_is_known_as_a_band(birth, band):
    assert age_band(birth, at(9).date()) == band
