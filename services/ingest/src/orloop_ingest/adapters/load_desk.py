"""Go-live and downtime at the desk: the booked schedule in, a day compared, milestones entered afterwards."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from orloop_common.messages import encode
from orloop_common.runtime.auth import Principal, Role
from orloop_common.runtime.errors import NotDurable
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.mllp import Frame
from orloop_ingest import metrics
from orloop_ingest.domain import backentry, booked, parting, reconciling
from orloop_ingest.domain import tables as t
from orloop_ingest.domain.fhir import FhirProfile
from orloop_ingest.domain.hl7.profile import SourceProfile, default_profile
from orloop_ingest.domain.told import CaseTold, Told
from orloop_ingest.intake import Intake, Taken, raw_id
from orloop_ingest.reception import Arrival, Reception

from .desk import Word, faulty, may
from .doorkit import one_of, refused
from .fhir_taking import canonical, kind_of, read_body
from .manual import ManualDoor

_log = get_logger("load_desk")
_ANALYSTS = (Role.INTERFACE_ANALYST, Role.SERVICE)
_EARLY, _LATE, _OLDEST = timedelta(minutes=10), timedelta(hours=24), timedelta(days=30)
_BATCH = 50
_MSH = re.compile(r"[\r\n]+(?=MSH.)")


class Extract(BaseModel):
    """A file of booked cases, an extract of them, or milestones.

    `feed` is the sending application (MSH-3) that speaks of these cases; the suite's only one by default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    content: Annotated[str, Field(min_length=1)]
    feed: Annotated[str | None, Field(max_length=180)] = None
    source: Word = "backload"
    as_of: AwareDatetime | None = None
    on: date | None = None
    back_entry: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to load: a row, a resource or a message."""

    place: str
    take: Callable[[], Awaitable[Taken]]
    rehearse: Callable[[Reception], Arrival]
    told: Told | None = None


class LoadDesk:
    """What the routes need besides the door: the intake, and how each source is read."""

    def __init__(
        self,
        door: ManualDoor,
        intake: Intake,
        rehearse: Callable[[], Reception],
        profiles: Mapping[str, SourceProfile],
        fhir: Mapping[str, FhirProfile],
    ) -> None:
        self.door, self.intake, self.rehearse, self.fhir = door, intake, rehearse, fhir
        self.profiles = profiles
        self.busy = asyncio.Lock()

    def feed(self, suite: str, named: str | None) -> SourceProfile:
        """The profile of the feed whose cases these are; 422 with the feeds that there are."""
        sources = self.door.site.hl7.sources if self.door.site.hl7 else {}
        known = sorted(source for source, its in sources.items() if its == suite)
        if named is None and len(known) == 1:
            named = known[0]
        if named is None or named not in known:
            got = "none" if named is None else named
            raise refused(422, f"Expected a feed of suite {suite}, got {got}.", one_of(known))
        return self.profiles.get(named) or default_profile(self.door.site, named)

    def items(self, extract: Extract, suite: str, profile: SourceProfile) -> list[Item] | list[str]:
        """What the file holds, or its faults."""
        text = extract.content.lstrip("﻿ \r\n\t\x0b")
        if text.startswith("MSH"):
            return [self._message(n, part) for n, part in enumerate(_MSH.split(text), 1)]
        if text.startswith("{") and '"resourceType"' in text[:2000]:
            return self._resources(text, profile)
        columns = booked.columns(self.door.site, suite, profile)
        table = t.read_table(text, columns)
        booked.check(table)
        if table.faults:
            return table.faults
        origin = booked.Origin(
            feed=profile.source,
            suite=suite,
            namespace=profile.namespace,
            source=extract.source,
            site=self.door.site.site,
            facility=(self.door.site.hl7.facility if self.door.site.hl7 else None) or "",
        )
        return [self._row(row, origin, extract.as_of) for row in table.rows]

    def _row(self, row: t.Row, origin: booked.Origin, as_of: datetime | None) -> Item:
        body = booked.body_of(row, origin, as_of)
        return self._item(row.place, booked.told_by(body, self.door.clock.now(), _raw(origin.source, body)), body)

    def _item(self, place: str, told: Told, body: bytes, kind: str = booked.KIND) -> Item:
        return Item(
            place,
            lambda: self.intake.take(told, body, kind),
            lambda reception: reception.arrive_told(told, body, kind),
            told,
        )

    def _message(self, number: int, part: str) -> Item:
        body = re.sub(r"[\r\n\x0b\x1c]+", "\r", part).strip("\r").encode() + b"\r"
        return Item(
            f"message {number}",
            lambda: self.intake.take_message(Frame(body)),
            lambda reception: reception.arrive(Frame(body)),
        )

    def _resources(self, text: str, profile: SourceProfile) -> list[Item] | list[str]:
        try:
            bundle = json.loads(text)
        except json.JSONDecodeError as error:
            return [f"line {error.lineno}: Expected well-formed JSON, got {error.msg}."]
        reading = next((p for p in self.fhir.values() if p.namespace == profile.namespace), None)
        if reading is None:
            return ["the file: Expected a site with a FHIR source of this namespace, got none."]
        entries = bundle.get("entry", []) if bundle.get("resourceType") == "Bundle" else [{"resource": bundle}]
        items = []
        for number, entry in enumerate(entries, 1):
            resource = entry.get("resource") if isinstance(entry, dict) else None
            body, kind = canonical(resource), kind_of(reading)
            id = raw_id(kind, reading.source, body)
            told = read_body(resource, reading, self.door.site, self.door.clock.now(), id)
            items.append(self._item(f"entry {number}", told, body, kind))
        return items or ["the file: Expected resources in the bundle, got none."]

    def is_the_feeds(self, item: Item, suite: str) -> bool:
        """Whether another source speaks of the case already: a file never takes it back to what it was."""
        known = self.door.ledger.known(suite)
        for statement in item.told.statements if item.told is not None else ():
            if isinstance(statement, CaseTold) and item.told is not None:
                for id in statement.ref.ids:
                    for case in reconciling.cases_named(known.identities, item.told.namespace, id):
                        record = known.day.cases.get(case)
                        if record is not None and (
                            record.ended_version is not None
                            or (record.schedule is not None and record.schedule.source != item.told.source)
                        ):
                            return True
        return False


def read_again(arrival: Arrival) -> Told:
    """A stored row or decision, told once more: for the journal, a retry, a replay."""
    if arrival.kind == parting.KIND:
        return parting.told_by(arrival.body, arrival.received, arrival.id)
    return booked.told_by(arrival.body, arrival.received, arrival.id)


def _raw(source: str, body: bytes) -> str:
    return raw_id(booked.KIND, source, body)


def add_load_desk(app: FastAPI, desk: LoadDesk) -> None:
    """`/v1/suites/{suite}/files/backload|reconcile|milestones`."""
    Who = Annotated[Principal, may(desk.door, _ANALYSTS)]
    door = desk.door

    @app.post("/v1/suites/{suite}/files/backload", response_model=None)
    async def backload(suite: str, extract: Extract, who: Who) -> StreamingResponse | JSONResponse:
        """The booked schedule at go-live: a line of JSON as it goes on, a summary last; nothing if a row is wrong."""
        profile = desk.feed(suite, extract.feed)
        items = await asyncio.to_thread(desk.items, extract, suite, profile)
        if items and isinstance(items[0], str):
            metrics.FILES.labels("backload", "faulty").inc()
            return faulty([str(fault) for fault in items])
        if desk.busy.locked():
            raise refused(409, "Expected no other backload, got one that is under way.", "Maybe wait for its end.")
        _log.info("backload", user=who.user, feed=profile.source, items=len(items), dry_run=extract.dry_run)
        loading = _load(desk, [i for i in items if isinstance(i, Item)], suite, extract.dry_run)
        return StreamingResponse(loading, media_type="application/x-ndjson")

    @app.post("/v1/suites/{suite}/files/reconcile", response_model=None)
    async def reconcile(suite: str, extract: Extract, who: Who) -> dict[str, Any] | JSONResponse:
        """A hospital's extract of a day against what is known here."""
        profile = desk.feed(suite, extract.feed)
        columns = booked.columns(door.site, suite, profile)
        table = await asyncio.to_thread(t.read_table, extract.content, columns)
        booked.check(table, whole=False)
        if table.faults:
            return faulty(table.faults)
        known = door.ledger.known(suite)
        on = extract.on or reconciling.day_of(table.rows, known.day)
        if on is None:
            raise refused(422, "Expected a day to compare, got rows without a start.", "Maybe name it with --on.")
        done = await asyncio.to_thread(
            reconciling.reconcile, table.rows, known.day, known.identities, profile.namespace, on
        )
        findings = [asdict(finding) for finding in done.findings]
        return {"day": str(done.day), "compared": done.compared, "agreeing": done.agreeing, "findings": findings}

    @app.post("/v1/suites/{suite}/files/milestones", response_model=None)
    async def milestones(suite: str, extract: Extract, who: Who) -> JSONResponse:
        """Milestones that a downtime kept back, each at its own time; all of the file, or none."""
        profile, now = desk.feed(suite, extract.feed), door.clock.now()
        table = await asyncio.to_thread(
            t.read_table, extract.content, booked.milestone_columns(door.site, suite, profile)
        )
        known, oldest = door.ledger.known(suite), now - (_OLDEST if extract.back_entry else _LATE)
        found = backentry.entered(
            table, known.day, known.identities, profile.namespace, extract.source, now, oldest, now + _EARLY
        )
        if table.faults:
            return faulty(table.faults)
        news = [one.event for one in found if one.outcome != "unchanged"]
        if news and not extract.dry_run:
            await door.take(news, cause=f"file/milestones/{extract.source}")
        metrics.FILES.labels("milestones", "written" if news else "unchanged").inc()
        lines = [
            {"outcome": one.outcome, "subject": f"{one.event.case} {one.event.milestone}", "type": "MilestoneRecorded",
             "event": json.loads(encode(one.event))}
            for one in found
        ]  # fmt: skip
        told = {
            "source": extract.source,
            "version": "",
            "as_of": now.isoformat(),
            "dry_run": extract.dry_run,
            "written": 0 if extract.dry_run else len(news),
            "unchanged": len(found) - len(news),
            "lines": lines,
            "warnings": [],
        }
        return JSONResponse(told, 200 if extract.dry_run else 202)


async def _load(desk: LoadDesk, items: Sequence[Item], suite: str, dry_run: bool) -> AsyncIterator[str]:
    reception = desk.rehearse() if dry_run else None
    counts = {"loaded": 0, "unchanged": 0, "left_to_feed": 0, "quarantined": 0}
    problems: list[str] = []
    events = 0

    async def one(item: Item) -> Taken | None:
        if desk.is_the_feeds(item, suite):
            return None
        if reception is None:
            return await item.take()
        done = reception.read(item.rehearse(reception))
        return Taken(done.id, done.events, done.problem)

    async with desk.busy:
        for start in range(0, len(items), _BATCH):
            batch = items[start : start + _BATCH]
            try:
                done = await asyncio.gather(*(one(item) for item in batch))
            except NotDurable as error:
                told, _, hint = str(error).partition("\n")
                yield json.dumps({"refused": {"error": f"{told} After {start} of {len(items)}.", "hint": hint}}) + "\n"
                return
            for item, taken in zip(batch, done, strict=True):
                kind = _kind(taken)
                counts[kind] += 1
                events += len(taken.events) if taken is not None else 0
                if taken is not None and taken.problem is not None:
                    problems.append(f"{item.place}: {taken.problem}")
            yield json.dumps({"done": start + len(batch), "of": len(items)}) + "\n"
    metrics.FILES.labels("backload", "written" if events and not dry_run else "unchanged").inc()
    yield json.dumps({"summary": {"read": len(items), "events": events, **counts}, "problems": problems}) + "\n"


def _kind(taken: Taken | None) -> str:
    if taken is None:
        return "left_to_feed"
    if taken.problem is not None:
        return "quarantined"
    return "loaded" if taken.events else "unchanged"
