"""Warm children: they answer, they can be dropped, and they never outlive their parent's patience."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from orloop.replan.v1 import replan_pb2 as pb
from orloop.replan.v1 import replan_pb2_grpc
from orloop_common.domain.derived import Alternative
from orloop_common.messages import from_json, to_json
from orloop_common.runtime.clock import SystemClock
from orloop_common.runtime.grpcserve import connect, failure, serve
from orloop_replan.adapters.children import Child, Started
from orloop_replan.adapters.engine import open_engines
from orloop_replan.adapters.servicer import ReplanServicer, mounted
from orloop_replan.adapters.template import Template
from orloop_replan.adapters.workers import ChildWorkers
from orloop_replan.domain.solving import solve
from orloop_replan.generate import generate
from orloop_replan.ports import Job, Limits, Solved

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
SMALL = generate(4, "down", 1)
LARGE = generate(30, "storm", 3)
PATHS = ("price_and_fix", "reference")


def wait(workers: ChildWorkers, within: float = 100.0) -> Solved:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if (solved := workers.poll()) is not None:
            return solved
        time.sleep(0.02)
    raise TimeoutError("Expected an answer.")


def hurry(workers: ChildWorkers) -> Solved | None:
    """Let the parent notice that a child is gone."""
    before = workers._active
    for _ in range(200):
        if (solved := workers.poll()) is not None or workers._active is not before:
            return solved
        time.sleep(0.01)
    raise TimeoutError("Expected the parent to notice.")


def settled(workers: ChildWorkers) -> None:
    """Both children are warm, however long compiling takes."""
    for _ in range(6000):
        workers.poll()
        if workers.warm():
            return
        time.sleep(0.02)
    raise TimeoutError("Expected both children to become warm.")


def open_with(engines: str, memory: int = 0) -> ChildWorkers:
    """Workers whose children's engines are those of `odd_engines.py`."""
    script = Path(__file__).parent / "odd_engines.py"
    workers = ChildWorkers(
        SystemClock(),
        guard=100,
        standby=False,
        memory=memory,
        spawn=lambda settings: Child(Started(settings, (sys.executable, str(script), engines))),
    )
    assert workers._active is not None
    assert workers._active.warm.wait(100)
    return workers


@pytest.fixture(scope="module")
def workers() -> Iterator[ChildWorkers]:
    template = Template()
    made = ChildWorkers(SystemClock(), guard=100, spawn=template.open)
    assert made._active is not None
    assert made._active.warm.wait(100)
    yield made
    made.close()
    template.close()


def test_a_child_gives_the_same_alternatives_as_this_process(workers: ChildWorkers) -> None:
    workers.start(Job(id="one", problem=SMALL, seed=1))
    answer = wait(workers)
    here = solve(Job(id="one", problem=SMALL, seed=1), open_engines(Limits()), Limits())
    assert to_json(answer.alternatives) == to_json(here.alternatives)
    assert (answer.solver.path, answer.id) == (here.solver.path, "one")
    assert answer.solver.seconds > 0


def test_a_dropped_job_never_answers_and_the_next_one_does_in_a_child_that_lives_on(workers: ChildWorkers) -> None:
    settled(workers)
    working = workers._active
    assert working is not None
    workers.start(Job(id="long", problem=LARGE))
    time.sleep(0.3)
    begun = time.monotonic()
    workers.start(Job(id="short", problem=SMALL))
    assert time.monotonic() - begun < 0.2, "cancelling does not wait"
    assert wait(workers).id == "short"
    assert workers._active is not working
    while working.busy() and working.alive():
        workers.poll()
        time.sleep(0.01)
    assert time.monotonic() - begun < 2.0, "it stopped, or it was ended"


def test_a_child_that_does_not_stop_is_ended_within_a_second() -> None:
    workers = open_with("deaf")
    try:
        deaf = workers._active
        assert deaf is not None
        workers.start(Job(id="long", problem=SMALL))
        time.sleep(0.3)
        workers.cancel()
        begun = time.monotonic()
        while deaf.alive():
            workers.poll()
            time.sleep(0.01)
        assert time.monotonic() - begun < 1.0
    finally:
        workers.close()


def test_a_child_that_dies_is_answered_for_by_the_next_engine_and_then_by_right_shift(workers: ChildWorkers) -> None:
    settled(workers)
    workers.start(Job(id="long", problem=LARGE))
    for _ in range(2):
        assert workers._active is not None
        os.kill(workers._active.pid, signal.SIGKILL)
        assert (answer := hurry(workers)) is None or answer.solver.path == "right_shift"
    assert answer is not None
    assert (answer.solver.path, answer.solver.note) == (
        "right_shift",
        "The solver's process ended. The solver's process ended.",
    )
    workers.start(Job(id="short", problem=SMALL))
    assert wait(workers).solver.path in PATHS


def test_an_engine_that_fails_or_eats_all_memory_is_passed_over_and_the_record_says_so() -> None:
    workers = open_with("hungry", memory=1500)
    try:
        workers.start(Job(id="one", problem=SMALL, seed=1))
        answer = wait(workers)
        assert (answer.solver.path, answer.solver.note) == ("reference", "The solver ran out of memory.")
        assert answer.alternatives
        workers.start(Job(id="two", problem=SMALL, seed=1))
        assert wait(workers).solver.path == "reference", "the same child is as good as new"
    finally:
        workers.close()
    workers = open_with("broken")
    try:
        workers.start(Job(id="one", problem=SMALL, seed=1))
        answer = wait(workers)
        assert (answer.solver.path, answer.solver.note) == ("right_shift", "The solver failed (ZeroDivisionError).")
    finally:
        workers.close()


def test_when_time_runs_out_everybody_waits_in_turn() -> None:
    impatient = ChildWorkers(SystemClock(), guard=0.05, standby=False)
    try:
        impatient.start(Job(id="long", problem=LARGE))
        answer = wait(impatient)
        assert answer.solver.path == "right_shift"
        assert answer.solver.note == "The solver took longer than 0.05 s."
    finally:
        impatient.close()


def test_children_end_with_the_pipe() -> None:
    workers = ChildWorkers(SystemClock(), standby=False)
    child = workers._active
    assert child is not None
    assert child.warm.wait(100)
    workers.start(Job(id="long", problem=LARGE))
    time.sleep(0.2)
    assert isinstance(child._process, Started)
    child._process.jobs.close()
    assert child._process._process.wait(3) == 0
    workers.close()


def test_solve_and_explain_are_questions_over_grpc() -> None:
    servicer = ReplanServicer(lambda: ChildWorkers(SystemClock(), guard=150, standby=False), lambda _: None)
    server = serve([mounted(servicer)], 0)
    try:
        with connect(f"127.0.0.1:{server.port}", deadline=55) as channel:
            stub = replan_pb2_grpc.ReplanServiceStub(channel)
            answer = stub.Solve(pb.SolveRequest(problem=to_json(SMALL), seed=1))
            assert answer.path in PATHS
            assert from_json(tuple[Alternative, ...], answer.alternatives)  # type: ignore[arg-type]
            with pytest.raises(grpc.RpcError) as refused:
                stub.Explain(pb.ExplainRequest(proposal="nobody's"))
            assert failure(refused.value).status == "NOT_FOUND"
            with pytest.raises(grpc.RpcError) as wrong:
                stub.Solve(pb.SolveRequest(problem=b"{}"))
            assert failure(wrong.value).status == "INVALID_ARGUMENT"
    finally:
        server.stop()
        servicer.close()
