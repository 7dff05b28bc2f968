"""The order of the intake: durable, acknowledged, raw and identity, then events; with journal and broker on a leash."""

import asyncio
import gc
from collections import deque
from weakref import ref

import pytest

from orloop_common.domain.events import RoomWentDown
from orloop_common.messages import CASE_IDENTITY, HL7_RAW, SUITE_EVENTS
from orloop_common.runtime.mllp import encode_frame
from orloop_ingest import backlog, sending
from orloop_ingest.adapters.mllp import Connection, Limits, MllpDoor
from orloop_ingest.domain.told import FactTold, Told
from orloop_ingest.intake import Intake, raw_id
from orloop_ingest.ledger import Ledger


class LeashedJournal:
    """It has what the test lets it write."""

    def __init__(self):
        self.entries, self.handed, self.drained, self.size, self.limit = [], deque(), 0, 0, None

    @property
    def last(self):
        return len(self.entries)

    def put(self, arrivals):
        if arrivals:
            self.handed.append(list(arrivals))

    def commit(self, intake, error=None):
        batch = self.handed.popleft()
        if error is None:
            self.entries += [a.sealed() for a in batch]
            self.size += sum(len(a.token) for a in batch)
        else:
            self.handed.clear()
        intake.committed(batch, self.last, error)

    def read(self, after, most):
        return [(n, e) for n, e in enumerate(self.entries, 1) if n > after][:most]


class LeashedBroker:
    """It acknowledges what the test lets it."""

    def __init__(self):
        self.posted, self.waiting, self.room = [], deque(), 10**9

    def post(self, output, done):
        if len(self.waiting) >= self.room:
            return False
        self.posted.append(output)
        self.waiting.append(done)
        return True

    def serve(self):
        pass

    def acknowledge(self, count=10**9, error=None):
        for number in range(min(count, len(self.waiting))):
            self.waiting.popleft()(error, number)

    @property
    def topics(self):
        return [output.topic for output in self.posted]


class Hook:
    """Callbacks run when the test says so."""

    def __init__(self):
        self.soon, self.later = deque(), deque()

    def call_soon(self, callback):
        self.soon.append(callback)

    def call_later(self, delay, callback):
        self.later.append(callback)

    def run(self):
        for callback in [self.later.popleft() for _ in range(len(self.later))]:
            callback()
        while self.soon:
            self.soon.popleft()()


class Transport:
    """The sender's end."""

    def __init__(self):
        self.written, self.aborted, self.paused = b"", False, False

    def write(self, data):
        self.written += data

    def abort(self):
        self.aborted = True

    def is_closing(self):
        return self.aborted

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False

    def get_extra_info(self, name):
        return None

    @property
    def answers(self):
        return [frame.split(b"\rMSA|")[1][:5].decode() for frame in self.written.split(b"\x1c\r")[:-1]]


class Scene:
    """One intake with a connection or more."""

    def __init__(self, desk, **options):
        self.desk, self.journal, self.broker, self.hook = desk, LeashedJournal(), LeashedBroker(), Hook()
        desk.reception._seal, desk.reception._open = lambda b: b.hex().encode(), lambda t: bytes.fromhex(t.decode())
        self.now = 0.0
        self.options = {"limit_bytes": 10**9, **options}
        self.intake = self.new_intake()

    def new_intake(self):
        intake = Intake(
            self.desk.reception, self.journal, self.broker, self.hook, monotonic=lambda: self.now, **self.options
        )
        intake.start()
        return intake

    def door(self, **limits):
        door = MllpDoor(self.desk.clock, Limits(frame_bytes=2**20, **limits))
        door.intake, door._loop, door.monotonic = self.intake, self.hook, lambda: self.now
        return door

    def connect(self, door=None, **limits):
        door = door or self.door(**limits)
        connection, transport = Connection(door), Transport()
        connection.connection_made(transport)
        return connection, transport

    def send(self, connection, *bodies):
        connection.data_received(b"".join(encode_frame(body) for body in bodies))
        self.hook.run()

    def commit(self, error=None):
        self.journal.commit(self.intake, error)
        self.hook.run()

    def acknowledge(self, count=10**9):
        self.broker.acknowledge(count)
        self.hook.run()


@pytest.fixture
def scene(desk):
    return Scene(desk)


FIRST = [HL7_RAW, CASE_IDENTITY]


def test_the_answer_waits_for_the_journal_and_for_nothing_else(scene, siu):
    connection, transport = scene.connect()
    scene.send(connection, siu())
    assert (transport.answers, scene.broker.topics) == ([], [])
    scene.commit()
    assert transport.answers == ["AA|M1"]
    assert scene.broker.topics == FIRST


def test_an_event_waits_for_its_raw_record_and_its_identity(scene, siu):
    connection, _ = scene.connect()
    scene.send(connection, siu())
    scene.commit()
    scene.acknowledge(1)
    assert scene.broker.topics == FIRST
    scene.acknowledge(1)
    assert scene.broker.topics == [*FIRST, SUITE_EVENTS]
    assert scene.journal.drained == 0
    scene.acknowledge()
    assert scene.journal.drained == 1


def test_pipelined_messages_are_one_group_and_keep_their_order(scene, siu):
    connection, transport = scene.connect()
    scene.send(connection, *(siu(case=f"A{n}", control=f"M{n}") for n in range(5)))
    assert [len(batch) for batch in scene.journal.handed] == [5]
    scene.commit()
    assert transport.answers == [f"AA|M{n}" for n in range(5)]
    scene.acknowledge()
    scene.acknowledge()
    cases = [o.message.case for o in scene.broker.posted if o.topic == SUITE_EVENTS]
    identities = [o.message.case for o in scene.broker.posted if o.topic == CASE_IDENTITY]
    assert cases == identities
    assert len(cases) == 5


def test_a_disk_that_fails_closes_the_connections_of_that_group_unanswered_and_the_next_ones_work(scene, siu):
    door = scene.door()
    (one, first), (two, second) = scene.connect(door), scene.connect(door)
    scene.send(one, siu())
    scene.commit(OSError(28, "No space left on device"))
    assert (first.aborted, first.answers) == (True, [])
    assert scene.broker.topics == []
    scene.send(two, siu())
    scene.commit()
    assert second.answers == ["AA|M1"]


def test_what_followed_a_lost_message_is_lost_with_it_and_comes_again_in_its_order(scene, siu):
    say = [siu(case=f"A{n}", control=f"M{n}") for n in range(5)]
    connection, transport = scene.connect()
    scene.send(connection, say[0])  # the disk has no room for it
    scene.send(connection, say[1])  # is handed over
    connection.data_received(encode_frame(say[2]))  # is about to be
    scene.journal.commit(scene.intake, OSError(28, "No space left on device"))
    assert transport.aborted
    scene.hook.run()
    assert not scene.journal.handed
    assert (scene.intake.waiting, scene.intake._uncommitted_bytes) == (0, 0)
    again, second = scene.connect()
    scene.send(again, *say)
    scene.commit()
    assert (transport.answers, second.answers) == ([], [f"AA|M{n}" for n in range(5)])
    for _ in range(3):
        scene.acknowledge()
    sent = [o.id for o in scene.broker.posted if o.topic == HL7_RAW]
    assert sent == [scene.desk.reception.id_of(sealed) for sealed in scene.journal.entries]
    assert len(sent) == 5


def test_a_message_that_came_again_before_the_loss_of_the_first_was_known_is_lost_with_it(scene, siu):
    door = scene.door()
    (one, _), (two, second) = scene.connect(door), scene.connect(door)
    scene.send(one, siu())
    one.connection_lost(None)
    scene.send(two, siu(), siu(case="A2", control="M2"))
    scene.commit(OSError(28, "No space left on device"))
    assert (second.aborted, second.answers) == (True, [])
    assert not scene.journal.handed
    assert scene.intake.waiting == 0


def test_a_duplicate_of_what_is_not_durable_yet_is_answered_with_the_first(scene, siu):
    door = scene.door()
    (one, first), (two, second) = scene.connect(door), scene.connect(door)
    scene.send(one, siu())
    scene.send(two, siu())
    assert len(scene.journal.handed) == 1
    assert second.answers == []
    scene.commit()
    assert first.written == second.written != b""
    scene.send(two, siu())
    assert second.written == 2 * first.written
    scene.acknowledge()
    scene.acknowledge()
    assert scene.broker.topics.count(HL7_RAW) == 1


def test_a_broker_that_is_away_stops_neither_answers_nor_memory(scene, siu, monkeypatch):
    monkeypatch.setattr(sending, "WINDOW", 4)
    monkeypatch.setattr(backlog, "HOT", 10)
    connection, transport = scene.connect()
    for n in range(60):
        scene.send(connection, siu(case=f"A{n}", control=f"M{n}"))
        scene.commit()
    assert len(transport.answers) == 60
    assert len(scene.intake._sending) == 4
    assert len(scene.intake._backlog) <= 10
    for _ in range(60):
        scene.acknowledge()
    events = [o.cause for o in scene.broker.posted if o.topic == SUITE_EVENTS]
    raws = [o.id for o in scene.broker.posted if o.topic == HL7_RAW]
    assert len(events) == 60
    assert events == raws, "in the order of receipt, each once, though most were read back from the disk"
    assert scene.journal.drained == 60


def test_a_full_producer_queue_loses_nothing_and_keeps_the_order(scene, siu):
    scene.broker.room = 3
    connection, _ = scene.connect()
    scene.send(connection, *(siu(case=f"A{n}", control=f"M{n}") for n in range(20)))
    scene.commit()
    for _ in range(100):
        scene.acknowledge()
    assert scene.journal.drained == 20
    assert len(set(scene.broker.topics)) == 3
    assert len(scene.broker.posted) == 60


def test_a_successor_in_the_same_folder_goes_on_where_the_last_one_was_killed(scene, siu, site):
    connection, _ = scene.connect()
    for n in range(3):
        scene.send(connection, siu(case=f"A{n}", control=f"M{n}"))
        scene.commit()
    scene.broker.posted.clear()
    scene.broker.waiting.clear()
    scene.hook.later.clear()
    scene.journal.drained = 1
    for sealed in scene.journal.entries:
        scene.desk.reception.remember_sealed(sealed)
    scene.desk.reception._ledger = Ledger(site, ["main"])
    scene.intake = scene.new_intake()
    scene.hook.run()
    for _ in range(5):
        scene.acknowledge()
    assert scene.broker.topics.count(HL7_RAW) == 2
    assert scene.broker.topics.count(SUITE_EVENTS) == 2
    assert scene.journal.drained == 3


def test_while_another_journal_is_open_messages_are_acknowledged_and_nothing_is_emitted(desk, siu):
    held = [True]
    scene = Scene(desk, held=lambda: held[0])
    connection, transport = scene.connect()
    scene.send(connection, siu())
    scene.commit()
    scene.acknowledge()
    assert (transport.answers, scene.broker.topics) == (["AA|M1"], [])
    held[0] = False
    scene.acknowledge()
    assert scene.broker.topics == FIRST


def test_a_full_journal_keeps_senders_waiting_and_goes_on_by_itself(desk, siu):
    scene = Scene(desk, limit_bytes=1)
    connection, transport = scene.connect()
    scene.send(connection, siu())  # the first one fits: the journal is empty
    scene.commit()
    scene.send(connection, siu(control="M2", case="A2"))
    assert not scene.journal.handed
    assert transport.paused
    for _ in range(3):
        scene.acknowledge()
    scene.journal.size = 0  # its segment is drained and removed
    scene.acknowledge()
    scene.commit()
    assert transport.answers == ["AA|M1", "AA|M2"]
    scene.now += 0.1
    connection.sweep(scene.now)
    assert not transport.paused


def test_what_waits_for_room_stays_as_long_as_one_connection_waits_for_it(desk, siu):
    scene = Scene(desk, limit_bytes=1)
    door = scene.door()
    (one, _), (two, second) = scene.connect(door), scene.connect(door)
    scene.send(one, siu())
    scene.commit()
    scene.send(one, siu(control="M2", case="A2"))
    scene.send(two, siu(control="M2", case="A2"), siu(control="M3", case="A3"))
    one.connection_lost(None)
    assert [arrival.header.control_id for arrival in scene.intake._overflow] == ["M2", "M3"]
    scene.journal.size = 0
    scene.acknowledge()
    scene.commit()
    scene.journal.size = 0
    scene.acknowledge()
    if scene.journal.handed:
        scene.commit()
    assert second.answers == ["AA|M2", "AA|M3"]
    scene.send(two, siu(control="M4", case="A4"))
    two.connection_lost(None)
    assert not scene.intake.full


def test_an_answer_that_would_come_too_late_closes_instead(scene, siu):
    connection, transport = scene.connect(answer_seconds_by_source={"TWIN": 5.0})
    scene.send(connection, siu())
    scene.now = 5.1
    connection.sweep(scene.now)
    assert transport.aborted
    scene.commit()
    assert transport.answers == []
    assert scene.broker.topics == FIRST, "it is durable: the sender's next attempt is a duplicate"
    again, second = scene.connect()
    scene.send(again, siu())
    assert second.answers == ["AA|M1"]


def test_our_own_fault_is_quarantined_and_the_next_message_goes_on(scene, siu, monkeypatch, canaries, caplog):
    def explode(*_):
        raise RuntimeError("Zzyxcanary")

    monkeypatch.setattr(scene.desk.reception, "read", explode)
    connection, transport = scene.connect()
    scene.send(connection, siu())
    scene.commit()
    scene.acknowledge()
    monkeypatch.undo()
    scene.send(connection, siu(control="M2", case="A2"))
    scene.commit()
    for _ in range(3):
        scene.acknowledge()
    assert transport.answers == ["AA|M1", "AA|M2"]
    assert scene.broker.posted[0].message.problem.startswith("mapper_failed")
    assert scene.broker.topics.count(f"{HL7_RAW}.dlq") == 1
    assert scene.journal.drained == 2


def test_three_replicas_stand_in_for_the_disk(desk, siu):
    scene = Scene(desk, by_broker=lambda: True)
    connection, transport = scene.connect()
    scene.send(connection, siu())
    assert not scene.journal.handed
    scene.acknowledge()
    assert transport.answers == []
    scene.acknowledge()
    assert transport.answers == ["AA|M1"]


def test_a_broker_that_takes_too_long_is_replaced_by_the_disk_and_nothing_is_read_twice(desk, siu):
    scene = Scene(desk, by_broker=lambda: True, fallback_seconds=1.0)
    connection, transport = scene.connect()
    scene.send(connection, siu())
    scene.now = 1.5
    scene.hook.run()
    scene.commit()
    assert transport.answers == ["AA|M1"]
    for _ in range(4):
        scene.acknowledge()
    assert sorted(scene.broker.topics) == sorted([*FIRST, SUITE_EVENTS])
    assert scene.journal.drained == 1


def test_nothing_overtakes_on_the_short_way_what_the_disk_has_not_taken_yet(desk, siu):
    enough = [False]
    scene = Scene(desk, by_broker=lambda: enough[0])
    connection, transport = scene.connect()
    scene.send(connection, siu())
    enough[0] = True
    scene.send(connection, siu(control="M2", case="A2"))
    assert scene.broker.topics == []
    scene.commit(OSError(28, "No space left on device"))
    assert transport.aborted
    assert (scene.intake.waiting, scene.broker.topics) == (0, [])
    again, second = scene.connect()
    scene.send(again, siu(), siu(control="M2", case="A2"))
    assert not scene.journal.handed
    for _ in range(3):
        scene.acknowledge()
    assert second.answers == ["AA|M1", "AA|M2"]


def test_the_disk_that_replaces_a_slow_broker_and_fails_leaves_the_count_of_bytes_at_nothing(desk, siu):
    scene = Scene(desk, by_broker=lambda: True, fallback_seconds=1.0)
    connection, transport = scene.connect()
    scene.send(connection, siu())
    scene.now = 1.5
    scene.hook.run()
    assert scene.intake._uncommitted_bytes > 0
    scene.send(connection, siu(control="M2", case="A2"))
    assert len(scene.broker.waiting) == 2, "it waits for the disk, as the one before it"
    scene.commit(OSError(28, "No space left on device"))
    assert transport.aborted
    assert scene.intake._uncommitted_bytes == 0
    for _ in range(3):
        scene.acknowledge()
    assert scene.intake.waiting == 0
    again, second = scene.connect()
    scene.send(again, siu(), siu(control="M2", case="A2"))
    for _ in range(3):
        scene.acknowledge()
    assert second.answers == ["AA|M1", "AA|M2"]


def test_a_broker_that_answers_before_the_disk_that_replaced_it_leaves_no_sender_without_an_answer(desk, siu):
    scene = Scene(desk, by_broker=lambda: True, fallback_seconds=1.0)
    connection, transport = scene.connect()
    scene.send(connection, siu())
    scene.now = 1.5
    scene.hook.run()
    for _ in range(4):
        scene.acknowledge()
    assert transport.answers == []
    scene.commit()
    assert transport.answers == ["AA|M1"]


def test_a_message_that_is_over_is_let_go_at_once(desk, siu):
    scene = Scene(desk)
    connection, transport = scene.connect()
    scene.send(connection, siu())
    gone = ref(scene.journal.handed[0][0].owners[0])
    gc.disable()
    try:
        scene.commit()
        for _ in range(4):
            scene.acknowledge()
        assert transport.answers == ["AA|M1"]
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(("accept", "application"), [("NE", "AL"), ("AL", "AL")])
def test_an_application_acknowledgement_waits_for_the_mapping(desk, siu, accept, application):
    held = [True]
    scene = Scene(desk, held=lambda: held[0])
    connection, transport = scene.connect()
    scene.send(connection, siu(header=f"P|2.5.1|||{accept}|{application}"))
    scene.commit()
    first = ["CA|M1"] if accept == "AL" else []
    assert transport.answers == first
    held[0] = False
    scene.acknowledge()
    scene.acknowledge()
    assert transport.answers == [*first, "AA|M1"]


def test_what_is_no_frame_takes_the_same_road(scene, desk):
    now = desk.clock.now()
    event = RoomWentDown(id="e1", suite="main", at=now, room="3", cause="water")
    id = raw_id("file:rooms", "PEOPLE", b"body")
    told = Told(
        source="PEOPLE", suite="main", namespace="x", at=now, received=now, raw=id, statements=(FactTold(event=event),)
    )

    async def play():
        taking = asyncio.ensure_future(scene.intake.take(told, b"body", "file:rooms"))
        await asyncio.sleep(0)
        scene.hook.run()
        scene.commit()
        taken = await asyncio.wait_for(taking, 1)
        assert taken.events == (event,)
        assert (await scene.intake.take(told, b"body", "file:rooms")).events == ()

    asyncio.run(play())
    scene.acknowledge()
    scene.acknowledge()
    assert scene.broker.topics == [HL7_RAW, SUITE_EVENTS]


def test_a_newer_connection_replaces_one_that_hangs_in_a_frame(scene, siu):
    door = scene.door()
    (old, left), (idle, kept) = scene.connect(door), scene.connect(door)
    scene.send(old, siu())
    scene.send(idle, siu(control="M2"))
    old.data_received(b"\x0bMSH|half")
    scene.now = 3.0
    new, _ = scene.connect(door)
    scene.send(new, siu(control="M3"))
    assert left.aborted
    assert not kept.aborted
    assert [a.broken for batch in scene.journal.handed for a in batch].count("cut_short") == 1


def test_connections_over_the_limit_are_closed_and_a_source_over_its_own_replaces_its_oldest(scene, siu):
    door = scene.door(connections=3, connections_per_source=2)
    lines = []
    for n in range(3):
        scene.now += 1
        lines.append(scene.connect(door))
        scene.send(lines[-1][0], siu(control=f"M{n}"))
    assert [transport.aborted for _, transport in lines] == [True, False, False]
    scene.connect(door)
    _, fifth = scene.connect(door)
    assert fifth.aborted


def test_a_probe_is_no_fault(scene):
    connection, transport = scene.connect()
    connection.connection_lost(None)
    assert not scene.journal.handed
    assert transport.written == b""


def test_a_sender_that_half_closes_still_gets_its_answers(scene, siu):
    connection, transport = scene.connect()
    scene.send(connection, siu())
    assert connection.eof_received() is True
    scene.commit()
    assert transport.answers == ["AA|M1"]


def test_half_a_frame_then_silence_is_kept_and_never_answered(scene, siu):
    connection, transport = scene.connect(half_frame_seconds=5)
    connection.data_received(b"\x0b" + siu()[:80])
    scene.now = 5.5
    connection.sweep(scene.now)
    scene.hook.run()
    scene.commit()
    assert transport.aborted
    assert transport.written == b""
    scene.acknowledge()
    assert scene.broker.posted[0].message.problem.startswith("broken_frame")
