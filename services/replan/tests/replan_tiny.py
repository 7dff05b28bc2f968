"""Two rooms, half-hour steps, three cases: small enough to try every plan, with one thing at a time in the way."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orloop_common.domain.cost import DEFAULT_WEIGHTS
from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import (
    Capacity,
    Committed,
    EquipmentNeed,
    PlanProblem,
    ProblemCase,
    ProblemRoom,
    StaffHours,
    Turnover,
)
from orloop_common.domain.vocabulary import Urgency

NOT_MODELLED = {"surgeon_idle": 0, "break_in": 0, "add_on_slack": 0}
CORE = replace(DEFAULT_WEIGHTS, **NOT_MODELLED, changed=0, moved_again=0, strict=False)
HALF = timedelta(minutes=30)


def at(hours: float) -> datetime:
    return datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=hours)


def during(start: float, end: float) -> Interval:
    return Interval(start=at(start), end=at(end))


def there(count: int, start: float = 7, end: float = 20) -> tuple[Capacity, ...]:
    return (Capacity(start=at(start), end=at(end), count=count),)


def room(name: str, **more: Any) -> ProblemRoom:
    given: dict[str, Any] = {"services": ("general",), "opens": at(7), "block_end": at(15), "closes": at(18)}
    return ProblemRoom(id=name, **(given | more))


def case(name: str, where: str | None, start: float, length: float = 1, **more: Any) -> ProblemCase:
    place = Place(room=where, start=None if where is None else at(start))
    given: dict[str, Any] = {
        "version": 1,
        "service": "general",
        "label": f"general case {name}",
        "urgency": Urgency.ELECTIVE,
        "surgeons": (f"S-{name}",),
        "length": timedelta(hours=length),
        "length_p80": timedelta(hours=length),
        "setup": timedelta(0),
        "cleanup": HALF,
        "current": place,
        "scheduled": Place(room=where, start=at(start)),
    }
    return ProblemCase(id=name, **(given | more))


def committed(where: str, start: float, end: float, **more: Any) -> Committed:
    given: dict[str, Any] = {
        "id": f"in-{where}",
        "label": "general case in the room",
        "room": where,
        "occupied": during(start, end + 0.5),
        "patient": during(start, end),
        "surgeons": (),
    }
    return Committed(**(given | more))


def problem(*cases: ProblemCase, **more: Any) -> PlanProblem:
    given: dict[str, Any] = {
        "suite": "tiny",
        "now": at(10),
        "grid": HALF,
        "earliest_start": at(10.5),
        "horizon": at(18),
        "rooms": (room("1"), room("2")),
        "cases": cases,
        "committed": (),
        "teams": (),
        "beds": (),
        "weights": CORE,
    }
    return PlanProblem(**(given | more))


def _three(**more: Any) -> tuple[ProblemCase, ...]:
    """Three cases in two rooms that keep their places if nothing is in the way."""
    return case("a", "1", 11, **more), case("b", "2", 11, **more), case("c", "1", 12.5, **more)


def _tower(hours: float) -> tuple[EquipmentNeed, ...]:
    return (EquipmentNeed(kind="tower", reprocessing=timedelta(hours=hours)),)


def _bound(**more: Any) -> tuple[ProblemCase, ...]:
    """The same surgeon in two rooms, bound for the middle hour of each case."""
    part = {"surgeon_after": HALF, "surgeon_before": HALF}
    return case("a", "1", 11, 2, surgeons=("S",), **part), case("b", "2", 11.5, 2, surgeons=("S",), **part)


BINDING: dict[str, tuple[PlanProblem, PlanProblem]] = {
    "room-one-patient": (
        problem(case("a", "1", 11), case("b", "1", 11.5), rooms=(room("1"),)),
        problem(case("a", "1", 11), case("b", "2", 11.5)),
    ),
    "room-usable": (problem(*_three(), rooms=(room("1"), room("2", down=(during(11.5, 13),)))), problem(*_three())),
    "room-eligible": (
        problem(*_three(), rooms=(room("1", down=(during(11, 14),)), room("2", services=()))),
        problem(*_three(), rooms=(room("1", down=(during(11, 14),)), room("2"))),
    ),
    "room-open": (
        problem(*_three(), rooms=(room("1", closes=at(13.5)), room("2"))),
        problem(*_three()),
    ),
    "surgeon-one-place": (problem(*_three(surgeons=("S",))), problem(*_three())),
    "surgeon-hours": (
        problem(*_bound(), hours={"S": StaffHours(until=at(14), breaks=(during(12, 12.5),))}),
        problem(*_bound()),
    ),
    "anaesthesia-teams": (problem(*_three(), teams=there(1)), problem(*_three())),
    "recovery-beds": (
        problem(*_three(recovery=timedelta(hours=1)), beds=there(1)),
        problem(*_three(recovery=timedelta(hours=1)), beds=there(2)),
    ),
    "staff-skills": (
        problem(*_three(skills=("perfusion",)), skills={"perfusion": there(1)}),
        problem(*_three(skills=("perfusion",)), skills={"perfusion": there(2)}),
    ),
    "equipment-units": (
        problem(*_three(equipment=_tower(1)), equipment={"tower": there(2)}),
        problem(*_three(equipment=_tower(0)), equipment={"tower": there(2)}),
    ),
    "cleaning-teams": (problem(*_three(), cleaning=there(1)), problem(*_three(), cleaning=there(2))),
    "unit-beds": (
        problem(*_three(unit="icu", recovery=HALF), units={"icu": there(2, 7, 18)}),
        problem(*_three(unit="icu", recovery=HALF), units={"icu": there(3, 7, 18)}),
    ),
    "turnover-between": (
        problem(
            case("a", "1", 11, contaminated=True),
            case("b", "1", 12.5, latex=True),
            case("c", "2", 11, service="eye"),
            rooms=(room("1"), room("2", services=("general", "eye"))),
            turnover=Turnover(service_change=HALF, after_contaminated=HALF, before_latex=timedelta(minutes=15)),
        ),
        problem(case("a", "1", 11), case("b", "1", 12.5), case("c", "2", 11)),
    ),
    "implant-there": (problem(case("a", "1", 11, implant=during(11, 13))), problem(case("a", "1", 11))),
    "frozen-window": (
        problem(case("a", "1", 10.5), committed=(committed("1", 9, 10.5),), rooms=(room("1"),), earliest_start=at(12)),
        problem(case("a", "1", 10.5), committed=(committed("1", 9, 10.5),), rooms=(room("1"),)),
    ),
    "latest-start": (
        problem(case("a", "1", 11, 0.5, latest=at(11)), case("b", "1", 11, 0.5, latest=at(11)), rooms=(room("1"),)),
        problem(case("a", "1", 11, 0.5), case("b", "1", 11, 0.5), rooms=(room("1"),)),
    ),
    "earliest-start": (
        problem(case("a", "1", 11, ready=at(14)), committed=(committed("1", 9, 11.5),)),
        problem(case("a", "1", 11), committed=(committed("1", 9, 11.5),)),
    ),
    "emergency-never-postponed": (
        problem(
            case("a", "1", 11, 3), case("e", None, 10, 3, urgency=Urgency.URGENT), rooms=(room("1", closes=at(15)),)
        ),
        problem(case("a", "1", 11, 3), rooms=(room("1", closes=at(15)),)),
    ),
    "class-order": (
        problem(
            case("a", "1", 11, 2),
            case("b", None, 11, 1, urgency=Urgency.EXPEDITED),
            rooms=(room("1", closes=at(13.5)),),
            weights=replace(CORE, strict=True, postpone=1, postpone_per_slot=15),
        ),
        problem(
            case("a", "1", 11, 2),
            case("b", None, 11, 1, urgency=Urgency.EXPEDITED),
            rooms=(room("1", closes=at(13.5)),),
            weights=replace(CORE, postpone=1, postpone_per_slot=15),
        ),
    ),
}
"""By rule: a problem in which it binds, and the same day without it (cheaper)."""
