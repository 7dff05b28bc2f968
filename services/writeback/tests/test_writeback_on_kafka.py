"""Write-back as a process on a real broker, against a hospital on a raw socket."""

import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orloop_cli.broker import Broker
from orloop_cli.testing import create_topics
from orloop_common.domain import events as e
from orloop_common.domain.vocabulary import Verdict
from orloop_common.messages import CASE_IDENTITY, SUITE_EVENTS, TOPICS, WRITEBACK_STATUS
from orloop_common.messages.identity import PatientIdentity, SenderIdentity, seal_identity
from orloop_common.runtime.crypto import PayloadCipher, generate_key
from orloop_common.testing.process import MESH_TOPICS, Desk, ServiceProcess, wait_for
from orloop_common.testing.suite import booked, change, clock, day_after, tick

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]
KEY = generate_key()
CIPHER = PayloadCipher(KEY)
CANARIES = ("Zimtstern", "Ottilie", "MRN990017", "19410203", "VIS8812")


@pytest.fixture
def desk(own_broker: Broker) -> Iterator[Desk]:
    create_topics(own_broker.bootstrap, MESH_TOPICS)
    found = Desk(own_broker.bootstrap)
    yield found
    found.close()


def process(desk: Desk, home: Path, port: int, **more: str) -> ServiceProcess:
    settings = {
        "ORLOOP_WRITEBACK_ENABLED": "1",
        "ORLOOP_HOSPITAL_PORT": str(port),
        "ORLOOP_PAYLOAD_KEY": KEY,
        "ORLOOP_ACK_TIMEOUT_SECONDS": "1",
        "ORLOOP_RETRY_SECONDS": "0.1",
    }
    return ServiceProcess("orloop_writeback", desk.bootstrap, home, clock("09:00"), environment=settings | more)


def approve(desk: Desk, *cases: str) -> None:
    changes = []
    for number, case in enumerate(cases):
        start = f"{10 + 2 * number}:30"
        who = SenderIdentity(
            source="TWIN",
            suite="main",
            filler=f"C-{case}",
            facility="DEMO",
            visit=CANARIES[4],
            pid=PatientIdentity(
                id=CANARIES[2], assigner="DEMO", type="MR", name=f"{CANARIES[0]}^{CANARIES[1]}", birth=CANARIES[3]
            ),
        )
        sealed = seal_identity(case, clock("08:00"), who, CIPHER.encrypt)
        desk.publish(CASE_IDENTITY, f"main/{case}", "main", sealed, f"identity/{case}")
        desk.publish(SUITE_EVENTS, "main", "main", booked(case, "1", start))
        changes.append(change(case, ("1", start), ("2", start)))
    desk.publish(SUITE_EVENTS, "main", "main", tick("09:00"))
    decision = e.PlanDecided(
        id="decision/p1",
        suite="main",
        at=clock("09:00"),
        proposal="p1",
        verdict=Verdict.APPROVED,
        based_on=0,
        decided_by="demo",
        changes=tuple(changes),
    )
    desk.publish(SUITE_EVENTS, "main", "main", decision)


def answers(desk: Desk) -> list[tuple[str, str]]:
    found = [m for m in desk.messages(SUITE_EVENTS) if isinstance(m, e.ChangeAnswered)]
    return [(m.case, str(m.answer)) for m in found]


def outcomes(desk: Desk) -> dict[str, str]:
    return dict(day_after(*desk.messages(SUITE_EVENTS)).decisions["p1"].outcomes)


def filler(payload: bytes) -> str:
    return next(line for line in payload.decode().split("\r") if line.startswith("SCH")).split("|")[2]


def test_changes_are_sent_acknowledged_and_count_when_echoed(
    desk: Desk, tmp_path: Path, hospital: Any, acknowledge: Any
) -> None:
    echoed: list[str] = []

    def script(number: int, payload: bytes) -> bytes:
        return bytes(acknowledge(payload))

    there = hospital(script)
    service = process(desk, tmp_path / "wb", there.port).start()
    try:
        service.wait_ready()
        approve(desk, "hip", "knee")
        for case, start in (("hip", "10:30"), ("knee", "12:30")):
            wait_for(f"{case} to be acknowledged", lambda case=case: (case, "acknowledged") in answers(desk))  # type: ignore[misc]
            echoed.append(case)
            assert [filler(p) for p in there.received] == [f"C-{c}" for c in echoed]
            desk.publish(SUITE_EVENTS, "main", "main", booked(case, "2", start, version=2))
        wait_for("both to be applied", lambda: outcomes(desk) == {"hip": "applied", "knee": "applied"})
        statuses = wait_for(
            "the statuses to say echoed",
            lambda: (
                [s.status for s in desk.messages(WRITEBACK_STATUS)].count("echoed") == 2
                and [(s.case, s.status, s.order, s.of) for s in desk.messages(WRITEBACK_STATUS)]
            ),
        )
        assert ("knee", "queued", 2, 2) in statuses
        assert service.state()["suites"]["main"]["pending"] == 0
        with urllib.request.urlopen(f"http://127.0.0.1:{service.health_port}/metrics", timeout=5) as page:
            metrics = page.read()
    finally:
        assert service.stop() == 0
    said = [service.log.read_bytes(), metrics, *(value for topic in TOPICS for value, _ in desk.raw(topic))]
    heads = " ".join(str(headers) for topic in TOPICS for _, headers in desk.raw(topic)).encode()
    for canary in CANARIES:
        assert any(canary.encode() in payload for payload in there.received)
        assert all(canary.encode() not in text for text in (*said, heads)), f"{canary} in clear"


@pytest.mark.slow
def test_a_process_killed_after_sending_and_before_recording_sends_the_same_bytes_again(
    desk: Desk, tmp_path: Path, hospital: Any, acknowledge: Any
) -> None:
    came, kept = threading.Event(), dict[str, bytes]()

    def script(number: int, payload: bytes) -> bytes:
        """Applies a message once and keeps its answer; the first answer comes too late."""
        control = payload.decode().split("\r")[0].split("|")[9]
        first = control not in kept
        kept.setdefault(control, bytes(acknowledge(payload)))
        if first:
            came.set()
            time.sleep(0.8)
        return kept[control]

    there = hospital(script)
    service = process(desk, tmp_path / "wb", there.port, ORLOOP_ACK_TIMEOUT_SECONDS="5").start()
    try:
        service.wait_ready()
        approve(desk, "hip")
        assert came.wait(45)
        service.kill()
        assert answers(desk) == []
        service.start().wait_ready()
        wait_for("the answer", lambda: answers(desk) == [("hip", "acknowledged")])
    finally:
        service.kill()
    assert len(there.received) == 2
    assert there.received[0] == there.received[1]
    assert list(kept.values()) == [acknowledge(there.received[0])]


def test_a_refusal_reaches_the_log_and_stops_the_rest(
    desk: Desk, tmp_path: Path, hospital: Any, acknowledge: Any
) -> None:
    there = hospital(lambda _, payload: acknowledge(payload, "AE", "Zimtstern is not ready"))
    service = process(desk, tmp_path / "wb", there.port).start()
    try:
        service.wait_ready()
        approve(desk, "hip", "knee")
        wait_for("the refusal", lambda: answers(desk) == [("hip", "refused")])
        found = [m for m in desk.messages(SUITE_EVENTS) if isinstance(m, e.ChangeAnswered)]
        assert found[0].text == "… is not ready"
        assert outcomes(desk) == {"hip": "refused", "knee": "stopped"}
    finally:
        service.kill()
    assert len(there.received) == 1


def test_it_is_off_by_default_and_says_what_is_missing_when_it_is_on(desk: Desk, tmp_path: Path) -> None:
    off = ServiceProcess("orloop_writeback", desk.bootstrap, tmp_path / "off", clock("09:00")).start()
    try:
        off.wait_ready()
        approve(desk, "hip")
        last = wait_for("a status", lambda: desk.messages(WRITEBACK_STATUS))[-1]
        assert (last.status, "by hand" in last.text) == ("queued", True)
    finally:
        off.kill()
    for missing in ("ORLOOP_HOSPITAL_PORT", "ORLOOP_PAYLOAD_KEY"):
        service = process(desk, tmp_path / missing, 2575)
        service.environment = {k: v for k, v in service.environment.items() if k != missing}
        service.start()
        assert service.process
        assert service.process.wait(20) == 2
        text = service.log.read_text()
        assert f"{missing}: Expected" in text
        assert "Traceback" not in text
