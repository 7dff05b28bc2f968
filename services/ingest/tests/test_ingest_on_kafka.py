"""The MLLP door on a real broker: what it acknowledges is on the log, and only that."""

import pytest

from orloop_common.domain.events import CaseScheduled, ClockTicked
from orloop_common.messages import CASE_IDENTITY, HL7_RAW, SUITE_EVENTS

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]


def test_a_booking_by_mllp_ends_as_a_case_scheduled_on_the_log(make_ingest, siu):
    ingest = make_ingest()
    assert b"MSA|AA|M1\r" in ingest.connect().ask(siu(source=ingest.source))
    (event,) = [e for e in ingest.records(SUITE_EVENTS) if isinstance(e, CaseScheduled)]
    assert (event.room, event.service, event.booked.total_seconds()) == ("3", "orthopaedics", 5400)
    assert [raw.control_id for raw in ingest.records(HL7_RAW)] == ["M1"]
    assert [i.case for i in ingest.records(CASE_IDENTITY)] == [event.case]
    assert any(isinstance(e, ClockTicked) for e in ingest.records(SUITE_EVENTS))
