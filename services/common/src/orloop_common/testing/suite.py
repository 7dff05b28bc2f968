"""A small suite for tests: three rooms, cases by a word, proposals that move them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from orloop_common.domain import events as e
from orloop_common.domain.derived import Alternative, CaseForecast, Price, Proposal
from orloop_common.domain.digest import derived_id
from orloop_common.domain.plan import Assignment, Change, Place, Quantiles
from orloop_common.domain.site import Hl7Profile, RoomLayout, Site, SuiteLayout
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import Milestone

SUITE = "main"
SEVEN = datetime(2026, 3, 2, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)


def clock(text: str) -> datetime:
    """`10:30` of the test's day, UTC."""
    return datetime.combine(SEVEN.date(), time.fromisoformat(text), UTC)


def small_layout(suite: str = SUITE, rooms: Sequence[str] = ("1", "2", "3")) -> SuiteLayout:
    """Rooms `OR 1` to `OR 3` of one service, open from 07:30 to 19:00."""
    return SuiteLayout(id=suite, name=f"Suite {suite}", rooms=tuple(_room(room) for room in rooms))


def _room(room: str) -> RoomLayout:
    return RoomLayout(
        id=room,
        name=f"OR {room}",
        service="general",
        services=("general",),
        block_start=time(7, 30),
        block_end=time(15, 30),
        closes=time(19),
    )


def small_site(suites: Iterable[str] = (SUITE,)) -> Site:
    """A site whose sender is called TWIN."""
    layouts = tuple(small_layout(suite) for suite in suites)
    profile = Hl7Profile(
        sources={"TWIN": layouts[0].id},
        rooms={"OR1": "1", "OR2": "2", "OR3": "3"},
        services={"GEN": "general"},
        milestones={"WHEELS_IN": "patient_in_room"},
        facility="DEMO",
    )
    return Site(site="test", timezone="UTC", day_boundary=time(4), suites=layouts, hl7=profile)


SITE_FILE = """
site: test
timezone: UTC
day_boundary: "04:00"
suites:
  - id: main
    name: Suite main
    rooms:
      - {id: "1", name: OR 1, service: general, block_start: "07:30", block_end: "15:30", closes: "19:00"}
      - {id: "2", name: OR 2, service: general, block_start: "07:30", block_end: "15:30", closes: "19:00"}
      - {id: "3", name: OR 3, service: general, block_start: "07:30", block_end: "15:30", closes: "19:00"}
hl7:
  sources: {TWIN: {suite: main}}
  facility: DEMO
  rooms: {OR1: "1", OR2: "2", OR3: "3"}
  services: {GEN: general}
  milestones: {WHEELS_IN: patient_in_room}
"""
"""`small_site` as a site file."""


def tick(text: str, suite: str = SUITE) -> e.ClockTicked:
    """Event time reaches `text`."""
    return e.ClockTicked(id=f"{suite}/tick/{text}", suite=suite, at=clock(text))


def booked(
    case: str,
    room: str | None,
    start: str,
    *,
    version: int = 1,
    suite: str = SUITE,
    length: timedelta = HOUR,
    **more: Any,
) -> e.CaseScheduled:
    """The hospital's word on a case; its procedure is called like the case, its surgeon `S-case`."""
    base: dict[str, Any] = {
        "procedures": (e.Procedure(code="1", text=f"{case.capitalize()} repair"),),
        "surgeons": (e.Surgeon(id=f"S-{case}"),),
        "service": "general",
        "bed": None,
        "source": "TWIN",
    }
    return e.CaseScheduled(
        id=f"{suite}/{case}/v{version}",
        suite=suite,
        at=SEVEN,
        case=case,
        version=version,
        room=room,
        start=clock(start),
        booked=length,
        **base | more,
    )


def milestone(
    case: str, kind: Milestone, text: str, room: str | None = None, suite: str = SUITE
) -> e.MilestoneRecorded:
    """`kind` happened at `text`."""
    return e.MilestoneRecorded(
        id=f"{suite}/{case}/{kind}", suite=suite, at=clock(text), case=case, milestone=kind, room=room
    )


def forecast(
    case: str, as_of: int = 1_000_000, at: str = "07:00", suite: str = SUITE, low: bool = False
) -> CaseForecast:
    """An hour, give or take."""
    spread = Quantiles(p50=HOUR, p80=HOUR * 1.2, p95=HOUR * 1.5)
    return CaseForecast(
        suite=suite,
        as_of=as_of,
        at=clock(at),
        case=case,
        stage="scheduled",
        model="test",
        duration=spread,
        low_confidence=low,
    )


def change(case: str, source: tuple[str, str], target: tuple[str, str] | None, version: int = 1) -> Change:
    """From (room, time) to (room, time), or postponed."""
    place = Place(room=target[0], start=clock(target[1])) if target else Place(room=None, start=None)
    origin = Place(room=source[0], start=clock(source[1]))
    return Change(case=case, version=version, origin=origin, target=place, length=HOUR, reason="Room 1 is down.")


def alternative(id: str, *changes: Change) -> Alternative:
    """One way out."""
    zero = timedelta(0)
    return Alternative(
        id=id,
        kind="lowest_cost",
        title=f"Alternative {id}",
        summary=f"Moves {len(changes)}.",
        changes=changes,
        plan=tuple(Assignment(case=c.case, place=c.target) for c in changes),
        cost=10,
        price=Price(patients_waiting=zero, surgeons_idle=zero, staff_overtime=zero, postponed=0, rooms_changed=1),
    )


def proposal(
    id: str, at: str, *alternatives: Alternative, as_of: int = 10, suite: str = SUITE, decide_by: str | None = None
) -> Proposal:
    """An answer that waits for a decision for fifteen minutes."""
    return Proposal(
        suite=suite,
        as_of=as_of,
        at=clock(at),
        id=id,
        answer="proposal" if alternatives else "no_change",
        triggers=(),
        headline="Move the cases of room 1",
        reason="Room 1 is down.",
        alternatives=alternatives,
        decide_by=clock(decide_by) if decide_by else clock(at) + timedelta(minutes=15),
    )


def day_after(*events: e.Event, suite: str = SUITE) -> SuiteDay:
    """The fold of some events."""
    day = SuiteDay(suite=suite)
    for event in events:
        day = day.apply(event)
    return day


def place_of(day: SuiteDay, case: str) -> tuple[str | None, str]:
    """Where the hospital has the case: room and time."""
    schedule = day.cases[case].schedule
    assert schedule is not None
    return schedule.room, f"{schedule.start:%H:%M}"


def outcomes(day: SuiteDay, proposal: str) -> Mapping[str, str]:
    """How far each change of a decision has come."""
    return dict(day.decisions[proposal].outcomes)


def answer_id(*parts: str) -> str:
    """An id for an event that a test makes up."""
    return derived_id("test", *parts)
