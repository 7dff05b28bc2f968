"""What leaves the twin is HL7 v2.5.1 that an independent reader finds whole."""

from collections.abc import Callable
from typing import Any

import pytest
from hl7apy.parser import parse_message

from orloop_twin.adapters.hl7 import Speaker, answered, escape
from orloop_twin.domain.feed import ChangeRequest, HospitalMessage
from orloop_twin.domain.hospital import Hospital
from orloop_twin.domain.people import CANARIES, CANARY_MRN
from orloop_twin.domain.scenario import seconds
from orloop_twin.ports import BadMessage

Build = Callable[..., Hospital]


def fields(body: bytes) -> dict[str, list[list[str]]]:
    """An independent look: segments by name, each split at its bars; MSH counts as the standard does."""
    assert body.endswith(b"\r")
    assert b"\n" not in body
    found: dict[str, list[list[str]]] = {}
    for line in body.decode().rstrip("\r").split("\r"):
        parts = line.split("|")
        if parts[0] == "MSH":
            parts.insert(1, "|")
        found.setdefault(parts[0], []).append(parts)
    return found


def sayings(hospital: Hospital, until: str = "21:00") -> list[HospitalMessage]:
    return [s for s in hospital.advance(seconds(until)) if isinstance(s, HospitalMessage)]


def one_of_each(said: list[HospitalMessage]) -> list[HospitalMessage]:
    found: dict[Any, HospitalMessage] = {}
    for saying in said:
        found.setdefault((saying.form, saying.trigger, saying.case.add_on), saying)
    return list(found.values())


def test_a_booking_says_what_the_profile_asks_for(hospital: Build, speaker: Speaker) -> None:
    saying = next(s for s in sayings(hospital(), "07:05") if s.trigger == "S12" and s.case.procedure.equipment)
    case = saying.case
    told = fields(speaker.say(saying))
    msh, sch, tq1 = told["MSH"][0], told["SCH"][0], told["TQ1"][0]
    assert msh[3:7] == ["TWIN", "DEMO", "ORLOOP", "ORLOOP"]
    assert (msh[2], msh[9], msh[10], msh[11], msh[12]) == ("^~\\&", "SIU^S12^SIU_S12", saying.id, "P", "2.5.1")
    assert msh[7] == f"20260302{saying.at // 3600:02d}{saying.at % 3600 // 60:02d}{saying.at % 60:02d}+0000"
    assert (sch[2], sch[5], sch[7], sch[25]) == (case.id, "V1", "ELECTIVE", "Booked")
    assert (sch[9], sch[10]) == (str(case.first.booked // 60), "min")
    assert (tq1[7], tq1[8], tq1[9]) == (speaker.stamp(case.first.start), speaker.stamp(case.first.end), "4^Elective")
    assert told["PID"][0][3] == f"{case.patient.mrn}^^^DEMO^MR"
    assert told["PV1"][0][19] == case.visit
    assert told["PV1"][0][10] in {"ORT", "GEN", "URO", "GYN", "ENT", "EYE", "PLA", "VAS"}
    assert told["AIS"][0][3] == f"{case.procedure.code}^{case.procedure.text}^OPS"
    assert told["AIL"][0][3] == f"OR{case.first.room}^^^DEMO"
    assert told["AIP"][0][3:5] == [f"{case.surgeon.id}^{case.surgeon.family}^{case.surgeon.given}", "SURGEON"]
    assert told["AIG"][0][3] == "^".join(case.procedure.equipment[0])
    codes = {obx[3]: obx[5] for obx in told["OBX"]}
    assert codes["SETUP_MIN"] == str(case.setup // 60)
    assert codes["BED_NEED"] == case.procedure.bed
    assert codes["READY_CONSENT"] == "done"
    order = [line.split("|")[0] for line in speaker.say(saying).decode().split("\r")]
    assert order.index("TQ1") < order.index("PID") < order.index("OBX") < order.index("RGS") < order.index("AIL")


def test_milestones_leave_as_siu_oru_and_adt(hospital: Build, speaker: Speaker) -> None:
    said = sayings(hospital(), "12:00")
    forms = {}
    for saying in said:
        for item in saying.observations:
            forms[item.code] = forms.get(item.code, set()) | {saying.form}
    assert forms["WHEELS_IN"] == forms["WHEELS_OUT"] == {"SIU"}
    assert forms["ANES_START"] == {"ORU"}
    assert forms["PACU_IN"] == {"ADT"}
    move = next(s for s in said if s.form == "ADT")
    told = fields(speaker.say(move))
    assert told["MSH"][0][9] == "ADT^A02^ADT_A02"
    assert told["PV1"][0][3] == "PACU"
    assert told["EVN"][0][6] == speaker.stamp(int(move.observations[0].value))
    result = next(s for s in said if s.form == "ORU")
    told = fields(speaker.say(result))
    assert told["OBR"][0][3] == told["ORC"][0][3] == result.case.id
    assert told["OBX"][0][3] == result.observations[0].code


def test_an_add_on_says_that_it_is_urgent_and_by_when(hospital: Build, speaker: Speaker) -> None:
    saying = next(s for s in sayings(hospital(), "10:00") if s.case.add_on)
    told = fields(speaker.say(saying))
    assert (told["SCH"][0][7], told["TQ1"][0][9]) == ("ADDON", "2^Urgent")
    codes = {obx[3]: obx[5] for obx in told["OBX"]}
    assert {"WAITING_SINCE", "EARLIEST_START", "LATEST_START"} <= set(codes)


def test_a_cancellation_carries_its_reason_and_a_newer_version(hospital: Build, speaker: Speaker) -> None:
    saying = next(s for s in sayings(hospital(), "12:00") if s.trigger == "S15")
    told = fields(speaker.say(saying))
    assert told["MSH"][0][9] == "SIU^S15^SIU_S12"
    assert (told["SCH"][0][5], told["SCH"][0][6], told["SCH"][0][25]) == ("V2", "PATIENT_UNWELL", "Cancelled")


def test_one_of_each_kind_parses_with_hl7apy_and_says_the_same_again(hospital: Build, speaker: Speaker) -> None:
    kinds = one_of_each(sayings(hospital()))
    assert len(kinds) >= 6
    for saying in kinds:
        body = speaker.say(saying)
        assert body == speaker.say(saying)
        parsed = parse_message(body.decode())
        assert parsed.msh.msh_10.to_er7() == saying.id
        assert parsed.to_er7() == body.decode().rstrip("\r")


@pytest.mark.slow
def test_a_whole_day_twice_is_the_same_bytes_and_every_message_parses(hospital: Build, speaker: Speaker) -> None:
    one, other = ([speaker.say(s) for s in sayings(hospital())] for _ in range(2))
    assert one == other
    for body in one:
        parsed = parse_message(body.decode())
        assert parsed.to_er7() == body.decode().rstrip("\r")
        assert len(parsed.msh.msh_10.to_er7()) <= 20
        assert {"MSH", "PID", "PV1"} <= set(fields(body))


def test_patients_carry_names_that_a_canary_test_can_look_for(hospital: Build, speaker: Speaker) -> None:
    assert len(set(CANARIES)) == len(CANARIES) >= 40
    assert all(name.startswith("Zzyx") for name in CANARIES)
    for case in hospital().day.cases:
        assert case.patient.family in CANARIES
        assert case.patient.mrn.startswith(CANARY_MRN)


def test_delimiters_in_a_value_are_escaped() -> None:
    assert escape("a|b^c&d~e\\f\rg") == "a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f g"


# --- what comes in ---------------------------------------------------------------------------------------


def s13(case: str = "A1", room: str = "OR8", start: str = "20260302104000+0000", control: str = "W1") -> bytes:
    return (
        f"MSH|^~\\&|ORLOOP|ORLOOP|TWIN|DEMO|20260302101500+0000||SIU^S13^SIU_S12|{control}|P|2.5.1\r"
        f"SCH||{case}||||RESCHEDULED\rTQ1|1||||||{start}|20260302120000+0000\r"
        f"PID|1||ZXM1^^^DEMO^MR||A^B\rRGS|1\rAIL|1||{room}^^^DEMO\r"
    ).encode()


def test_a_change_is_read_with_or_without_offset_and_groups(speaker: Speaker) -> None:
    assert speaker.read_change(s13()) == ChangeRequest("W1", "A1", "8", seconds("10:40"))
    assert speaker.read_change(s13(start="20260302114000+0100")).start == seconds("10:40")
    assert speaker.read_change(s13(room="OR99")).room == "OR99"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "AR"),
        (b"hello", "AR"),
        (b"\xff\xfe", "AR"),
        (b"MSH|^~\\&|ORLOOP", "AR"),
        (s13(control=""), "AR"),
        (s13().replace(b"SIU^S13^SIU_S12", b"ADT^A01^ADT_A01"), "AR"),
        (s13(case=""), "AE"),
        (s13(start="tomorrow"), "AE"),
        (s13().replace(b"AIL|1||OR8^^^DEMO\r", b""), "AE"),
        (s13().replace(b"\r", b"\n"), "AR"),
    ],
)
def test_what_is_no_change_is_named(speaker: Speaker, body: bytes, code: str) -> None:
    with pytest.raises(BadMessage) as problem:
        speaker.read_change(body)
    assert problem.value.code == code


def test_an_answer_names_what_it_answers_and_why_not(speaker: Speaker) -> None:
    yes, no = (
        speaker.answer("W1", seconds("10:15"), "AA"),
        speaker.answer("W1", seconds("10:15"), "AE", "Room 3 is down"),
    )
    assert answered(yes) == ("AA", "W1")
    assert answered(no) == ("AE", "W1")
    assert "ERR" not in fields(yes)
    assert fields(no)["ERR"][0][8] == "Room 3 is down"
    with pytest.raises(BadMessage):
        answered(b"MSH|^~\\&|X\r")
