"""Messages taken before the log could be read: what is made good then; a journal that was lost, or that was full."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from orloop_common.messages import HL7_RAW
from orloop_common.runtime.mllp import Frame
from orloop_ingest.adapters.committing import Committer
from orloop_ingest.adapters.journal import Journal
from orloop_ingest.intake import Intake
from orloop_ingest.journals import LOST, OPEN, Journals
from orloop_ingest.opening import Nobody, Opening


class Broker:
    """It takes everything."""

    def __init__(self):
        self.posted = []

    def post(self, output, done):
        self.posted.append(output)
        done(None, len(self.posted))
        return True

    def serve(self): ...


class Life:
    """One process of an ingest on a folder: its journal, its reception, its intake."""

    def __init__(self, folder, desk, journals, limit=10**9):
        self.journal = Journal(folder, segment_bytes=limit // 4)
        self.journals, self.broker = journals, Broker()
        self.reception = type(desk.reception)(
            desk.site, desk.ledger, desk.reception._pseudonyms, lambda body: b"sealed", desk.clock,
            seal=lambda body: body.hex().encode(), open_token=lambda token: bytes.fromhex(token.decode()),
        )  # fmt: skip
        runtime = SimpleNamespace(settings=SimpleNamespace(instance="ingest-0", durable_seconds=1), clock=desk.clock)
        runtime.outbox = SimpleNamespace(send_now=lambda output, timeout: journals.fold(output.message))
        self.opening = Opening(runtime, self.journal, journals, ["TWIN"])
        done = lambda batch, last, error: self.intake.committed(batch, last, error)  # noqa: E731
        committer = Committer(self.journal, lambda a: a.sealed(), done, lambda f, *a: f(*a), desk.clock.monotonic)
        self.tasks, self.later = [], []
        hook = SimpleNamespace(call_soon=self.tasks.append, call_later=lambda delay, f: self.later.append(f))
        self.intake = Intake(
            self.reception, committer, self.broker, hook,
            limit_bytes=limit, held=self.opening._held, monotonic=desk.clock.monotonic,
        )  # fmt: skip
        self.opening._intake, self.opening._committer = self.intake, committer
        self.opening._outbox = SimpleNamespace(learn=lambda *topics: None)
        self.opening._remember(self.reception)

    def tell(self, *bodies):
        answers = []
        for body in bodies:
            arrival = self.reception.arrive(Frame(body))
            answers.append(arrival.answers.all[0])
            if not arrival.repeated:
                self.intake.admit(arrival, Nobody())
        self.run()
        return answers

    def run(self):
        idle = 0
        while idle < (10 if self.intake.full else 200):
            idle = 0 if self.tasks else idle + 1
            tasks, self.tasks[:] = list(self.tasks), []
            for task in tasks:
                task()
            if not self.intake._pending and not self.tasks:
                return
            time.sleep(0.005)  # the journal has a thread of its own

    def read_the_log(self, stored=()):
        self.opening.learn(self.reception, stored)
        asyncio.run(self.opening.go_on())
        for _ in range(5):
            self.intake._work()
            self.run()

    def end(self):
        self.opening._committer.close()
        self.journal.close()

    @property
    def raws(self):
        return [o.message.control_id for o in self.broker.posted if o.topic == HL7_RAW]


@pytest.fixture
def live(tmp_path, desk):
    lives, journals = [], Journals("main")

    def make(**more):
        if lives:
            lives[-1].end()
        lives.append(Life(tmp_path / "journal", desk, journals, **more))
        return lives[-1]

    yield make
    lives[-1].end()


def many(siu, *numbers):
    return [siu(case=f"A{n}", control=f"M{n}") for n in numbers]


def test_nothing_is_emitted_before_the_log_was_read_and_then_all_of_it_in_order(live, siu):
    life = live()
    answers = life.tell(*many(siu, 1, 2, 3))
    assert all(b"MSA|AA|" in answer for answer in answers)
    assert life.broker.posted == []
    life.read_the_log()
    assert life.raws == ["M1", "M2", "M3"]


def test_what_the_broker_has_already_is_not_stored_twice_although_it_was_taken_before_that_was_known(live, siu, desk):
    life = live()
    (first,) = many(siu, 1)
    id, received = life.reception.arrive(Frame(first)).id, desk.clock.now().replace(hour=7)
    life.tell(first, *many(siu, 2))
    life.read_the_log(stored=[(id, received)])
    assert life.raws == ["M2"]
    assert life.tell(first)[0].startswith(b"MSH|^~\\&|ORLOOP|ORLOOP|TWIN|DEMO|2026030207"), "answered as it was first"


def test_a_restart_before_the_log_could_be_read_answers_with_the_same_bytes(live, siu):
    first = live().tell(*many(siu, 1, 2))
    second = live()
    second.reception._clock.set(second.reception._clock.now().replace(hour=15))
    assert second.tell(*many(siu, 1, 2)) == first
    second.read_the_log()
    assert second.raws == ["M1", "M2"]


def test_a_journal_that_was_declared_lost_meanwhile_gives_up_what_was_in_it_and_nothing_that_came_since(live, siu):
    first = live()
    first.read_the_log()
    first.opening.has_read = False  # another journal goes before it: nothing is emitted
    first.tell(*many(siu, 1, 2, 3))
    lost = first.journal.id
    second = live()
    second.journals.fold(second.journals.declare_lost(lost, "anna", second.reception._clock.now()).message)
    second.tell(*many(siu, 4, 5))
    again = second.tell(*many(siu, 2))  # its sender was told that we have it: so we must
    assert b"MSA|AA|M2" in again[0]
    second.read_the_log()
    assert second.raws == ["M4", "M5", "M2"]
    assert (second.journal.id != lost, second.journals.of(second.journal.id).state) == (True, OPEN)
    assert second.journals.of(lost).state == LOST
    assert list((second.journal.folder / f"lost-{lost}").glob("*.segment"))
    second.tell(*many(siu, 1))
    assert second.raws[-1] == "M1", "what was lost is taken if it comes again"
    assert second.journal.last - second.opening._committer.drained == 0


def test_a_small_journal_that_was_full_is_emptied_and_takes_more(live, siu):
    """A segment as large as the limit could never be dropped: all would be on the broker, and senders wait for ever."""
    life = live(limit=4000)
    answers = life.tell(*many(siu, *range(12)))
    assert life.intake.full
    assert len(answers) == 12
    life.read_the_log()
    life.intake.start()
    for _ in range(100):
        later, life.later[:] = list(life.later), []
        life.tasks += later
        life.run()
        if not life.intake.full:
            break
    assert not life.intake.full
    assert life.raws == [f"M{n}" for n in range(12)]


def test_a_lost_journal_with_nothing_new_leaves_nothing_waiting(live, siu):
    first = live()
    first.read_the_log()
    first.opening.has_read = False
    first.tell(*many(siu, 1, 2))
    second = live()
    second.journals.fold(second.journals.declare_lost(second.journal.id, "anna", second.reception._clock.now()).message)
    second.read_the_log()
    assert (second.raws, second.intake.waiting) == ([], 0)
