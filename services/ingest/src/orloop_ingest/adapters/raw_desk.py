"""The quarantine and the raw messages, over HTTP: list, show, retry, drop, replay. What is shown leaves a trace."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from orloop_common.domain.suite_day import KEPT_DAYS
from orloop_common.runtime.auth import Principal, Role
from orloop_common.runtime.clock import SystemClock
from orloop_common.runtime.errors import NotDurable
from orloop_common.runtime.logs import get_logger
from orloop_ingest import metrics
from orloop_ingest.domain.letters import DROPPED, SHOWN, Entry
from orloop_ingest.domain.masking import show
from orloop_ingest.rereading import Reread, Rereading

from .desk import Word, may
from .doorkit import from_text, refused
from .manual import ManualDoor
from .rawstore import RawGone

_log = get_logger("raw_desk")
_ANALYSTS = (Role.INTERFACE_ANALYST, Role.SERVICE)
# A reason stays on the log: a ticket, a word or two, nothing in which a patient's name could hide at length.
Why = Annotated[str, Field(min_length=3, max_length=60, pattern=r"^[\w .:/#,-]+$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Look(_Body):
    """Why somebody looks into a raw message, and whether they need what names the patient."""

    why: Why
    show_phi: bool = False


class Drop(_Body):
    """Why a message is of no use."""

    why: Why


class Again(_Body):
    """Which entries to read again: these, or all that match."""

    raws: Annotated[tuple[Word, ...], Field(max_length=1000)] = ()
    source: Annotated[str | None, Field(max_length=180)] = None
    reason: Word | None = None
    dry_run: bool = False


class Span(_Body):
    """Which raw messages to read again."""

    since: AwareDatetime
    until: AwareDatetime | None = None
    source: Annotated[str | None, Field(max_length=180)] = None
    dry_run: bool = False


class RawDesk:
    """What the routes need besides the door: the rereading, and who may look into raw messages.

    Parameters
    ----------
    readers
        The raw access list; empty: every interface analyst, and nobody else.
    """

    def __init__(self, door: ManualDoor, rereading: Rereading, readers: Collection[str]) -> None:
        self.door, self.rereading, self.readers = door, rereading, frozenset(readers)
        self.busy = asyncio.Lock()

    def entry(self, suite: str, raw: str) -> Entry:
        """The entry whose raw id begins so; 404 if there is none, or more than one."""
        found = [e for e in self.rereading.letters().find(raw) if e.suite == suite]
        if len(found) != 1:
            error = f"Expected one message in quarantine whose id begins with {raw}, got {len(found)}."
            raise refused(404, error, "Maybe list them first.")
        return found[0]

    def require_reader(self, who: Principal, raw: str) -> None:
        """403 unless this person is on the raw access list."""
        allowed = who.user in self.readers if self.readers else who.role is Role.INTERFACE_ANALYST
        if not allowed:
            _log.warning("raw_refused", user=who.user, role=who.role.value, raw=raw)
            raise refused(
                403, "Expected somebody on the raw access list, got another.", "Maybe ORLOOP_RAW_READERS lacks a name."
            )


def add_raw_desk(app: FastAPI, desk: RawDesk) -> None:
    """`/v1/suites/{suite}/quarantine` and `/v1/suites/{suite}/replay`."""
    Who = Annotated[Principal, may(desk.door, _ANALYSTS)]
    letters = desk.rereading.letters

    @app.get("/v1/suites/{suite}/quarantine")
    async def entries(suite: str, who: Who, source: str | None = None, reason: str | None = None) -> dict[str, Any]:
        """What waits for a person, oldest first; no word of a message."""
        now = desk.door.clock.now()
        return {"entries": [_told(e, now) for e in letters().open(suite, source, reason)]}

    @app.post("/v1/suites/{suite}/quarantine/{raw}/show")
    async def look(suite: str, raw: str, look: Look, who: Who) -> dict[str, Any]:
        """One message, decrypted, for those on the raw access list; every look is on record before it is answered."""
        entry = desk.entry(suite, raw)
        desk.require_reader(who, entry.raw)
        try:
            kept = await desk.rereading.fetch(entry)
            body = desk.rereading.store.open(kept.raw)
        except RawGone as gone:
            raise from_text(404, str(gone)) from None
        phi = "with identifying fields" if look.show_phi else "masked"
        _log.warning("raw_shown", user=who.user, raw=entry.raw, why=look.why, phi=look.show_phi)
        metrics.RAW_SHOWN.labels("phi" if look.show_phi else "masked").inc()
        await _durably(desk.rereading.note(entry, f"{SHOWN}{who.user} {phi}: {look.why}"))
        told = _told(entry, desk.door.clock.now())
        raw_fields = {"message_type": kept.raw.message_type, "control_id": kept.raw.control_id, "bytes": len(body)}
        return {**told, **raw_fields, "received": kept.raw.received.isoformat(), "message": show(body, look.show_phi)}

    @app.post("/v1/suites/{suite}/quarantine/{raw}/drop", status_code=202)
    async def drop(suite: str, raw: str, drop: Drop, who: Who) -> dict[str, Any]:
        """A person says that a message is of no use: its doubts are withdrawn in their name."""
        entry = desk.entry(suite, raw)
        if entry.closed is not None:
            raise refused(409, "Expected an entry that is open, got a closed one.", f"Maybe see: {entry.closed}.")
        await _durably(desk.rereading.close(entry, f"{DROPPED}{who.user}: {drop.why}"))
        _log.warning("quarantine_dropped", user=who.user, raw=entry.raw, why=drop.why)
        return {"raw": entry.raw, "withdrawn": [d.case for d in entry.doubts]}

    @app.post("/v1/suites/{suite}/quarantine/retry")
    async def retry(suite: str, again: Again, who: Who) -> StreamingResponse:
        """Read messages in quarantine again, in the order in which they came: a line for each, a summary last."""
        found = letters().open(suite, again.source, again.reason)
        if again.raws:
            found = [desk.entry(suite, raw) for raw in again.raws]
        _log.info("quarantine_retry", user=who.user, entries=len(found), dry_run=again.dry_run)
        return _lines(desk, desk.rereading.retry(found, who.user, again.dry_run), len(found), each=True)

    @app.post("/v1/suites/{suite}/replay")
    async def replay(suite: str, span: Span, who: Who) -> StreamingResponse:
        """Read a span of raw messages again in its original order; what is on the log already is not doubled."""
        now = desk.door.clock.now()
        if not now - timedelta(days=KEPT_DAYS) <= span.since <= now:
            error = f"Expected `since` within the last {KEPT_DAYS} days, got another time."
            raise refused(422, error, "Maybe load what is older with orloop backload: cases that old are forgotten.")
        wall = isinstance(desk.door.clock, SystemClock)
        _log.info("raw_replay", user=who.user, since=span.since.isoformat(), dry_run=span.dry_run)
        found = desk.rereading.replay(span.since, span.until or now, span.source, who.user, span.dry_run, wall)
        return _lines(desk, found, None, each=False)


def _told(entry: Entry, now: datetime) -> dict[str, Any]:
    return {
        "raw": entry.raw,
        "source": entry.source,
        "reason": entry.code,
        "sentence": entry.sentence,
        "since": entry.since.isoformat(),
        "age_seconds": max(0, int((now - entry.since).total_seconds())),
        "cases": [doubt.case for doubt in entry.doubts],
        "place": f"{entry.partition}/{entry.offset}",
        "looks": list(entry.looks),
        "closed": entry.closed,
    }


async def _durably(written: Any) -> None:
    try:
        await written
    except NotDurable as error:
        raise from_text(503, str(error)) from None


def _lines(desk: RawDesk, found: AsyncIterator[Reread], of: int | None, *, each: bool) -> StreamingResponse:
    """Progress as lines of JSON, and a summary as the last one; one rereading at a time."""
    if desk.busy.locked():
        raise refused(409, "Expected no other replay or retry, got one that is under way.", "Maybe wait for its end.")

    async def lines() -> AsyncIterator[str]:
        counts: dict[str, int] = {}
        reasons: dict[str, int] = {}
        done = events = 0
        async with desk.busy:
            try:
                async for one in found:
                    done, events = done + 1, events + one.events
                    counts[one.outcome] = counts.get(one.outcome, 0) + 1
                    metrics.REREAD.labels(one.outcome).inc()
                    if one.reason:
                        reasons[one.reason] = reasons.get(one.reason, 0) + 1
                    if each:
                        yield json.dumps({"done": done, "of": of, **asdict(one)}) + "\n"
                    elif done % 100 == 0:
                        yield json.dumps({"done": done}) + "\n"
            except NotDurable as error:
                told, _, hint = str(error).partition("\n")
                yield json.dumps({"refused": {"error": told, "hint": hint}}) + "\n"
                return
        yield json.dumps({"summary": {"read": done, "events": events, **counts}, "reasons": reasons}) + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")
