"""The real Faust worker on a real Kafka: it follows the log, survives SIGKILL, shares partitions."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orloop_cli.broker import Broker
from orloop_cli.ports import free_port
from orloop_cli.testing import create_topics
from orloop_common.domain import events as e
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.features import without_moving
from orloop_common.domain.site import Site
from orloop_common.messages import CASE_FEATURES, CASE_STATE, ROOM_STATE, SUITE_EVENTS
from orloop_common.runtime.codec import default_codec
from orloop_common.runtime.partition import partition_of
from orloop_common.runtime.reader import RecordReader
from orloop_common.runtime.records import Output
from orloop_common.testing.kafkabench import KafkaBench
from orloop_features.flow import FeaturesFlow

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]
DERIVED = (ROOM_STATE, CASE_STATE, CASE_FEATURES)
Day = Callable[..., Iterator[e.Event]]


@dataclass
class Worker:
    """`python -m orloop_features` as the launcher starts it."""

    bootstrap: str
    site: Path
    data: Path
    instance: str = "features-0"
    every: int = 50
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Worker":
        environment = os.environ | {
            "ORLOOP_KAFKA": self.bootstrap,
            "ORLOOP_SITE": str(self.site),
            "ORLOOP_DATA": str(self.data),
            "ORLOOP_INSTANCE": self.instance,
            "ORLOOP_HEALTH_PORT": str(self.port),
            "ORLOOP_SNAPSHOT_EVERY": str(self.every),
            "ORLOOP_PARENT_PIPE": "1",
        }
        command = [
            sys.executable,
            "-X",
            "faulthandler",
            "-W",
            "error::DeprecationWarning:orloop_features",
            "-m",
            "orloop_features",
        ]
        log = (self.data.parent / f"{self.instance}.log").open("ab")
        with log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=log)
        return self

    def ask(self, page: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{page}", timeout=5) as answer:
                return dict(json.load(answer))
        except (OSError, urllib.error.HTTPError, ValueError):
            return {}

    def until(self, true: Callable[[dict[str, Any]], bool], page: str = "state", within: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + within
        answer: dict[str, Any] = {}
        while time.monotonic() < deadline:
            answer = self.ask(page)
            if answer and true(answer):
                return answer
            assert self.process is not None
            assert self.process.poll() is None, f"the worker ended with {self.process.returncode}: {self.told()}"
            time.sleep(0.1)
        raise AssertionError(f"Expected {page} within {within} s, got {answer}; {self.told()}")

    def reaches(self, **offsets: int) -> dict[str, Any]:
        """Wait until these suites' folds stand at these offsets (`as_of`) at least."""
        return self.until(lambda s: all(s["suites"].get(k, {}).get("as_of", 0) >= v for k, v in offsets.items()))

    def told(self) -> str:
        return (self.data.parent / f"{self.instance}.log").read_text()[-3000:]

    def end(self, number: int = signal.SIGTERM, within: float = 20) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        try:
            return self.process.wait(within)
        finally:
            if self.process.stdin:
                self.process.stdin.close()


@dataclass
class Stage:
    """A broker with the topics, a publisher of events, and workers that end with the test."""

    broker: Broker
    bench: KafkaBench
    site: Site
    site_file: Path
    folder: Path
    stack: ExitStack

    def worker(self, instance: str = "features-0", **more: Any) -> Worker:
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        worker = Worker(self.broker.bootstrap, self.site_file, data, instance, **more).start()
        self.stack.callback(lambda: worker.process and worker.process.poll() is None and worker.end(signal.SIGKILL))
        return worker

    def publish(self, *events: e.Event) -> None:
        self.bench.publish(
            *(Output(SUITE_EVENTS, event.suite, event.suite, event, event.id, at=event.at) for event in events)
        )

    def fresh(self) -> FeaturesFlow:
        """A fold of the whole log by the pure flow, and what it would show at the end."""
        calendar = OperationalCalendar(self.site.timezone, self.site.day_boundary)
        flow = FeaturesFlow({layout.id: layout for layout in self.site.suites}, calendar)
        read = RecordReader(default_codec())
        for raw in self.bench.read(SUITE_EVENTS):
            flow.fold(read(raw))
        return flow

    def compacted(self) -> dict[tuple[str, str], Any]:
        """The newest message per topic and key."""
        read = RecordReader(default_codec())
        newest: dict[tuple[str, str], Any] = {}
        for topic in DERIVED:
            for raw in self.bench.read(topic):
                record = read(raw)
                newest[topic, str(record.key)] = record.message
        return newest


@pytest.fixture
def stage(own_broker: Broker, site: Site, site_file: Path, tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    with ExitStack() as stack:

        def build(partitions: int = 1) -> Stage:
            compact = {"cleanup.policy": "compact"}
            names = {SUITE_EVENTS: {"message.timestamp.type": "LogAppendTime"}} | dict.fromkeys(DERIVED, compact)
            create_topics(own_broker.bootstrap, names, partitions)
            bench = KafkaBench(own_broker.bootstrap, lambda *_, **__: "")
            stack.callback(bench.close)
            return Stage(own_broker, bench, site, site_file, tmp_path, stack)

        yield build


def content(message: Any) -> Any:
    """What a reader of the compacted topic would show."""
    if message is None:
        return None
    if hasattr(message, "values"):
        return message.stage, without_moving(message.values)
    return replace(message, as_of=0, at=datetime(1, 1, 1, tzinfo=UTC))


def expect_like_a_fresh_fold(stage: Stage, *suites: str) -> None:
    flow, told = stage.fresh(), stage.compacted()
    for suite in suites:
        for output in flow.current(suite, datetime(2026, 3, 2, 7, tzinfo=UTC)):
            assert content(told[output.topic, output.key]) == content(output.message), output.key


def test_rooms_are_idle_before_anything_happens_and_follow_what_happens(stage: Callable[..., Stage], day: Day) -> None:
    here = stage()
    worker = here.worker()
    worker.until(lambda answer: answer["ready"], "readyz")
    assert {key for topic, key in here.compacted() if topic == ROOM_STATE} == {"north/1", "north/2", "east/1", "east/2"}
    events = list(day("north"))
    here.publish(*events)
    state = worker.reaches(north=len(events))
    assert state["suites"]["north"] == here.fresh().state()["north"]
    assert state["offsets"] == {SUITE_EVENTS: {"0": len(events)}}
    expect_like_a_fresh_fold(here, "north", "east")
    for raw in here.bench.read(CASE_STATE):
        headers = dict(raw.headers)
        assert headers["ce_source"] == b"/orloop/features"
        assert headers["traceparent"].startswith(b"00-")
    assert worker.end() == 0


def test_after_sigkill_the_fold_and_the_topics_are_those_of_a_fresh_fold(stage: Callable[..., Stage], day: Day) -> None:
    here = stage()
    events = list(day("north"))
    worker = here.worker()
    for kill, share in enumerate((120, 240, 330), start=1):
        here.publish(*events[share - 120 : share] if kill == 1 else events[(120, 240)[kill - 2] : share])
        worker.reaches(north=share - 60)
        worker.end(signal.SIGKILL)
        worker = here.worker(port=worker.port)
        worker.until(lambda answer: answer["ready"], "readyz", within=20)
    here.publish(*events[330:])
    state = worker.reaches(north=len(events))
    assert state["suites"]["north"] == here.fresh().state()["north"]
    expect_like_a_fresh_fold(here, "north")
    assert '"event": "partition_opened"' in worker.told()
    assert '"snapshot": 0' not in worker.told().rsplit("partition_opened", 1)[-1]  # the table held a fold


def test_an_unreadable_record_does_not_stop_the_log(stage: Callable[..., Stage], day: Day) -> None:
    here = stage()
    here.bench.put(SUITE_EVENTS, 0, b"north", b"{not json", (("ce_subject", b"north"),))
    events = list(day("north", minutes=5))
    here.publish(*events)
    worker = here.worker()
    state = worker.reaches(north=len(events) + 1)
    assert state["suites"]["north"] == here.fresh().state()["north"]


def test_two_replicas_share_three_partitions_and_take_over(stage: Callable[..., Stage], day: Day) -> None:
    here = stage(partitions=3)
    north, east = partition_of("north", 3), partition_of("east", 3)
    assert north != east
    first, second = here.worker("features-0"), here.worker("features-1")
    first.until(lambda answer: answer["ready"], "readyz")
    second.until(lambda answer: answer["ready"], "readyz")

    def held() -> list[str]:
        return sorted(p for w in (first, second) for p in w.ask("state").get("offsets", {}).get(SUITE_EVENTS, {}))

    deadline = time.monotonic() + 60
    while held() != ["0", "1", "2"]:
        assert time.monotonic() < deadline, (held(), first.told(), second.told())
        time.sleep(0.2)
    events = {suite: list(day(suite)) for suite in ("north", "east")}
    here.publish(*(event for pair in zip(events["north"][:200], events["east"][:200], strict=True) for event in pair))
    time.sleep(1.0)
    second.end(signal.SIGKILL)
    here.publish(*events["north"][200:], *events["east"][200:])
    ends = {suite: len(events[suite]) for suite in events}
    state = first.until(lambda s: {k: v["as_of"] for k, v in s["suites"].items()} == ends)
    assert state["suites"] == here.fresh().state()
    expect_like_a_fresh_fold(here, "north", "east")


def test_the_worker_ends_with_its_launcher(stage: Callable[..., Stage]) -> None:
    worker = stage().worker()
    worker.until(lambda answer: answer["ready"], "readyz")
    assert worker.process is not None
    assert worker.process.stdin is not None
    worker.process.stdin.close()
    assert worker.process.wait(20) == 0


def test_the_worker_survives_a_killed_broker(stage: Callable[..., Stage], day: Day) -> None:
    here = stage()
    worker = here.worker()
    events = list(day("north"))
    here.publish(*events[:200])
    worker.reaches(north=100)
    here.broker.kill()
    here.broker.start().wait_ready()
    here.publish(*events[200:])
    state = worker.reaches(north=len(events))
    assert state["suites"]["north"] == here.fresh().state()["north"]
    expect_like_a_fresh_fold(here, "north")
