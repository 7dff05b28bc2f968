"""A small site and a scripted day on it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orloop_common.domain import events as e
from orloop_common.domain.site import Site
from orloop_common.domain.vocabulary import Milestone
from orloop_common.messages.sitefile import parse_site

SEVEN = datetime(2026, 3, 2, 7, tzinfo=UTC)
SITE = """
site: test
timezone: UTC
day_boundary: "04:00"
suites:
""" + "".join(
    f"""
  - id: {suite}
    name: Suite {suite}
    rooms:
      - {{id: "1", name: OR 1, service: urology, block_start: "07:30", block_end: "15:30", closes: "19:00"}}
      - {{id: "2", name: OR 2, service: general, block_start: "07:30", block_end: "15:30", closes: "19:00"}}
"""
    for suite in ("north", "east")
)
COURSE = (
    (Milestone.PATIENT_IN_PREOP, -20),
    (Milestone.PATIENT_IN_ROOM, 2),
    (Milestone.PROCEDURE_START, 18),
    (Milestone.CLOSING, 52),
    (Milestone.PROCEDURE_END, 61),
    (Milestone.PATIENT_OUT_OF_ROOM, 70),
    (Milestone.CLEANUP_START, 72),
    (Milestone.CLEANUP_END, 88),
)


def minute(number: float) -> datetime:
    """So many minutes after seven."""
    return SEVEN + timedelta(minutes=number)


def booking(suite: str, case: str, room: str, start: float, told: float = 0, **more: object) -> e.CaseScheduled:
    """A cystoscopy of an hour."""
    fields: dict[str, object] = {
        "id": f"{suite}-{case}-v1",
        "suite": suite,
        "at": minute(told),
        "case": case,
        "version": 1,
        "service": "urology",
        "procedures": (e.Procedure(code="1-661", text="Cystoscopy"),),
        "surgeons": (e.Surgeon(id="S031", name="Marino"),),
        "room": room,
        "start": minute(start),
        "booked": timedelta(minutes=60),
        "asa": 2,
    } | more
    return e.CaseScheduled(**fields)  # type: ignore[arg-type]


def scripted_day(suite: str, minutes: int = 180) -> Iterator[e.Event]:
    """Six cases in two rooms, their milestones, ticks, a room that goes down and comes back, a cancellation."""
    happenings: list[tuple[float, e.Event]] = []
    for number in range(6):
        case, room, start = f"c{number}", str(number % 2 + 1), 30.0 + 95 * (number // 2)
        happenings.append((0.1 + number / 100, booking(suite, case, room, start)))
        for milestone, after in COURSE:
            at = start + after + number / 10
            event = e.MilestoneRecorded(
                id=f"{suite}-{case}-{milestone}", suite=suite, at=minute(at), case=case, milestone=milestone, room=room
            )
            happenings.append((at + 0.05, event))
    down = e.RoomWentDown(id=f"{suite}-down", suite=suite, at=minute(105), room="2", cause="ventilation")
    back = e.RoomRestored(id=f"{suite}-back", suite=suite, at=minute(150), room="2")
    gone = e.CaseCancelled(id=f"{suite}-gone", suite=suite, at=minute(120), case="c5", version=2)
    happenings += [(105, down), (150, back), (120, gone)]
    for half in range(2 * minutes + 1):
        tick = e.ClockTicked(id=f"{suite}-tick-{half}", suite=suite, at=minute(half / 2))
        happenings.append((half / 2, tick))
    happenings.sort(key=lambda pair: (pair[0], pair[1].id))
    return (event for at, event in happenings if at <= minutes)


@pytest.fixture
def site() -> Site:
    """Suites north and east, two rooms each."""
    return parse_site(SITE)


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    """The same as a file."""
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    return path


@pytest.fixture
def day() -> Callable[..., Iterator[e.Event]]:
    """`day("north", minutes=180)`: the events of a scripted day."""
    return scripted_day


@pytest.fixture
def book() -> Callable[..., e.CaseScheduled]:
    """`book("north", "c1", "1", 30)`: a case booked in room 1, thirty minutes after seven."""
    return booking
