"""Problems and plans in few words: cases, rooms and places by the clock of one day."""

from datetime import UTC, datetime, timedelta
from typing import Any

from orloop_common.domain.checker import check, with_changes
from orloop_common.domain.cost import DEFAULT_WEIGHTS
from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import Committed, PlanProblem, ProblemCase, ProblemRoom
from orloop_common.domain.vocabulary import Urgency

DAY = datetime(2026, 3, 2, tzinfo=UTC)


def at(clock: str) -> datetime:
    hours, minutes = clock.split(":")
    return DAY + timedelta(hours=int(hours), minutes=int(minutes))


def minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


def room(name: str, **more: Any) -> ProblemRoom:
    fields: dict[str, Any] = {
        "id": name,
        "services": ("urology",),
        "opens": at("07:30"),
        "block_end": at("15:30"),
        "closes": at("19:00"),
    }
    return ProblemRoom(**{**fields, **more})


def case(name: str, place: tuple[str, str] | None, **more: Any) -> ProblemCase:
    here = Place(room=place[0], start=at(place[1])) if place else Place(room=None, start=None)
    fields: dict[str, Any] = {
        "id": name,
        "version": 1,
        "service": "urology",
        "label": name.capitalize(),
        "urgency": Urgency.ELECTIVE,
        "surgeons": (f"surgeon of {name}",),
        "length": minutes(60),
        "length_p80": minutes(75),
        "setup": minutes(15),
        "cleanup": minutes(20),
        "current": here,
        "scheduled": here,
    }
    return ProblemCase(**{**fields, **more})


def running(name: str, where: str, until: str, **more: Any) -> Committed:
    fields: dict[str, Any] = {
        "id": name,
        "label": name.capitalize(),
        "room": where,
        "occupied": Interval(start=at("08:00"), end=at(until) + minutes(20)),
        "patient": Interval(start=at("08:15"), end=at(until)),
        "surgeons": (f"surgeon of {name}",),
    }
    return Committed(**{**fields, **more})


def problem(*cases: ProblemCase, **more: Any) -> PlanProblem:
    fields: dict[str, Any] = {
        "suite": "main",
        "now": at("10:00"),
        "grid": minutes(5),
        "earliest_start": at("10:30"),
        "horizon": at("19:00"),
        "rooms": (room("3"), room("8")),
        "cases": cases,
        "committed": (),
        "teams": (),
        "beds": (),
        "weights": DEFAULT_WEIGHTS,
        "staff": {"O": "Okafor", "M": "Dr Marino"},
    }
    return PlanProblem(**{**fields, **more})


def broken(problem: PlanProblem, **places: tuple[str, str] | None) -> list[tuple[str, str]]:
    """Rules and sentences that break if these cases are placed so and all others stay."""
    plan = with_changes(problem, ())
    for name, place in places.items():
        plan[name] = Place(room=place[0], start=at(place[1])) if place else Place(room=None, start=None)
    return [(b.rule, b.sentence) for b in check(problem, plan)]


KIDNEY = case("nephrectomy", ("3", "11:00"))
STONE = case("ureteroscopy", ("3", "13:00"))
