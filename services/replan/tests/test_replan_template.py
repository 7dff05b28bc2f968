"""Solvers that are forked from one warm template: there at once, ended at once, none of them outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from orloop_replan.adapters.children import Child
from orloop_replan.adapters.template import Template
from orloop_replan.child import ChildSettings
from orloop_replan.domain.solving import solve
from orloop_replan.generate import generate
from orloop_replan.ports import Job, Limits, Solved

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="solvers are forked on Linux only"),
]
SETTINGS = ChildSettings(limits=Limits())
SMALL, LARGE = generate(4, "down", 1), generate(30, "storm", 3)


@pytest.fixture(scope="module")
def template() -> Iterator[Template]:
    made = Template()
    yield made
    made.close()


@pytest.fixture
def child(template: Template) -> Iterator[Child]:
    made = template.open(SETTINGS)
    assert made.warm.wait(100)
    yield made
    made.end()
    made.gone(5)


def until(what: str, look: Callable[[], object], within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def answer(child: Child) -> Solved:
    found: list[Solved] = []
    until("an answer", lambda: found.append(one) or True if (one := child.answer()) else False)
    return found[0]


def test_a_fork_answers_as_a_process_of_its_own_would(child: Child) -> None:
    from orloop_replan.adapters.engine import open_engines

    job = Job(id="one", problem=SMALL, seed=1)
    child.ask(job)
    said = answer(child)
    own = solve(job, open_engines(Limits()), Limits())
    assert said.alternatives == own.alternatives
    assert said.solver.path == "price_and_fix"


def test_forks_share_what_the_template_has_loaded(template: Template, child: Child) -> None:
    held = psutil.Process(child.pid).memory_full_info()
    assert held.uss < held.rss / 3
    assert psutil.Process(template.pid).num_threads() == 1, "a process of several threads does not fork well"


def test_a_fork_that_is_ended_is_gone_at_once_in_the_middle_of_a_solve(child: Child) -> None:
    child.ask(Job(id="long", problem=LARGE))
    time.sleep(0.2)
    child.end()
    assert not child.alive()
    child.gone(5)
    until("the process gone", lambda: not psutil.pid_exists(child.pid), 5)


def test_a_fork_that_is_ended_before_it_is_there_ends_as_soon_as_it_is(template: Template) -> None:
    first = template.open(SETTINGS)  # so that the template is warm, and a fork is there in milliseconds
    assert first.warm.wait(100)
    there = {process.pid for process in psutil.Process(template.pid).children()}
    child = template.open(SETTINGS)
    child.end()
    child.gone(60)
    assert not child.alive()
    until("the fork gone", lambda: {p.pid for p in psutil.Process(template.pid).children()} <= there, 5)
    first.end()


def test_a_fork_that_is_killed_is_noticed_and_another_can_be_had(template: Template, child: Child) -> None:
    os.kill(child.pid, signal.SIGKILL)
    until("it is noticed", lambda: not child.alive(), 5)
    other = template.open(SETTINGS)
    assert other.warm.wait(10), "nothing is loaded again"
    other.end()


def test_a_template_that_is_killed_takes_no_fork_with_it_and_is_started_again() -> None:
    template = Template()
    first = template.open(SETTINGS)
    assert first.warm.wait(100)
    was = template.pid
    os.kill(was, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(was)], timeout=5)
    first.ask(Job(id="one", problem=SMALL, seed=1))
    assert answer(first).alternatives
    second = template.open(SETTINGS)
    assert second.warm.wait(100)
    assert template.pid != was
    for child in (first, second):
        child.end()
        child.gone(5)
    template.close()


def test_a_low_priority_and_a_bound_on_memory_are_the_forks_own(template: Template, child: Child) -> None:
    low = template.open(ChildSettings(limits=Limits(), memory=1000, nice=19))
    assert low.warm.wait(100)
    process = psutil.Process(low.pid)
    assert process.nice() == 19
    assert process.rlimit(psutil.RLIMIT_AS)[0] == 1000 << 20
    assert psutil.Process(child.pid).nice() < 19
    assert psutil.Process(child.pid).rlimit(psutil.RLIMIT_AS)[0] == psutil.RLIM_INFINITY
    low.end()


@pytest.mark.parametrize("moment", ["while it loads", "when it is warm"])
def test_template_and_forks_end_with_their_parent(moment: str) -> None:
    program = (
        "import time\n"
        "from orloop_replan.adapters.template import Template\n"
        "from orloop_replan.child import ChildSettings\n"
        "from orloop_replan.ports import Limits\n"
        "template = Template()\n"
        "child = template.open(ChildSettings(limits=Limits()))\n"
        f"child.warm.wait({0 if moment == 'while it loads' else 100})\n"
        "print(template.pid, flush=True)\n"
        "time.sleep(100)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        family = psutil.Process(parent.pid).children(recursive=True)
        assert len(family) == (1 if moment == "while it loads" else 2)
        parent.kill()
    _, alive = psutil.wait_procs(family, timeout=90)
    assert alive == []
