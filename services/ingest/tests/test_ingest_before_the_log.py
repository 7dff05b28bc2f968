"""Messages taken before the log could be read: what is made good once it was, and what a lost journal costs."""

import asyncio
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

    def __init__(self, folder, desk, journals):
        self.journal, self.journals, self.broker = Journal(folder), journals, Broker()
        self.reception = type(desk.reception)(
            desk.site, desk.ledger, desk.reception._pseudonyms, lambda body: b"sealed", desk.clock,
            seal=lambda body: body.hex().encode(), open_token=lambda token: bytes.fromhex(token.decode()),
        )  # fmt: skip
        runtime = SimpleNamespace(settings=SimpleNamespace(instance="ingest-0", durable_seconds=1), clock=desk.clock)
        runtime.outbox = SimpleNamespace(send_now=lambda output, timeout: journals.fold(output.message))
        self.opening = Opening(runtime, self.journal, journals, ["TWIN"])
        done = lambda batch, last, error: self.intake.committed(batch, last, error)  # noqa: E731
        committer = Committer(self.journal, lambda a: a.sealed(), done, lambda f, *a: f(*a), desk.clock.monotonic)
        self.tasks = []
        hook = SimpleNamespace(call_soon=self.tasks.append, call_later=lambda delay, f: None)
        self.intake = Intake(
            self.reception, committer, self.broker, hook,
            limit_bytes=10**9, held=self.opening._held, monotonic=desk.clock.monotonic,
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
        for _ in range(200):
            tasks, self.tasks[:] = list(self.tasks), []
            for task in tasks:
                task()
            if not self.intake._pending and not self.tasks:
                return
            asyncio.run(asyncio.sleep(0.005))  # the journal has a thread of its own

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

    def make(ledger=True):
        if lives:
            lives[-1].end()
        lives.append(Life(tmp_path / "journal", desk, journals))
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
