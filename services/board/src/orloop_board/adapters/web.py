"""The page, its stream and its commands: FastAPI on loopback."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, time
from typing import Annotated

import msgspec
from fastapi import Depends, FastAPI, Form, Header, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orloop_board.metrics import COMMANDS, REFUSED_AT_DOOR, SCREENS
from orloop_board.ports import Gate, ManualDoor, Said, Source
from orloop_common.domain.reasons import REASONS, reason_problem
from orloop_common.domain.site import SuiteLayout

from .door import HOLDS, Door, Refusal, Session
from .snapshots import ROOT, Snapshots

PING_SECONDS = 5
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)


@dataclass(frozen=True, slots=True)
class Board:
    """What the web part is made of."""

    source: Source
    gate: Gate
    manual: ManualDoor
    door: Door
    snapshots: Snapshots
    cookie: str = "orloop_board"
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost")


class _Secured:
    """Puts the security headers on every response; a page may bring its own content policy."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}
                more = [h for h in _HEADERS if h[0] not in own or h[0] == b"cache-control"]
                kept = [h for h in message["headers"] if h[0].lower() != b"cache-control"]
                if b"content-security-policy" not in own:
                    more.append((b"content-security-policy", _CSP.encode()))
                message["headers"] = [*kept, *more]
            await send(message)

        await self._app(scope, receive, sealed)


class _NeedsSession:
    """Nothing is served to a browser without a session but the page that says so."""

    def __init__(self, app: ASGIApp, board: Board) -> None:
        self._app, self._board = app, board

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        session = self._board.door.session(request.cookies.get(self._board.cookie))
        if session is None and not (scope["path"] == "/" and "key" in request.query_params):
            REFUSED_AT_DOOR.labels("no_session").inc()
            await _closed(self._board)(scope, receive, send)
            return
        scope["session"] = session
        await self._app(scope, receive, send)


def _page(board: Board, status: int, heading: str, *lines: str, refresh: bool = False) -> HTMLResponse:
    """A page in plain words, with its own small style."""
    nonce = secrets.token_urlsafe(12)
    text = board.snapshots.templates.get_template("door.html").render(
        heading=heading, lines=lines, refresh=refresh, nonce=nonce
    )
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; frame-ancestors 'none'"
    return HTMLResponse(text, status, {"Content-Security-Policy": policy})


def _closed(board: Board) -> HTMLResponse:
    return _page(
        board,
        401,
        "This board needs its link",
        "Open the link that was printed when the board was started; it ends in ?key=…",
        "If you had it open before, the session has ended: ask whoever runs ORLoop for a new link.",
    )


def build(board: Board) -> FastAPI:
    """The application."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        drawing = asyncio.create_task(board.snapshots.run())
        yield
        drawing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await drawing

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.add_middleware(_NeedsSession, board=board)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(board.hosts))
    app.add_middleware(_Secured)
    app.mount("/static", StaticFiles(directory=ROOT / "static"))
    app.add_exception_handler(StarletteHTTPException, _in_words)
    _reading(app, board)
    _commands(app, board)
    return app


async def _in_words(request: Request, error: Exception) -> Response:
    """Refusals as JSON for the script, with a text that can be shown."""
    assert isinstance(error, StarletteHTTPException)
    return JSONResponse({"ok": False, "text": str(error.detail)}, error.status_code)


def _session(request: Request) -> Session:
    session: Session = request.scope["session"]
    return session


Looking = Annotated[Session, Depends(_session)]


def _layout(board: Board, suite: str | None) -> SuiteLayout:
    known = board.source.suites
    found = next((s for s in known if s.id == suite), None if suite else known[0])
    if found is None:
        raise HTTPException(404, f"There is no suite {suite}.")
    return found


def _reading(app: FastAPI, board: Board) -> None:
    snapshots = board.snapshots

    @app.get("/", response_model=None)
    async def page(request: Request, suite: str | None = None, key: str | None = None) -> Response:
        if key is not None:
            return _enter(board, request, key)
        if not board.source.live:
            return _page(
                board, 503, "Reading the log", "The board shows itself when it has read to the end.", refresh=True
            )
        layout = _layout(board, suite)
        session = _session(request)
        channel = snapshots.channel(layout.id)
        snapshots.refresh(layout.id)
        if channel.view is None:
            return _page(
                board,
                503,
                "Waiting for the first tick",
                "The log of this suite has not told the time yet.",
                refresh=True,
            )
        text = snapshots.templates.get_template("page.html").render(
            view=channel.view,
            regions=channel.html(),
            suite=layout.id,
            suites=board.source.suites,
            rooms=channel.view.rooms,
            role=session.role,
            may_act=session.may_act,
            csrf=board.door.csrf(session),
            last=channel.id,
            open_proposal=channel.meta["proposal"],
            reject_reasons=tuple(REASONS.items()),
            override_reasons=tuple(r for r in REASONS.items() if r[0] != "current_plan_better"),
        )
        return HTMLResponse(text)

    @app.get("/board.json", response_model=None)
    async def values(suite: str | None = None) -> Response:
        layout = _layout(board, suite)
        channel = snapshots.channel(layout.id)
        snapshots.refresh(layout.id)
        if channel.view is None or not board.source.live:
            raise HTTPException(503, "The log of this suite has not been read yet.")
        return Response(msgspec.json.encode(channel.view), media_type="application/json")

    @app.get("/events", response_model=None)
    async def events(
        request: Request,
        session: Looking,
        suite: str | None = None,
        after: str | None = None,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> Response:
        layout = _layout(board, suite)
        if not board.source.live:
            raise HTTPException(503, "The log has not been read to its end yet.")
        stream = _stream(board, layout.id, session, last_event_id or after)
        return EventSourceResponse(
            stream,
            ping=PING_SECONDS,
            ping_message_factory=lambda: ServerSentEvent(event="ping", data="{}"),
            send_timeout=20,
        )


async def _stream(board: Board, suite: str, session: Session, last: str | None) -> AsyncIterator[ServerSentEvent]:
    channel = board.snapshots.channel(suite)
    screens = SCREENS.labels(session.role)
    screens.inc()
    try:
        while True:
            changed = channel.changed
            data = channel.since(last, session.may_act)
            if data is not None:
                last = channel.id
                yield ServerSentEvent(event="snapshot", id=last, data=data, retry=2000)
            await changed.wait()
    finally:
        screens.dec()


def _enter(board: Board, request: Request, key: str) -> Response:
    """The one-time link: a cookie and a clean address, or a page that says how to get a new link."""
    answer = board.door.exchange(key, request.scope["session"])
    if isinstance(answer, Refusal):
        REFUSED_AT_DOOR.labels(answer.value).inc()
        if answer is Refusal.UNKNOWN:
            return _page(
                board,
                403,
                "This link opens nothing here",
                "Its key belongs to another run, or was cut short when it was copied.",
                "Copy the whole link that was printed when this board was started.",
            )
        return _page(
            board,
            403,
            "This link was already used",
            "A link opens the board once, in the first browser that uses it: nobody who finds it later can decide.",
            "Go on in that browser. For a new link, start the board again with a new key: `orloop up` prints one.",
        )
    response = RedirectResponse("/", 303)
    response.set_cookie(
        board.cookie, answer, max_age=int(HOLDS.total_seconds()), path="/", httponly=True, samesite="strict"
    )
    return response


def _commands(app: FastAPI, board: Board) -> None:
    def acting(
        request: Request,
        session: Looking,
        x_csrf_token: Annotated[str | None, Header()] = None,
        idempotency_key: Annotated[str, Header(min_length=8, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")] = "",
    ) -> str:
        """Who may give a command: a board runner, from our own page, under a key that makes it one command."""
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
            raise HTTPException(403, "This command came from another page.")
        if not board.door.csrf_holds(session, x_csrf_token):
            raise HTTPException(403, "This page is out of date: reload it and try again.")
        if not session.may_act:
            raise HTTPException(403, "This screen is for looking only: a board runner's link is needed to decide.")
        if not idempotency_key:
            raise HTTPException(400, "The command came without its key: reload the page and try again.")
        return idempotency_key

    Key = Annotated[str, Depends(acting)]
    Text = Annotated[str, Form(max_length=400)]

    def fresh(suite: str) -> SuiteLayout:
        """Refuse decisions and reports while the board itself does not know how things stand."""
        layout = _layout(board, suite)
        channel = board.snapshots.channel(suite)
        if not board.source.pulse(suite).beating or (channel.view is not None and not channel.view.can_act):
            raise HTTPException(409, "The feed is stale: decisions and reports come back when it does.")
        return layout

    def told(kind: str, said: Said) -> Response:
        COMMANDS.labels(kind, "done" if said.ok else "refused").inc()
        return JSONResponse({"ok": said.ok, "text": said.text})

    def code(reason_code: str, reason: str) -> str:
        if reason_code not in REASONS:
            raise HTTPException(400, "Pick one of the reasons.")
        if reason_problem(reason_code, reason) is not None:
            raise HTTPException(400, "Say in a few words what else it is.")
        return reason_code

    @app.post("/suites/{suite}/proposals/{proposal}/approve", response_model=None)
    def approve(suite: str, proposal: str, key: Key, alternative: Text) -> Response:
        fresh(suite)
        return told("approve", board.gate.approve(suite, proposal, alternative, key))

    @app.post("/suites/{suite}/proposals/{proposal}/reject", response_model=None)
    def reject(suite: str, proposal: str, key: Key, reason_code: Text, reason: Text = "") -> Response:
        fresh(suite)
        return told("reject", board.gate.reject(suite, proposal, code(reason_code, reason), reason.strip(), key))

    @app.post("/suites/{suite}/proposals/{proposal}/override", response_model=None)
    def override(
        suite: str,
        proposal: str,
        key: Key,
        alternative: Text,
        reason_code: Text,
        reason: Text = "",
        keep: Annotated[list[str] | None, Form()] = None,
    ) -> Response:
        fresh(suite)
        if not keep:
            raise HTTPException(400, "Keep at least one change, or reject the recommendation.")
        said = board.gate.override(suite, proposal, alternative, keep, code(reason_code, reason), reason.strip(), key)
        return told("override", said)

    @app.post("/suites/{suite}/mode", response_model=None)
    def mode(suite: str, key: Key, mode: Text, reason: Text = "") -> Response:
        _layout(board, suite)  # freezing is a brake: it is there when the feed is stale, too
        if mode not in ("frozen", "advisory"):
            raise HTTPException(400, "From the board the suite can be frozen or set to advisory.")
        return told("mode", board.gate.set_mode(suite, mode, reason.strip(), key))

    @app.post("/suites/{suite}/rooms/{room}/down", response_model=None)
    def down(suite: str, room: str, key: Key, cause: Text = "", until: Text = "") -> Response:
        layout = fresh(suite)
        if layout.room(room) is None:
            raise HTTPException(404, f"There is no room {room} in this suite.")
        if not cause.strip():
            raise HTTPException(400, "Say in a word why the room cannot be used.")
        return told("down", board.manual.room_down(suite, room, cause.strip(), _moment(board, suite, until), key))

    @app.post("/suites/{suite}/rooms/{room}/restored", response_model=None)
    def restored(suite: str, room: str, key: Key) -> Response:
        if fresh(suite).room(room) is None:
            raise HTTPException(404, f"There is no room {room} in this suite.")
        return told("restored", board.manual.room_restored(suite, room, key))

    @app.post("/suites/{suite}/replan", response_model=None)
    def replan(suite: str, key: Key, reason: Text = "") -> Response:
        fresh(suite)
        return told("replan", board.manual.replan(suite, reason.strip() or "asked on the board", key))


def _moment(board: Board, suite: str, clock: str) -> datetime | None:
    """A time of today's site clock, which must lie ahead."""
    if not clock.strip():
        return None
    day = board.source.heard(suite).day
    try:
        wanted = time.fromisoformat(clock.strip())
    except ValueError:
        raise HTTPException(400, f"Expected a time like 15:00, got {clock}.") from None
    if day.now is None:
        return None
    moment = day.calendar.at(day.calendar.day(day.now), wanted)
    if moment <= day.now:
        raise HTTPException(400, f"{clock} is already over: leave it empty if nobody knows.")
    return moment
