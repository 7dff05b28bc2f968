"""HAPI, an HL7 engine that we did not write, as the hospital: it validates, answers by rule, and restarts midway."""

import contextlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from writing_back import CANARY, CIPHER, a_step, identity, sealed

from orloop_cli.jars import class_path, fetch
from orloop_cli.ports import LOOPBACK, free_port
from orloop_common.runtime import SystemClock
from orloop_common.testing.suite import small_site
from orloop_writeback.adapters.courier import Courier, Patience
from orloop_writeback.adapters.mllp import MllpClient
from orloop_writeback.adapters.siu import SiuScribe
from orloop_writeback.domain.message import Answer, Step
from orloop_writeback.domain.routes import Postponements, Route, Style

pytestmark = [pytest.mark.broker, pytest.mark.timeout(90)]
PEERS = Path(__file__).parents[3] / "tests" / "peers"
PROFILE = small_site().hl7


@dataclass
class Engine:
    """HAPI in a process of its own; what it said is in `lines`."""

    command: list[str]
    port: int = field(default_factory=free_port)
    lines: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    def start(self) -> "Engine":
        self.process = subprocess.Popen([*self.command, str(self.port)], stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        before = self.lines.count("ready")
        deadline = time.monotonic() + 40
        while self.lines.count("ready") == before:
            assert self.process.poll() is None
            assert time.monotonic() < deadline, "HAPI did not start"
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError), process.stdout as lines:
            self.lines.extend(line.strip() for line in lines)

    @property
    def understood(self) -> list[list[str]]:
        return [line.split() for line in self.lines if line.startswith("ORL")]


@pytest.fixture(scope="module")
def hapi(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs the receiver, compiled once."""
    if shutil.which("javac") is None:
        reason = "no JDK here (Debian: apt install default-jdk-headless)"
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)
    jars = class_path(fetch(PEERS / "hapi-jars.lock"))
    home = tmp_path_factory.mktemp("hapi")
    subprocess.run(["javac", "-cp", jars, "-d", str(home), str(PEERS / "HapiReceiver.java")], check=True, timeout=60)
    return ["java", "-cp", os.pathsep.join((jars, str(home))), "HapiReceiver"]


@pytest.fixture
def engine(hapi: list[str]) -> Iterator[Engine]:
    made = Engine(hapi).start()
    yield made
    made.kill()


@pytest.fixture
def carry() -> Iterator[Callable[..., list[Answer]]]:
    """`carry(port, step, ...)` sends (step, sender's id) pairs and waits for their answers."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def run(port: int, *pairs: tuple[Step, str], during: Callable[[], None] = lambda: None) -> list[Answer]:
        assert PROFILE is not None
        scribe, clock = SiuScribe(PROFILE, CIPHER.decrypt), SystemClock()
        courier = Courier(MllpClient(LOOPBACK, port, clock, 2.0), Patience(60, 0.1, 0.3), clock, stop)
        threads.append(threading.Thread(target=courier.run, daemon=True))
        threads[-1].start()
        for step, filler in pairs:
            courier.send(step, *scribe.write(step, sealed(step.case, identity(filler=filler))))
        during()
        answers: list[Answer] = []
        deadline = time.monotonic() + 40
        while len(answers) < len(pairs) and time.monotonic() < deadline:
            answers += courier.answers()
            time.sleep(0.01)
        return answers

    yield run
    stop.set()
    for thread in threads:
        thread.join(5)


def route(**style: Any) -> Route:
    return Route(style=Style(**style), postponements=Postponements.CANCEL)


def test_every_kind_of_message_passes_its_validation_and_means_there_what_we_meant(engine: Engine, carry: Any) -> None:
    kinds = (
        (a_step(route=route()), "C-moved"),
        (a_step(("3", "10:30"), "room", route=route(room_only="S14")), "C-room"),
        (a_step(None, "gone", route=route()), "C-gone"),
        (a_step(case="bare", route=route(actions=False, times=("tq1", "sch11", "resource"))), "C-bare"),
    )
    answers = carry(engine.port, *kinds)
    assert [(a.kind, a.text) for a in answers] == [("accepted", "")] * 4
    assert [line[1:] for line in engine.understood] == [
        ["S13", "C-moved", "SIU_S12", "OR3", "20260302110000+0000"],
        ["S14", "C-room", "SIU_S12", "OR3", "20260302103000+0000"],
        ["S15", "C-gone", "SIU_S12", "OR1", "20260302103000+0000"],
        ["S13", "C-bare", "SIU_S12", "OR3", "20260302110000+0000"],
    ]
    assert [line[0] for line in engine.understood] == [step.control_id for step, _ in kinds]
    assert not [line for line in engine.lines if line.startswith("fault")]


def test_what_it_refuses_is_told_in_its_words(engine: Engine, carry: Any) -> None:
    answers = carry(
        engine.port, (a_step(), "REFUSED-1"), (a_step(case="knee"), "REJECTED-1"), (a_step(case="ear"), "C")
    )
    assert [a.kind for a in answers] == ["refused", "refused", "accepted"]
    assert "The desk does not agree" in answers[0].text, answers[0].text
    assert "Not an event of ours" in answers[1].text, answers[1].text
    assert all(word not in a.text for a in answers for canary in CANARY for word in canary.split("^"))


def test_a_restart_in_the_middle_costs_no_message_and_doubles_none(engine: Engine, carry: Any) -> None:
    pairs = [(a_step(case=f"case{n}"), f"C-{n}") for n in range(40)]

    def restart() -> None:
        while len(engine.understood) < 10:
            time.sleep(0.002)
        engine.kill()
        time.sleep(0.3)
        engine.start()

    answers = carry(engine.port, *pairs, during=restart)
    assert [a.kind for a in answers] == ["accepted"] * 40
    assert [a.step.case for a in answers] == [step.case for step, _ in pairs]
    seen = [line[0] for line in engine.understood]
    assert list(dict.fromkeys(seen)) == [step.control_id for step, _ in pairs]
    assert len(seen) <= 41  # the one that was under way may have come twice, under the same id
