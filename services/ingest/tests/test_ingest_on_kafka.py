"""The doors on a real broker: what they acknowledge is on the log, and only that."""

import itertools
import subprocess
import sys
import threading
import time
import zlib
from datetime import UTC, datetime, timedelta

import pytest

from orloop_common.domain import events as e
from orloop_common.messages import CASE_IDENTITY, HL7_RAW, SUITE_EVENTS, decode
from orloop_common.runtime.clock import append_segment, change_rate
from orloop_common.runtime.crypto import PayloadCipher

pytestmark = [pytest.mark.broker, pytest.mark.timeout(150)]
VT, END = b"\x0b", b"\x1c\r"


def framed(body: bytes) -> bytes:
    return VT + body + END


def cases(ingest) -> list[e.CaseScheduled]:
    return [event for event in ingest.records(SUITE_EVENTS) if isinstance(event, e.CaseScheduled)]


def raw_bodies(ingest) -> list[bytes]:
    key = PayloadCipher(ingest.payload_key)
    return [zlib.decompress(key.decrypt(raw.payload.encode())) for raw in ingest.records(HL7_RAW)]


def test_a_booking_by_mllp_ends_as_a_case_scheduled_on_the_log(make_ingest, siu):
    ingest = make_ingest()
    body = siu(source=ingest.source)
    assert b"MSA|AA|M1\r" in ingest.connect().ask(body)
    (event,) = cases(ingest)
    assert (event.room, event.service, event.booked) == ("3", "orthopaedics", timedelta(minutes=90))
    assert raw_bodies(ingest) == [body]
    assert [i.case for i in ingest.records(CASE_IDENTITY)] == [event.case]
    assert any(isinstance(tick, e.ClockTicked) for tick in ingest.records(SUITE_EVENTS))
    state = ingest.get("/state").json()
    assert state["suites"][ingest.suite]["digest"]


def test_every_way_to_break_a_frame_is_survived(make_ingest, siu, canaries):
    ingest = make_ingest(ORLOOP_HALF_FRAME_SECONDS="1.5", ORLOOP_FRAME_LIMIT_BYTES=str(2**20))
    number = iter(range(1, 1000))

    def say(**change) -> tuple[bytes, bytes]:
        n = next(number)
        control = f"F{n}"
        return siu(source=ingest.source, case=f"A{n}", control=control, **change), f"MSA|AA|{control}\r".encode()

    def fine(prefix: bytes = b"", suffix: bytes = END, line=None) -> None:
        body, expected = say()
        line = line or ingest.connect()
        line.send(prefix + VT + body + suffix)
        assert expected in line.answer()

    fine(prefix=b"junk before\r\n")
    fine(prefix=VT)
    fine(suffix=b"\x1c")  # no CR, then silence
    fine(suffix=b"\x1c\n")
    line = ingest.connect()
    for _ in range(2):  # FS without CR, and the next frame right behind it: two messages, two answers
        (one, first), (two, second) = say(), say()
        line.send(VT + one + b"\x1c" + framed(two))
        assert first in line.answer()
        assert second in line.answer()
    (half, _), (whole, expected) = say(), say()
    line.send(VT + half[:100] + framed(whole))  # VT inside of a frame
    assert expected in line.answer()
    assert line.silent()
    body, expected = say()
    for byte in framed(body):  # one byte a packet
        line.send(bytes([byte]))
    assert expected in line.answer()
    pipelined = [say() for _ in range(50)]
    line.send(b"".join(framed(body) for body, _ in pipelined))
    for _, expected in pipelined:
        assert expected in line.answer()
    assert b"MSA|AR|" in line.ask(b"\x00" * 10)
    body, _ = say(obx=("TX|X||" + "y" * 9 * 2**20,))
    line.send(framed(body))
    assert b"MSA|AR|" in line.answer()
    line = ingest.connect()
    line.send(VT + body[:300])  # half a frame, then silence
    with pytest.raises(ConnectionError):
        line.answer()
    fine()
    assert len(cases(ingest)) == 4 + 4 + 1 + 1 + 50 + 1
    problems = [raw.problem.split(":")[0] for raw in ingest.records(HL7_RAW) if raw.problem]
    assert sorted(problems) == ["bad_header", "broken_frame", "broken_frame", "broken_frame", "too_long"]
    letters = ingest.records(f"{HL7_RAW}.dlq")
    assert sorted(letter.reason.split(":")[0] for letter in letters) == sorted(problems)
    assert [word for word in canaries if word in ingest.log] == []


def test_no_patient_is_in_clear_in_any_topic_log_or_metric(make_ingest, siu, canaries):
    ingest = make_ingest()
    line = ingest.connect()
    for number, change in enumerate(({}, {"room": "OR99"}, {"drop": ("SCH",)}, {"header": "P|2.1"}, {"start": "soon"})):
        line.ask(siu(source=ingest.source, case=f"A{number}", control=f"M{number}", **change))
    ingest.post("rooms/99/down", {"cause": "free canary text"})
    quarantined, deadline = 'orloop_ingest_quarantined_total{reason="wrong_body"} 1.0', time.monotonic() + 20
    while quarantined not in ingest.get("/metrics").text:  # what is durable is acknowledged, and mapped after that
        assert time.monotonic() < deadline, "the message without SCH was not quarantined"
        time.sleep(0.1)
    everything = [ingest.log, ingest.get("/metrics").text, ingest.get("/state").text]
    for topic in (SUITE_EVENTS, HL7_RAW, CASE_IDENTITY, f"{HL7_RAW}.dlq"):
        everything += [repr(record) for record in ingest.keyed(topic)]
    found = [word for word in canaries for text in everything if word in text]
    assert found == []


def test_a_duplicate_writes_nothing_even_after_a_restart(make_ingest, siu):
    ingest = make_ingest()
    body = siu(source=ingest.source, obx=("DTM|WHEELS_IN||20260302090500+0000",))
    line = ingest.connect()
    assert line.ask(body) == line.ask(body)
    assert len(ingest.records(HL7_RAW)) == 1
    doubtful = siu(source=ingest.source, control="M2", room="OR99")
    line.ask(doubtful)
    ingest.kill()
    ingest.start()
    line = ingest.connect()
    assert b"MSA|AA|M1\r" in line.ask(body)
    assert b"MSA|AA|M2\r" in line.ask(doubtful)
    events = [x for x in ingest.records(SUITE_EVENTS) if not isinstance(x, e.ClockTicked)]
    assert [type(event) for event in events] == [e.CaseScheduled, e.MilestoneRecorded, e.CaseDoubted]
    assert len(ingest.records(CASE_IDENTITY)) == 1


def test_the_visit_index_is_rebuilt_after_a_restart(make_ingest, siu):
    ingest = make_ingest()
    ingest.connect().ask(siu(source=ingest.source))
    ingest.kill()
    ingest.start()
    lines = (
        f"MSH|^~\\&|{ingest.source}|DEMO|ORLOOP|ORLOOP|20260302111700+0000||ADT^A02|D1|P|2.5.1",
        "EVN|A02|20260302111700+0000||||20260302111500+0000",
        "PV1|1|I|PACU||||||||||||||||VNA100",
    )
    assert b"MSA|AA|D1" in ingest.connect().ask("".join(line + "\r" for line in lines).encode())
    (event,) = [x for x in ingest.records(SUITE_EVENTS) if isinstance(x, e.MilestoneRecorded)]
    assert event.case == cases(ingest)[0].case


def test_nothing_acknowledged_is_lost_when_ingest_is_killed_again_and_again(make_ingest, siu):
    ingest = make_ingest()
    acknowledged: list[str] = []
    over = threading.Event()

    def send() -> None:
        n = 0
        while not over.is_set():
            try:
                line = ingest.connect()
                while not over.is_set():
                    batch = [f"K{n + i}" for i in range(5)]
                    for control in batch:
                        line.send(framed(siu(source=ingest.source, case=control, control=control)))
                    for control in batch:
                        assert f"MSA|AA|{control}\r".encode() in line.answer()
                        acknowledged.append(control)
                    n += 5
            except OSError:
                n += 5  # what was not acknowledged is not sent again here: only what was counts
                time.sleep(0.05)

    sender = threading.Thread(target=send)
    sender.start()
    for _ in range(3):
        time.sleep(1.0)
        ingest.kill()
        ingest.start()
    time.sleep(0.5)
    over.set()
    sender.join(20)
    kept = {raw.control_id for raw in ingest.records(HL7_RAW)}
    assert len(acknowledged) > 50
    assert set(acknowledged) <= kept
    identities = {i.case for i in ingest.records(CASE_IDENTITY)}
    told = [event.case for event in cases(ingest)]
    assert len(told) == len(set(told))
    assert set(told) <= identities, "an identity is written before the event"
    assert len(told) >= len(acknowledged)


def test_ticks_follow_a_clock_file_that_is_slowed_and_survive_a_kill(make_ingest, tmp_path):
    path = tmp_path / "clock.jsonl"
    append_segment(path, datetime(2026, 3, 2, 7, tzinfo=UTC), 120.0)
    ingest = make_ingest(ORLOOP_CLOCK=str(path))
    time.sleep(1.5)
    change_rate(path, 5.0)
    ingest.kill()
    ingest.start()
    change_rate(path, 120.0)
    time.sleep(1.5)
    ingest.stop()
    ticks = [event.at for event in ingest.records(SUITE_EVENTS) if isinstance(event, e.ClockTicked)]
    assert len(ticks) > 8
    assert ticks == sorted(set(ticks))
    assert all(tick.second in (0, 30) and not tick.microsecond for tick in ticks)
    gaps = [later - earlier for earlier, later in itertools.pairwise(ticks)]
    assert gaps.count(timedelta(seconds=30)) > len(gaps) / 2


def test_a_report_by_hand_is_on_the_log_and_its_retry_is_not(make_ingest):
    ingest = make_ingest()
    for _ in range(2):
        answer = ingest.post("rooms/3/down", {"cause": "water"}, **{"Idempotency-Key": "k"})
        assert answer.status_code == 202
    downs = [event for event in ingest.records(SUITE_EVENTS) if isinstance(event, e.RoomWentDown)]
    assert [event.id for event in downs] == [answer.json()["event_id"]]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ORLOOP_MLLP_PORT": ""}, "ORLOOP_MLLP_PORT"),
        ({"ORLOOP_MLLP_PORT": "{used}"}, "ORLOOP_MLLP_PORT: Expected to listen"),
        ({"ORLOOP_MANUAL_PORT": "{used}"}, "ORLOOP_MANUAL_PORT: Expected to listen"),
        ({"ORLOOP_IDENTITY_SECRET": "short"}, "ORLOOP_IDENTITY_SECRET"),
        ({"ORLOOP_PAYLOAD_KEY": "nonsense"}, "ORLOOP_PAYLOAD_KEY"),
        ({"ORLOOP_SITE": "/nowhere/site.yaml"}, "ORLOOP_SITE"),
        ({"ORLOOP_SUITES": "nowhere"}, "ORLOOP_SUITES"),
    ],
)
def test_a_wrong_setting_is_one_clear_line_and_code_2(make_ingest, changed, said):
    import socket

    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        changed = {name: value.format(used=used.getsockname()[1]) for name, value in changed.items()}
        ingest = make_ingest(start=False, **changed)
        done = subprocess.run(
            [sys.executable, "-m", "orloop_ingest"], env=ingest.environment, capture_output=True, text=True, timeout=30
        )
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Maybe" in done.stderr
    assert "Traceback" not in done.stderr
    assert "short" not in done.stderr.replace("shorter", "")


def test_every_record_is_a_cloudevent_with_its_cause(make_ingest, siu):
    ingest = make_ingest()
    ingest.connect().ask(siu(source=ingest.source))
    from_log = [
        (headers, decode(headers["ce_type"], headers["ce_dataschema"], value))
        for headers, _, value in read(ingest, SUITE_EVENTS)
    ]
    headers, event = next((h, m) for h, m in from_log if isinstance(m, e.CaseScheduled))
    assert headers["ce_id"] == event.id
    assert headers["ce_source"] == "/orloop/ingest"
    assert headers["ce_causationid"] == ingest.records(HL7_RAW)[0].id


def read(ingest, topic):
    ingest.drained()
    found = []
    for headers, key, value in ingest.read(topic):
        if headers.get("ce_subject") == ingest.suite:
            found.append((headers, key, value))
    return found
