"""The acknowledgement contract beyond its table, which `test_ingest_contract` plays in every mode: bytes, batches."""

import pytest
from siu_words import batch, with_msh

from orloop_common.messages import HL7_RAW
from orloop_common.runtime.mllp import Frame
from orloop_ingest.domain.acknowledging import CONTRACT, Came, Then, answers, wanted
from orloop_ingest.domain.hl7 import Header


def codes(found) -> list[str]:
    return [answer.split(b"\r")[1].split(b"|")[1].decode() for answer in found]


@pytest.mark.parametrize(
    ("condition", "good", "due"),
    [
        ("AL", True, True),
        ("AL", False, True),
        ("NE", True, False),
        ("NE", False, False),
        ("ER", True, False),
        ("ER", False, True),
        ("SU", True, True),
        ("SU", False, False),
        ("", True, False),
        ("XX", True, True),
    ],
)
def test_each_condition_of_table_0155_is_obeyed(condition, good, due):
    assert wanted(condition, good) is due


def test_every_line_of_the_contract_says_what_becomes_of_the_connection():
    assert set(CONTRACT) == set(Came)
    closed = {rule.came for rule in CONTRACT.values() if rule.then is Then.CLOSES}
    assert closed == {Came.HALF_FRAME, Came.NOT_DURABLE, Came.LATE}
    assert all(not CONTRACT[came].original for came in closed), "who is closed is not answered"


def test_the_same_header_gets_the_same_bytes_again(desk):
    now = desk.clock.now()
    header = Header(application="TWIN", control_id="M1", kind="SIU", trigger="S12", version="2.5.1")
    assert answers(header, now, "id") == answers(header, now, "id")


def test_a_duplicate_after_a_restart_gets_the_very_bytes_of_the_first_answer(desk, siu):
    first = desk.tell(siu())
    raw = next(output.message for output in first.first if output.topic == HL7_RAW)
    other = type(desk.reception)(desk.site, desk.ledger, desk.reception._pseudonyms, lambda body: b"sealed", desk.clock)
    other.remember(raw.id, raw.received, stored=True)
    desk.clock.set(desk.clock.now().replace(hour=15))
    again = other.receive(Frame(siu()))
    assert again.answers == first.answers
    assert [output.topic for output in again.first if output.topic == HL7_RAW] == []
    assert again.events == ()


def test_a_certificate_of_another_source_is_refused_and_kept(desk, siu):
    arrival = desk.reception.arrive(Frame(siu()), frozenset({"OTHER"}).__contains__)
    assert codes(arrival.answers.all) == ["AR"]
    received = desk.reception.read(arrival)
    assert received.events == ()
    assert received.first[0].topic == HL7_RAW


def test_a_batch_is_answered_message_by_message_in_one_batch(desk, siu):
    bodies = [siu(case=f"A{n}", control=f"M{n}") for n in range(3)]
    bodies[1] = with_msh(bodies[1], f12="1.0")
    received = desk.tell(batch(*bodies))
    (answer,) = received.answers
    lines = answer.split(b"\r")
    assert lines[0].startswith(b"BHS|^~\\&|ORLOOP|ORLOOP|TWIN|DEMO|")
    assert [line for line in lines if line.startswith(b"MSA")] == [b"MSA|AA|M0", b"MSA|AR|M1", b"MSA|AA|M2"]
    assert b"BTS|3" in lines
    assert [type(event).__name__ for event in received.events] == ["CaseScheduled", "CaseScheduled"]
    assert len([output for output in received.first if output.topic == HL7_RAW]) == 1
    assert received.problem is not None


def test_a_later_message_of_a_batch_knows_the_earlier_ones(desk, siu):
    moved = siu("S13", control="M2", version="V2", room="OR1")
    received = desk.tell(batch(siu(), moved))
    assert [event.room for event in received.events] == ["3", "1"]
