"""A real service process on a real Kafka: killed, cut off, stopped."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orloop_common.runtime.cloudevents import decode_headers
from orloop_common.testing.contract import ids, tick
from orloop_common.testing.kafkabench import KafkaBench

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]
HERE = Path(__file__).parent


@dataclass
class Service:
    """One echo process under a fixed instance id; `start` again after a kill, as a supervisor would."""

    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self, **more: str) -> "Service":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "echo_service.py")],
                env=self.environment | more,
                stdin=subprocess.PIPE,
                stderr=log,
            )
        return self

    def end(self, how: int = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(how)  # does nothing to one that has ended
        code = self.process.wait(20)
        if self.process.stdin is not None:
            self.process.stdin.close()
        return code

    def lines(self, event: str) -> list[dict[str, Any]]:
        found = []
        for line in self.log.read_text().splitlines():
            told = json.loads(line)
            if told["event"] == event:
                found.append(told)
        return found

    def get(self, page: str) -> tuple[int, dict[str, Any]]:
        port = until(lambda: self.lines("service_started"))[-1]["health_port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            return 0, {}


def until(question: Callable[[], Any], seconds: float = 60, what: str = "an answer") -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"Expected {what} within {seconds} s, got none.")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    made: list[Service] = []

    def build(bench: KafkaBench, source: str, target: str, name: str = "echo-0") -> Service:
        site = tmp_path / "site.yaml"
        site.write_text("site: demo\n")
        plain = {key: value for key, value in os.environ.items() if not key.startswith("ORLOOP_")}
        settings = {
            "ORLOOP_KAFKA": bench.bootstrap,
            "ORLOOP_SITE": str(site),
            "ORLOOP_DATA": str(tmp_path / name),
            "ORLOOP_INSTANCE": name,
            "TRIAL_SOURCE": source,
            "TRIAL_TARGET": target,
            "TRIAL_GROUP": f"{source}-echo",
        }
        made.append(Service(plain | settings, tmp_path / f"{name}.log"))
        return made[-1]

    yield build
    for service in made:
        if service.process is not None:
            service.end()


@pytest.fixture
def bench(broker: Any, topics: Callable[..., str]) -> Iterator[KafkaBench]:
    bench = KafkaBench(broker.bootstrap, topics)
    yield bench
    bench.close()


def answered(bench: KafkaBench, target: str) -> list[str]:
    return ids(bench.read(target))


@pytest.mark.slow
def test_a_service_killed_at_random_moments_loses_no_answer(bench: KafkaBench, make: Callable[..., Service]) -> None:
    source, target = bench.topic(), bench.topic()
    service = make(bench, source, target).start()
    dice = random.Random(7)
    total = 0
    for _ in range(4):
        for _ in range(15):
            bench.publish(*(tick(source, total + n) for n in range(10)))
            total += 10
            time.sleep(dice.uniform(0.05, 0.15))
        service.end(signal.SIGKILL)
        service.start()
    expected = {f"tick/main/{n}/echo" for n in range(total)}
    until(lambda: set(answered(bench, target)) >= expected, what="every tick to be answered")
    got = answered(bench, target)
    assert set(got) == expected
    assert total == 600
    state = until(lambda: service.get("/state")[1].get("suites"))
    assert state == {"main": {"digest": str(total)}}, "the state is a fresh fold of the log"
    assert service.get("/readyz")[0] == 200
    assert service.end(signal.SIGTERM) == 0
    print(f"n={total} answers={len(got)} doubled={len(got) - total}")


@pytest.mark.slow
def test_a_service_outlives_the_broker_and_loses_nothing(
    own_broker: Any, make: Callable[..., Service], request: pytest.FixtureRequest
) -> None:
    from orloop_cli.testing import create_topics

    create_topics(own_broker.bootstrap, {"in": {}, "out": {}})
    bench = KafkaBench(own_broker.bootstrap, lambda name, partitions: name)
    service = make(bench, "in", "out").start()
    pid = service.process.pid if service.process else 0
    bench.publish(*(tick("in", n) for n in range(200)))
    until(lambda: len(answered(bench, "out")) >= 200, what="the first answers")
    own_broker.kill()
    until(lambda: service.lines("broker_away"), what="a word about the broker")
    assert service.get("/healthz")[0] == 200, "liveness is loop progress, not the broker"
    own_broker.start().wait_ready()
    bench.publish(*(tick("in", n) for n in range(200, 400)))
    expected = {f"tick/main/{n}/echo" for n in range(400)}
    until(lambda: set(answered(bench, "out")) == expected, what="every tick to be answered")
    assert service.process is not None
    assert service.process.pid == pid
    assert service.process.poll() is None, "waited, was not restarted"
    until(lambda: service.lines("broker_back"), what="a word about the broker")
    assert len(service.lines("broker_away")) <= 4, "said once per client, not once per try"
    assert service.end(signal.SIGTERM) == 0
    bench.close()


def test_two_replicas_share_the_partitions_and_one_takes_over_from_the_other(
    bench: KafkaBench, make: Callable[..., Service]
) -> None:
    source, target = bench.topic(partitions=3), bench.topic(partitions=3)
    suites = [f"suite-{n}" for n in range(9)]
    bench.publish(*(tick(source, 1, suite) for suite in suites))
    first, second = make(bench, source, target, "echo-0").start(), make(bench, source, target, "echo-1").start()

    def shared() -> bool:
        held = [service.get("/state")[1].get("offsets", {}).get(source, {}) for service in (first, second)]
        return all(held) and sorted([*held[0], *held[1]]) == ["0", "1", "2"]

    until(shared, what="both replicas to hold partitions")
    second.end(signal.SIGKILL)
    bench.publish(*(tick(source, 2, suite) for suite in suites))
    expected = {f"tick/{suite}/{n}/echo" for suite in suites for n in (1, 2)}
    until(lambda: set(answered(bench, target)) == expected, what="the other to take over")
    assert first.get("/readyz")[0] == 200
    assert service_folded(first) == 18, "the fold of a partition that comes anew begins at its start"


def test_a_replica_without_a_partition_is_ready_to_take_over(bench: KafkaBench, make: Callable[..., Service]) -> None:
    source, target = bench.topic(), bench.topic()
    both = [make(bench, source, target, f"echo-{n}").start() for n in range(2)]

    def settled() -> bool:
        ready = all(service.get("/readyz")[0] == 200 for service in both)
        return ready and sorted(len(service.get("/state")[1].get("offsets", {})) for service in both) == [0, 1]

    until(settled, what="both replicas to be ready, one of them with the partition")


def service_folded(service: Service) -> int:
    return int(service.get("/state")[1]["suites"]["main"]["digest"])


def test_a_service_ends_when_its_parents_pipe_closes(bench: KafkaBench, make: Callable[..., Service]) -> None:
    service = make(bench, bench.topic(), bench.topic()).start(ORLOOP_PARENT_PIPE="1")
    until(lambda: service.get("/readyz")[0] == 200, what="the service to be ready")
    assert service.process is not None
    assert service.process.stdin is not None
    service.process.stdin.close()
    assert service.process.wait(10) == 0
    assert service.lines("service_stopped")


def test_a_port_in_use_ends_the_process_with_one_clear_line(
    bench: KafkaBench, make: Callable[..., Service], capfd: pytest.CaptureFixture[str]
) -> None:
    service = make(bench, bench.topic(), bench.topic()).start()
    port = until(lambda: service.lines("service_started"))[-1]["health_port"]
    done = subprocess.run(
        [sys.executable, str(HERE / "echo_service.py")],
        env=service.environment | {"ORLOOP_HEALTH_PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"ORLOOP_HEALTH_PORT: Expected to listen on 127.0.0.1:{port}")
    assert "Traceback" not in done.stderr


def test_a_directory_that_cannot_be_written_ends_the_process_with_one_clear_line(
    bench: KafkaBench, make: Callable[..., Service], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    service = make(bench, "in", "out").start(ORLOOP_DATA=str(tmp_path / "file" / "data"))
    assert service.process is not None
    assert service.process.wait(20) == 2
    assert service.log.read_text().startswith("ORLOOP_DATA: Expected a directory to write to, got")
    service.log.write_text("")


def test_an_answer_carries_the_service_and_the_cause(bench: KafkaBench, make: Callable[..., Service]) -> None:
    source, target = bench.topic(), bench.topic()
    make(bench, source, target).start()
    bench.publish(tick(source, 1))
    (raw,) = until(lambda: bench.read(target))
    headers = decode_headers(raw.headers)
    assert headers["ce_source"] == "/orloop/echo"
    assert headers["ce_causationid"] == "tick/main/1"
