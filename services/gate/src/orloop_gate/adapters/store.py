"""The SQL projection: rows and the log's offset in one transaction, so that each row stands there once."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from orloop_common.domain.derived import AuditEntry
from orloop_common.runtime import ConfigurationError
from orloop_gate.domain.projection import Batch
from orloop_gate.ports import StoreAway

from .tables import AUDIT, METADATA, OFFSETS

_MIGRATIONS = Path(__file__).parent.parent / "migrations"
_LOCK = 0x6F726C6F  # one migration at a time on a shared PostgreSQL


class ProjectionStore:
    """One writer; any number of readers."""

    def __init__(self, url: str) -> None:
        self._url = sa.engine.make_url(url)
        self._postgres = self._url.get_backend_name() == "postgresql"
        options: dict[str, Any] = {"pool_pre_ping": True}
        if self._postgres:
            options["connect_args"] = {"connect_timeout": 3, "options": "-c statement_timeout=10000"}
        else:
            options["connect_args"] = {"timeout": 10}
        self.engine = sa.create_engine(self._url, **options)

    @property
    def name(self) -> str:
        """The database's address without its password."""
        return self._url.render_as_string(hide_password=True)

    def migrate(self) -> None:
        """Bring the schema to what this release needs.

        Raises
        ------
        StoreAway
            If the database does not answer.
        """
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with self._guarded(), self.engine.begin() as connection:
            if self._postgres:
                connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def write(self, batch: Batch) -> int:
        """Write what is new in the batch; returns how many rows that was. Writing it again writes nothing.

        Raises
        ------
        StoreAway
            If the database does not answer; nothing of the batch was written then.
        """
        with self._guarded(), self.engine.begin() as connection:
            held = self._offset(connection, batch, lock=True)
            written = 0
            for row in batch.rows:
                if row.offset >= held:
                    written += self._insert(connection, row.table, row.values)
            if batch.next_offset > held:
                connection.execute(
                    sa.update(OFFSETS)
                    .where(OFFSETS.c.topic == batch.topic, OFFSETS.c.partition == batch.partition)
                    .values(next_offset=batch.next_offset)
                )
            return written

    def check(self, batch: Batch) -> None:
        """Refuse a database that has read further than the log goes.

        Raises
        ------
        ConfigurationError
            If the database belongs to another log.
        StoreAway
            If the database does not answer.
        """
        with self._guarded(), self.engine.begin() as connection:
            held = self._offset(connection, batch, lock=False)
        if held > batch.next_offset:
            raise ConfigurationError(
                f"ORLOOP_DATABASE_URL: Expected a database of this log (read up to {batch.next_offset}), "
                f"got one that has read up to {held}.\nMaybe it belongs to another run: use an empty one."
            )

    def audit(self, suite: str) -> list[AuditEntry]:
        """The suite's audit chain as projected, in order."""
        statement = sa.select(AUDIT).where(AUDIT.c.suite == suite).order_by(AUDIT.c.sequence)
        with self._guarded(), self.engine.connect() as connection:
            return [AuditEntry(**dict(row)) for row in connection.execute(statement).mappings()]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, by its primary key."""
        found = METADATA.tables[table]
        statement = sa.select(found).order_by(*found.primary_key.columns)
        with self._guarded(), self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def close(self) -> None:
        self.engine.dispose()

    def _offset(self, connection: sa.Connection, batch: Batch, *, lock: bool) -> int:
        if lock:
            self._insert(connection, "offsets", {"topic": batch.topic, "partition": batch.partition, "next_offset": 0})
        where = (OFFSETS.c.topic == batch.topic, OFFSETS.c.partition == batch.partition)
        statement = sa.select(OFFSETS.c.next_offset).where(*where)
        held = connection.execute(statement.with_for_update() if lock else statement).scalar()
        return int(held or 0)

    def _insert(self, connection: sa.Connection, table: str, values: dict[str, Any]) -> int:
        insert = postgresql.insert if self._postgres else sqlite.insert
        statement: Any = insert(METADATA.tables[table]).values(values).on_conflict_do_nothing()
        return int(connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            reason = type(error.__cause__ or error).__name__
            raise StoreAway(f"Expected {self.name} to answer, got {reason}.\nMaybe it is down or full.") from error
