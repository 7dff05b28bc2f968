"""Problems to try the planner on: generated days, made awkward; and the same day with less in the way."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from orloop_common.domain.plan import Place
from orloop_common.domain.problem import Capacity, PlanProblem, ProblemCase, StaffHours, Turnover
from orloop_common.domain.vocabulary import Urgency

from .generate import KINDS, generate
from .generate_events import EVENTS

MINUTE = timedelta(minutes=1)


def draw_problem(seed: int, most_rooms: int = 6) -> PlanProblem:
    """A day of one to `most_rooms` rooms, any event, core or full, and up to three things made awkward."""
    draw = Random(f"verify/{seed}")
    rooms, now = draw.randint(1, most_rooms), draw.choice(("08:00", "09:00", "10:00", "10:00", "14:00", "18:30"))
    problem = generate(rooms, draw.choice(EVENTS), draw.randrange(10**6), draw.choice(KINDS), now)
    for awkward in draw.sample(AWKWARD, draw.randint(0, 3)):
        problem = awkward(problem, draw)
    return problem


def relax(seed: int, problem: PlanProblem) -> PlanProblem:
    """The same problem with something less in the way: every plan stays sound and gets no dearer."""
    draw = Random(f"relax/{seed}")
    for easing in draw.sample(EASINGS, draw.randint(1, 2)):
        problem = easing(problem, draw)
    return problem


# --- awkward -------------------------------------------------------------------------------------------


def off_the_grid(problem: PlanProblem, draw: Random) -> PlanProblem:
    """Published starts and lengths to the minute, as hospitals write them; some count as shorter where they are."""

    def rough(case: ProblemCase) -> ProblemCase:
        current = case.current
        if current.start is not None and current.start > problem.earliest_start:
            current = Place(room=current.room, start=current.start + MINUTE * draw.randint(0, 4))
        slack = MINUTE * draw.choice((0, 0, 3, 5))
        length = max(case.length + MINUTE * draw.randint(-3, 3), case.surgeon_after + case.surgeon_before + 2 * slack)
        return replace(case, current=current, length=max(length, 10 * MINUTE), slack=slack)

    return replace(problem, cases=tuple(rough(case) for case in problem.cases))


def few_teams(problem: PlanProblem, draw: Random) -> PlanProblem:
    return replace(problem, teams=_less(problem.teams, draw))


def few_beds(problem: PlanProblem, draw: Random) -> PlanProblem:
    return replace(problem, beds=_less(problem.beds, draw))


def closing_soon(problem: PlanProblem, draw: Random) -> PlanProblem:
    """A room that closes hours earlier."""
    chosen = draw.randrange(len(problem.rooms))
    rooms = [
        replace(room, closes=max(room.block_end, room.closes - timedelta(hours=draw.randint(1, 6))))
        if number == chosen
        else room
        for number, room in enumerate(problem.rooms)
    ]
    return replace(problem, rooms=tuple(rooms))


def hard_ends(problem: PlanProblem, draw: Random) -> PlanProblem:
    """Latest starts for a third of the cases."""
    cases = [
        replace(case, latest=case.current.start + timedelta(minutes=30 * draw.randint(0, 6)))
        if case.current.start is not None and draw.random() < 0.33
        else case
        for case in problem.cases
    ]
    return replace(problem, cases=tuple(cases))


def other_classes(problem: PlanProblem, draw: Random) -> PlanProblem:
    """Urgencies and prices drawn anew; emergencies stay rare."""
    classes = (Urgency.ELECTIVE,) * 5 + (Urgency.EXPEDITED,) * 4 + (Urgency.URGENT,)
    cases = [
        case if case.urgency is Urgency.IMMEDIATE else replace(case, urgency=draw.choice(classes), priority=None)
        for case in problem.cases
    ]
    return replace(problem, cases=tuple(cases))


def one_cleaning_team(problem: PlanProblem, draw: Random) -> PlanProblem:
    day = (problem.now - timedelta(hours=12), problem.horizon + timedelta(hours=12))
    return replace(problem, cleaning=(Capacity(start=day[0], end=day[1], count=draw.randint(1, 2)),))


def long_turnovers(problem: PlanProblem, draw: Random) -> PlanProblem:
    cases = [replace(case, contaminated=draw.random() < 0.3, latex=draw.random() < 0.2) for case in problem.cases]
    times = Turnover(service_change=5 * MINUTE, after_contaminated=15 * MINUTE, before_latex=10 * MINUTE)
    return replace(problem, cases=tuple(cases), turnover=times)


def surgeons_leave(problem: PlanProblem, draw: Random) -> PlanProblem:
    surgeons = sorted({surgeon for case in problem.cases for surgeon in case.surgeons})
    hours = {s: StaffHours(until=_local(problem.now, draw.randint(14, 20))) for s in surgeons if draw.random() < 0.4}
    return replace(problem, hours={**problem.hours, **hours})


AWKWARD: list[Callable[[PlanProblem, Random], PlanProblem]] = [
    off_the_grid,
    few_teams,
    few_beds,
    closing_soon,
    hard_ends,
    other_classes,
    one_cleaning_team,
    long_turnovers,
    surgeons_leave,
]


# --- easier --------------------------------------------------------------------------------------------


def more_teams(problem: PlanProblem, draw: Random) -> PlanProblem:
    return replace(problem, teams=_more(problem.teams))


def more_beds(problem: PlanProblem, draw: Random) -> PlanProblem:
    return replace(problem, beds=_more(problem.beds))


def more_of_everything(problem: PlanProblem, draw: Random) -> PlanProblem:
    return replace(
        problem,
        cleaning=_more(problem.cleaning),
        equipment={name: _more(steps) for name, steps in problem.equipment.items()},
        skills={name: _more(steps) for name, steps in problem.skills.items()},
        units={name: _more(steps) for name, steps in problem.units.items()},
    )


def open_longer(problem: PlanProblem, draw: Random) -> PlanProblem:
    """Closing times an hour later; block ends, which are prices, stay."""
    rooms = tuple(replace(room, closes=room.closes + timedelta(hours=1)) for room in problem.rooms)
    return replace(problem, rooms=rooms)


def nothing_down(problem: PlanProblem, draw: Random) -> PlanProblem:
    return replace(problem, rooms=tuple(replace(room, down=()) for room in problem.rooms))


def surgeons_stay(problem: PlanProblem, draw: Random) -> PlanProblem:
    return replace(problem, hours={})


def rooms_take_all(problem: PlanProblem, draw: Random) -> PlanProblem:
    services = tuple(sorted({case.service for case in problem.cases}))
    rooms = tuple(replace(room, services=tuple(sorted({*room.services, *services}))) for room in problem.rooms)
    return replace(problem, rooms=rooms)


EASINGS: list[Callable[[PlanProblem, Random], PlanProblem]] = [
    more_teams,
    more_beds,
    more_of_everything,
    open_longer,
    nothing_down,
    surgeons_stay,
    rooms_take_all,
]


def _less(steps: tuple[Capacity, ...], draw: Random) -> tuple[Capacity, ...]:
    return tuple(replace(step, count=max(0, step.count - draw.randint(0, 1))) for step in steps)


def _more(steps: tuple[Capacity, ...]) -> tuple[Capacity, ...]:
    return tuple(replace(step, count=step.count + 1) for step in steps)


def _local(now: datetime, hour: int) -> datetime:
    return now.replace(hour=hour, minute=0)
