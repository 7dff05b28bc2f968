"""The loop's core: its contract on memory, and what only memory can show."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from orloop_common.runtime import DeliveryFailed, LoopSettings, NotDurable, Output, Stalled, TooManyUnreadable
from orloop_common.runtime.core import LoopCore
from orloop_common.runtime.ports import Headers, RawRecord
from orloop_common.runtime.records import Flow
from orloop_common.testing import ManualClock, MemoryBus, MemoryLog
from orloop_common.testing.contract import Echo, LoopContract, bench_headers, ids, settle, tick


class MemoryBench:
    def __init__(self) -> None:
        self.bus = MemoryBus()
        self.made = 0

    def topic(self, partitions: int = 1) -> str:
        self.made += 1
        name = f"topic-{self.made}"
        self.bus.partitions[name] = partitions
        return name

    def publish(self, *outputs: Output) -> None:
        self.bus.publish(*outputs)

    def put(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()) -> int:
        return self.bus.put(topic, partition, key, value, headers)

    def core(self, flow: Flow, settings: LoopSettings) -> LoopCore:
        return self.bus.core(flow, settings)

    def crash(self, core: LoopCore) -> None:
        core._log.close()

    def read(self, topic: str) -> list[RawRecord]:
        return self.bus.read(topic)


class TestLoopOnMemory(LoopContract):
    @pytest.fixture
    def bench(self) -> MemoryBench:
        return MemoryBench()


def opened(bus: MemoryBus, flow: Flow, settings: LoopSettings) -> tuple[LoopCore, MemoryLog]:
    log = MemoryLog(bus, settings)
    core = LoopCore(flow, log, bus.outbox(), bus.codec, settings)
    core.open()
    return core, log


def test_revocation_commits_what_was_folded_and_forgets_the_fold() -> None:
    bus, flow = MemoryBus(), Echo("out")
    bus.publish(tick("in", 1), tick("in", 2))
    core, log = opened(bus, flow, LoopSettings(["in"], "g"))
    settle(core)
    log.take_away([("in", 0)])
    assert bus.committed["g", ("in", 0)] == 2
    assert flow.folded == []
    assert not core.caught_up
    core.step()
    assert not core.caught_up, "nothing is idle between two assignments"
    log.give([("in", 0)])
    settle(core, folded=2)
    assert flow.folded == ["tick/main/1", "tick/main/2"]
    assert bus.ids("out") == ["tick/main/1/echo", "tick/main/2/echo"], "answered once"


def test_a_lost_partition_is_not_committed() -> None:
    bus = MemoryBus()
    bus.publish(tick("in", 1))
    core, log = opened(bus, Echo("out"), LoopSettings(["in"], "g"))
    core._take(log.poll(1, 0)[0])
    log.take_away([("in", 0)], lost=True)
    assert bus.committed == {}


def test_a_refold_never_commits_backwards() -> None:
    bus = MemoryBus()
    bus.publish(*(tick("in", n) for n in range(6)))
    bus.committed["g", ("in", 0)] = 5
    core, _ = opened(bus, Echo("out"), LoopSettings(["in"], "g", batch=2))
    core.step()
    core.step()
    assert bus.committed["g", ("in", 0)] == 5
    settle(core)
    assert bus.committed["g", ("in", 0)] == 6
    assert bus.ids("out") == ["tick/main/5/echo"]


def test_an_offset_is_not_committed_before_its_outputs_are_acknowledged() -> None:
    bus = MemoryBus()
    bus.publish(tick("in", 1))
    bus.refuse = lambda topic, value: OSError("too large") if topic == "out" else None
    core, _ = opened(bus, Echo("out"), LoopSettings(["in"], "g"))
    with pytest.raises(DeliveryFailed, match="out to take a record of this service, got: too large"):
        core.step()
    assert bus.committed == {}


def test_a_broker_that_answers_and_never_acknowledges_ends_the_loop() -> None:
    class Deaf(MemoryBus):
        pass

    clock = ManualClock()
    bus = Deaf(clock=clock)
    outbox = bus.outbox(stall_seconds=4)
    sender = outbox._sender
    sender.produce = lambda *_: True  # type: ignore[method-assign]
    outbox.send(tick("out", 1))

    def beat() -> None:
        clock.advance(timedelta(seconds=5))

    with pytest.raises(Stalled, match="within 4 s while the broker answers"):
        outbox.flush(beat)


def test_a_topic_that_does_not_exist_ends_the_loop_with_the_command_that_makes_it() -> None:
    clock = ManualClock()
    outbox = MemoryBus(clock=clock).outbox(stall_seconds=4)
    outbox._sender.partitions_of = lambda topic: None  # type: ignore[method-assign]
    with pytest.raises(Stalled, match=r"topic out to exist within 4 s .*\n.*orloop topics apply"):
        outbox.send(tick("out", 1), beat=lambda: clock.advance(timedelta(seconds=5)))


def test_a_topic_that_this_release_cannot_read_is_not_drained() -> None:
    bus = MemoryBus()
    for _ in range(12):
        bus.put("in", 0, b"main", b"?", bench_headers(tick("in", 1)))
    core, _ = opened(bus, Echo("out"), LoopSettings(["in"], "g", dead_letters=frozenset({"in"}), unreadable_limit=10))
    with pytest.raises(TooManyUnreadable, match="11 unreadable in a row"):
        core.step()
    assert bus.committed == {}


@pytest.mark.parametrize(
    "value",
    [
        b'{"id": "x", "suite": "main", "at": "2026-03-02T09:00:00Z", "unit": "Canary", "capacity": 1, "occupied": 1}',
        b'{"id": "x", "suite": "main", "at": "Canary"}',
        b'{"x": ' + b"[" * 100_000,
        b"\xff\xfe\x00",
        b"",
        b'{"Canary": 1e999}',
    ],
)
def test_bytes_that_are_no_message_are_refused_with_a_reason_that_quotes_nothing(value: bytes) -> None:
    bus, flow = MemoryBus(), Echo("out")
    headers = dict(bench_headers(tick("in", 1)))
    headers |= {"ce_type": b"orloop.BedsChanged", "ce_dataschema": b"beds-changed.v1"}
    bus.put("in", 0, b"main", value, tuple(headers.items()))
    settle(opened(bus, flow, LoopSettings(["in"], "g", dead_letters=frozenset({"in"})))[0], folded=1)
    assert flow.folded == ["unreadable/in/0/0"]
    (letter,) = bus.messages("in.dlq")
    assert letter.reason
    assert "Canary" not in letter.reason


def test_topics_can_be_folded_without_asking_for_outputs() -> None:
    bus, flow = MemoryBus(), Echo("out")
    bus.publish(tick("in", 1), tick("mine", 2))
    settings = LoopSettings(["in", "mine"], "g", skip_outputs=frozenset({"mine"}))
    settle(opened(bus, flow, settings)[0])
    assert sorted(flow.folded) == ["tick/main/1", "tick/main/2"]
    assert flow.answered == ["tick/main/1"]


def test_work_done_while_idle_continues_the_trace_of_the_event_it_names() -> None:
    class Later(Echo):
        def outputs(self, record: object) -> Iterable[Output]:  # type: ignore[override]
            return ()

        def idle(self) -> Iterable[Output]:
            if self.folded and not self.idled:
                self.idled.append(1)
                return [tick("out", 9, cause="tick/main/1")]
            return ()

    bus = MemoryBus()
    bus.publish(tick("in", 1))
    settle(opened(bus, Later("out"), LoopSettings(["in"], "g"))[0], folded=1)
    cause, effect = (dict(bus.read(topic)[0].headers)["traceparent"].split(b"-") for topic in ("in", "out"))
    assert cause[1] == effect[1]
    assert cause[2] != effect[2]


def test_the_same_fact_sent_again_is_the_same_bytes() -> None:
    bus = MemoryBus()
    bus.publish(tick("in", 1))
    bus.publish(tick("in", 1))
    first, again = bus.read("in")
    assert (first.key, first.value, first.headers) == (again.key, again.value, again.headers)


def test_a_synchronous_send_answers_with_the_place_or_says_that_it_is_not_durable() -> None:
    bus = MemoryBus()
    outbox = bus.outbox()
    done = outbox.send_now(tick("in", 1), tick("in", 2))
    assert [(d.topic, d.offset) for d in done] == [("in", 0), ("in", 1)]
    bus.away = True
    with pytest.raises(NotDurable, match=r"in to acknowledge tick/main/3 within 0.05 s"):
        outbox.send_now(tick("in", 3), timeout=0.05)
    bus.away = False
    assert outbox.send_now(tick("in", 3))[0].offset == 2
    outbox.flush()


def test_a_refused_synchronous_send_is_not_durable_and_does_not_end_the_loop() -> None:
    bus = MemoryBus()
    outbox = bus.outbox()
    bus.refuse = lambda topic, value: OSError("no")
    with pytest.raises(NotDurable, match="in to take a record, got: no"):
        outbox.send_now(tick("in", 1))
    outbox.flush()


def test_the_memory_bus_runs_a_flow_to_rest() -> None:
    bus = MemoryBus()
    bus.publish(tick("in", 1))
    core = bus.run(Echo("out"), LoopSettings(["in"], "g"))
    assert core.caught_up
    assert ids(bus.read("out")) == ["tick/main/1/echo"]
    assert bus.messages("out")[0].id == "tick/main/1/echo"
