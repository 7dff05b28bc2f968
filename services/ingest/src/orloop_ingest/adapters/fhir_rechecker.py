"""Looks up the open cases' Appointments again, now and then: for servers that tell nobody what was deleted.

A search by `_lastUpdated` shows what is there. What was deleted is there no more, and only a server that lists
`_history` says so. So whatever a search by id does not find is read by its id, and the answer decides: 410 is a
deletion, as the profile means it; 404 may be one, or a right that we have lost, and a person decides.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from orloop_common.runtime.errors import NotDurable
from orloop_common.runtime.logs import get_logger
from orloop_ingest import metrics
from orloop_ingest.domain.fhir.deletions import gone_bundle

from .fhir_client import FhirClient, ServerAway
from .fhir_sources import FhirSource, ServerRules
from .fhir_taking import FhirTaking

_log = get_logger("fhir")
KIND = "Appointment"
AT_ONCE = 50  # ids in one search: a URL of some 2,000 characters


@dataclass(frozen=True, slots=True)
class OpenCase:
    """An Appointment that is booked here: its id on the server, and the version of the case that we have."""

    id: str
    version: str


class FhirRechecker:
    """Looks after one source, beside its poller.

    Parameters
    ----------
    open_cases
        What is booked now and has an Appointment of this source.
    tells_deletions
        Whether the server's history says of this type what was deleted: then there is nothing to do.
    """

    def __init__(
        self,
        source: FhirSource,
        rules: ServerRules,
        client: FhirClient,
        taking: FhirTaking,
        open_cases: Callable[[], Iterable[OpenCase]],
        tells_deletions: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._source, self._rules, self._client, self._taking = source, rules, client, taking
        self._open_cases, self._tells_deletions = open_cases, tells_deletions
        self._seen: dict[str, str] = {}

    async def run(self) -> None:
        """A round every `recheck_minutes` until cancelled; one that fails is made again at the next."""
        name, pause = self._source.profile.source, 60 * self._rules.recheck_minutes
        while pause and KIND in self._rules.types:
            await asyncio.sleep(pause)
            try:
                await self.round()
            except (ServerAway, NotDurable) as error:
                metrics.FHIR_ROUNDS.labels(name, "recheck_failed").inc()
                _log.warning("recheck_failed", source=name, why=str(error).partition("\n")[0])

    async def round(self) -> None:
        """Ask once for all that is open.

        Raises
        ------
        ServerAway
            If the server does not answer, or knows none of several: then it is the address or a right, and nothing
            follows from it.
        NotDurable
            What was taken so far stays taken.
        """
        if await self._tells_deletions(KIND):
            return
        open_cases = sorted(self._open_cases(), key=lambda case: case.id)
        lost: list[tuple[OpenCase, int]] = []
        for first in range(0, len(open_cases), AT_ONCE):
            lost += await self._look_up(open_cases[first : first + AT_ONCE])
        if len(open_cases) > 1 and [status for _, status in lost] == [404] * len(open_cases):
            raise ServerAway("Expected some of our appointments, got 404 for each.\nMaybe `base` or the scope changed.")
        self._seen = {case.id: self._seen[case.id] for case in open_cases if case.id in self._seen}
        for case, status in lost:
            await self._taking.take(self._source.profile, gone_bundle(self._rules.base, case.id, case.version, status))
        metrics.FHIR_ROUNDS.labels(self._source.profile.source, "rechecked").inc()

    async def _look_up(self, cases: Sequence[OpenCase]) -> list[tuple[OpenCase, int]]:
        """Take what is there; what is not, with the status that reading it gave."""
        found = await self._search(cases)
        lost = []
        for case in cases:
            resource = found.get(case.id)
            if resource is None:
                page = await self._client.get(f"{KIND}/{case.id}", missing=True)
                if page.status != 200:
                    lost.append((case, page.status))
                    continue
                resource = page.bundle
            await self._take(resource)
        return lost

    async def _search(self, cases: Sequence[OpenCase]) -> dict[str, dict[str, Any]]:
        asked = {case.id for case in cases}
        params = {"_id": ",".join(case.id for case in cases), "_count": str(len(cases))}
        found: dict[str, dict[str, Any]] = {}
        async for page in self._client.pages(KIND, params):
            entries = page.bundle.get("entry")
            for entry in entries if isinstance(entries, list) else ():
                resource = entry.get("resource") if isinstance(entry, dict) else None
                if isinstance(resource, dict) and resource.get("resourceType") == KIND:
                    found[str(resource.get("id"))] = resource
            if asked <= found.keys():
                break
        return {id: resource for id, resource in found.items() if id in asked}

    async def _take(self, resource: dict[str, Any]) -> None:
        """A version that was not looked at yet; the poller may have taken it, then nothing comes of it."""
        meta = resource.get("meta")
        meta = meta if isinstance(meta, dict) else {}
        id, version = str(resource.get("id")), str(meta.get("versionId") or meta.get("lastUpdated") or "")
        if self._seen.get(id) != version or not version:
            await self._taking.take(self._source.profile, resource)
            self._seen[id] = version
