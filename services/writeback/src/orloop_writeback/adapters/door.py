"""The worklist's door: what to key in, in the sender's own words, and `done` or `cannot` for each line.

A sender's case id leaves only here, to people with a token for the suite; no name, number or birth date does.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from orloop_common.domain.plan import Place
from orloop_common.domain.site import Site
from orloop_common.messages.identity import SenderIdentity
from orloop_common.runtime import OrloopError
from orloop_common.runtime.auth import Principal, Role, Tokens, bearer
from orloop_common.runtime.errors import TokenRefused
from orloop_common.runtime.logs import get_logger
from orloop_writeback import metrics
from orloop_writeback.domain.acknowledgement import without
from orloop_writeback.domain.worklist import Line
from orloop_writeback.ports import Word

from .inbox import Inbox
from .siu import secrets_of, unseal

_log = get_logger("worklist")
_MAY = (Role.BOARD_RUNNER, Role.SERVICE)
PATIENCE = 8.0  # seconds until a word is on the log


class Spot(BaseModel):
    """A room in the sender's word and in ours, and a time; no room means off the day."""

    room: str | None
    ours: str | None
    start: str | None


class Entry(BaseModel):
    """One line: key in `to` for the sender's `case_id`; `first` where changes wait for each other in a ring."""

    number: int
    case: str
    case_id: str
    source: str
    what: str
    now: Spot
    to: Spot
    minutes: int
    state: str
    behind: list[int]
    first: Spot | None = None
    proposal: str
    order: int
    of: int
    decided: str


class Worklist(BaseModel):
    """What is to be keyed in, in this order."""

    suite: str
    lines: list[Entry]


class Said(BaseModel):
    """A person's word on a line; `text` is scrubbed of the patient before it is kept."""

    text: Annotated[str, Field(max_length=200)] = ""


class Taken(BaseModel):
    """The word is on the log."""

    event_id: str


class WorklistDoor:
    """What the routes need: the site, the lines with their sealed identities, the inbox, the key."""

    def __init__(
        self,
        site: Site,
        lines: Callable[[str], tuple[tuple[Line, str], ...]],
        inbox: Inbox,
        decrypt: Callable[[bytes], bytes],
        tokens: Tokens,
    ) -> None:
        self._site, self._lines, self.inbox, self._decrypt, self.tokens = site, lines, inbox, decrypt, tokens

    def principal(self, suite: str, authorization: Annotated[str | None, Header()] = None) -> Principal:
        """Who asks; 401 without a good token, 403 without the right to, 404 for another suite."""
        if suite not in {layout.id for layout in self._site.suites}:
            raise _refused(404, f"Expected a suite of this site, got {suite[:40]}.", "Maybe it is misspelt.")
        try:
            who = self.tokens.verify(bearer(authorization))
        except TokenRefused as error:
            raise _refused(401, error.problem, error.hint) from None
        try:
            return self.tokens.verify(bearer(authorization), roles=_MAY, suite=suite)
        except TokenRefused as error:
            _log.warning("worklist_refused", user=who.user, role=who.role.value)
            raise _refused(403, error.problem, error.hint) from None

    def suites(self, authorization: str | None) -> list[str]:
        """The suites that a good token may ask about."""
        try:
            who = self.tokens.verify(bearer(authorization), roles=_MAY)
        except TokenRefused as error:
            raise _refused(401, error.problem, error.hint) from None
        return [layout.id for layout in self._site.suites if who.may_act_on(layout.id)]

    def worklist(self, suite: str) -> Worklist:
        """The lines in the sender's words; what our key does not open keeps our own."""
        found = self._lines(suite)
        numbers = {line.case: line.number for line, _ in found}
        return Worklist(suite=suite, lines=[self._entry(line, sealed, numbers) for line, sealed in found])

    def secrets(self, suite: str, case: str) -> tuple[str, ...]:
        """The words that identify the patient of a line."""
        for line, sealed in self._lines(suite):
            if line.case == case and (identity := self._open(line, sealed)):
                return secrets_of(identity)
        return ()

    def _entry(self, line: Line, sealed: str, numbers: dict[str, int]) -> Entry:
        identity = self._open(line, sealed)

        def spot(place: Place) -> Spot:
            words = self._words(identity)
            start = place.start.isoformat() if place.start else None
            return Spot(room=words.get(place.room or "", place.room), ours=place.room, start=start)

        return Entry(
            number=line.number,
            case=line.case,
            case_id=identity.filler if identity else "",
            source=identity.source if identity else "",
            what=line.what,
            now=spot(line.held),
            to=spot(line.target),
            minutes=line.minutes,
            state=line.state,
            behind=[numbers[case] for case in line.behind if case in numbers],
            first=spot(line.first) if line.first else None,
            proposal=line.proposal,
            order=line.order,
            of=line.of,
            decided=line.decided.isoformat(),
        )

    def _words(self, identity: SenderIdentity | None) -> dict[str, str]:
        table = self._site.hl7.rooms if self._site.hl7 else {}
        known = {ours: theirs for theirs, ours in reversed(table.items())}
        return known | (identity.aliases if identity else {})

    def _open(self, line: Line, sealed: str) -> SenderIdentity | None:
        try:
            return unseal(line.case, line.suite, line.decided, sealed, self._decrypt) if sealed else None
        except (OrloopError, ValueError) as error:
            _log.error("identity_cannot_be_opened", error=type(error).__name__)
            return None


def build_app(door: WorklistDoor) -> FastAPI:
    """The routes."""
    app = FastAPI(title="ORLoop worklist", version="1", docs_url="/docs", redoc_url=None)
    Who = Annotated[Principal, Depends(door.principal)]

    @app.get("/v1/suites")
    async def suites(authorization: Annotated[str | None, Header()] = None) -> dict[str, list[str]]:
        """The suites there are."""
        return {"suites": door.suites(authorization)}

    @app.get("/v1/suites/{suite}/worklist", response_model=Worklist)
    async def read(suite: str, who: Who) -> Worklist:
        """What is to be keyed in."""
        _log.info("worklist_read", user=who.user, suite=suite)
        return await asyncio.to_thread(door.worklist, suite)

    async def take(suite: str, proposal: str, case: str, said: Said, who: Principal, *, done: bool) -> Taken:
        text = without(" ".join(said.text.split()), door.secrets(suite, case))
        word = Word(suite=suite, proposal=proposal, case=case, done=done, who=who.user, text=text)
        try:
            event = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(door.inbox.say(word))), PATIENCE)
        except LookupError as error:
            raise _refused(404, str(error), "Maybe it was echoed, or has expired: read the worklist again.") from None
        except TimeoutError:
            hint = "Maybe the broker is away: say it again, it counts once."
            raise _refused(503, "Expected the word on the log by now, got no confirmation.", hint) from None
        _log.info("worklist_word", user=who.user, suite=suite, done=done, event_id=event)
        return Taken(event_id=event)

    @app.post("/v1/suites/{suite}/worklist/{proposal}/{case}/done", status_code=202, response_model=Taken)
    async def done(suite: str, proposal: str, case: str, who: Who, said: Said | None = None) -> Taken:
        """It was keyed in; it counts as applied when the sender's own feed shows it."""
        return await take(suite, proposal, case, said or Said(), who, done=True)

    @app.post("/v1/suites/{suite}/worklist/{proposal}/{case}/cannot", status_code=202, response_model=Taken)
    async def cannot(suite: str, proposal: str, case: str, who: Who, said: Said | None = None) -> Taken:
        """It cannot be keyed in: the rest of its plan stops, and the day is planned anew."""
        return await take(suite, proposal, case, said or Said(), who, done=False)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        detail = error.detail if isinstance(error.detail, dict) else {"error": str(error.detail), "hint": ""}
        return JSONResponse(detail, error.status_code)

    @app.middleware("http")
    async def measure(request: Request, go_on: Callable[[Request], Awaitable[Any]]) -> Any:
        answer = await go_on(request)
        answer.headers["Cache-Control"] = "no-store"
        metrics.WORKLIST_REQUESTS.labels(str(answer.status_code)).inc()
        return answer

    return app


def serve(app: FastAPI, listener: socket.socket, stop: threading.Event) -> None:
    """Serve in this thread until asked to stop."""
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    _log.info("worklist_listening", port=listener.getsockname()[1])

    async def run() -> None:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not stop.is_set() and not serving.done():
            await asyncio.sleep(0.1)
        server.should_exit = True
        await serving

    asyncio.run(run())


def _refused(status: int, error: str, hint: str) -> HTTPException:
    return HTTPException(status, {"error": error, "hint": hint})
