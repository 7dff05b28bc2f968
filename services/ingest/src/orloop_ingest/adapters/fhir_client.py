"""Asks a FHIR server: JSON in, with back-off, rate limits and paging; a fault of the server is one exception."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from orloop_common.runtime.clock import Clock
from orloop_common.runtime.errors import OrloopError
from orloop_common.runtime.smart import SmartAuth, SmartRefused, read_key

from .fhir_sources import ServerRules

TRIES = 5
LONGEST_WAIT = 60.0
_ACCEPT = "application/fhir+json; fhirVersion=4.0"
_jitter = wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT)


class ServerAway(OrloopError):
    """The server did not answer, or not usefully; the round is made again later."""


class _Again(Exception):
    """Worth another try, perhaps at the server's own word not before `after` seconds."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.why, self.after = why, after


@dataclass(frozen=True, slots=True)
class Page:
    """One Bundle or resource, and the server's time when it answered; a 404 or 410 that was allowed is empty."""

    bundle: dict[str, Any]
    date: datetime | None
    status: int = 200


class FhirClient:
    """Reads from one server. `sleep` is asyncio's, except in tests."""

    def __init__(
        self,
        rules: ServerRules,
        clock: Clock,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        auth = None
        if (smart := rules.smart) is not None:
            key = read_key(smart.key_file, "fhir.server.smart.key_file")
            auth = SmartAuth(smart.token_url, smart.client_id, key, clock, smart.scope, smart.key_id)
        self._base = httpx.URL(rules.base)
        self._clock, self._sleep = clock, sleep
        self._http = httpx.AsyncClient(
            auth=auth, transport=transport, timeout=30, headers={"Accept": _ACCEPT}, follow_redirects=False
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def get(self, path: str, params: dict[str, str] | None = None, *, missing: bool = False) -> Page:
        """One resource or Bundle below the base; with `missing`, one that the server does not have is empty.

        Raises
        ------
        ServerAway
            After several tries, or at once if trying again makes no sense.
        """
        url = httpx.URL(f"{self._base}/{path}", params=params) if params else f"{self._base}/{path}"
        return await self._get(url, missing)

    async def pages(self, path: str, params: dict[str, str]) -> AsyncIterator[Page]:
        """A Bundle and those that its `next` links name."""
        page = await self.get(path, params)
        seen = set()
        while True:
            yield page
            url = _next(page.bundle)
            if url is None:
                return
            if url in seen:
                raise ServerAway("Expected the next page, got the same again.\nMaybe the server's paging is broken.")
            seen.add(url)
            page = await self._get(self._ours(url))

    def _ours(self, url: str) -> httpx.URL:
        """The link on the host that we know: a server behind a proxy may name another, and gets no token of ours."""
        target = self._base.join(url)
        if not target.path.startswith(self._base.path.rstrip("/")):
            raise ServerAway("Expected a page below the server's base, got another address.\nMaybe `base` is wrong.")
        return target.copy_with(scheme=self._base.scheme, netloc=self._base.netloc)

    async def _get(self, url: httpx.URL | str, missing: bool = False) -> Page:
        tries = AsyncRetrying(
            stop=stop_after_attempt(TRIES),
            wait=_wait,
            retry=retry_if_exception_type(_Again),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            async for attempt in tries:
                with attempt:
                    return await self._once(url, missing)
        except _Again as error:
            raise ServerAway(f"Expected an answer of the FHIR server, got {error.why}.\nMaybe it is away.") from None
        raise AssertionError("unreachable")

    async def _once(self, url: httpx.URL | str, missing: bool) -> Page:
        try:
            response = await self._http.get(url)
        except (httpx.TransportError, SmartRefused) as error:
            raise _Again(type(error).__name__) from None
        status = response.status_code
        if status == 429 or status >= 500:
            raise _Again(str(status), self._after(response))
        if status in (404, 410) and missing:
            return Page({}, None, status)
        if status != 200:
            raise ServerAway(f"Expected 200 of the FHIR server, got {status}.\nMaybe the scope or the base is wrong.")
        try:
            told: Any = response.json()
        except ValueError:
            raise _Again("no JSON") from None
        if not isinstance(told, dict):
            raise _Again("no JSON object")
        return Page(told, _date(response.headers.get("date", "")))

    def _after(self, response: httpx.Response) -> float | None:
        told = response.headers.get("retry-after", "")
        if told.isascii() and told.isdigit():
            return float(told)
        until = _date(told)
        return max(0.0, (until - self._clock.wall()).total_seconds()) if until else None


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    after = error.after if isinstance(error, _Again) else None
    waited = _jitter(state)
    return waited if after is None else min(after, 10 * LONGEST_WAIT) + waited / 10


def _next(bundle: dict[str, Any]) -> str | None:
    links = bundle.get("link")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("relation") == "next" and isinstance(link.get("url"), str):
            return str(link["url"])
    return None


def _date(told: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(told)
    except (ValueError, TypeError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
