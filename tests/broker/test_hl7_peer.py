"""HAPI, an HL7 engine that we did not write, sends a hospital's morning to ingest and reads its answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from holding import metrics_of, read_topic

from orloop_cli import topics as contract
from orloop_cli.broker import Broker
from orloop_cli.jars import class_path, fetch
from orloop_cli.parts import ServicePart, module_command
from orloop_cli.ports import LOOPBACK, free_port
from orloop_cli.services import demo_site
from orloop_common import messages
from orloop_common.messages.sitefile import parse_site
from orloop_common.runtime.crypto import generate_key
from orloop_twin.adapters.data import load_scenario
from orloop_twin.adapters.hl7 import Speaker
from orloop_twin.domain.feed import HospitalMessage
from orloop_twin.domain.generator import draw_day
from orloop_twin.domain.hospital import Hospital

pytestmark = [pytest.mark.broker, pytest.mark.slow]

PEERS = Path(__file__).parents[1] / "peers"
DAY = date(2026, 3, 2)


@pytest.fixture(scope="module")
def hapi() -> list[str]:
    """The command that runs the HAPI sender, from its source."""
    if shutil.which("javac") is None:
        reason = "no JDK here (Debian: apt install default-jdk-headless)"
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)
    jars = fetch(PEERS / "hapi-jars.lock")
    return ["java", "-cp", class_path(jars), str(PEERS / "HapiSender.java")]


def a_morning() -> list[bytes]:
    """What the twin says until nine, as HL7."""
    site = parse_site(demo_site().read_text())
    assert site.hl7 is not None
    scenario = load_scenario("demo", site.suites[0])
    hospital = Hospital(draw_day(DAY, 5, site.suites[0], scenario), scenario, site.suites[0])
    speaker = Speaker(datetime(2026, 3, 2, tzinfo=UTC), site.hl7)
    return [speaker.say(said) for said in hospital.advance(9 * 3600) if isinstance(said, HospitalMessage)]


def test_what_hapi_sends_is_acknowledged_kept_and_understood(
    own_broker: Broker, hapi: list[str], tmp_path: Path
) -> None:
    contract.Cluster(own_broker.bootstrap).apply(contract.declared())
    port = free_port()
    ingest = ServicePart("ingest", module_command("orloop_ingest"), {}, tmp_path / "ingest.log", free_port())
    ingest.environment = {
        "ORLOOP_KAFKA": own_broker.bootstrap,
        "ORLOOP_SITE": str(demo_site()),
        "ORLOOP_HEALTH_PORT": str(ingest.health_port),
        "ORLOOP_MLLP_PORT": str(port),
        "ORLOOP_MANUAL_PORT": str(free_port()),
        "ORLOOP_IDENTITY_SECRET": "i" * 40,
        "ORLOOP_IDENTITY_DAYS": "0",  # the peer tells of a day that is long past
        "ORLOOP_TOKEN_SECRET": "t" * 40,
        "ORLOOP_PAYLOAD_KEY": generate_key(),
        "ORLOOP_DATA": str(tmp_path / "data"),
        "ORLOOP_PARENT_PIPE": "1",
    }
    bodies = a_morning()
    morning = tmp_path / "morning.hl7"
    morning.write_bytes(b"\x1e".join(bodies))
    ingest.start()
    try:
        deadline = time.monotonic() + 60
        while (waits := ingest.ready()) is not None:
            assert ingest.exit_code() is None, ingest.last_words()
            assert time.monotonic() < deadline, waits
            time.sleep(0.1)
        ran = subprocess.run(
            [*hapi, LOOPBACK, str(port), str(morning)], capture_output=True, text=True, timeout=120, check=False
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
        answers = [line.split() for line in ran.stdout.splitlines()]
        deadline = time.monotonic() + 30
        while "orloop_ingest_journal_waiting 0.0" not in metrics_of(ingest.health_port):
            assert time.monotonic() < deadline, "what was acknowledged still waits in the journal"
            time.sleep(0.1)
        raw = read_topic(own_broker.bootstrap, messages.HL7_RAW)
        log = read_topic(own_broker.bootstrap, messages.SUITE_EVENTS)
    finally:
        ingest.kill()

    assert len(answers) == len(bodies) > 100
    assert Counter(code for _, code, _ in answers) == {"AA": len(bodies)}
    assert all(sent == answered for sent, _, answered in answers)
    assert {r.message.control_id for r in raw} == {sent for sent, _, _ in answers}
    assert [r.message.problem for r in raw if r.message.problem] == []
    told = Counter(r.headers["ce_type"].removeprefix("orloop.") for r in log)
    assert told["CaseScheduled"] > 30
    assert told["MilestoneRecorded"] > 30
