"""The SQL projection, on SQLite and on a real PostgreSQL: each row stands there once, whatever happens."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import OperationalError

from orloop_common.domain import events as e
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import Mode, Verdict
from orloop_common.runtime import ConfigurationError
from orloop_common.testing.suite import booked, change, clock, tick
from orloop_gate.adapters.projector import Projector
from orloop_gate.adapters.store import ProjectionStore
from orloop_gate.adapters.tables import METADATA
from orloop_gate.domain.audit import Head, chain, facts_of, verify
from orloop_gate.domain.projection import Batch, Row, rows_of
from orloop_gate.ports import StoreAway

TOPIC = "orloop.suite-events.v1"
LOG: tuple[e.Event, ...] = (
    booked("hip", "1", "10:30"),
    tick("09:00"),
    e.PlanDecided(
        id="d1",
        suite="main",
        at=clock("09:00"),
        proposal="p1",
        verdict=Verdict.APPROVED,
        based_on=2,
        decided_by="Jörg",
        changes=(change("hip", ("1", "10:30"), ("2", "10:30")),),
    ),
    e.ModeChanged(id="m1", suite="main", at=clock("09:01"), mode=Mode.FROZEN, decided_by="kim", reason="drill"),
    e.PlanDecided(
        id="d2",
        suite="main",
        at=clock("09:02"),
        proposal="p2",
        verdict=Verdict.REJECTED,
        based_on=4,
        decided_by="kim",
        reason_code="staff_unavailable",
    ),
)


def rows(log: tuple[e.Event, ...] = LOG) -> tuple[Row, ...]:
    day, head, found = SuiteDay(suite="main"), Head(), list[Row]()
    for offset, event in enumerate(log):
        after = day.apply(event)
        entries = []
        for fact in facts_of(day, event, after):
            entries.append(chain(head, fact, event, offset + 1))
            head = Head(sequence=entries[-1].sequence, hash=entries[-1].hash)
        found += rows_of(offset, event, tuple(entries), ())
        day = after
    return tuple(found)


WHOLE = Batch(TOPIC, 0, len(LOG), rows())


def content(store: ProjectionStore) -> dict[str, list[dict[str, Any]]]:
    return {table: store.rows(table) for table in METADATA.tables}


def test_rows_and_offset_are_written_together(store: ProjectionStore) -> None:
    assert store.write(WHOLE) == 6
    assert [(r["proposal"], r["verdict"], r["decided_by"]) for r in store.rows("decisions")] == [
        ("p1", "approved", "Jörg"),
        ("p2", "rejected", "kim"),
    ]
    assert store.rows("decisions")[0]["at"] == clock("09:00")
    assert store.rows("modes")[0]["mode"] == "frozen"
    assert store.rows("offsets") == [{"topic": TOPIC, "partition": 0, "next_offset": 5}]


def test_the_projected_chain_verifies(store: ProjectionStore) -> None:
    store.write(WHOLE)
    entries = store.audit("main")
    assert len(entries) == 3
    assert verify(entries, Head(sequence=3, hash=entries[-1].hash), ["d1", "d2"]) is None


def test_a_replay_writes_nothing(store: ProjectionStore) -> None:
    store.write(WHOLE)
    before = content(store)
    assert store.write(WHOLE) == 0
    for cut in range(len(LOG) + 1):
        part = Batch(TOPIC, 0, cut, tuple(r for r in WHOLE.rows if r.offset < cut))
        assert store.write(part) == 0
    assert content(store) == before


def test_what_was_removed_for_its_age_does_not_come_back_with_a_replay(store: ProjectionStore) -> None:
    store.write(WHOLE)
    with store.engine.begin() as connection:
        connection.execute(sa.text("delete from decisions"))
    assert store.write(WHOLE) == 0
    assert store.rows("decisions") == []


def test_any_way_of_cutting_the_log_into_batches_gives_the_same_rows(store: ProjectionStore, tmp_path: Path) -> None:
    other = ProjectionStore(f"sqlite:///{tmp_path / 'other.sqlite'}")
    other.migrate()
    other.write(WHOLE)
    for cut in range(1, len(LOG) + 1):
        store.write(Batch(TOPIC, 0, cut, tuple(r for r in WHOLE.rows if r.offset < cut)))
    assert content(store) == content(other)
    other.close()


def test_a_crash_before_the_commit_leaves_neither_rows_nor_offset(store: ProjectionStore) -> None:
    def crash(connection: sa.Connection) -> None:
        raise OperationalError("commit", {}, Exception("the process was killed"))

    sa.event.listen(store.engine, "commit", crash)
    with pytest.raises(StoreAway):
        store.write(WHOLE)
    sa.event.remove(store.engine, "commit", crash)
    assert all(found == [] for found in content(store).values())
    assert store.write(WHOLE) == 6


def test_a_crash_after_the_commit_and_before_the_log_heard_of_it_writes_nothing_twice(database: str) -> None:
    first = ProjectionStore(database)
    first.migrate()
    first.write(WHOLE)
    second = ProjectionStore(database)
    second.migrate()
    assert second.write(WHOLE) == 0
    second.close()
    first.close()


def test_a_row_that_cannot_be_written_takes_the_whole_batch_back(store: ProjectionStore) -> None:
    broken = replace(WHOLE.rows[-1], values=WHOLE.rows[-1].values | {"decided_by": None})
    with pytest.raises(StoreAway):
        store.write(replace(WHOLE, rows=(*WHOLE.rows[:-1], broken)))
    assert store.rows("decisions") == []
    assert store.rows("offsets") == []


def test_two_gates_that_write_the_same_rows_at_once_write_them_once(database: str) -> None:
    stores = [ProjectionStore(database) for _ in range(2)]
    stores[0].migrate()
    written, failed = list[int](), list[BaseException]()

    def write(one: ProjectionStore) -> None:
        try:
            for cut in range(1, len(LOG) + 1):
                part = Batch(TOPIC, 0, cut, tuple(r for r in WHOLE.rows if r.offset < cut))
                written.append(one.write(part))
        except BaseException as error:  # noqa: BLE001 - told by the assertion
            failed.append(error)

    threads = [threading.Thread(target=write, args=(one,)) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failed == []
    assert sum(written) == 6
    for one in stores:
        one.close()


def test_partitions_have_their_own_offsets(store: ProjectionStore) -> None:
    store.write(Batch(TOPIC, 0, 7))
    store.write(Batch(TOPIC, 1, 3))
    assert [row["next_offset"] for row in store.rows("offsets")] == [7, 3]


def test_a_database_of_another_log_is_refused(store: ProjectionStore) -> None:
    store.write(Batch(TOPIC, 0, 900))
    with pytest.raises(ConfigurationError, match="read up to 900"):
        store.check(WHOLE)
    store.check(Batch(TOPIC, 0, 900))


def test_migrating_twice_changes_nothing_and_the_tables_are_as_declared(store: ProjectionStore) -> None:
    store.migrate()
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "gate_schema"})
        assert compare_metadata(context, METADATA) == []


def test_a_database_that_is_away_is_told_without_its_password() -> None:
    away = ProjectionStore("postgresql+psycopg://orloop:hush@127.0.0.1:9/none")
    with pytest.raises(StoreAway) as told:
        away.migrate()
    assert "hush" not in str(told.value)
    assert "127.0.0.1:9" in str(told.value)


def test_the_projector_writes_what_was_offered_and_once_more_at_its_end(store: ProjectionStore) -> None:
    stop = threading.Event()
    projector = Projector(lambda: store, stop)
    projector.offer(WHOLE)
    projector.offer(Batch(TOPIC, 0, 9))
    stop.set()
    projector.run()
    assert len(store.rows("decisions")) == 2
    assert store.rows("offsets")[0]["next_offset"] == 9
    assert projector.ready() is True


def test_the_projector_waits_for_a_database_that_is_away_and_loses_nothing(store: ProjectionStore) -> None:
    stop = threading.Event()
    tries = []

    class Flaky(ProjectionStore):
        def write(self, batch: Batch) -> int:
            tries.append(batch)
            if len(tries) == 1:
                projector.offer(Batch(TOPIC, 0, 9))  # the loop goes on meanwhile
                raise StoreAway("Expected the database to answer, got nothing.")
            stop.set()
            return super().write(batch)

    flaky = Flaky(store.engine.url.render_as_string(hide_password=False))
    projector = Projector(lambda: flaky, stop)
    projector.offer(WHOLE)
    projector.run()
    assert len(store.rows("decisions")) == 2
    assert store.rows("offsets")[0]["next_offset"] == 9
    flaky.close()
