"""The quarantine's index out of letters and doubts, and what of a raw message a person is shown."""

from datetime import UTC, datetime, timedelta

import pytest

from orloop_common.domain.derived import DeadLetter
from orloop_common.domain.events import CaseDoubted
from orloop_ingest.domain.letters import DROPPED, MAPPED, SHOWN, Letters
from orloop_ingest.domain.masking import show

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
SENTENCE = "The room is not in the site file's alias table. (AIL-3)"


def letter(reason=f"unknown_room: {SENTENCE}", offset=7, minutes=0):
    at = AT + timedelta(minutes=minutes)
    return DeadLetter(topic="orloop.hl7-raw.v1", partition=0, offset=offset, reason=reason, service="ingest", at=at)


def doubt(raw, case="c1", withdrawn=False):
    return CaseDoubted(
        id=f"d-{raw}-{case}-{withdrawn}", suite="main", at=AT, case=case, reason=SENTENCE, withdrawn=withdrawn
    )


def test_a_letter_opens_an_entry_with_the_doubts_of_its_message():
    letters = Letters().doubted(doubt("r1"), "r1").heard(letter(), "r1", "TWIN", "main")
    (entry,) = letters.open("main")
    assert (entry.code, entry.sentence, entry.source, entry.offset) == ("unknown_room", SENTENCE, "TWIN", 7)
    assert [d.case for d in entry.doubts] == ["c1"]
    later = Letters().heard(letter(), "r1", "TWIN", "main").doubted(doubt("r1"), "r1")
    assert later.open("main") == [entry], "whichever topic is read first"


@pytest.mark.parametrize("how", [f"{DROPPED}anna: test message", f"{MAPPED}anna"])
def test_a_closing_letter_ends_the_entry_and_a_new_fault_opens_it_again(how):
    letters = Letters().heard(letter(), "r1", "TWIN", "main").heard(letter(how, minutes=1), "r1", "TWIN", "main")
    assert letters.open() == []
    assert letters.entries["r1"].closed == how
    assert letters.heard(letter(minutes=2), "r1", "TWIN", "main").open()[0].since == AT, "the age is from the first"


def test_a_look_is_kept_and_closes_nothing():
    letters = Letters().heard(letter(), "r1", "TWIN", "main")
    letters = letters.heard(letter(f"{SHOWN}anna masked: ticket 1", minutes=1), "r1", "TWIN", "main")
    assert letters.open()[0].looks == ("shown to anna masked: ticket 1",)


def test_a_doubt_that_another_message_holds_too_is_not_withdrawn():
    letters = Letters()
    for raw, offset in (("r1", 7), ("r2", 8)):
        letters = letters.doubted(doubt(raw), raw).heard(letter(offset=offset), raw, "TWIN", "main")
    assert letters.to_withdraw(letters.entries["r1"]) == ()
    letters = letters.heard(letter(f"{MAPPED}anna"), "r1", "TWIN", "main")
    assert [d.case for d in letters.to_withdraw(letters.entries["r2"])] == ["c1"]
    letters = letters.doubted(doubt("r2", withdrawn=True), "r2")
    assert letters.entries["r2"].doubts == ()


def test_entries_are_found_by_suite_source_reason_and_the_start_of_their_id():
    letters = Letters().heard(letter(), "ab1", "TWIN", "main").heard(letter("no_start: x"), "ab2", "EPIC", "east")
    assert [e.raw for e in letters.open("main")] == ["ab1"]
    assert [e.raw for e in letters.open(source="EPIC")] == ["ab2"]
    assert [e.raw for e in letters.open(code="no_start")] == ["ab2"]
    assert [e.raw for e in letters.find("ab")] == ["ab1", "ab2"]
    assert letters.find("x") == []


def test_a_masked_message_keeps_its_shape_and_names_nobody(siu, canaries):
    body = siu(obx=("TX|NOTE||Zzyxcanary was here", "DTM|WHEELS_IN||20260302090500+0000", "ST|MRN||CANARYMRN77"))
    body += b"ZPI|Zzyxcanary|19511123\rNK1|1|Zzyxcanary^Bob\r"
    masked = show(body, phi=False)
    assert [word for word in canaries if word in masked] == []
    assert "PID|1||xxxxxxxxx99^^^xxxx^xx||xxxxxxxxxx^xxx||99999999|F" in masked
    assert "AIL|1||OR3^^^DEMO" in masked
    assert "20260302090500+0000" in masked
    plain = show(body, phi=True)
    assert all(word in plain for word in ("Zzyxcanary", "CANARYMRN77"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.replace(b"\r", b"\n"),
        lambda body: body.replace(b"\r", b"\r\n"),
        lambda body: body.replace(b"\r", b""),
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body.replace(b"|2.5.1\r", b"|2.5.1||||||GB 18030-2000\r"),
        lambda body: body.replace(b"|", b"!").replace(b"MSH!", b"MSH!"),
        lambda body: body[body.index(b"PID"):],
        lambda body: b'{"resourceType": "Patient", "name": [{"family": "Zzyxcanary"}], "id": "CANARYMRN77"}',
        lambda body: b'{"name": "Zzyxcanary',
    ],
)  # fmt: skip
def test_a_spoilt_message_names_nobody_either(siu, canaries, spoil):
    masked = show(spoil(siu()), phi=False)
    assert [word for word in canaries if word in masked] == []
