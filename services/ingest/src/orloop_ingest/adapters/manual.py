"""The manual door: what people report, by HTTP with a signed token; 202 once the broker has it."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Request
from pydantic import BaseModel

from orloop_common.domain.events import Event
from orloop_common.domain.site import Site
from orloop_common.messages import SUITE_EVENTS
from orloop_common.runtime.auth import Principal, Role, Tokens, bearer
from orloop_common.runtime.clock import Clock
from orloop_common.runtime.errors import NotDurable, TokenRefused
from orloop_common.runtime.logs import get_logger
from orloop_common.runtime.records import Output
from orloop_ingest.domain import reports as r
from orloop_ingest.domain.truth import PEOPLE, believe
from orloop_ingest.ledger import Ledger

from .doorkit import add_errors, from_text, one_of, refused
from .doorkit import serve as serve
from .writer import DurableWriter

_log = get_logger("manual")
_EARLY, _LATE = timedelta(minutes=10), timedelta(hours=24)
_MAY_REPORT = (Role.BOARD_RUNNER, Role.SERVICE)
_OLDEST = timedelta(days=30)  # what a person may enter after a downtime


class Taken(BaseModel):
    """The event is on the log; a roster of several roles is one event each, named by the first.

    A `warning` says that a source that is believed before people told otherwise: then that is what is on the log.
    """

    event_id: str
    warning: str | None = None


class Refused(BaseModel):
    """What was wrong and what to try."""

    error: str
    hint: str


class ManualDoor:
    """What the routes need: the site, the ledger, the writer, the clock."""

    def __init__(self, site: Site, ledger: Ledger, writer: DurableWriter, clock: Clock, tokens: Tokens) -> None:
        self.site, self.ledger, self.writer, self.clock, self.tokens = site, ledger, writer, clock, tokens

    def principal(self, suite: str, authorization: Annotated[str | None, Header()] = None) -> Principal:
        """Who reports; 401 without a good token, 403 without the right to."""
        return self.who(suite, authorization, _MAY_REPORT)

    def who(self, suite: str, authorization: str | None, roles: Collection[Role]) -> Principal:
        """Whose token this is, if it has one of these roles for this suite."""
        if suite not in self.ledger.suites:
            raise refused(404, f"Expected a suite of this site, got {suite}.", one_of(self.ledger.suites))
        principal = self.known(authorization)
        try:
            return self.tokens.verify(bearer(authorization), roles=roles, suite=suite)
        except TokenRefused as error:
            _log.warning("report_refused", user=principal.user, role=principal.role.value)
            raise from_text(403, str(error)) from None

    def known(self, authorization: str | None) -> Principal:
        """Whose token this is, whatever the role; 401 without a good one."""
        try:
            return self.tokens.verify(bearer(authorization))
        except TokenRefused as error:
            raise from_text(401, str(error)) from None

    def room(self, suite: str, room: str) -> str:
        """A room of the suite; 404 with the rooms that there are."""
        layout = self.site.suite(suite)
        if layout.room(room) is None:
            known = [item.id for item in layout.rooms]
            raise refused(404, f"Expected a room of suite {suite}, got {room}.", one_of(known))
        return room

    def case(self, suite: str, case: str) -> None:
        """404 unless the suite knows the case."""
        if case not in self.ledger.known(suite).day.cases:
            raise refused(404, "Expected a case of this suite, got another.", "Maybe it was not booked yet.")

    def when(self, report: r.Report, back_entry: bool = False) -> datetime:
        """The report's time, or now; not from the future, and older than a day only as a back-entry."""
        now = self.clock.now()
        if report.at is None:
            return now
        if not now - (_OLDEST if back_entry else _LATE) <= report.at <= now + _EARLY:
            hint = "Maybe leave `at` out: it is then the present. What a downtime kept back needs ?back_entry=true."
            raise refused(422, "Expected `at` within the last day, got another time.", hint)
        return report.at

    async def report(self, events: Sequence[Event]) -> Taken:
        """Take what a person says, unless a source that the site believes before people said otherwise."""
        believed = [believe(e, PEOPLE, self.ledger.known(e.suite).day, self.site.truth) for e in events]
        warnings = [b.warning for b in believed if b.warning is not None]
        return await self.take([b.event for b in believed], warning=" ".join(warnings) or None)

    async def take(self, events: Sequence[Event], cause: str | None = None, warning: str | None = None) -> Taken:
        """Write what is not on the log yet; 503 if the broker does not confirm it."""
        news = [event for event in events if not self.ledger.is_written(event)]
        self.ledger.expect(news)
        outputs = [Output(SUITE_EVENTS, e.suite, e.suite, e, e.id, cause, e.at) for e in news]
        try:
            if outputs:
                await self.writer.write(outputs)
        except NotDurable as error:
            self.ledger.forget(news)
            raise from_text(503, str(error)) from None
        self.ledger.written(news)
        for event in news:
            _log.info("report_taken", type=type(event).__name__, event_id=event.id)
        return Taken(event_id=events[0].id, warning=warning)


def build_app(door: ManualDoor) -> FastAPI:
    """The routes, under OpenAPI at /docs."""
    app = FastAPI(title="ORLoop manual door", version="1", docs_url="/docs", redoc_url=None)
    answers: dict[int | str, dict[str, Any]] = {
        code: {"model": Refused} for code in (400, 401, 403, 404, 413, 422, 503)
    }
    options: dict[str, Any] = {
        "status_code": 202,
        "response_model": Taken,
        "responses": answers,
        "response_model_exclude_none": True,
    }
    Who = Annotated[Principal, Depends(door.principal)]
    Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]

    async def about_room(
        request: Request, suite: str, room: str, report: r.Report, who: Principal, key: str | None
    ) -> Taken:
        at, known = door.when(report), door.room(suite, room)
        id = _id(request, report, at, key, who)
        return await _taken(door, lambda: r.room_events(id, suite, known, at, who.user, report))

    async def about_suite(request: Request, suite: str, report: r.Report, who: Principal, key: str | None) -> Taken:
        at = door.when(report)
        id = _id(request, report, at, key, who)
        return await _taken(door, lambda: r.suite_events(id, suite, at, who.user, report))

    async def about_case(
        request: Request,
        suite: str,
        case: str,
        report: r.Report,
        who: Principal,
        key: str | None,
        back_entry: bool = False,
    ) -> Taken:
        door.case(suite, case)
        at, now = door.when(report, back_entry), door.clock.now()
        id = _id(request, report, at, key, who)
        return await _taken(door, lambda: r.case_events(id, suite, case, at, now, report))

    @app.post("/v1/suites/{suite}/rooms/{room}/down", **options)
    async def down(request: Request, suite: str, room: str, report: r.RoomDown, who: Who, key: Key = None) -> Taken:
        """The room cannot be used."""
        return await about_room(request, suite, room, report, who, key)

    @app.post("/v1/suites/{suite}/rooms/{room}/restored", **options)
    async def restored(
        request: Request, suite: str, room: str, who: Who, report: r.RoomUp | None = None, key: Key = None
    ) -> Taken:
        """The room can be used again."""
        return await about_room(request, suite, room, report or r.RoomUp(), who, key)

    @app.post("/v1/suites/{suite}/rooms/{room}/cleaning", **options)
    async def cleaning(request: Request, suite: str, room: str, report: r.Cleaning, who: Who, key: Key = None) -> Taken:
        """Where the cleaning of a room stands."""
        return await about_room(request, suite, room, report, who, key)

    @app.post("/v1/suites/{suite}/staff-short", **options)
    async def staff_short(request: Request, suite: str, report: r.Short, who: Who, key: Key = None) -> Taken:
        """Teams of a role are missing for a time."""
        return await about_suite(request, suite, report, who, key)

    @app.post("/v1/suites/{suite}/roster", **options)
    async def roster(request: Request, suite: str, report: r.Roster, who: Who, key: Key = None) -> Taken:
        """The day's teams, by role."""
        return await about_suite(request, suite, report, who, key)

    @app.post("/v1/suites/{suite}/beds", **options)
    async def beds(request: Request, suite: str, report: r.Beds, who: Who, key: Key = None) -> Taken:
        """A unit's beds."""
        return await about_suite(request, suite, report, who, key)

    @app.post("/v1/suites/{suite}/equipment", **options)
    async def equipment(request: Request, suite: str, report: r.Equipment, who: Who, key: Key = None) -> Taken:
        """How many of one kind are free."""
        return await about_suite(request, suite, report, who, key)

    @app.post("/v1/suites/{suite}/blocks", **options)
    async def block(request: Request, suite: str, report: r.Block, who: Who, key: Key = None) -> Taken:
        """Room time is allocated to an owner or released."""
        door.room(suite, report.room)
        return await about_suite(request, suite, report, who, key)

    @app.post("/v1/suites/{suite}/exceptions", **options)
    async def exception(request: Request, suite: str, report: r.Wish, who: Who, key: Key = None) -> Taken:
        """A surgeon or a service asks for an exception from a rule."""
        if report.case is not None:
            door.case(suite, report.case)
        return await about_suite(request, suite, report, who, key)

    @app.post("/v1/suites/{suite}/replan", **options)
    async def replan(request: Request, suite: str, who: Who, report: r.Replan | None = None, key: Key = None) -> Taken:
        """A person asks for a new plan."""
        return await about_suite(request, suite, report or r.Replan(), who, key)

    @app.post("/v1/suites/{suite}/cases/{case_uid}/readiness", **options)
    async def readiness(
        request: Request, suite: str, case_uid: str, report: r.Readiness, who: Who, key: Key = None
    ) -> Taken:
        """One item of a patient's readiness."""
        return await about_case(request, suite, case_uid, report, who, key)

    @app.post("/v1/suites/{suite}/cases/{case_uid}/implants", **options)
    async def implant(
        request: Request, suite: str, case_uid: str, report: r.Implant, who: Who, key: Key = None
    ) -> Taken:
        """When an implant of a case is to arrive."""
        return await about_case(request, suite, case_uid, report, who, key)

    @app.post("/v1/suites/{suite}/cases/{case_uid}/milestones", **options)
    async def milestone(
        request: Request,
        suite: str,
        case_uid: str,
        report: r.Happened,
        who: Who,
        key: Key = None,
        back_entry: bool = False,
    ) -> Taken:
        """A milestone that a person saw, or enters after a downtime (`back_entry` for what is older than a day)."""
        if report.room is not None:
            door.room(suite, report.room)
        return await about_case(request, suite, case_uid, report, who, key, back_entry)

    add_errors(app)
    return app


async def _taken(door: ManualDoor, events: Callable[[], list[Event]]) -> Taken:
    try:
        told = events()
    except r.Wrong as error:
        raise refused(422, str(error), "Maybe two times were swapped.") from None
    return await door.report(told)


def _id(request: Request, report: r.Report, at: datetime, key: str | None, who: Principal) -> str:
    body = report.model_dump(mode="json", exclude={"at"} if report.at is None else set())
    return r.event_id(request.path_params["suite"], request.url.path, body, at, key, who.user)
