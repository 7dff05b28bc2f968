"""The page, its stream and its commands: FastAPI on loopback."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import FastAPI, Header, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orloop_board.metrics import REFUSED_AT_DOOR, SCREENS
from orloop_common.domain.reasons import REASONS

from .commands import add_commands
from .door import HOLDS, Refusal, Session
from .parts import Board, Looking, layout_of, session_of
from .snapshots import ROOT

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
    add_commands(app, board)
    return app


async def _in_words(request: Request, error: Exception) -> Response:
    """Refusals as JSON for the script, with a text that can be shown."""
    assert isinstance(error, StarletteHTTPException)
    return JSONResponse({"ok": False, "text": str(error.detail)}, error.status_code)


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
        layout = layout_of(board, suite)
        session = session_of(request)
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
            may_ask=board.planner is not None,
            csrf=board.door.csrf(session),
            last=channel.id,
            open_proposal=channel.meta["proposal"],
            reject_reasons=tuple(REASONS.items()),
            override_reasons=tuple(r for r in REASONS.items() if r[0] != "current_plan_better"),
        )
        return HTMLResponse(text)

    @app.get("/board.json", response_model=None)
    async def values(suite: str | None = None) -> Response:
        layout = layout_of(board, suite)
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
        layout = layout_of(board, suite)
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
