"""Reading by profile, rule by rule: from one message to what it says, without anything that was known before."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from orloop_common.domain.vocabulary import Milestone, Urgency
from orloop_common.messages.sitefile import parse_site
from orloop_ingest.domain.hl7 import SourceProfile, misdirected, read_header, read_message, refs
from orloop_ingest.domain.hl7.profile_file import parse_profile
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import Act, Action, CaseTold, MilestoneTold, ReadinessTold, Told

SITE = parse_site("""
site: test
timezone: Europe/Berlin
suites: [{id: main, rooms: [{id: "1", service: general, block_start: "07:30", block_end: "15:30", closes: "19:00"}]}]
hl7:
  sources: {EHR: {suite: main}}
  rooms: {OR1: "1", OR3: "3"}
  services: {ORT: orthopaedics}
  milestones: {WHEELS_IN: patient_in_room, INCISION: procedure_start}
  pacu_locations: [PACU]
""")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MSH = "MSH|^~\\&|EHR|DEMO|ORLOOP|ORLOOP|20260302071500+0100||{type}|M1|P|2.5.1"
LINES = {
    "SCH": "SCH|P9|A100|||V1|C03|ELECTIVE||90|min|||||||||||||||Booked",
    "TQ1": "TQ1|1||||||20260302100000|20260302113000|4",
    "PID": "PID|1||4711^^^DEMO^MR||Zzyxcanary^Ada||19511123|F",
    "PV1": "PV1|1|I|W1|||||||ORT|||||||||V1",
    "RGS": "RGS|1|A",
    "AIS": "AIS|1||5-820^Hip replacement^OPS",
    "AIL": "AIL|1||OR3",
    "AIP": "AIP|1||S017^Meyer^Anna|SURGEON",
    "AIG": "AIG|1||LAPTOWER^Tower",
}


def profile(**raw) -> SourceProfile:
    return parse_profile({"profile": "test", **raw}, "EHR", "main", SITE)


def tell(type="SIU^S12", by=None, *extra: str, drop=(), head=None, at=NOON, **lines: str) -> Told:
    """Read a message: `lines` replace segments, `extra` come after them, `drop` leaves some out."""
    parts = [v for k, v in (LINES | lines).items() if k not in drop]
    body = "\r".join([head or MSH.format(type=type), *parts, *extra]) + "\r"
    header, message = read_header(body.encode())
    assert message is not None
    return read_message(message, header, by or profile(), SITE, at, "raw")


def case(told: Told) -> CaseTold:
    return next(s for s in told.statements if isinstance(s, CaseTold))


def reason(*given, **more) -> Reason:
    with pytest.raises(Quarantined) as caught:
        tell(*given, **more)
    return caught.value.reason


# --- candidates ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("candidates", "ids"),
    [(["SCH-2", "SCH-1"], ("A100",)), (["SCH-1", "SCH-2"], ("P9",)), (["SCH-26", "PV1-19"], ("V1",))],
)
def test_the_first_filled_candidate_names_the_case(candidates, ids):
    assert case(tell("SIU^S12", profile(fields={"case_id": candidates}))).ref.ids == ids


def test_all_filled_candidates_name_the_case_where_the_profile_says_so():
    by = profile(fields={"case_id": ["SCH-26", "SCH-2", "SCH-1"]}, case_id_match="any")
    assert case(tell("SIU^S12", by)).ref.ids == ("A100", "P9")


def test_a_case_without_an_id_is_quarantined_never_guessed():
    assert reason("SIU^S12", SCH="SCH|||||V1") is Reason.NO_CASE_ID


@pytest.mark.parametrize(
    ("lines", "start", "minutes"),
    [
        ({}, 9, 90),
        ({"TQ1": "TQ1|1", "SCH": "SCH||A|||V1||||1800|s|^^^20260302110000^20260302120000"}, 10, 60),
        ({"TQ1": "TQ1|1", "SCH": "SCH||A|||V1||||45^MIN|", "AIL": "AIL|1||OR3|||20260302120000"}, 11, 45),
        ({"TQ1": "TQ1|1", "SCH": "SCH||A|||V1", "AIS": "AIS|1||X|20260302130000|||2|HR"}, 12, 120),
        ({"TQ1": "TQ1|1", "SCH": "SCH||A|||V1", "AIL": "AIL|1||OR3|||20260302120000|||1800|seconds"}, 11, 30),
    ],
)
def test_start_and_length_are_found_where_senders_put_them(lines, start, minutes):
    told = case(tell(**lines))
    assert (told.start, told.booked) == (datetime(2026, 3, 2, start, tzinfo=UTC), timedelta(minutes=minutes))


def test_a_length_without_a_unit_is_in_the_profiles_unit():
    lines = {"TQ1": "TQ1|1||||||20260302100000", "SCH": "SCH||A|||V1||||1800"}
    assert case(tell("SIU^S12", profile(length_unit="seconds"), **lines)).booked == timedelta(minutes=30)


def test_end_minus_start_wins_over_a_length_and_the_difference_is_noted():
    told = tell(SCH="SCH||A|||V1||||30|min")
    assert case(told).booked == timedelta(minutes=90)
    assert "length_disagrees" in told.notes


def test_start_and_length_that_are_not_told_are_left_open():
    told = case(tell("SIU^S14", TQ1="TQ1|1", SCH="SCH||A|||V1"))
    assert (told.start, told.booked) == (None, None)


@pytest.mark.parametrize(
    ("candidates", "lines", "room"),
    [
        ("AIL-3", {}, "3"),
        ("AIG-3", {"AIL": "AIL|1", "AIG": "AIG|1||OR1^Room one"}, "1"),
        ("AIG[ROOM]-3", {"AIG": "AIG|1||LAPTOWER|EQUIP\rAIG|2||OR1|ROOM"}, "1"),
        ("PV1-3.2", {"PV1": "PV1|1|I|SURG^OR1|||||||ORT"}, "1"),
        (["AIG[4=ROOM]-3", "AIL-3"], {}, "3"),
    ],
)
def test_the_room_is_found_where_senders_put_it(candidates, lines, room):
    told = case(tell("SIU^S12", profile(fields={"room": candidates}), **lines))
    assert told.fields["room"] == room
    assert room not in told.fields["equipment"]


def test_equipment_beside_rooms_in_aig_stays_equipment():
    lines = {"AIG": "AIG|1||LAPTOWER|EQUIP\rAIG|2||OR1|ROOM\rAIG|3||OR77|ROOM"}
    by = profile(fields={"room": "AIG[ROOM]-3"})
    told = tell("SIU^S12", by, **lines)
    assert case(told).fields["equipment"] == ("LAPTOWER",)
    assert [(f.kind, f.word) for f in told.flags] == [("unknown_room", "OR77")]


def test_an_unknown_room_is_flagged_and_the_case_comes_without_one():
    told = tell(AIL="AIL|1||OR99")
    assert (case(told).fields["room"], case(told).start is not None) == (None, True)
    assert [(f.kind, f.word, f.place) for f in told.flags] == [("unknown_room", "OR99", "AIL-3")]


def test_a_word_that_may_be_free_text_is_not_repeated_in_a_flag():
    (flag,) = tell(AIL="AIL|1||the room of Mrs Zzyxcanary").flags
    assert (flag.kind, flag.word) == ("unknown_room", "")


def test_two_rooms_in_one_case_are_quarantined():
    assert reason("SIU^S12", AIL="AIL|1||OR1\rAIL|2||OR3") is Reason.WRONG_BODY


def test_an_unknown_surgeon_is_flagged_where_the_profile_lists_the_known_ones():
    told = tell("SIU^S12", profile(staff=["S001"]))
    assert [(f.kind, f.word) for f in told.flags] == [("unknown_surgeon", "S017")]
    assert case(told).fields["surgeons"][0].id == "S017"
    assert tell("SIU^S12", profile(staff=["S017"])).flags == ()


def test_an_unknown_service_is_quarantined_or_flagged_where_a_default_is_named():
    assert reason("SIU^S12", PV1="PV1|1|I|W|||||||XXX") is Reason.UNKNOWN_SERVICE
    told = tell("SIU^S12", profile(default_service="general"), PV1="PV1|1|I|W|||||||XXX")
    assert (case(told).fields["service"], told.flags[0].kind) == ("general", "unknown_service")


@pytest.mark.parametrize(
    ("place", "extra", "asa"),
    [
        ("OBX[ASA]-5", "OBX|1|NM|ASA||3", 3),
        ("OBX[ASA]-5", "OBX|1|ST|ASA||III", 3),
        ("OBX[ASA]-5", "OBX|1|ST|asa||ASA 4E", 4),
        ("OBX[ASA CLASS]-5", "OBX|1|CE|^ASA CLASS^L||2", 2),
        ("NTE[ASA]-3", "NTE|1||ASA: 2", 2),
        ("NTE[ASA]-3", "NTE|1||allergic\rNTE|2||asa=5", 5),
        ("ZOR-4", "ZOR|1|||2", 2),
    ],
)
def test_asa_is_read_from_obx_nte_or_z_segments(place, extra, asa):
    assert case(tell("SIU^S12", profile(fields={"asa": place}), extra)).fields["asa"] == asa


def test_an_asa_that_is_none_is_quarantined():
    assert reason("SIU^S12", None, "OBX|1|NM|ASA||VII") is Reason.UNKNOWN_CODE


def test_a_comment_that_only_begins_alike_is_not_taken():
    assert "asa" not in case(tell("SIU^S12", profile(fields={"asa": "NTE[ASA]-3"}), "NTE|1||ASAP please")).fields


def test_the_anaesthesia_type_is_mapped_by_the_profiles_table():
    by = profile(tables={"anaesthesia": {"GA": "general"}}, fields={"anaesthesia": "ZAN-1"})
    assert case(tell("SIU^S12", by, "ZAN|ga")).fields["anaesthesia"] == "general"


# --- empty, absent, cleared --------------------------------------------------------------------------------


@pytest.mark.parametrize(("obx", "told"), [("", False), ("OBX|1|NM|ASA||", False), ('OBX|1|NM|ASA||""', True)])
def test_two_quotes_clear_and_an_empty_or_absent_field_leaves(obx, told):
    fields = case(tell("SIU^S14", None, *([obx] if obx else []))).fields
    assert ("asa" in fields) is told
    assert fields.get("asa") is None


def test_a_cleared_urgency_is_elective_again():
    assert case(tell(TQ1='TQ1|1||||||20260302100000|20260302113000|""')).fields["urgency"] is Urgency.ELECTIVE


def test_without_resource_segments_nothing_is_said_of_resources():
    fields = case(tell("SIU^S14", drop=("RGS", "AIS", "AIL", "AIP", "AIG"))).fields
    assert {"room", "procedures", "surgeons", "equipment"}.isdisjoint(fields)


# --- what happened -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trigger", "act"),
    [
        ("S12", Act.BOOKED),
        ("S13", Act.BOOKED),
        ("S14", Act.BOOKED),
        ("S15", Act.CANCELLED),
        ("S16", Act.CANCELLED),
        ("S17", Act.ENTERED_IN_ERROR),
        ("S26", Act.NO_SHOW),
    ],
)
def test_the_trigger_says_what_happened(trigger, act):
    assert case(tell(f"SIU^{trigger}")).act is act


def test_a_status_that_contradicts_the_trigger_is_noted_and_wins_only_where_the_profile_says_so():
    sch = "SCH||A|||V1||||90|min|||||||||||||||Cancelled"
    told = tell("SIU^S14", SCH=sch)
    assert (case(told).act, "status_disagrees" in told.notes) == (Act.BOOKED, True)
    assert case(tell("SIU^S14", profile(status_decides="field"), SCH=sch)).act is Act.CANCELLED


def test_a_status_may_mean_a_milestone():
    sch = "SCH||A|||V1||||90|min|||||||||||||||In Theatre"
    told = tell("SIU^S14", profile(milestone_status={"in theatre": "patient_in_room"}), SCH=sch)
    (milestone,) = [s for s in told.statements if isinstance(s, MilestoneTold)]
    assert (milestone.milestone, milestone.at, milestone.fills_gap_only) == (Milestone.PATIENT_IN_ROOM, told.at, True)


@pytest.mark.parametrize(
    ("form", "place", "sch", "version"),
    [
        ("V<n>", "SCH-5", "SCH||A|||V7", (7, True)),
        ("number", "SCH-3", "SCH||A|0012", (12, True)),
        ("time", "SCH-5", "SCH||A|||20260302080000+0000", (1772438400, False)),
        ("V<n>", [], "SCH||A|||whatever", (None, False)),
    ],
)
def test_versions_are_read_in_the_senders_form(form, place, sch, version):
    told = case(tell("SIU^S13", profile(version_form=form, fields={"version": place}), SCH=sch))
    assert (told.version, told.counted) == version


def test_a_version_in_another_form_is_quarantined():
    assert reason("SIU^S13", profile(version_form="number"), SCH="SCH||A|||V7") is Reason.BAD_VERSION


# --- snapshots and actions -----------------------------------------------------------------------------------


def test_a_snapshot_leaves_out_what_is_marked_as_deleted():
    aip = "AIP|1|D|S017^Meyer^Anna|SURGEON\rAIP|2||S020^Falk^Ben|SURGEON"
    assert [s.id for s in case(tell(AIP=aip)).fields["surgeons"]] == ["S020"]


@pytest.mark.parametrize("status", ["Cancelled", "CANCELED^^HL70278", "Deleted", "Discontinued"])
def test_a_snapshot_leaves_out_what_its_status_says_is_gone(status):
    aip = f"AIP|1||S017^Meyer^Anna|SURGEON||||||||{status}\rAIP|2||S020^Falk^Ben|SURGEON||||||||Booked"
    assert [s.id for s in case(tell(AIP=aip)).fields["surgeons"]] == ["S020"]


def test_in_z_segments_field_2_and_12_mean_what_the_profile_says():
    by = profile(
        segments={"AIP": "ZIP"}, fields={"person": "ZIP-1", "person_role": "ZIP-2"}, tables={"roles": {"D": "other"}}
    )
    told = tell("SIU^S12", by, "ZIP|S017^Meyer|D" + "|" * 10 + "Cancelled", drop=("AIP",))
    assert [s.id for s in case(told).fields["surgeons"]] == ["S017"]


def acts(told: Told) -> list[tuple[Action, str]]:
    found = []
    for a in case(told).actions:
        what = (a.procedure and a.procedure.code) or (a.surgeon and a.surgeon.id) or a.room or a.equipment
        found.append((a.action, what))
    return found


BY_ACTION = {"mode": "action_code"}


def test_actions_are_told_one_by_one_and_x_says_nothing():
    lines = {
        "RGS": "RGS|1|U",
        "AIS": "AIS|1|X|5-820^Hip^OPS",
        "AIL": "AIL|1|U|OR1",
        "AIP": "AIP|1|D|S017^Meyer^Anna|SURGEON\rAIP|2|A|S020^Falk^Ben|SURGEON",
        "AIG": "AIG|1|D|LAPTOWER",
    }
    told = tell("SIU^S14", profile(**BY_ACTION), **lines)
    assert acts(told) == [
        (Action.UPDATE, "1"),
        (Action.DELETE, "S017"),
        (Action.ADD, "S020"),
        (Action.DELETE, "LAPTOWER"),
    ]
    assert {"room", "procedures", "surgeons", "equipment"}.isdisjoint(case(told).fields)
    assert not case(told).creates


def test_a_deleted_group_deletes_all_that_is_in_it():
    told = tell("SIU^S14", profile(**BY_ACTION), RGS="RGS|1|D", AIP="AIP|1|U|S017^Meyer^Anna|SURGEON")
    assert {action for action, _ in acts(told)} == {Action.DELETE}
    assert len(acts(told)) == 4


def test_a_booking_of_an_action_code_sender_creates_and_adds():
    told = tell("SIU^S12", profile(**BY_ACTION), RGS="RGS|1")
    assert {action for action, _ in acts(told)} == {Action.ADD}
    assert case(told).creates


def test_an_action_code_that_is_none_is_quarantined():
    assert reason("SIU^S14", profile(**BY_ACTION), AIS="AIS|1|Q|5-820") is Reason.UNKNOWN_CODE


def test_actions_without_a_room_say_nothing_of_the_room():
    told = tell("SIU^S14", profile(**BY_ACTION), drop=("AIL",))
    assert "room" not in case(told).fields


@pytest.mark.parametrize(("trigger", "action"), [("S18", Action.ADD), ("S19", Action.UPDATE), ("S22", Action.DELETE)])
def test_triggers_about_one_resource_act_on_it_in_either_mode(trigger, action):
    lines = {"RGS": "RGS|1", "AIP": f"AIP|1|{action.value}|S020^Falk^Ben|SURGEON"}
    told = tell(f"SIU^{trigger}", drop=("AIS", "AIL", "AIG"), **lines)
    assert acts(told) == [(action, "S020")]
    assert not case(told).creates


def test_a_snapshot_sender_that_cancels_a_service_deletes_only_what_its_status_says():
    lines = {
        "RGS": "RGS|1",
        "AIP": "AIP|1||S017^Meyer|SURGEON||||||||Cancelled\rAIP|2||S020^Falk|SURGEON||||||||Booked",
    }
    assert acts(tell("SIU^S20", drop=("AIS", "AIL", "AIG"), **lines)) == [(Action.DELETE, "S017")]


@pytest.mark.parametrize(("trigger", "allocated"), [("S23", True), ("S24", False)])
def test_a_blocked_slot_is_a_block_of_its_room(trigger, allocated):
    (fact,) = tell(f"SIU^{trigger}", drop=("PID", "PV1")).statements
    event = fact.event
    assert (event.room, event.allocated, event.end - event.start) == ("3", allocated, timedelta(minutes=90))


# --- codes -----------------------------------------------------------------------------------------------------

CODES = {
    "codes": {
        "system": "local",
        "tables": [
            {"system": "CPT", "version": "2026", "since": date(2026, 1, 1), "codes": {"27130": "hip", "44970": "lap"}},
            {"system": "CPT", "version": "2025", "since": "2025-01-01", "codes": {"27130": "hip", "44970": "appendix"}},
        ],
    }
}


@pytest.mark.parametrize(
    ("ais", "start", "code", "flags"),
    [
        ("27130^Hip^CPT", "2026", ("hip", "local"), []),
        ("44970^App^CPT", "2025", ("appendix", "local"), []),
        ("44970^App^CPT", "2026", ("lap", "local"), ["remapped_code"]),
        ("99999^New^CPT", "2026", ("99999", "CPT"), ["unmapped_code"]),
        ("5-820^Hip^OPS", "2026", ("5-820", "OPS"), []),
    ],
)
def test_codes_are_mapped_by_the_table_in_force_on_the_cases_day(ais, start, code, flags):
    told = tell(
        "SIU^S12", profile(**CODES), AIS=f"AIS|1||{ais}", TQ1=f"TQ1|1||||||{start}0302100000|{start}0302113000|4"
    )
    (procedure,) = case(told).fields["procedures"]
    assert (procedure.code, procedure.system) == code
    assert [f.kind for f in told.flags] == flags


# --- times -------------------------------------------------------------------------------------------------------


def head(sent: str) -> str:
    return MSH.format(type="SIU^S12").replace("20260302071500+0100", sent)


def starts(sent: str, start: str, at=NOON) -> tuple[str, list[str]]:
    told = tell(head=head(sent), TQ1=f"TQ1|1||||||{start}", at=at)
    return case(told).start.isoformat(), [f.kind for f in told.flags]


LATE = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "start", "utc"),
    [
        ("20261025010000+0200", "20261025023000", "2026-10-25T00:30:00+00:00"),
        ("20261025040000+0100", "20261025023000", "2026-10-25T01:30:00+00:00"),
        ("20261025040000", "20261025023000+0100", "2026-10-25T01:30:00+00:00"),
    ],
)
def test_a_time_that_the_clock_shows_twice_is_told_apart_by_the_headers_offset(sent, start, utc):
    assert starts(sent, start, LATE) == (utc, [])


def test_a_time_that_the_clock_shows_twice_is_the_first_and_flagged_where_nothing_tells():
    assert starts("20261025040000", "20261025023000", LATE) == ("2026-10-25T00:30:00+00:00", ["ambiguous_time"])


def test_a_time_that_no_clock_showed_is_quarantined():
    assert reason("SIU^S12", head=head("20260301"), TQ1="TQ1|1||||||20260329023000") is Reason.BAD_TIME


def test_a_booking_told_in_winter_for_a_day_in_summer_means_the_summers_clock():
    assert starts("20260302071500+0100", "20260702090000")[0] == "2026-07-02T07:00:00+00:00"


def test_another_offset_than_the_sites_is_the_senders_own_clock():
    assert starts("20260302071500-0500", "20260302090000")[0] == "2026-03-02T14:00:00+00:00"


def test_what_was_told_lies_never_after_it_was_received():
    assert tell(head=head("20260303071500+0100")).at == NOON


@pytest.mark.parametrize(
    "text", ["20260302", "2026030209", "20260302096000", "20260230090000", "x", "2026030209000000"]
)
def test_a_start_that_is_no_precise_time_is_quarantined(text):
    assert reason("SIU^S12", TQ1=f"TQ1|1||||||{text}") is Reason.BAD_TIME


# --- milestones, readiness, results -----------------------------------------------------------------------------


def test_milestones_come_from_obx_and_from_fields_of_z_segments():
    by = profile(milestone_fields={"patient_out_of_room": ["ZCH-20", "ZCH-21"]})
    told = tell("SIU^S14", by, "OBX|1|DTM|INCISION||20260302103000", "ZCH" + "|" * 21 + "20260302110000")
    found = {s.milestone: s.at.hour for s in told.statements if isinstance(s, MilestoneTold)}
    assert found == {Milestone.PROCEDURE_START: 9, Milestone.PATIENT_OUT_OF_ROOM: 10}


def test_the_time_of_a_milestone_may_stand_in_obx_14():
    told = tell(
        "SIU^S14", profile(milestone_time=["OBX-5", "OBX-14"]), "OBX|1|ST|INCISION||" + "|" * 9 + "20260302103000"
    )
    assert [s.at.hour for s in told.statements if isinstance(s, MilestoneTold)] == [9]


def test_a_milestone_in_the_future_is_quarantined():
    assert reason("SIU^S14", None, "OBX|1|DTM|INCISION||20260302150000") is Reason.FUTURE_MILESTONE


RESULT = ("SCH", "TQ1", "RGS", "AIS", "AIL", "AIP", "AIG")


def test_a_result_tells_asa_milestones_and_readiness_of_its_case():
    told = tell(
        "ORU^R01",
        None,
        "ORC|RE||A100",
        "OBR|1||A100|X",
        "OBX|1|NM|ASA||2",
        "OBX|2|DTM|WHEELS_IN||20260302101000",
        "OBX|3|CWE|READY_CONSENT||done",
        drop=RESULT,
    )
    assert (case(told).fields, case(told).creates, case(told).start) == ({"asa": 2}, False, None)
    assert [type(s) for s in told.statements] == [CaseTold, MilestoneTold, ReadinessTold]
    assert {s.ref.ids for s in told.statements} == {("A100",)}


def test_each_observation_belongs_to_the_order_before_it():
    extra = [
        "OBR|1||A100|X",
        "OBX|1|DTM|WHEELS_IN||20260302101000",
        "OBR|2||A200|X",
        "OBX|1|DTM|INCISION||20260302102000",
    ]
    told = tell("ORU^R01", None, *extra, "OBR|3|||X", "OBX|1|NM|NA||140", drop=RESULT)
    assert [(s.ref.ids, s.milestone) for s in told.statements] == [
        (("A100",), Milestone.PATIENT_IN_ROOM),
        (("A200",), Milestone.PROCEDURE_START),
    ]


def test_a_laboratorys_result_says_nothing_to_us():
    assert tell("ORU^R01", None, "OBR|1||LAB7|X", "OBX|1|NM|NA||140", drop=RESULT).statements == ()


# --- who ---------------------------------------------------------------------------------------------------------


def test_the_patients_number_is_the_repetition_of_the_type_that_the_profile_prefers():
    pid = "PID|1||999^^^SS&x^SS~4711^^^DEMO&1.2^MR||Zzyxcanary^Ada"
    first = case(tell(PID=pid)).identity.pid
    assert (first.id, first.assigner, first.type) == ("999", "SS", "SS")
    preferred = case(tell("SIU^S12", profile(patient_number={"types": ["PI", "MR"]}), PID=pid)).identity.pid
    assert (preferred.id, preferred.assigner, preferred.type) == ("4711", "DEMO", "MR")


def test_the_patients_number_may_stand_in_another_field_of_pid():
    by = profile(patient_number={"field": "PID-2"})
    assert case(tell("SIU^S12", by, PID="PID|1|4712^^^OLD|")).identity.pid.id == "4712"


def test_nothing_that_names_the_patient_stands_outside_of_the_identity():
    told = tell("SIU^S12", None, "NTE|1||Zzyxcanary is allergic", "OBX|1|ST|REMARK||Zzyxcanary")
    bare = [replace(s, identity=None, ref=None) for s in told.statements]
    assert "Zzyxcanary" not in repr((bare, told.notes, told.flags))


def test_a_quarantined_message_still_names_its_case():
    header, message = read_header((MSH.format(type="SIU^S12") + "\rSCH||A100\rTQ1|1||||||soon\r").encode())
    assert message is not None
    with pytest.raises(Quarantined):
        read_message(message, header, profile(), SITE, NOON, "raw")
    assert refs(message, profile()).ids == ("A100",)


def test_a_movement_that_cannot_be_read_names_no_case():
    _, message = read_header((MSH.format(type="ADT^A02") + "\rPV1|1|I|PACU|||||||||||||||V1\r").encode())
    assert refs(message, profile()) is None


# --- types and headers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ADT^A60", "ORM^O01", "ZIU^S12", "ORU^R32", "VXU^V04"])
def test_what_the_profile_does_not_read_is_counted(kind):
    told = tell(kind, drop=("SCH",))
    assert (told.statements, told.notes) == ((), ("unknown_type",))


@pytest.mark.parametrize(("code", "asked"), [("718-7", False), ("ASA", True)])
def test_a_result_without_a_case_id_matters_only_if_it_says_something_of_a_case(code, asked):
    lines = {"OBR": "OBR|1", "OBX": f"OBX|1|NM|{code}||3"}
    given = dict(drop=("SCH", "PV1", "TQ1"), **lines)
    if asked:
        assert reason("ORU^R01", **given) is Reason.NO_CASE_ID
    else:
        assert (told := tell("ORU^R01", **given)).statements == ()
        assert told.notes == ("unmapped_observation",)


def test_a_schedule_of_an_unknown_trigger_is_quarantined():
    assert reason("SIU^S99") is Reason.UNKNOWN_TYPE


def test_a_feed_of_z_segments_is_read_by_its_profile():
    by = profile(
        message_types={"ZIU": "SIU"},
        segments={"SCH": "ZCH", "AIS": "ZIS", "AIG": "ZIG", "AIP": "ZIP", "AIL": "ZIL"},
        fields={
            "case_id": "ZCH-2",
            "start": "ZCH-9.4",
            "length": "ZCH-7",
            "room": "ZIL-1",
            "version": [],
            "procedure": "ZIS-1",
            "person": "ZIP-1",
            "person_role": "ZIP-2",
            "equipment": "ZIG-1",
            "service": "OBX[SURGICAL SPECIALTY]-5.2",
        },
        tables={"services": {"ORTHOPEDICS": "orthopaedics"}},
    )
    body = [
        MSH.format(type="ZIU^S12"),
        "ZCH|1|7788||||EL|120||^^^20260302100000",
        "PID|1||4711",
        "OBX|1|CE|^SURGICAL SPECIALTY^||^ORTHOPEDICS^99VA137.45",
        "ZIS|27130^HIP^C4|||||",
        "ZIG|LAPTOWER",
        "ZIP|S017^MEYER^ANNA|SURGEON",
        "ZIL|OR3",
    ]
    header, message = read_header("\r".join(body).encode())
    told = case(read_message(message, header, by, SITE, NOON, "raw"))
    assert (told.ref.ids, told.start.hour, told.booked) == (("7788",), 9, timedelta(minutes=120))
    assert (told.fields["room"], told.fields["service"]) == ("3", "orthopaedics")
    assert [s.id for s in told.fields["surgeons"]] == ["S017"]
    assert told.fields["procedures"][0].code == "27130"
    assert told.fields["equipment"] == ("LAPTOWER",)


@pytest.mark.parametrize(
    ("expect", "field"),
    [
        ({}, None),
        ({"processing": "T"}, "MSH-11"),
        ({"receiving_application": ["OTHER", "ORLOOP"]}, None),
        ({"receiving_application": "OTHER"}, "MSH-5"),
        ({"receiving_facility": "OTHER"}, "MSH-6"),
    ],
)
def test_a_message_for_someone_else_is_refused_by_what_the_profile_expects(expect, field):
    header, _ = read_header((MSH.format(type="SIU^S12") + "\r").encode())
    fault = misdirected(header, profile(expect=expect))
    assert (fault.field if fault else None) == field


def test_a_test_message_is_refused_unless_the_profile_takes_it():
    header, _ = read_header((MSH.format(type="SIU^S12").replace("|P|", "|T|") + "\r").encode())
    assert misdirected(header, profile()).field == "MSH-11"
    assert misdirected(header, profile(expect={"processing": "T"})) is None
