"""What the loop promises, as tests that run on memory and on a real Kafka alike.

A test class mixes `LoopContract` in and provides the fixture `bench`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

import pytest

from orloop_common.domain.events import ClockTicked, Unreadable
from orloop_common.runtime.cloudevents import decode_headers
from orloop_common.runtime.core import LoopCore
from orloop_common.runtime.ports import Headers, RawRecord
from orloop_common.runtime.records import Flow, LoopSettings, Output, Partition, Record
from orloop_common.runtime.tracing import trace_id

from .clock import NINE


class Bench(Protocol):
    """A backend under test."""

    def topic(self, partitions: int = 1) -> str:
        """A new topic, and its dlq."""

    def publish(self, *outputs: Output) -> None:
        """Write records as a service would."""

    def put(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()) -> int:
        """Write raw bytes; return the offset."""

    def core(self, flow: Flow, settings: LoopSettings) -> LoopCore:
        """The loop, opened."""

    def crash(self, core: LoopCore) -> None:
        """End the loop without flush or commit."""

    def read(self, topic: str) -> list[RawRecord]:
        """All records of a topic."""


def tick(topic: str, number: int, suite: str = "main", **more: Any) -> Output:
    """A `ClockTicked` as an output, told apart by its number."""
    at = NINE + timedelta(seconds=30 * number)
    message = ClockTicked(id=f"tick/{suite}/{number}", suite=suite, at=at)
    return Output(topic, suite, suite, message, message.id, at=at, **more)


@dataclass
class Echo:
    """Answers every tick with one on `target`, its id derived from its cause."""

    target: str
    folded: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    idled: list[int] = field(default_factory=list)
    held: list[Partition] = field(default_factory=list)
    dies_at: str = ""

    def fold(self, record: Record) -> None:
        self.folded.append(record.message.id if record.message is not None else "tombstone")

    def outputs(self, record: Record) -> Iterator[Output]:
        if record.message is None or isinstance(record.message, Unreadable):
            return
        if record.message.id == self.dies_at:
            raise RuntimeError("killed")
        self.answered.append(record.message.id)
        message = ClockTicked(id=f"{record.message.id}/echo", suite=record.suite, at=record.message.at)
        yield Output(self.target, record.suite, record.suite, message, message.id, cause=record.message.id)

    def idle(self) -> Iterable[Output]:
        self.idled.append(len(self.folded))
        return ()

    def assigned(self, partitions: Iterable[Partition]) -> None:
        self.held += partitions

    def revoked(self, partitions: Iterable[Partition]) -> None:
        self.held = [held for held in self.held if held not in set(partitions)]
        self.folded.clear()

    def state(self) -> dict[str, Any]:
        return {"main": {"digest": str(len(self.folded))}}


def settle(core: LoopCore, folded: int | None = None, rounds: int = 600) -> None:
    """Step until caught up, and until so many records were folded in all."""
    seen = 0
    for _ in range(rounds):
        seen += core.step()
        if core.caught_up and (folded is None or seen >= folded):
            return
    raise TimeoutError(f"Expected to catch up in {rounds} polls, folded {seen}.\nMaybe records are missing.")


def ids(records: Iterable[RawRecord]) -> list[str]:
    """The `ce_id` of each."""
    return [decode_headers(raw.headers)["ce_id"] for raw in records]


class LoopContract:
    """Rules of DESIGN.md, 'The fold, and how nothing is lost'."""

    def test_every_record_is_folded_from_the_start_and_answered_once(self, bench: Bench) -> None:
        source, target = bench.topic(), bench.topic()
        bench.publish(*(tick(source, n) for n in range(20)))
        flow = Echo(target)
        core = bench.core(flow, LoopSettings([source], "contract"))
        settle(core)
        assert flow.folded == [f"tick/main/{n}" for n in range(20)]
        assert ids(bench.read(target)) == [f"tick/main/{n}/echo" for n in range(20)]
        assert core.offsets()[source] == {0: 20}

    def test_after_a_restart_state_is_refolded_and_outputs_are_resumed(self, bench: Bench) -> None:
        source, target = bench.topic(), bench.topic()
        settings = LoopSettings([source], "contract")
        bench.publish(*(tick(source, n) for n in range(5)))
        first = bench.core(Echo(target), settings)
        settle(first)
        first.close()
        bench.publish(*(tick(source, n) for n in range(5, 8)))
        flow = Echo(target)
        settle(bench.core(flow, settings), folded=8)
        assert len(flow.folded) == 8
        assert flow.answered == ["tick/main/5", "tick/main/6", "tick/main/7"]

    def test_a_crash_loses_no_output_and_repeats_only_under_the_same_ids(self, bench: Bench) -> None:
        source, target = bench.topic(), bench.topic()
        settings = LoopSettings([source], "contract", batch=4)
        bench.publish(*(tick(source, n) for n in range(10)))
        broken = bench.core(Echo(target, dies_at="tick/main/6"), settings)
        with pytest.raises(RuntimeError, match="killed"):
            settle(broken, folded=10)
        bench.crash(broken)
        settle(bench.core(Echo(target), settings), folded=10)
        written = ids(bench.read(target))
        assert sorted(set(written)) == sorted(f"tick/main/{n}/echo" for n in range(10))
        assert len(written) < 20, "what was committed is not sent again"

    def test_an_unreadable_record_is_folded_as_refused_and_dead_lettered_once(self, bench: Bench) -> None:
        source, target = bench.topic(), bench.topic()
        settings = LoopSettings([source], "contract", dead_letters=frozenset({source}))
        headers = bench_headers(tick(source, 1))
        bench.put(source, 0, b"main", b'{"patient": "Canary"', headers)
        bench.put(source, 0, b"main", b"no headers at all")
        bench.publish(tick(source, 2))
        flow = Echo(target)
        first = bench.core(flow, settings)
        settle(first, folded=3)
        assert flow.folded == [f"unreadable/{source}/0/0", f"unreadable/{source}/0/1", "tick/main/2"]
        first.close()
        settle(bench.core(Echo(target), settings), folded=3)
        letters = bench.read(f"{source}.dlq")
        assert [dict(raw.headers)["orloop_offset"] for raw in letters] == [b"0", b"1"]
        assert [raw.key for raw in letters] == [b"main", b"main"]
        assert dict(letters[0].headers)["original_ce_id"] == b"tick/main/1"
        assert b"Canary" not in b"".join((raw.value or b"") + repr(raw.headers).encode() for raw in letters)

    def test_who_is_not_the_dead_letterer_folds_the_unreadable_and_writes_nothing(self, bench: Bench) -> None:
        source, target = bench.topic(), bench.topic()
        bench.put(source, 0, b"main", b"?")
        flow = Echo(target)
        settle(bench.core(flow, LoopSettings([source], "contract")), folded=1)
        assert flow.folded == [f"unreadable/{source}/0/0"]
        assert bench.read(f"{source}.dlq") == []

    def test_a_reader_without_a_group_folds_all_and_never_answers(self, bench: Bench) -> None:
        source, target = bench.topic(partitions=3), bench.topic()
        bench.publish(*(tick(source, n, suite) for n in range(3) for suite in ("a", "b", "c", "d")))
        flow = Echo(target)
        settle(bench.core(flow, LoopSettings([source], None)), folded=12)
        assert len(flow.folded) == 12
        assert flow.answered == []
        assert flow.held == [(source, 0), (source, 1), (source, 2)]

    def test_idle_is_asked_only_once_everything_was_folded(self, bench: Bench) -> None:
        source, target = bench.topic(), bench.topic()
        bench.publish(*(tick(source, n) for n in range(30)))
        flow = Echo(target)
        settle(bench.core(flow, LoopSettings([source], "contract", batch=7)), folded=30)
        assert flow.idled
        assert set(flow.idled) == {30}

    def test_an_empty_log_is_caught_up(self, bench: Bench) -> None:
        flow = Echo(bench.topic())
        settle(bench.core(flow, LoopSettings([bench.topic(), bench.topic(partitions=2)], "contract")))
        assert flow.folded == []

    def test_an_output_continues_the_trace_of_its_cause(self, bench: Bench) -> None:
        source, target = bench.topic(), bench.topic()
        bench.publish(tick(source, 1))
        settle(bench.core(Echo(target), LoopSettings([source], "contract")), folded=1)
        cause = decode_headers(bench.read(source)[0].headers)
        effect = decode_headers(bench.read(target)[0].headers)
        assert trace_id(effect["traceparent"]) == trace_id(cause["traceparent"])
        assert effect["traceparent"] != cause["traceparent"]
        assert effect["ce_causationid"] == cause["ce_id"]

    def test_all_records_of_a_suite_lie_in_one_partition_whatever_their_key(self, bench: Bench) -> None:
        topic = bench.topic(partitions=3)
        for key in ("main", "main/1", "main/case-7"):
            first = tick(topic, 1)
            bench.publish(Output(topic, key, "main", first.message, key, at=first.at))
        assert len({raw.partition for raw in bench.read(topic)}) == 1

    def test_a_tombstone_has_no_message(self, bench: Bench) -> None:
        source = bench.topic()
        bench.publish(Output(source, "main/1", "main", None, "gone/1", at=NINE))
        flow = Echo(bench.topic())
        settle(bench.core(flow, LoopSettings([source], "contract")), folded=1)
        assert flow.folded == ["tombstone"]


def bench_headers(output: Output) -> Headers:
    """The headers that the outbox would give this output."""
    from .bus import MemoryBus

    bus = MemoryBus()
    bus.publish(output)
    return bus.read(output.topic)[0].headers
