"""Asks a source's server what changed, round after round: all types first, then in the order of their change.

A round asks from the last change that was taken, less an overlap, since servers do not show changes in the order of
their times. What was taken already is known by type, id and version, and after a restart by its content.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from orloop_common.runtime.clock import Clock
from orloop_common.runtime.errors import NotDurable
from orloop_common.runtime.logs import get_logger
from orloop_ingest import metrics
from orloop_ingest.domain.fhir.elements import local, parse_moment

from .fhir_client import FhirClient, Page, ServerAway
from .fhir_cursors import Cursors
from .fhir_sources import FhirSource, ServerRules
from .fhir_taking import FhirTaking

_log = get_logger("fhir")
MOST_PAGES = 20  # of one type in a round; the rest comes in the next, which follows at once
_SLOWEST = 300.0
_MOST_AT_ONCE = 60_000


@dataclass(frozen=True, slots=True)
class Change:
    """One version of a resource, or its deletion as a Bundle of one entry."""

    at: datetime
    kind: str
    key: tuple[str, str, str]
    resource: dict[str, Any]


class FhirPoller:
    """Polls one source. `ask` wakes it before its time."""

    def __init__(
        self,
        source: FhirSource,
        rules: ServerRules,
        client: FhirClient,
        taking: FhirTaking,
        cursors: Cursors,
        clock: Clock,
        hear: Callable[[str], None] = lambda source: None,
    ) -> None:
        self._source, self._rules, self._client = source, rules, client
        self._taking, self._cursors, self._clock, self._hear = taking, cursors, clock, hear
        self._taken: dict[tuple[str, str, str], datetime] = {}
        self._histories: frozenset[str] | None = None
        self._wake = asyncio.Event()

    def ask(self) -> None:
        """Make a round now."""
        self._wake.set()

    async def run(self) -> None:
        """Rounds until cancelled; a server that is away is asked ever less often."""
        name, wait = self._source.profile.source, self._rules.every_seconds
        while True:
            self._wake.clear()
            try:
                if await self.round():
                    continue
                wait = self._rules.every_seconds
            except (ServerAway, NotDurable) as error:
                metrics.FHIR_ROUNDS.labels(name, "failed").inc()
                _log.warning("round_failed", source=name, why=str(error).partition("\n")[0])
                wait = min(_SLOWEST, 2 * max(wait, 1.0))
                self._wake.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def round(self) -> bool:
        """Ask for all types and take what is new; True if a type has more than one round takes.

        Raises
        ------
        ServerAway, NotDurable
            What was taken so far stays taken; the cursors stand where the next round must begin.
        """
        owed = {name for name, each in self._cursors.counts.items() if each.owed}
        changes: list[Change] = []
        ends: list[datetime] = []
        cut = False
        for kind in self._rules.types:
            found, date, whole = await self._changes(kind)
            changes += found
            if date is not None and not ends:
                ends.append(date + timedelta(seconds=1))  # what changed while we asked: next time, with what it follows
            if not whole and found:
                ends.append(max(change.at for change in found))
                cut = True
        end = min(ends, default=None)
        for change in sorted(changes, key=lambda c: c.at):
            if end is not None and change.at > end:
                break
            await self._take(change)
            self._cursors.since[change.kind] = max(change.at, self._cursors.since.get(change.kind, change.at))
        self._cursors.paid(owed if not cut else set())
        self._forget()
        name = self._source.profile.source
        self._hear(name)  # a server that answers is no silent feed, even if nothing changed
        metrics.FHIR_ROUNDS.labels(name, "whole").inc()
        metrics.FHIR_ASKED.labels(name).set(self._clock.wall().timestamp())
        return cut

    async def _take(self, change: Change) -> None:
        if change.key not in self._taken:
            await self._taking.take(self._source.profile, change.resource)
            self._taken[change.key] = change.at

    async def _changes(self, kind: str) -> tuple[list[Change], datetime | None, bool]:
        since = self._cursors.since.get(kind) or self._clock.wall() - timedelta(days=self._rules.back_days)
        since -= timedelta(seconds=self._rules.overlap_seconds)
        stamp = since.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        history = kind in await self._offered()
        path = f"{kind}/_history" if history else kind
        params = {"_since": stamp} if history else {"_lastUpdated": f"ge{stamp}", "_sort": "_lastUpdated"}
        size = self._rules.page
        while True:
            found, date, whole, last = await self._read_pages(
                kind, path, {**params, "_count": str(size)}, since, history
            )
            if not whole or last < size:
                return found, date, whole
            size *= 4  # a full page and no link to a next one: this server does not page, so ask for more at once
            if size > _MOST_AT_ONCE:
                raise ServerAway(
                    "Expected a link to the next page, got a full page without.\nMaybe `page` is too small."
                )

    async def _read_pages(
        self, kind: str, path: str, params: dict[str, str], since: datetime, history: bool
    ) -> tuple[list[Change], datetime | None, bool, int]:
        found: list[Change] = []
        date, fresh, last = None, 0, 0
        async for page in self._client.pages(path, params):
            told = _read(kind, page, since, self._rules.base)
            found += told
            last = len(page.bundle.get("entry") or ())
            date = date or page.date
            fresh += any(change.key not in self._taken for change in told)
            if fresh == MOST_PAGES and not history and _ascending(found):  # else only its end says what is oldest
                return found, date, False, last
        return found, date, True, last

    async def tells_deletions(self, kind: str) -> bool:
        """Whether the server's history of a type says what was deleted."""
        return kind in await self._offered()

    async def _offered(self) -> frozenset[str]:
        """Types whose whole history the server tells, and their deletions with it."""
        if self._histories is None:
            page = await self._client.get("metadata", missing=True)
            self._histories = frozenset(_histories(page.bundle))
        return self._histories

    def _forget(self) -> None:
        """Versions from before the overlap cannot come again."""
        if len(self._taken) > 10_000:
            oldest = min(self._cursors.since.values(), default=None)
            if oldest is not None:
                least = oldest - timedelta(seconds=2 * self._rules.overlap_seconds)
                self._taken = {key: at for key, at in self._taken.items() if at >= least}


def _read(kind: str, page: Page, since: datetime, base: str) -> list[Change]:
    found = []
    entries = page.bundle.get("entry")
    if page.bundle.get("resourceType") != "Bundle" or not isinstance(entries, list | None):
        raise ServerAway("Expected a Bundle of the FHIR server, got another resource.\nMaybe `base` is wrong.")
    for entry in entries or ():
        if not isinstance(entry, dict):
            continue
        resource = entry.get("resource")
        if isinstance(resource, dict):
            if resource.get("resourceType") == kind:
                found.append(_change(kind, resource, since))
        elif (gone := _deletion(kind, entry, since, base)) is not None:
            found.append(gone)
    return found


def _ascending(changes: list[Change]) -> bool:
    return all(one.at <= other.at for one, other in pairwise(changes))


def _change(kind: str, resource: dict[str, Any], since: datetime) -> Change:
    meta = resource.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    told = meta.get("lastUpdated")
    at = parse_moment(told) if isinstance(told, str) else None
    version = str(meta.get("versionId") or told or "")
    return Change(at or since, kind, (kind, str(resource.get("id")), version), resource)


def _deletion(kind: str, entry: dict[str, Any], since: datetime, base: str) -> Change | None:
    asked, answered = entry.get("request"), entry.get("response")
    if not isinstance(asked, dict) or asked.get("method") != "DELETE":
        return None
    name = local(str(asked.get("url") or entry.get("fullUrl") or ""))
    told = answered.get("lastModified") if isinstance(answered, dict) else None
    at = parse_moment(told) if isinstance(told, str) else None
    url = str(entry.get("fullUrl") or f"{base}/{name}")
    one: dict[str, Any] = {"fullUrl": url, "request": {"method": "DELETE", "url": name}}
    if isinstance(answered, dict):
        one["response"] = {k: v for k, v in answered.items() if k in ("status", "etag", "lastModified")}
    bundle = {"resourceType": "Bundle", "type": "history", "entry": [one]}
    return Change(at or since, kind, (kind, name, f"deleted {told}"), bundle)


def _histories(statement: dict[str, Any]) -> list[str]:
    found = []
    rest = statement.get("rest")
    for server in rest if isinstance(rest, list) else ():
        resources = server.get("resource") if isinstance(server, dict) else None
        for each in resources if isinstance(resources, list) else ():
            codes = [i.get("code") for i in each.get("interaction") or () if isinstance(i, dict)]
            if "history-type" in codes:
                found.append(str(each.get("type")))
    return found
