"""Bad input beyond the table in `test_ingest_contract`: faults of our own, answers in kind, other people's corpora."""

from orloop_common.messages import HL7_RAW
from orloop_common.runtime.mllp import Frame
from orloop_ingest.domain.hl7 import read_header
from orloop_ingest.domain.quarantine import Reason


def answer_code(received) -> str:
    (answer,) = received.answers
    return answer.split(b"\r")[1].split(b"|")[1].decode()


def test_other_delimiters_are_read_and_answered_in_kind(desk, siu):
    table = bytes.maketrans(b"|^~\\&", b"!@#%*")
    received = desk.tell(siu().translate(table))
    assert received.outcome == "mapped"
    assert received.answers[0].startswith(b"MSH!@#%*!ORLOOP!ORLOOP!TWIN!DEMO!")
    assert b"\rMSA!AA!M1\r" in received.answers[0]


def test_every_reason_has_a_sentence_for_a_person():
    assert all(reason.sentence.endswith(".") for reason in Reason)


def test_a_fault_of_our_own_is_quarantined_without_the_patient_in_the_log(desk, siu, monkeypatch, caplog, canaries):
    def explode(*_):
        raise RuntimeError("Zzyxcanary 19511123")

    monkeypatch.setattr("orloop_ingest.reception.understand", explode)
    received = desk.tell(siu())
    assert (answer_code(received), received.problem.reason) == ("AA", Reason.MAPPER_FAILED)
    assert [word for word in canaries if word in caplog.text or word in received.problem.args[0]] == []


def test_a_duplicate_gets_the_stored_answer_and_writes_nothing(desk, siu):
    first = desk.tell(siu())
    desk.clock.set(desk.clock.now().replace(hour=13))
    again = desk.tell(siu())
    assert again.answers == first.answers
    assert (again.first, again.then, again.outcome) == ((), (), "repeated")


def test_a_header_that_our_own_reading_does_not_survive_is_kept_and_refused_and_no_loop(desk, siu, monkeypatch):
    def break_down(body: bytes) -> None:
        raise RuntimeError(body)

    monkeypatch.setattr("orloop_ingest.domain.hl7.read_header", break_down)
    received = desk.tell(siu())
    assert (answer_code(received), received.problem.reason, received.events) == ("AR", Reason.BAD_HEADER, ())
    assert [output.topic for output in received.first] == [HL7_RAW]


def test_what_was_expected_counts_for_the_next_message_before_it_is_read_back(desk, siu):
    desk.reception.receive(Frame(siu("S14", control="M2", obx=("DTM|INCISION||20260302093000+0000",))))
    later = siu("S14", control="M3", sent="20260302100000+0000", obx=("DTM|INCISION||20260302092500+0000",))
    (event,) = desk.reception.receive(Frame(later)).events
    assert event.replaces is not None


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
