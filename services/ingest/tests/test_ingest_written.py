"""What the ledger says of an event that is told again: sent again as long as nobody has it, then never."""

import asyncio
from datetime import UTC, datetime

import pytest

from orloop_common.domain import events as e
from orloop_common.testing import ManualClock
from orloop_ingest.adapters.manual import ManualDoor
from orloop_ingest.ledger import Ledger

DOWN = e.RoomWentDown(id="1", suite="main", at=datetime(2026, 3, 2, 10, tzinfo=UTC), room="1", cause="water")


class SlowBroker:
    """Has what was sent when the test says so."""

    def __init__(self):
        self.sent, self.word = [], asyncio.Event()

    async def write(self, outputs):
        self.sent += [output.id for output in outputs]
        await self.word.wait()
        return []


@pytest.fixture
def ledger(site):
    return Ledger(site, ["main"])


@pytest.fixture
def door(site, ledger):
    return ManualDoor(site, ledger, SlowBroker(), ManualClock(DOWN.at), None)


def test_a_report_told_again_after_it_was_read_back_is_not_written_again(door):
    async def told():
        door.writer.word.set()
        await door.take([DOWN])
        door.ledger.fold(DOWN)
        await door.take([DOWN])

    asyncio.run(told())
    assert door.writer.sent == ["1"]


def test_a_report_told_again_while_the_broker_has_not_answered_is_not_taken_for_durable(door):
    """The second one must not be told 202 on the word of the first, which may never come."""

    async def told():
        first, second = asyncio.ensure_future(door.take([DOWN])), asyncio.ensure_future(door.take([DOWN]))
        await asyncio.sleep(0.01)
        assert not first.done()
        assert not second.done()
        door.writer.word.set()
        await asyncio.gather(first, second)

    asyncio.run(told())
    assert door.writer.sent == ["1", "1"]
    assert door.ledger.known("main").day.rooms["1"].down is not None


@pytest.mark.parametrize("order", ["word first", "read back first"])
def test_what_was_read_back_is_not_held_as_written_as_well(ledger, order):
    """The broker's word may come before or after the event itself: either way nothing of it stays behind."""
    ledger.expect([DOWN])
    for step in (ledger.written, ledger.fold) if order == "word first" else (ledger.fold, ledger.written):
        step([DOWN] if step == ledger.written else DOWN)
    held = ledger._suites["main"]
    assert (held.durable, held.unfolded) == (set(), {})
    assert ledger.is_written(DOWN)
