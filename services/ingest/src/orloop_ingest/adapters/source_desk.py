"""`GET /v1/sources`: each source's rate, age, clock and gaps, and what waits for it in quarantine or parked."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Header

from orloop_ingest.flow import IngestFlow

from .manual import ManualDoor

Backlog = Callable[[], tuple[int, datetime | None]]


def add_sources(app: FastAPI, door: ManualDoor, flow: IngestFlow, backlog: Backlog = lambda: (0, None)) -> None:
    """The route; `backlog` says how many messages the journal holds back, and since when."""

    @app.get("/v1/sources")
    async def sources(authorization: Annotated[str | None, Header()] = None) -> dict[str, Any]:
        """How each source does, as it was heard by this process."""
        door.known(authorization)
        now = door.clock.now()
        waiting, since = backlog()
        silent: dict[str, datetime] = {}
        parked: list[tuple[str, datetime]] = []
        for suite in door.ledger.suites:
            known = door.ledger.known(suite)
            silent |= dict(known.day.silent_feeds)
            parked += [(record.source, record.received) for record in known.identities.parked.values()]
        lines = []
        for line in flow.sources.table(now):
            source = line["source"]
            letters = flow.letters.open(source=source)
            mine = [received for who, received in parked if who == source]
            lines.append(
                {
                    **line,
                    "silent_since": silent[source].isoformat() if source in silent else None,
                    "quarantined": len(letters),
                    "quarantined_oldest_seconds": _age(now, min((e.since for e in letters), default=None)),
                    "parked": len(mine),
                    "parked_oldest_seconds": _age(now, min(mine, default=None)),
                }
            )
        journal = {"waiting": waiting, "oldest_seconds": _age(now, since)}
        return {"at": now.isoformat(), "sources": lines, "journal": journal}


def _age(now: datetime, since: datetime | None) -> int | None:
    return None if since is None else max(0, int((now - since).total_seconds()))
