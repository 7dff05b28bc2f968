"""The courier and a hospital that answers, refuses, is slow, or hangs up: a raw socket on the other side."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from writing_back import CIPHER, a_step, identity, sealed

from orloop_common.domain.plan import Place
from orloop_common.messages.identity import PatientIdentity, SenderIdentity
from orloop_common.runtime import SystemClock
from orloop_common.testing.suite import HOUR, clock, small_site
from orloop_writeback.adapters.courier import Courier, Patience
from orloop_writeback.adapters.mllp import MllpClient
from orloop_writeback.adapters.siu import SiuScribe
from orloop_writeback.domain.message import Answer, Step

PROFILE = small_site().hl7


def step(case: str = "hip", proposal: str = "p1") -> Step:
    return a_step(case=case, proposal=proposal)


def written(one: Step, who: SenderIdentity | None = None) -> tuple[bytes, tuple[str, ...]]:
    assert PROFILE is not None
    return SiuScribe(PROFILE, CIPHER.decrypt).write(one, sealed(one.case, who))


def fields(body: bytes, segment: str) -> list[str]:
    return next(line.split("|") for line in body.decode().split("\r") if line.startswith(segment))


@pytest.fixture
def send() -> Iterator[Callable[..., list[Answer]]]:
    stop = threading.Event()

    def run(port: int, *steps: Step, timeout: float = 0.3, tries: int = 4) -> list[Answer]:
        real = SystemClock()
        courier = Courier(MllpClient("127.0.0.1", port, real, timeout), Patience(tries, 0.02, 0.1), real, stop)
        threading.Thread(target=courier.run, daemon=True).start()
        for one in steps:
            courier.send(one, *written(one))
        answers: list[Answer] = []
        deadline = time.monotonic() + 5
        while len(answers) < len(steps) and time.monotonic() < deadline:
            answers += courier.answers()
            time.sleep(0.005)
        return answers

    yield run
    stop.set()


def test_a_change_is_said_as_the_profile_has_it() -> None:
    body, _ = written(step())
    assert fields(body, "MSH")[2:6] == ["ORLOOP", "ORLOOP", "TWIN", "DEMO"]
    assert fields(body, "MSH")[8] == "SIU^S13^SIU_S12"
    assert len(fields(body, "MSH")[9]) == 20
    assert fields(body, "SCH")[2] == "C1"
    assert fields(body, "TQ1")[7:9] == ["20260302110000+0000", "20260302120000+0000"]
    assert fields(body, "AIL")[3] == "OR3^^^DEMO"
    assert fields(body, "AIL")[6] == "20260302110000+0000"
    assert fields(body, "PID")[3] == "990017^^^DEMO^MR"
    assert fields(body, "PID")[5] == "Zimtstern^Ottilie"
    order = [line[:3] for line in body.decode().split("\r") if line]
    assert order == ["MSH", "SCH", "TQ1", "PID", "PV1", "RGS", "AIL"]


def test_times_are_told_in_the_senders_own_zone() -> None:
    body, _ = written(step(), identity(zone="+0100"))
    assert fields(body, "TQ1")[7] == "20260302120000+0100"


def test_delimiters_in_a_senders_id_are_escaped_and_its_name_goes_back_as_it_came() -> None:
    name = PatientIdentity(id="9|9", name="M\\T\\M^Ottilie", assigner="D&D")
    body, _ = written(step(), identity(pid=name, filler="C^1"))
    assert fields(body, "SCH")[2] == "C\\S\\1"
    assert fields(body, "PID")[3].startswith("9\\F\\9^^^D\\T\\D")
    assert fields(body, "PID")[5] == "M\\T\\M^Ottilie"


def test_the_same_step_gives_the_same_bytes_and_another_step_another_id() -> None:
    assert written(step())[0] == written(step())[0]
    ids = {step().control_id, step("knee").control_id, step(proposal="p2").control_id}
    assert len(ids) == 3
    parked = Step(suite="main", pending=step().pending, place=Place(room="1", start=clock("19:00")), booked=HOUR)
    assert parked.control_id != step().control_id


def test_an_accepted_change_is_told_so(hospital: Any, send: Any) -> None:
    there = hospital()
    assert [a.kind for a in send(there.port, step())] == ["accepted"]


def test_changes_go_one_after_the_other_over_one_connection(hospital: Any, send: Any) -> None:
    there = hospital()
    assert [a.kind for a in send(there.port, step(), step("knee"))] == ["accepted", "accepted"]
    assert there.connections == 1


@pytest.mark.parametrize("code", ["AE", "AR", "CE", "CR"])
def test_a_refusal_carries_the_hospitals_words_without_the_patient(
    hospital: Any, send: Any, acknowledge: Any, code: str
) -> None:
    words = "No bed for OTTILIE Zimtstern, MRN 990017 born 19410203 visit VIS-88, ask 0301234567"
    there = hospital(lambda _, payload: acknowledge(payload, code, words))
    (answer,) = send(there.port, step())
    assert answer.kind == "refused"
    assert answer.text == "No bed for … …, MRN … born … visit …, ask …"


def test_a_hospital_that_hangs_up_is_asked_again_with_the_same_bytes(
    hospital: Any, send: Any, acknowledge: Any
) -> None:
    there = hospital(lambda number, payload: None if number < 3 else acknowledge(payload))
    assert [a.kind for a in send(there.port, step())] == ["accepted"]
    assert len(there.received) == 3
    assert len(set(there.received)) == 1
    assert there.connections == 3


def test_a_hospital_that_is_silent_is_asked_again_with_the_same_bytes(
    hospital: Any, send: Any, acknowledge: Any
) -> None:
    there = hospital(lambda number, payload: b"" if number < 2 else acknowledge(payload))
    assert [a.kind for a in send(there.port, step())] == ["accepted"]
    assert len(there.received) == 2
    assert len(set(there.received)) == 1


def test_an_answer_to_another_message_is_no_answer(hospital: Any, send: Any, acknowledge: Any) -> None:
    other = written(step("knee"))[0]
    there = hospital(lambda number, payload: acknowledge(other) if number < 2 else acknowledge(payload))
    assert [a.kind for a in send(there.port, step())] == ["accepted"]
    assert len(there.received) == 2


@pytest.mark.parametrize("garbage", [b"hello", b"MSH|^~\\&|X\r", b"MSH|^~\\&|X\rMSA|ZZ|1\r"])
def test_what_is_no_acknowledgement_is_no_answer(hospital: Any, send: Any, acknowledge: Any, garbage: bytes) -> None:
    there = hospital(lambda number, payload: garbage if number < 2 else acknowledge(payload))
    assert [a.kind for a in send(there.port, step())] == ["accepted"]


def test_a_hospital_that_never_answers_ends_the_change_after_all_tries(hospital: Any, send: Any) -> None:
    there = hospital(lambda *_: None)
    (answer,) = send(there.port, step(), tries=3)
    assert answer.kind == "unanswered"
    assert answer.text == "The hospital's system did not answer 3 times."
    assert len(there.received) == 3


def test_a_hospital_that_is_not_there_ends_the_change_after_all_tries(hospital: Any, send: Any) -> None:
    there = hospital()
    there.close()
    assert [a.kind for a in send(there.port, step(), tries=2)] == ["unanswered"]
