"""What people can do on the board: POSTs that carry the page's token and a key of their own."""

from datetime import datetime, time
from typing import Annotated

from fastapi import Depends, FastAPI, Form, Header, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from orloop_board.metrics import COMMANDS
from orloop_board.ports import Said
from orloop_common.domain.reasons import REASONS, reason_problem
from orloop_common.domain.site import SuiteLayout

from .parts import Board, Looking, layout_of


def add_commands(app: FastAPI, board: Board) -> None:
    """Decisions to the gate, reports to the manual door."""

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
        layout = layout_of(board, suite)
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

    @app.post("/suites/{suite}/proposals/{proposal}/why-not", response_model=None)
    def why_not(
        suite: str, proposal: str, key: Key, alternative: Text, case: Text, wish: Text, value: Text = ""
    ) -> Response:
        layout = fresh(suite)
        if board.planner is None or wish not in ("leave", "room", "before", "start"):
            raise HTTPException(400, "Ask to leave the case, or for a room, a time, or an order.")
        if wish != "leave" and not value.strip():
            raise HTTPException(400, "Say which room, which time or which other case.")
        if wish == "room" and layout.room(value) is None:
            raise HTTPException(404, f"There is no room {value} in this suite.")
        return told("why_not", board.planner.why_not(proposal, alternative, case, wish, value.strip()))

    @app.post("/suites/{suite}/mode", response_model=None)
    def mode(suite: str, key: Key, mode: Text, reason: Text = "") -> Response:
        layout_of(board, suite)  # freezing is a brake: it is there when the feed is stale, too
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
