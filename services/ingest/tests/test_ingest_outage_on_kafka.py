"""The broker away, even when ingest starts: what is acknowledged is in the journal, and follows in order by itself."""

import contextlib
import time
from collections import Counter

import httpx
import pytest

from orloop_common.domain import events as e
from orloop_common.messages import HL7_RAW, SUITE_EVENTS

pytestmark = [pytest.mark.broker, pytest.mark.timeout(150)]


def metric(ingest, name: str) -> float:
    lines = (line.split() for line in ingest.get("/metrics").text.splitlines())
    return next(float(line[1]) for line in lines if line[:1] == [f"orloop_ingest_{name}"])


def start_without_the_log(ingest) -> None:
    """Until it takes messages: it says that it does."""
    ingest.start(wait=False)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if metric(ingest, "log_unread") == 1:
                return
        time.sleep(0.05)
    raise AssertionError(f"the doors stayed shut:\n{ingest.log}")


def test_while_the_broker_is_away_at_the_start_too_messages_are_taken_and_follow_in_order(
    make_ingest, own_broker, siu, canaries
):
    from orloop_cli.topics import Cluster, declared

    def say(control: str, **more) -> bytes:
        return siu(source=ingest.source, case=control, control=control, **more)

    Cluster(own_broker.bootstrap).apply(declared())
    ingest = make_ingest(own_broker.bootstrap, ORLOOP_DURABLE_SECONDS="1", ORLOOP_DOORS_WAIT_SECONDS="0.5")
    line = ingest.connect()
    before = line.ask(say("A0"))
    ingest.drained()
    own_broker.kill()
    for n in range(1, 50):
        assert f"MSA|AA|A{n}\r".encode() in line.ask(say(f"A{n}"))
    assert ingest.post("rooms/3/down", {"cause": "water"}).status_code == 503
    ingest.kill()

    start_without_the_log(ingest)  # the broker is away, and nothing of the log is known
    line = ingest.connect()
    first = line.ask(say("B0"))
    assert b"MSA|AA|B0\r" in first
    assert line.ask(say("A0")) == before, "it is on the broker, which is away: the journal still knows it"
    assert b"MSA|AA|A7\r" in line.ask(say("A7"))
    assert line.ask(say("A7")) == line.ask(say("A7"))
    assert b"MSA|AR|M9\r" in line.ask(siu(source=ingest.source, control="M9", header="P|1.0"))
    answer = ingest.get("/readyz")
    assert (answer.status_code, "acknowledged from the journal" in answer.json()["missing"]["mllp"]) == (503, True)
    assert (metric(ingest, "log_unread"), metric(ingest, "journal_waiting")) == (1, 51)
    ingest.kill()  # and what was acknowledged so survives us, too

    start_without_the_log(ingest)
    line, both = ingest.connect(), ingest.connect()
    assert line.ask(say("B0")) == first
    for n in range(1, 20):
        assert f"MSA|AA|B{n}\r".encode() in line.ask(say(f"B{n}"))
    assert b"MSA|CA|B20\r" in both.ask(say("B20", header="P|2.5.1|||AL|AL"))
    assert both.silent(1.0), "the application's answer comes after the mapping"
    own_broker.start().wait_ready()
    assert b"MSA|AA|B20\r" in both.answer()
    ingest.wait_ready()
    assert b"MSA|AA|C0\r" in line.ask(say("C0"))

    order = [*(f"A{n}" for n in range(50)), "B0", "M9", *(f"B{n}" for n in range(1, 21)), "C0"]
    assert [raw.control_id for raw in ingest.records(HL7_RAW)] == order
    events = [event for event in ingest.records(SUITE_EVENTS) if not isinstance(event, e.ClockTicked)]
    told = [event.case for event in events if isinstance(event, e.CaseScheduled)]
    assert len(told) == len(set(told)) == len(order) - 1
    assert max(Counter(event.id for event in events).values()) == 1
    assert metric(ingest, "log_unread") == 0
    assert ingest.post("rooms/3/down", {"cause": "water"}).status_code == 202
    assert [word for word in canaries if word in ingest.log] == []
