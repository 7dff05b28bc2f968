"""The acknowledgement contract, line by line: its own table is the parameters."""

import itertools

import pytest

from orloop_common.messages import HL7_RAW
from orloop_common.runtime.mllp import Fault, FaultKind, Frame
from orloop_ingest.domain.acknowledging import CONTRACT, Came, Then, answers, wanted
from orloop_ingest.domain.hl7 import Header


def codes(found) -> list[str]:
    return [answer.split(b"\r")[1].split(b"|")[1].decode() for answer in found]


def with_msh(body: bytes, **fields: str) -> bytes:
    head, rest = body.split(b"\r", 1)
    parts = head.decode().split("|")
    for name, value in fields.items():
        number = int(name[1:]) - 1
        parts += [""] * (number + 1 - len(parts))
        parts[number] = value
    return "|".join(parts).encode() + b"\r" + rest


# What arrives for each line of the contract, as a frame or a fault; what connections see is in test_ingest_intake.
def arrivals(siu, came: Came, **msh: str):
    body = with_msh(siu(), **msh)
    return {
        Came.GOOD: Frame(body),
        Came.UNMAPPED: Frame(with_msh(siu(drop=("SCH",)), **msh)),
        Came.REPEATED: Frame(body),
        Came.REUSED: Frame(with_msh(siu(version="V2"), **msh)),
        Came.BAD_HEADER: Frame(with_msh(siu(), **{**msh, "f12": "1.0"})),
        Came.MISDIRECTED: Frame(with_msh(siu(), **{**msh, "f11": "T"})),
        Came.TOO_LONG: Fault(FaultKind.TOO_LONG, body[:4096], 9 * 2**20),
        Came.NO_FRAME: Fault(FaultKind.CUT_SHORT, body[:60], 60),
        Came.HALF_FRAME: Fault(FaultKind.CUT_SHORT, body[:60], 60),
    }[came]


ON_ARRIVAL = (
    Came.GOOD,
    Came.UNMAPPED,
    Came.REPEATED,
    Came.REUSED,
    Came.BAD_HEADER,
    Came.MISDIRECTED,
    Came.TOO_LONG,
    Came.NO_FRAME,
    Came.HALF_FRAME,
)
CONDITIONS = ("", "AL", "NE", "ER", "SU")


@pytest.mark.parametrize("came", ON_ARRIVAL, ids=lambda came: came.name.lower())
@pytest.mark.parametrize(("accept", "application"), list(itertools.product(CONDITIONS, CONDITIONS)))
def test_what_arrives_is_answered_kept_and_told_as_the_contract_says(desk, siu, canaries, came, accept, application):
    rule = CONTRACT[came]
    if came in (Came.REPEATED, Came.REUSED):
        desk.tell(with_msh(siu(), f15=accept, f16=application))
    told = arrivals(siu, came, f15=accept, f16=application)
    received = desk.reception.receive(told) if isinstance(told, Frame) else desk.reception.refuse(told)
    good = not rule.error
    if not rule.original:
        due = []
    elif not accept and not application:
        due = [rule.original]
    elif good:
        due = [rule.accept] * wanted(accept, True) + [rule.application] * wanted(application, True)
    else:
        due = ([rule.accept] * wanted(accept, False) + [rule.application] * wanted(application, False))[:1]
    assert codes(received.answers) == due
    assert all((b"\rERR|" in answer) == rule.error for answer in received.answers)
    assert any(o.topic == HL7_RAW for o in received.first) == rule.raw
    assert bool([e for e in received.events if type(e).__name__ != "CaseDoubted"]) == rule.events
    assert [word for word in canaries for answer in received.answers if word.encode() in answer] == []


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


def test_a_test_message_on_the_production_door_is_kept_and_makes_no_event(desk, siu):
    received = desk.tell(with_msh(siu(), f11="T"))
    assert codes(received.answers) == ["AR"]
    assert b"ERR||MSH^1^11|202" in received.answers[0]
    assert received.events == ()
    assert desk.raws[-1].problem.startswith("bad_header")


def test_a_certificate_of_another_source_is_refused_and_kept(desk, siu):
    arrival = desk.reception.arrive(Frame(siu()), frozenset({"OTHER"}).__contains__)
    assert codes(arrival.answers.all) == ["AR"]
    received = desk.reception.read(arrival)
    assert received.events == ()
    assert received.first[0].topic == HL7_RAW


def batch(*messages: bytes, count: int | None = None) -> bytes:
    trailer = f"BTS|{len(messages) if count is None else count}\rFTS|1\r".encode()
    return b"FHS|^~\\&|TWIN|DEMO\rBHS|^~\\&|TWIN|DEMO\r" + b"".join(messages) + trailer


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


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_batch_with_a_wrong_count_is_refused_whole_so_that_the_sender_keeps_it(desk, siu, count):
    rule = CONTRACT[Came.BAD_BATCH]
    received = desk.tell(batch(siu(), siu(control="M2", case="A2"), count=count))
    assert codes(received.answers) == [rule.original]
    assert b"ERR||BTS^1^1|100" in received.answers[0]
    assert received.events == ()
    assert desk.raws[-1].problem.startswith("bad_header")
