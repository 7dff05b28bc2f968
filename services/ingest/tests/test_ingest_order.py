"""The order of one connection: raw and identity, then events, then the answer; shown with a writer on a leash."""

import asyncio

import pytest

from orloop_common.messages import CASE_IDENTITY, HL7_RAW, SUITE_EVENTS
from orloop_common.runtime.errors import NotDurable
from orloop_common.runtime.outbox import Delivered
from orloop_ingest.adapters.mllp import MllpDoor, _Connection


class LeashedWriter:
    """Notes what is sent; it is durable when the test says so."""

    def __init__(self):
        self.sent, self._waiting = [], []

    def write(self, outputs):
        future = asyncio.get_running_loop().create_future()
        self.sent.append([output.topic for output in outputs])
        self._waiting.append((outputs, future))
        if not outputs:
            self.release()
        return future

    def release(self, error=None):
        outputs, future = self._waiting.pop(0)
        if error is None:
            future.set_result([Delivered(output.topic, 0, 0) for output in outputs])
        else:
            future.set_exception(error)


class FakeStream:
    """The sender's side of a connection."""

    def __init__(self):
        self.written, self.aborted, self.transport = b"", False, self

    def write(self, data):
        self.written += data

    async def drain(self):
        pass

    def abort(self):
        self.aborted = True

    @property
    def answers(self):
        return [frame.split(b"\rMSA|")[1][:5].decode() for frame in self.written.split(b"\x1c\r")[:-1]]


class Line:
    def __init__(self, desk):
        self.reader, self.stream, self.writer = asyncio.StreamReader(), FakeStream(), LeashedWriter()
        door = MllpDoor(desk.reception, self.writer, desk.clock, limit=2**20, half_frame_seconds=9)
        self.running = asyncio.ensure_future(_Connection(door, self.reader, self.stream).run())

    async def send(self, *bodies):
        self.reader.feed_data(b"".join(b"\x0b" + body + b"\x1c\r" for body in bodies))
        await self.settle()

    async def settle(self):
        for _ in range(30):
            await asyncio.sleep(0)

    async def release(self, error=None):
        self.writer.release(error)
        await self.settle()

    async def close(self):
        self.reader.feed_eof()
        await asyncio.wait_for(self.running, 5)


FIRST = [HL7_RAW, CASE_IDENTITY]


@pytest.fixture
def run(desk):
    """Run an async scene on a line."""

    def play(scene):
        async def whole():
            line = Line(desk)
            await scene(line)
            await line.close()

        asyncio.run(whole())

    return play


def test_an_event_waits_for_its_identity_and_the_answer_for_the_event(run, siu):
    async def scene(line):
        await line.send(siu())
        assert line.writer.sent == [FIRST]
        await line.release()
        assert line.writer.sent == [FIRST, [SUITE_EVENTS]]
        assert line.stream.answers == []
        await line.release()
        assert line.stream.answers == ["AA|M1"]

    run(scene)


def test_a_message_without_events_is_answered_when_its_raw_is_durable(run, siu):
    async def scene(line):
        await line.send(siu(header="P|2.1"))
        assert line.stream.answers == []
        await line.release()  # the raw
        assert line.writer.sent == [[HL7_RAW], [f"{HL7_RAW}.dlq"]]
        await line.release()
        assert line.stream.answers == ["AR|M1"]

    run(scene)


def test_pipelined_messages_are_stored_together_and_told_and_answered_in_order(run, siu):
    async def scene(line):
        await line.send(*(siu(case=f"A{n}", control=f"M{n}") for n in range(3)))
        assert line.writer.sent == [FIRST, FIRST, FIRST]
        for _ in range(3):
            await line.release()
        assert line.writer.sent[3:] == [[SUITE_EVENTS]] * 3
        assert line.stream.answers == []
        for number in range(3):
            await line.release()
            assert line.stream.answers == [f"AA|M{n}" for n in range(number + 1)]

    run(scene)


def test_after_one_that_is_not_durable_nothing_is_answered_and_all_may_come_again(run, siu, desk):
    async def scene(line):
        await line.send(*(siu(case=f"A{n}", control=f"M{n}") for n in range(3)))
        await line.release()
        await line.release(NotDurable("away"))
        await line.release()
        assert line.stream.aborted
        await line.release()  # the first one's event
        assert line.stream.answers in ([], ["AA|M0"])
        assert line.writer.sent[3:] == [[SUITE_EVENTS]], "what comes after a loss is not told"

    run(scene)
    assert len(desk.ledger.known("main").day.cases) == 1
    assert len(desk.tell(siu(case="A1", control="M1")).events) == 1


def test_an_event_that_is_not_durable_is_not_answered(run, siu, desk):
    async def scene(line):
        await line.send(siu())
        await line.release()
        await line.release(NotDurable("away"))
        assert line.stream.answers == []
        assert line.stream.aborted

    run(scene)
    assert len(desk.tell(siu()).events) == 1
