"""Bad headers, bodies and values: the right answer, raw kept, a reason, and nothing of the patient in a log."""

import pytest

from orloop_common.domain import events as e
from orloop_common.messages import HL7_RAW
from orloop_common.runtime.mllp import Fault, FaultKind
from orloop_ingest.domain.hl7 import read_header
from orloop_ingest.domain.quarantine import Reason


def answer_code(received) -> str:
    (answer,) = received.answers
    return answer.split(b"\r")[1].split(b"|")[1].decode()


def with_msh(siu, *, drop: tuple[str, ...] = (), **fields: str) -> bytes:
    """The usual booking with other MSH fields: `with_msh(siu, f9="SIU")`."""
    head, rest = siu(drop=drop).split(b"\r", 1)
    parts = head.decode().split("|")
    for name, value in fields.items():
        number = int(name[1:]) - 1
        parts += [""] * (number + 1 - len(parts))
        parts[number] = value
    return "|".join(parts).encode() + b"\r" + rest


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"f9": ""}, b"ERR||MSH^1^9|101"),
        ({"f9": "SIU"}, b"ERR||MSH^1^9|101"),
        ({"f9": "^S12"}, b"ERR||MSH^1^9|101"),
        ({"f10": ""}, b"ERR||MSH^1^10|101"),
        ({"f10": "x" * 200}, b"ERR||MSH^1^10|101"),
        ({"f10": "M\x07"}, b"ERR||MSH^1^10|102"),
        ({"f11": "T"}, b"ERR||MSH^1^11|202"),
        ({"f12": ""}, b"ERR||MSH^1^12|203"),
        ({"f12": "2.1"}, b"ERR||MSH^1^12|203"),
        ({"f12": "3"}, b"ERR||MSH^1^12|203"),
    ],
)
def test_a_bad_header_is_refused_and_kept_raw(desk, siu, fields, error):
    received = desk.tell(with_msh(siu, **fields))
    assert answer_code(received) == "AR"
    assert error in received.answers[0]
    assert received.events == ()
    assert desk.raws[-1].problem.startswith("bad_header")


@pytest.mark.parametrize(
    "fields",
    [{"f10": "x" * 199}, {"f12": "2.9"}, {"f12": "2.3"}, {"f12": "2.7.1"}, {"f18": "UNICODE UTF-8"}, {"f11": ""}],
)
def test_an_unusual_but_good_header_is_read(desk, siu, fields):
    received = desk.tell(with_msh(siu, **fields))
    assert (answer_code(received), received.outcome) == ("AA", "mapped")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"hello",
        b"msh|^~\\&|TWIN|DEMO\r",
        b"MSH|^~\\\rPID|1\r",
        b"FHS|^~\\&|TWIN\rBHS|^~\\&|TWIN\rMSH|^~\\&|TWIN\rBTS|7\rFTS|1\r",
    ],
)
def test_what_is_no_message_is_refused_and_kept_raw(desk, body):
    received = desk.tell(body)
    assert answer_code(received) == "AR"
    assert received.first[0].message.problem.startswith("bad_header")


def test_two_messages_in_one_frame_are_refused_as_a_whole(desk, siu):
    received = desk.tell(siu() + siu(control="M2", case="A200"))
    assert answer_code(received) == "AR"
    assert received.events == ()


def test_a_byte_order_mark_is_no_fault(desk, siu):
    assert desk.tell(b"\xef\xbb\xbf" + siu()).outcome == "mapped"


def test_other_delimiters_are_read_and_answered_in_kind(desk, siu):
    table = bytes.maketrans(b"|^~\\&", b"!@#%*")
    received = desk.tell(siu().translate(table))
    assert received.outcome == "mapped"
    assert received.answers[0].startswith(b"MSH!@#%*!ORLOOP!ORLOOP!TWIN!DEMO!")
    assert b"\rMSA!AA!M1\r" in received.answers[0]


def test_five_delimiters_are_read(desk, siu):
    assert desk.tell(siu().replace(b"^~\\&", b"^~\\&#", 1)).outcome == "mapped"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_line_feeds_between_segments_are_read(desk, siu, end):
    assert desk.tell(siu().replace(b"\r", end)).outcome == "mapped"


@pytest.mark.parametrize(
    "change",
    [
        {"replace": {"ZZZ": "ZOR|1|anything"}},
        {"drop": ("RGS",)},
        {"drop": ("RGS", "AIS", "AIP", "AIG")},
        {"drop": ("PID",)},
        {"replace": {"AIL": "AIP|1||S017^Meyer^Anna|SURGEON", "AIP": "AIL|1||OR3^^^DEMO"}},
        {"replace": {"AIS": "".join(f"AIS|{n}||5-820^Hip^OPS\r" for n in range(500)).rstrip("\r")}},
        {"replace": {"AIG": "AIG|1|D|NEVERTHERE"}},
        {"replace": {"NTE": "NTE|1||unterminated \\F and unknown \\Zx\\ free canary text"}},
        {"obx": ("TX|REMARK||" + "x" * 1_000_000,)},
        {"replace": {"PID": "PID|1||CANARYMRN77||" + "Zzyxcanary " * 9000}},
    ],
)
def test_an_odd_body_is_read(desk, siu, change):
    received = desk.tell(siu(**change))
    assert (answer_code(received), received.outcome) == ("AA", "mapped")
    assert desk.case().schedule.room in ("3", None)


OBX = "obx"
QUARANTINED = [
    ({"drop": ("SCH",)}, Reason.WRONG_BODY),
    ({"replace": {"SCH": "SCH||A100|||V1\rSCH||A200|||V1"}}, Reason.WRONG_BODY),
    ({"replace": {"SCH": "SCH|||||V1"}}, Reason.NO_CASE_ID),
    ({"drop": ("TQ1", "AIL")}, Reason.NO_START),
    ({"start": "20260302"}, Reason.BAD_TIME),
    ({"start": "yesterday"}, Reason.BAD_TIME),
    ({"start": "20260231090000+0000"}, Reason.BAD_TIME),
    ({"start": "20260329023000", "end": "20260329043000", "sent": ""}, Reason.BAD_TIME),
    ({"start": "20260302090000+9900"}, Reason.BAD_TIME),
    ({"end": "20260302080000+0000"}, Reason.BAD_LENGTH),
    ({"end": "20260302090000+0000"}, Reason.BAD_LENGTH),
    ({"end": "20260305090000+0000"}, Reason.BAD_LENGTH),
    ({"end": "", "replace": {"SCH": "SCH||A100|||V1||||2 hours|min"}}, Reason.BAD_LENGTH),
    ({"end": "", "replace": {"SCH": "SCH||A100|||V1||||-30|min"}}, Reason.BAD_LENGTH),
    ({"end": "", "replace": {"SCH": "SCH||A100|||V1||||90|fortnight"}}, Reason.BAD_LENGTH),
    ({"end": "", "replace": {"SCH": "SCH||A100|||V1||||nan|min"}}, Reason.BAD_LENGTH),
    ({"end": "", "replace": {"SCH": "SCH||A100|||V1||||0|min"}}, Reason.BAD_LENGTH),
    ({"version": "seven"}, Reason.BAD_VERSION),
    ({"replace": {"AIS": "AIS|1||5-820^" + "x" * 501 + "^OPS"}}, Reason.FIELD_TOO_LONG),
    ({"replace": {"AIS": "AIS|1||5-820^Hip^OPS" + "\rAIS|2||5-820^Hip^OPS" * 700}}, Reason.WRONG_BODY),
    ({"replace": {"PV1": "PV1|1|I|W|||||||XXX"}}, Reason.UNKNOWN_SERVICE),
    ({"replace": {"TQ1": "TQ1|1||||||20260302090000+0000|20260302100000+0000|9^Whenever"}}, Reason.UNKNOWN_PRIORITY),
    ({OBX: ("NM|ASA||9",)}, Reason.UNKNOWN_CODE),
    ({OBX: ("ST|BED_NEED||hammock",)}, Reason.UNKNOWN_CODE),
    ({OBX: ("CWE|READY_CONSENT||maybe",)}, Reason.UNKNOWN_CODE),
    ({OBX: ("CWE|READY_WEATHER||done",)}, Reason.UNKNOWN_CODE),
    ({OBX: ("DTM|INCISION||20260302235900+0000",)}, Reason.FUTURE_MILESTONE),
    ({OBX: ("DTM|INCISION||soon",)}, Reason.BAD_TIME),
    ({OBX: ("DTM|INCISION||20260302093000+0000||||||D",)}, Reason.UNKNOWN_CODE),
]


@pytest.mark.parametrize(("change", "reason"), QUARANTINED)
def test_what_cannot_be_mapped_is_acknowledged_quarantined_and_doubts_the_case(desk, siu, change, reason):
    received = desk.tell(siu(**change))
    assert answer_code(received) == "AA", "the sender cannot mend it by sending it again"
    assert received.problem.reason is reason
    assert desk.raws[-1].problem.startswith(reason)
    doubts = [event for event in received.events if isinstance(event, e.CaseDoubted)]
    assert len(received.events) == len(doubts)
    named = reason not in (Reason.NO_CASE_ID,) and "SCH" not in change.get("drop", ())
    assert len(doubts) == named


def test_every_reason_has_a_sentence_for_a_person():
    assert all(reason.sentence.endswith(".") for reason in Reason)


def test_a_time_that_the_clock_shows_twice_is_taken_as_the_first(desk, siu):
    """25 October 2026, 02:30 in Berlin: HL7 cannot say which, senders mean the first more often than not."""
    lines = {"start": "20261025023000", "end": "20261025040000", "sent": ""}
    event, *flagged = desk.tell(siu(**lines)).events
    assert event.start.isoformat() == "2026-10-25T00:30:00+00:00"
    assert {(type(each), each.second) for each in flagged} == {(e.SourceDisagreed, "ambiguous_time")}


@pytest.mark.parametrize("kind", ["ADT^A60", "ORM^O01", "SIU^S99", "ZIU^Z01"])
def test_a_type_that_is_not_read_over_the_body_of_a_schedule_is_quarantined(desk, siu, kind):
    received = desk.tell(with_msh(siu, f9=kind))
    assert (answer_code(received), received.problem.reason) == ("AA", Reason.UNKNOWN_TYPE)


@pytest.mark.parametrize("kind", ["ADT^A60", "ORM^O01", "MDM^T02", "ZZZ^Z01"])
def test_what_is_for_others_is_kept_and_acknowledged_and_doubts_nothing(desk, siu, kind):
    desk.tell(siu())
    received = desk.tell(with_msh(siu, f9=kind, drop=("SCH",)))
    assert (answer_code(received), received.problem, received.events) == ("AA", None, ())
    assert [output.topic for output in received.first] == [HL7_RAW]


@pytest.mark.parametrize("kind", ["ADT^A02", "ORU^R01"])
def test_a_type_that_does_not_fit_its_body_is_quarantined(desk, siu, kind):
    received = desk.tell(with_msh(siu, f9=kind))
    assert (answer_code(received), received.problem.reason) == ("AA", Reason.WRONG_BODY)


def test_an_unknown_source_is_quarantined_and_touches_no_case(desk, siu):
    received = desk.tell(siu(source="STRANGER"))
    assert (answer_code(received), received.problem.reason) == ("AA", Reason.UNKNOWN_SOURCE)
    assert received.events == ()


def test_wrong_characters_are_quarantined_unless_they_stand_where_nobody_reads(desk, siu):
    declared = with_msh(siu, f18="UNICODE UTF-8")
    in_note = declared.replace(b"free canary text", b"M\xfcller")
    assert desk.tell(in_note).outcome == "mapped"
    in_procedure = declared.replace(b"Hip replacement", b"H\xfcfte").replace(b"|M1|", b"|M2|").replace(b"V1", b"V2")
    assert desk.tell(in_procedure).problem.reason is Reason.UNREADABLE_CHARACTERS


def test_a_fault_of_our_own_is_quarantined_without_the_patient_in_the_log(desk, siu, monkeypatch, caplog, canaries):
    def explode(*_):
        raise RuntimeError("Zzyxcanary 19511123")

    monkeypatch.setattr("orloop_ingest.reception.understand", explode)
    received = desk.tell(siu())
    assert (answer_code(received), received.problem.reason) == ("AA", Reason.MAPPER_FAILED)


# --- duplicates --------------------------------------------------------------------------------------


def test_a_duplicate_gets_the_stored_answer_and_writes_nothing(desk, siu):
    first = desk.tell(siu())
    desk.clock.set(desk.clock.now().replace(hour=13))
    again = desk.tell(siu())
    assert again.answers == first.answers
    assert (again.first, again.then, again.outcome) == ((), (), "repeated")


def test_the_same_id_with_another_body_is_a_new_message(desk, siu):
    desk.tell(siu())
    again = desk.tell(siu(version="V2", room="OR1"))
    assert [type(event) for event in again.events] == [e.CaseScheduled]


def test_a_header_that_our_own_reading_does_not_survive_is_kept_and_refused_and_no_loop(desk, siu, monkeypatch):
    def break_down(body: bytes) -> None:
        raise RuntimeError(body)

    monkeypatch.setattr("orloop_ingest.domain.hl7.read_header", break_down)
    received = desk.tell(siu())
    assert (answer_code(received), received.problem.reason, received.events) == ("AR", Reason.BAD_HEADER, ())
    assert [output.topic for output in received.first] == [HL7_RAW]


def test_what_was_expected_counts_for_the_next_message_before_it_is_read_back(desk, siu):
    desk.reception.receive(frame(siu("S14", control="M2", obx=("DTM|INCISION||20260302093000+0000",))))
    later = siu("S14", control="M3", sent="20260302100000+0000", obx=("DTM|INCISION||20260302092500+0000",))
    (event,) = desk.reception.receive(frame(later)).events
    assert event.replaces is not None


def frame(body: bytes):
    from orloop_common.runtime.mllp import Frame

    return Frame(body)


# --- frames and modes --------------------------------------------------------------------------------


def test_fs_inside_of_a_frame_is_refused(desk, siu):
    received = desk.tell(siu() + b"\x1cmore", FaultKind.FS_INSIDE)
    assert answer_code(received) == "AR"
    assert received.events == ()


def test_a_frame_without_its_cr_is_read(desk, siu):
    assert desk.tell(siu(), FaultKind.NO_CR).outcome == "mapped"


@pytest.mark.parametrize("kind", [FaultKind.CUT_SHORT, FaultKind.JUNK])
def test_what_is_no_whole_frame_is_kept_raw_and_never_acknowledged(desk, siu, kind):
    received = desk.reception.refuse(Fault(kind, siu()[:200], 200))
    assert (received.answers, received.events) == ((), ())
    assert received.first[0].message.problem.startswith("broken_frame")


def test_what_is_too_long_is_refused_by_the_id_in_its_head(desk, siu):
    received = desk.reception.refuse(Fault(FaultKind.TOO_LONG, siu()[:4096], 9 * 2**20))
    assert b"MSA|AR|M1\r" in received.answers[0]


@pytest.mark.parametrize(
    ("accept", "application", "codes"),
    [
        ("", "", ["AA"]),
        ("AL", "NE", ["CA"]),
        ("AL", "", ["CA"]),
        ("NE", "AL", ["AA"]),
        ("AL", "AL", ["CA", "AA"]),
        ("NE", "NE", []),
        ("ER", "NE", []),
    ],
)
def test_the_enhanced_mode_gets_what_it_asks_for(desk, siu, accept, application, codes):
    received = desk.tell(with_msh(siu, f15=accept, f16=application))
    assert [a.split(b"\r")[1].split(b"|")[1].decode() for a in received.answers] == codes


def test_the_enhanced_mode_refuses_a_bad_header_with_cr(desk, siu):
    assert answer_code(desk.tell(with_msh(siu, f12="2.1", f15="AL", f16="NE"))) == "CR"


def test_an_answer_repeats_nothing_but_the_header(desk, siu, canaries):
    for change in ({}, {"room": "OR99"}, {"header": "P|2.1"}):
        text = desk.tell(siu(**change)).answers[0].decode()
        assert [word for word in canaries if word in text] == []


def test_every_message_of_the_corpora_gets_an_answer(desk, corpora):
    """Headers as their senders wrote them, then with a source and mode of ours so that the mapping is tried too."""
    for number, line in enumerate(corpora):
        body = line["msg"].encode()
        first = desk.tell(body)
        assert first.answers or read_header(body)[0].enhanced
        head, _, rest = body.partition(b"\r")
        parts = head.split(b"|")
        if len(parts) > 11:
            parts[2], parts[9], parts[10], parts[11] = b"TWIN", b"C%d" % number, b"P", b"2.5.1"
            parts[14:16] = [b"", b""][: max(0, len(parts) - 14)]
        received = desk.tell(b"|".join(parts) + b"\r" + rest)
        assert received.problem is None or received.problem.reason is not Reason.MAPPER_FAILED
        assert answer_code(received) in ("AA", "AR")
