"""Made-up planning problems at a moment of the day, after something went wrong: `generate`.

The planner study's generator, written anew: `generate_day` draws the day, `generate_events` what happened to it,
this module states it as a `PlanProblem`. Two kinds: `core` is the study's model, `full` (`generate_full`) adds
everything else that a problem can hold. Where `core` differs from the study:

- an urgent add-on is never postponed (the study let it, at a price);
- postponing weighs 1.5 times the elective price for the two upper priorities, in the study 1.5 and 2;
- a case that was to begin before the notice is over, and did not, has been told the end of the notice: so no plan
  keeps a start that has passed, and waiting that nobody can change is in no cost.
"""

import re
from datetime import datetime, timedelta
from random import Random

from orloop_common.domain.plan import Interval, Place, Quantiles
from orloop_common.domain.problem import Committed, PlanProblem, ProblemCase, ProblemRoom, Weights
from orloop_common.domain.vocabulary import Urgency

from .generate_day import FIRST, GRID, LAST, Day, Drawn, at, make_day, slots, steps
from .generate_events import EMERGENCY_NOTICE, EVENTS, NOTICE, State, make_state
from .generate_full import enrich

KINDS = ("core", "full")
MOST_ROOMS = 120
CORE_WEIGHTS = Weights(
    delay={Urgency.ELECTIVE: 2, Urgency.EXPEDITED: 3, Urgency.URGENT: 2, Urgency.IMMEDIATE: 2},
    early=1,
    overtime=5,
    room_change=12,
    moved_again=0,
    postpone=150,
    postpone_per_slot=3,
    emergency_wait=10,
    changed=0,
    fairness=8,
)


class GeneratorError(ValueError):
    """An argument of `generate` that makes no problem; 'Expected X, got Y', and a line that starts with 'Maybe'."""


def generate(rooms: int, event: str, seed: int, kind: str = "core", now: str = "10:00") -> PlanProblem:
    """A problem of `rooms` rooms at `now`, right after `event`; the same arguments give the same problem.

    The morning depends on rooms, seed and now alone: only what went wrong differs between events.

    Parameters
    ----------
    rooms
        1 to 120 rooms of one suite.
    event
        One of `EVENTS`: down (rooms), overrun, emergency, staff (missing), storm (all of them), none.
    kind
        `core`, the study's model, or `full`, with every rule and weight.
    now
        HH:MM between 07:30 and 20:00, on the five-minute grid.

    Raises
    ------
    GeneratorError
        If an argument is outside of these.
    """
    if not 1 <= rooms <= MOST_ROOMS:
        raise GeneratorError(f"Expected 1 to {MOST_ROOMS} rooms, got {rooms}.\nMaybe: --rooms 20.")
    if event not in EVENTS:
        raise GeneratorError(f"Expected one of {', '.join(EVENTS)}, got {event!r}.\nMaybe: --event down.")
    if kind not in KINDS:
        raise GeneratorError(f"Expected one of {', '.join(KINDS)}, got {kind!r}.\nMaybe: --kind core.")
    slot = _slot(now)
    draw = Random(f"orloop/{seed}/{rooms}/{slot}")
    state = make_state(make_day(draw, rooms, slot), event)
    problem = _Stating(state).problem()
    if kind == "core":
        return problem
    return enrich(problem, state, Random(f"orloop/full/{seed}/{rooms}/{event}/{slot}"))


def name_of(room: int) -> str:
    """A room's id."""
    return str(room + 1)


def _slot(now: str) -> int:
    found = re.fullmatch(r"(\d\d):(\d\d)", now)
    minutes = (int(found[1]) * 60 + int(found[2]) - 420) if found else -1
    if minutes % 5 or not FIRST * 5 <= minutes <= 780:
        raise GeneratorError(f"Expected HH:MM between 07:30 and 20:00 in steps of 5 min, got {now!r}.\nMaybe: 10:00.")
    return minutes // 5


class _Stating:
    """A state in the problem's words."""

    def __init__(self, state: State) -> None:
        self.state, self.day = state, state.day
        self.notice = self.day.now + NOTICE

    def problem(self) -> PlanProblem:
        state, day = self.state, self.day
        add_ons = [self._emergency(case, f"e{k:03d}") for k, case in enumerate(state.emergencies)]
        add_ons += [self._urgent(case, f"a{k:03d}") for k, case in enumerate(state.urgent)]
        cases = [self._scheduled(case, f"m{k:03d}") for k, case in enumerate(state.movable)]
        return PlanProblem(
            suite="made-up",
            now=at(day.now),
            grid=GRID,
            earliest_start=at(self.notice),
            earliest_emergency=at(day.now + EMERGENCY_NOTICE),
            horizon=at(LAST),
            rooms=tuple(self._room(day, room) for room in range(day.rooms)),
            cases=tuple(cases + add_ons),
            committed=tuple(self._committed()),
            teams=steps(state.teams),
            beds=steps(state.beds),
            weights=CORE_WEIGHTS,
            max_early=timedelta(minutes=60),
            staff={_surgeon(number): f"Surgeon {number + 1}" for number in range(day.surgeon_count)},
        )

    def _room(self, day: Day, room: int) -> ProblemRoom:
        has = (("laminar", day.laminar[room]), ("robot", day.robot[room]))
        return ProblemRoom(
            id=name_of(room),
            services=day.takes[room],
            opens=at(FIRST),
            block_end=at(day.block_end[room]),
            closes=at(LAST),
            capabilities=tuple(capability for capability, there in has if there),
            down=tuple(Interval(start=at(a), end=at(b)) for r, a, b in self.state.down if r == room),
        )

    def _scheduled(self, case: Drawn, name: str) -> ProblemCase:
        place = Place(room=name_of(case.room), start=at(max(case.start, self.notice)))
        return self._case(case, name, place, place, self._latest(case))

    def _latest(self, case: Drawn) -> datetime | None:
        """A quarter have a hard latest end, 18:00 or 20:00, two hours after the planned one at least."""
        end = self.day.draw.choices((LAST, 132, 156), (75, 10, 15))[0]
        end = max(end, min(LAST, max(case.start, self.notice) + case.length + 24))
        return None if end >= LAST else at(end - case.length)

    def _urgent(self, case: Drawn, name: str) -> ProblemCase:
        wanted = Place(room=None, start=at(case.start))
        stated = {"earliest": at(max(self.notice, case.start - 12)), "waiting_since": at(case.arrived)}
        return self._case(case, name, Place(room=None, start=None), wanted, None, Urgency.URGENT, **stated)

    def _emergency(self, case: Drawn, name: str) -> ProblemCase:
        nowhere = Place(room=None, start=None)
        return self._case(case, name, nowhere, nowhere, None, Urgency.IMMEDIATE, waiting_since=at(case.arrived))

    def _case(
        self,
        case: Drawn,
        name: str,
        current: Place,
        scheduled: Place,
        latest: datetime | None,
        urgency: Urgency | None = None,
        **more: datetime,
    ) -> ProblemCase:
        after, until = case.bound
        return ProblemCase(
            id=name,
            version=1,
            service=case.service,
            label=f"{case.service.capitalize()} case {name}",
            urgency=urgency or (Urgency.ELECTIVE if case.weight == 1 else Urgency.EXPEDITED),
            surgeons=(_surgeon(case.surgeon),),
            length=GRID * case.length,
            length_p80=GRID * slots(case.quantile(0.8)),
            setup=GRID * case.setup,
            cleanup=GRID * case.cleanup,
            current=current,
            scheduled=scheduled,
            needs=case.needs,
            latest=latest,
            recovery=GRID * case.recovery,
            add_on=urgency is not None,
            duration=Quantiles(p50=GRID * case.length, p80=_span(case, 0.8), p95=_span(case, 0.95)),
            priority=round(2 * case.weight),
            surgeon_after=GRID * after,
            surgeon_before=GRID * (case.length - until),
            earliest=more.get("earliest"),
            waiting_since=more.get("waiting_since"),
        )

    def _committed(self) -> list[Committed]:
        now, day = self.day.now, self.day
        done = [c for c in day.of("done") if c.ended + max(c.cleanup, c.recovery) > now]
        found = [self._held(case, f"d{k:03d}", "done") for k, case in enumerate(done)]
        found += [self._held(case, f"r{k:03d}", "in_room") for k, case in enumerate(day.of("running"))]
        found += [self._held(case, f"w{k:03d}", "notice") for k, case in enumerate(self.state.frozen)]
        return found

    def _held(self, case: Drawn, name: str, why: str) -> Committed:
        stay = Interval(start=at(case.began), end=at(case.ended))
        lead = min(case.bound[0], case.ended - case.began - 1)
        released = max(case.ended - (case.length - case.bound[1]), case.began + lead + 1)
        remaining = None
        if why == "in_room":
            elapsed, over = 5.0 * (self.day.now - case.began), GRID * case.overrun
            p80, p95 = (GRID * slots(max(5.0, case.quantile(p, elapsed) - elapsed)) + over for p in (0.8, 0.95))
            p50 = GRID * (case.ended - self.day.now)
            remaining = Quantiles(p50=p50, p80=max(p50, p80), p95=max(p50, p95))
        return Committed(
            id=name,
            label=f"{case.service.capitalize()} case {name}",
            room=name_of(case.room),
            occupied=Interval(start=at(case.began - case.setup), end=at(case.ended + case.cleanup)),
            patient=stay,
            surgeons=(_surgeon(case.surgeon),),
            recovery=Interval(start=stay.end, end=at(case.ended + case.recovery)) if case.recovery else None,
            why=why,
            surgeon=Interval(start=at(case.began + lead), end=at(released)),
            remaining=remaining,
            service=case.service,
            contaminated=case.contaminated,
        )


def _surgeon(number: int) -> str:
    return f"S{number + 1:03d}"


def _span(case: Drawn, p: float) -> timedelta:
    return GRID * max(case.length, slots(case.quantile(p)))
