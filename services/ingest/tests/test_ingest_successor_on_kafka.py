"""A successor takes over on a real broker: nothing that was acknowledged is lost, overtaken or doubled."""

import time

import pytest

from orloop_common.domain import events as e
from orloop_common.messages import HL7_RAW, INGEST_JOURNALS, SUITE_EVENTS

pytestmark = [pytest.mark.broker, pytest.mark.timeout(150)]


def told(ingest) -> list[str]:
    return [event.case for event in ingest.records(SUITE_EVENTS) if isinstance(event, e.CaseScheduled)]


def until(condition, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.1)


def test_a_successor_with_another_journal_waits_for_the_first_one_to_drain(make_ingest, siu):
    first = make_ingest()
    assert b"MSA|AA|M1" in first.connect().ask(siu(source=first.source, case="A1", control="M1"))
    assert len(told(first)) == 1
    first.kill()
    second = make_ingest(start=False)
    second.suite, second.source, second.payload_key = first.suite, first.source, first.payload_key
    (second.folder / "site.yaml").write_text((first.folder / "site.yaml").read_text())
    second.start()
    assert b"MSA|AA|M2" in second.connect().ask(siu(source=first.source, case="A2", control="M2"))
    until(lambda: "orloop_ingest_journal_held 1.0" in second.get("/metrics").text)
    assert "orloop_ingest_journal_waiting 1.0" in second.get("/metrics").text
    first.start()
    assert b"MSA|AA|M3" in first.connect().ask(siu(source=first.source, case="A3", control="M3"))
    first.drained()
    assert first.stop() == 0
    until(lambda: "orloop_ingest_journal_waiting 0.0" in second.get("/metrics").text)
    assert [raw.control_id for raw in second.records(HL7_RAW)] == ["M1", "M3", "M2"]
    assert len(told(second)) == len(set(told(second))) == 3
    states = [(record.state, record.sources) for record in second.records(INGEST_JOURNALS)]
    assert [state for state, sources in states if sources == (first.source,)].count("drained") == 1
