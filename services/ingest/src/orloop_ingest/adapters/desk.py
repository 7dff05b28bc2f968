"""The interface analyst's desk: files in, over HTTP beside the manual door, on the same port."""

import asyncio
import json
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from orloop_common.messages import encode, schema_of
from orloop_common.runtime.auth import Principal, Role
from orloop_common.runtime.logs import get_logger
from orloop_ingest import metrics
from orloop_ingest.domain import loads

from .doorkit import refused
from .manual import ManualDoor

_log = get_logger("desk")
_EARLY = timedelta(minutes=10)
AT_THE_DESK = (Role.INTERFACE_ANALYST, Role.BOARD_RUNNER, Role.SERVICE)
Word = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[\w.:-]+$")]


class File(BaseModel):
    """A file as it is: what it says, who made it, and as of when (now, if it does not say)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    content: Annotated[str, Field(min_length=1)]
    source: Word = "file"
    as_of: AwareDatetime | None = None
    dry_run: bool = False


class Line(BaseModel):
    """One event of a file: what it is about, what became of it, and the event itself."""

    outcome: str
    subject: str
    type: str
    event: dict[str, Any]


class Loaded(BaseModel):
    """What became of a file; nothing is written on a dry run."""

    source: str
    version: str
    as_of: datetime
    dry_run: bool
    written: int
    unchanged: int
    lines: list[Line]
    warnings: list[str]


def may(door: ManualDoor, roles: Collection[Role] = AT_THE_DESK) -> Any:
    """The dependency that lets in people with one of these roles for the suite of the path."""

    def who(suite: str, authorization: Annotated[str | None, Header()] = None) -> Principal:
        return door.who(suite, authorization, roles)

    return Depends(who)


def faulty(faults: list[str]) -> JSONResponse:
    """422 with every fault of a file, each with its line and column."""
    error = f"Expected a file without faults, got {len(faults)}. Nothing was written."
    return JSONResponse({"error": error, "hint": "Maybe mend these lines.", "faults": faults}, 422)


class Suites(BaseModel):
    """What this process serves."""

    suites: list[str]


def add_desk(app: FastAPI, door: ManualDoor) -> None:
    """Every route of the desk."""

    @app.get("/v1/suites", response_model=Suites)
    async def suites(authorization: Annotated[str | None, Header()] = None) -> Suites:
        """The suites of this process, for anybody with a token of the mesh."""
        door.known(authorization)
        return Suites(suites=list(door.ledger.suites))

    add_files(app, door)


def add_files(app: FastAPI, door: ManualDoor) -> None:
    """`POST /v1/suites/{suite}/files/{kind}`: rosters, beds, equipment and blocks."""

    for kind in loads.KINDS:
        _add_kind(app, door, kind)


def _add_kind(app: FastAPI, door: ManualDoor, kind: str) -> None:
    @app.post(f"/v1/suites/{{suite}}/files/{kind}", status_code=202, response_model=Loaded, operation_id=f"load_{kind}")
    async def load(suite: str, file: File, who: Annotated[Principal, may(door)]) -> Any:
        """Load a CSV or JSON file: all of it, or none."""
        as_of = door.clock.now() if file.as_of is None else file.as_of
        if as_of > door.clock.now() + _EARLY:
            raise refused(422, "Expected `as_of` in the past, got a later time.", "Maybe its offset is missing.")
        table = await asyncio.to_thread(loads.read_file, kind, file.content, door.site, suite)  # senders wait for none
        if table.faults:
            metrics.FILES.labels(kind, "faulty").inc()
            return faulty(table.faults)
        head = loads.FileHead(suite=suite, source=file.source, as_of=as_of, version=loads.version_of(table))
        found = loads.outcomes(kind, table, head, door.site, door.ledger.known(suite).day)
        news = [one.event for one in found if one.written]
        if not file.dry_run:
            if news:
                await door.take(news, cause=f"file/{kind}/{head.source}/{head.version[:16]}")
            metrics.FILES.labels(kind, "written" if news else "unchanged").inc()
            _log.info("file_loaded", kind=kind, source=head.source, version=head.version[:16], events=len(news))
        answer = Loaded(
            source=head.source,
            version=head.version,
            as_of=as_of,
            dry_run=file.dry_run,
            written=0 if file.dry_run else len(news),
            unchanged=sum(one.outcome == "unchanged" for one in found),
            lines=[_line(one) for one in found],
            warnings=[one.warning for one in found if one.warning is not None],
        )
        return JSONResponse(answer.model_dump(mode="json"), 200 if file.dry_run else 202)


def _line(one: loads.Outcome) -> Line:
    return Line(
        outcome=one.outcome,
        subject=one.subject,
        type=schema_of(one.event).type.__name__,
        event=json.loads(encode(one.event)),
    )
