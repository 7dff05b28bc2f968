"""The FHIR R4 door: rest-hook notifications, plain POST and PUT, $validate. A 2xx means that it is durable."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from orloop_common.runtime.auth import bearer
from orloop_common.runtime.errors import NotDurable, TokenRefused
from orloop_common.runtime.logs import get_logger
from orloop_ingest import metrics
from orloop_ingest.domain.fhir import Issue, check, outcome
from orloop_ingest.domain.fhir.counting import Count, count
from orloop_ingest.domain.fhir.notifications import NotANotification, Notification, is_notification, read_notification
from orloop_ingest.domain.fhir.profile import READ
from orloop_ingest.domain.fhir.rules import is_later_release

from .fhir_cursors import Cursors
from .fhir_models import validate
from .fhir_sources import FhirSource
from .fhir_taking import FhirTaking, Outcome, parse
from .fhir_tokens import DoorTokens

_log = get_logger("fhir")
LARGEST_BODY = 4 * 2**20
JSON = "application/fhir+json"
_LATER = ("5.", "6.")


class Refused(Exception):
    """The request is refused with this status and these issues."""

    def __init__(self, status: int, *issues: Issue, headers: dict[str, str] | None = None) -> None:
        super().__init__(issues[0].text)
        self.status, self.issues, self.headers = status, issues, headers


class SourceDoor:
    """One source's part of the door; `ask` wakes its poller for a catch-up query."""

    def __init__(
        self, source: FhirSource, tokens: DoorTokens, taking: FhirTaking, cursors: Cursors, ask: Callable[[], None]
    ) -> None:
        self.source, self.tokens, self.taking, self.cursors, self.ask = source, tokens, taking, cursors, ask
        self._turn = asyncio.Lock()  # notifications in the order in which they came

    async def notified(self, told: Notification) -> None:
        """Take what came, then count it; what is missing is owed before the sender hears 2xx."""
        name = self.source.profile.source
        async with self._turn:
            for resource in told.resources:
                await self.taking.take(self.source.profile, resource)
            held = self.cursors.counts.get(told.subscription, Count())
            new, missing = count(held, told)
            await asyncio.to_thread(self.cursors.counted, told.subscription, new)
        if told.status in ("error", "off"):
            _log.error("subscription_ended", source=name, status=told.status)
        if missing:
            metrics.FHIR_MISSING.labels(name).inc(missing)
            _log.warning("events_missing", source=name, missing=missing, done=held.done, total=told.total)
        if new.owed:
            self.ask()

    async def bundle(self, bundle: dict[str, Any]) -> Response:
        """Each entry of a batch, transaction or history; all are durable, or the sender keeps the whole."""
        entries = bundle.get("entry")
        if not isinstance(entries, list):
            raise Refused(400, Issue(code="required", expression="Bundle.entry", text="Expected entries, got none."))
        resources = [entry.get("resource") if isinstance(entry, dict) else None for entry in entries]
        late = [
            Issue(code=i.code, expression=f"Bundle.entry[{n}].resource.{i.expression}", text=i.text)
            for n, resource in enumerate(resources)
            for i in (check(resource) if isinstance(resource, dict) else [])
            if i.code == "not-supported"
        ]
        if late:
            for resource in resources:
                if isinstance(resource, dict) and is_later_release(check(resource)):
                    await self.taking.take(self.source.profile, resource)  # kept, in quarantine
            raise Refused(422, *late)
        taken = [await self.taking.take(self.source.profile, r) for r in resources if isinstance(r, dict)]
        told = iter(taken)
        answers = [_entry(next(told)) if isinstance(r, dict) else _nothing() for r in resources]
        kind = "transaction-response" if bundle.get("type") == "transaction" else "batch-response"
        return answer(200, {"resourceType": "Bundle", "type": kind, "entry": answers})


def build_app(doors: Mapping[str, SourceDoor]) -> FastAPI:
    """The routes: `/fhir/SOURCE` takes notifications and Bundles, `/fhir/SOURCE/TYPE[/ID]` resources."""
    app = FastAPI(title="ORLoop FHIR R4 door", version="1", docs_url="/docs", redoc_url=None)

    async def enter(request: Request, source: str) -> SourceDoor:
        door = doors.get(source)
        if door is None:
            raise Refused(
                404, Issue(code="not-found", expression="", text="Expected a source of this door, got another.")
            )
        try:
            await door.tokens.verify(bearer(request.headers.get("authorization")))
        except TokenRefused as error:
            _log.warning("token_refused", source=source, why=str(error).partition("\n")[0])
            headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise Refused(401, Issue(code="login", expression="", text=str(error)), headers=headers) from None
        return door

    @app.get("/fhir/{source}/metadata")
    async def metadata(source: str) -> Response:
        """What this door speaks."""
        return answer(200, capabilities())

    @app.post("/fhir/{source}/$validate")
    @app.post("/fhir/{source}/{kind}/$validate")
    async def check_only(request: Request, source: str, kind: str = "") -> Response:
        """Every finding about a resource; nothing is kept."""
        await enter(request, source)
        resource = await read(request)
        return answer(200, outcome(await run_in_threadpool(validate, resource)))

    @app.post("/fhir/{source}")
    async def take(request: Request, source: str) -> Response:
        """A notification, a Bundle, or a resource; without a body: something changed, ask."""
        door = await enter(request, source)
        body = await body_of(request)
        if not body:
            door.ask()
            return answer(202, outcome([], "The server is asked for what changed."))
        resource = parsed(body, request)
        if isinstance(resource, dict) and resource.get("resourceType") == "Bundle":
            if not is_notification(resource):
                return await door.bundle(resource)
            try:
                told = read_notification(resource)
            except NotANotification as error:
                raise Refused(422, error.issue) from None
            await door.notified(told)
            return answer(200, outcome([], f"Taken: {told.kind}."))
        return await one(door, resource, body, 201)

    @app.post("/fhir/{source}/{kind}")
    async def create(request: Request, source: str, kind: str) -> Response:
        """A resource of this type."""
        door = await enter(request, source)
        body = await body_of(request)
        return await one(door, of_type(parsed(body, request), kind), body, 201)

    @app.put("/fhir/{source}/{kind}/{id}")
    async def update(request: Request, source: str, kind: str, id: str) -> Response:
        """A resource in its newest version."""
        door = await enter(request, source)
        body = await body_of(request)
        resource = of_type(parsed(body, request), kind)
        if resource.get("id") != id:
            text = "Expected the id of the address, got another."
            raise Refused(400, Issue(code="invariant", expression=f"{kind}.id", text=text))
        return await one(door, resource, body, 200)

    async def read(request: Request) -> Any:
        return parsed(await body_of(request), request)

    _add_errors(app)
    return app


async def one(door: SourceDoor, resource: Any, body: bytes, status: int) -> Response:
    """A single resource: refused by R4's rules and kept in quarantine, or taken."""
    faults = [issue for issue in check(resource) if issue.is_error]
    taken = await door.taking.take(door.source.profile, resource, body)
    if faults:
        raise Refused(422, *faults)
    if is_later_release(list(taken.issues)):
        raise Refused(422, *taken.issues)
    return answer(status, outcome(taken.issues, "Taken."))


def of_type(resource: Any, kind: str) -> dict[str, Any]:
    """The resource, if it is of the type that the address names."""
    if not isinstance(resource, dict) or resource.get("resourceType") != kind:
        text = "Expected the resource type of the address, got another."
        raise Refused(400, Issue(code="structure", expression="resourceType", text=text))
    return resource


async def body_of(request: Request) -> bytes:
    """The body, within its limit."""
    length = request.headers.get("content-length", "0")
    too_long = Refused(413, Issue(code="too-long", expression="", text=f"Expected at most {LARGEST_BODY} bytes."))
    if length.isdigit() and int(length) > LARGEST_BODY:
        raise too_long
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            raise too_long
        parts.append(part)
    return b"".join(parts)


def parsed(body: bytes, request: Request) -> Any:
    """The JSON value, of the release that this door speaks."""
    media = request.headers.get("content-type", "")
    version = media.partition("fhirVersion=")[2].strip('" ')
    if version.startswith(_LATER):
        text = "Expected FHIR R4 (fhirVersion=4.0), got a later release."
        raise Refused(415, Issue(code="not-supported", expression="", text=text))
    if "xml" in media:
        raise Refused(415, Issue(code="not-supported", expression="", text=f"Expected {JSON}, got XML."))
    resource = parse(body)
    if resource is None:
        raise Refused(400, Issue(code="structure", expression="", text="Expected JSON, got something else."))
    return resource


def answer(status: int, resource: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(resource, status, headers, media_type=f"{JSON}; fhirVersion=4.0")


def capabilities() -> dict[str, Any]:
    """The door's CapabilityStatement: R4, six types in, nothing out."""
    codes: Iterable[str] = ("create", "update")
    interactions = [{"code": code} for code in codes]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-22",
        "kind": "instance",
        "implementation": {"description": "The door of an operating-room mesh: takes six resource types, gives none."},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [
            {
                "mode": "server",
                "security": {"description": "Bearer token (JWT) of the source's issuer."},
                "resource": [{"type": kind, "interaction": interactions} for kind in READ],
                "interaction": [{"code": "transaction"}, {"code": "batch"}],
            }
        ],
    }


def _entry(taken: Outcome) -> dict[str, Any]:
    status = "200 OK" if taken.problem is None else "202 Accepted"
    return {"response": {"status": status, "outcome": outcome(taken.issues, "Taken.")}}


def _nothing() -> dict[str, Any]:
    issue = Issue(severity="warning", code="required", expression="", text="Expected a resource, got none.")
    return {"response": {"status": "202 Accepted", "outcome": outcome([issue])}}


def _add_errors(app: FastAPI) -> None:
    def told(status: int, issues: Iterable[Issue], headers: dict[str, str] | None = None) -> Response:
        metrics.FHIR_REFUSED.labels(str(status)).inc()
        return answer(status, outcome(issues), headers)

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return told(error.status, error.issues, error.headers)

    @app.exception_handler(NotDurable)
    async def not_durable(request: Request, error: NotDurable) -> Response:
        issue = Issue(code="transient", expression="", text="Expected to keep it safely, could not. Send it again.")
        return told(503, [issue], {"Retry-After": "5"})

    @app.exception_handler(404)
    @app.exception_handler(405)
    async def nowhere(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 404)
        return told(status, [Issue(code="not-supported", expression="", text="Expected an operation of this door.")])

    @app.middleware("http")
    async def unhurt(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            return await go_on(request)
        except Exception as error:  # noqa: BLE001 - the sender keeps it and hears so
            _log.error("fhir_door_failed", error=type(error).__name__)
            return told(500, [Issue(severity="fatal", code="exception", expression="", text="A fault of ours.")])
