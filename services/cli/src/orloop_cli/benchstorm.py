"""A storm for `make bench ARGS="--rooms 20 --storm"`: a trigger every 400 ms, and whether what leaves still holds.

Triggers are written to the log itself. What left is judged afterwards by the independent checker, on the state that
the log had when it was written: rooms, cases, forecasts.
"""

from __future__ import annotations

import itertools
import time
import zlib
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orloop_common.domain import events as e
from orloop_common.domain.building import build_problem
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.checker import check_changes
from orloop_common.domain.decision_rules import check_decision
from orloop_common.domain.derived import CaseForecast, Proposal
from orloop_common.domain.drift import without_drift
from orloop_common.domain.problem import PlanProblem
from orloop_common.domain.site import SuiteLayout
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.messages import CASE_FORECASTS, PLAN_PROPOSALS, SUITE_EVENTS, from_json
from orloop_common.messages.sitefile import parse_site
from orloop_common.runtime.clock import SystemClock

from .benchday import telling
from .mesh import Mesh
from .reader import Seen, TopicReader
from .services import demo_site

EVERY = 0.4
SPEED = 5.0
WRITING = timedelta(milliseconds=50)
"""What comes to the log while an answer is being written cannot be in it: the planner looks every 50 ms."""
STANDS = "still stands"


@dataclass(slots=True)
class Told:
    """What a storm came to: seconds between answers that held, and how many of each kind there were."""

    triggers: int = 0
    answers: int = 0
    proposals: int = 0
    invalid: int = 0
    pauses: list[float] = field(default_factory=list)


def storm(mesh: Mesh, seconds: float) -> Told:
    """A trigger every 400 ms into a mesh that has been playing; nobody decides meanwhile."""
    layout = parse_site(demo_site().read_text()).suites[0]
    assert mesh.day is not None
    mesh.play(SPEED)
    told, began = 0, SystemClock().wall()
    drawn, until, due = triggers(layout), time.monotonic() + seconds, time.monotonic()
    with telling(mesh) as tell:
        while (now := time.monotonic()) < until:
            mesh.tick()
            if now < due:
                time.sleep(min(0.05, due - now))
                continue
            event, due, told = next(drawn)(mesh.day.now()), due + EVERY, told + 1
            tell(event)
    mesh.run_until(lambda: False, 6)  # the last of them is answered, too
    ended = SystemClock().wall() - timedelta(seconds=6)
    with TopicReader(mesh.bootstrap, [SUITE_EVENTS, CASE_FORECASTS, PLAN_PROPOSALS]) as reader:
        found = judged(list(reader.to_end()), layout, first_day(layout), began, ended)
    found.triggers = told
    return found


def first_day(layout: SuiteLayout) -> SuiteDay:
    """The suite's day before anything was told."""
    site = parse_site(demo_site().read_text())
    return SuiteDay(suite=layout.id, calendar=OperationalCalendar(site.timezone, site.day_boundary))


def triggers(layout: SuiteLayout) -> Iterator[_Make]:
    """Rooms that fail and come back, one after the other, and teams that are missing: each changes the question."""
    rooms = itertools.cycle([room.id for room in layout.rooms])
    for number in itertools.count(1):
        room = next(rooms)
        yield _Make(number, "down", room)
        yield _Make(number, "short", room)
        yield _Make(number, "restored", room)


@dataclass(frozen=True, slots=True)
class _Make:
    number: int
    kind: str
    room: str

    def __call__(self, at: datetime) -> e.Event:
        name = f"storm-{self.kind}-{self.number}"
        if self.kind == "down":
            until = at + timedelta(minutes=40)
            return e.RoomWentDown(id=name, suite="main", at=at, room=self.room, cause="storm", until=until)
        if self.kind == "restored":
            return e.RoomRestored(id=name, suite="main", at=at, room=self.room)
        start = at + timedelta(hours=3)
        end = start + timedelta(minutes=5)
        return e.StaffShort(id=name, suite="main", at=at, role="anaesthesia", missing=1, start=start, end=end)


def judged(records: Sequence[Seen], layout: SuiteLayout, day: SuiteDay, began: datetime, ended: datetime) -> Told:
    """The answers between two moments, each on the state that the log had shortly before it was written."""
    told, held = Told(), began
    forecasts: dict[str, CaseForecast] = {}
    newest: Proposal | None = None

    def moment(seen: Seen) -> datetime:
        return seen.received - (WRITING if seen.topic == PLAN_PROPOSALS else timedelta(0))

    for seen in sorted(records, key=lambda s: (moment(s), s.topic == PLAN_PROPOSALS, s.offset)):
        message = seen.message() if seen.suite == layout.id else None
        if isinstance(message, e.Event):
            day = day.apply(message)
        elif isinstance(message, CaseForecast):
            forecasts[message.case] = message
        elif isinstance(message, Proposal):
            newest = message if message.answer == "proposal" else newest
            if not began <= seen.received <= ended:
                continue
            told.answers += 1
            told.proposals += message.answer == "proposal"
            recommended = newest if message.answer == "proposal" or STANDS in message.reason else None
            if recommended is not None and not holds(recommended, day, forecasts, layout):
                told.invalid += 1
                continue
            told.pauses.append((seen.received - held).total_seconds())
            held = seen.received
    told.pauses.append(max(0.0, (ended - held).total_seconds()))
    return told


def holds(proposal: Proposal, day: SuiteDay, forecasts: dict[str, CaseForecast], layout: SuiteLayout) -> bool:
    """Whether people could carry out the recommended alternative on this state."""
    best = proposal.alternatives[0]
    if check_decision(day, best.changes):
        return False
    then = from_json(PlanProblem, zlib.decompress(b64decode(proposal.problem)))
    now = without_drift(build_problem(day, forecasts, layout), then, best, layout.materiality)
    return not check_changes(now, best.changes)
