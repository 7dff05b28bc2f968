"""Back-ups: what would be done if a room went down now, or an emergency came, worked out before it happens."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from orloop_common.domain.checker import check
from orloop_common.domain.derived import Alternative, Trigger
from orloop_common.domain.digest import digest
from orloop_common.domain.plan import Assignment, Interval, Place
from orloop_common.domain.problem import PlanProblem, ProblemCase, ProblemRoom
from orloop_common.domain.vocabulary import Urgency

EMERGENCY = "emergency"
NOWHERE = Place(room=None, start=None)
_LENGTH, _SETUP, _CLEANUP, _RECOVERY = (timedelta(minutes=m) for m in (90, 15, 20, 60))


@dataclass(frozen=True, slots=True)
class Contingency:
    """Something that may happen: its key, what it is in words, and the problem that there would be then."""

    key: str
    sentence: str
    problem: PlanProblem


@dataclass(frozen=True, slots=True)
class Backup:
    """What would be done: the recommended alternative for a contingency, as of an offset of the suite's log."""

    key: str
    sentence: str
    as_of: int
    alternative: Alternative


def contingencies(problem: PlanProblem) -> tuple[Contingency, ...]:
    """Each room in use goes down for the rest of the day, those with most to lose first; an emergency comes."""
    waiting: dict[str, int] = {room.id: 0 for room in problem.rooms}
    for case in problem.cases:
        if case.current.room in waiting:
            waiting[case.current.room] += 1
    rooms = sorted((room for room in problem.rooms if waiting[room.id]), key=lambda r: (-waiting[r.id], r.id))
    return (_emergency(problem), *(_room_down(problem, room) for room in rooms if not _is_down(problem, room)))


def happening(key: str, problem: PlanProblem) -> Contingency | None:
    """The contingency of a key as it would be now; None if it can no longer be."""
    return next((one for one in contingencies(problem) if one.key == key), None)


def keys_of(triggers: Iterable[Trigger]) -> Iterator[str]:
    """The contingencies that have come about, newest first; an add-on without a room may be an emergency."""
    for trigger in sorted(triggers, key=lambda t: (t.at, t.event), reverse=True):
        if trigger.type == "RoomWentDown" and trigger.room:
            yield _key(trigger.room)
        elif trigger.type == "CaseScheduled" and trigger.room is None:
            yield EMERGENCY


def start_from(backup: Backup, problem: PlanProblem) -> tuple[Assignment, ...]:
    """The back-up's plan for the cases that there are now; who was not thought of has the emergency's place, if any.

    A plan to begin a search from: it may break rules by now.
    """
    planned = {a.case: a.place for a in backup.alternative.plan}
    return tuple(
        Assignment(case=case.id, place=planned.get(case.id, _unthought(case, planned))) for case in problem.cases
    )


def holds(backup: Backup, problem: PlanProblem) -> bool:
    """Whether the back-up could be carried out if it were needed now: the checker's word, on the newest state."""
    now = happening(backup.key, problem)
    if now is None:
        return False
    plan = {a.case: a.place for a in start_from(backup, now.problem)}
    thought_of = {a.case for a in backup.alternative.plan}
    return thought_of >= {case.id for case in now.problem.cases} and not check(now.problem, plan)


def state_key(problem: PlanProblem) -> str:
    """Names what a back-up depends on, apart from the time: the same key, the same back-ups."""
    cases = [(case.id, case.version, digest(case.current)) for case in problem.cases]
    return digest(
        [cases, [(held.id, held.room, held.why) for held in problem.committed], [r.down for r in problem.rooms]]
    )


def _unthought(case: ProblemCase, planned: Mapping[str, Place]) -> Place:
    return planned.get(EMERGENCY, NOWHERE) if case.current.room is None else case.current


def _is_down(problem: PlanProblem, room: ProblemRoom) -> bool:
    return any(down.start <= problem.now and down.end >= room.closes for down in room.down)


def _key(room: str) -> str:
    return f"room-down/{room}"


def _room_down(problem: PlanProblem, room: ProblemRoom) -> Contingency:
    end = max(room.closes, problem.now + problem.grid)
    gone = replace(room, down=(*room.down, Interval(start=problem.now, end=end)))
    rooms = tuple(gone if one.id == room.id else one for one in problem.rooms)
    return Contingency(_key(room.id), f"Room {room.id} goes down now", replace(problem, rooms=rooms))


def _emergency(problem: PlanProblem) -> Contingency:
    """An immediate case of the service that most rooms take."""
    takers: dict[str, int] = {}
    for room in problem.rooms:
        for service in room.services:
            takers[service] = takers.get(service, 0) + 1
    service = max(sorted(takers), key=lambda s: takers[s], default="")
    case = ProblemCase(
        id=EMERGENCY,
        version=1,
        service=service,
        label="emergency",
        urgency=Urgency.IMMEDIATE,
        surgeons=(),
        length=_LENGTH,
        length_p80=_LENGTH,
        setup=_SETUP,
        cleanup=_CLEANUP,
        current=NOWHERE,
        scheduled=NOWHERE,
        recovery=_RECOVERY,
        waiting_since=problem.now,
        add_on=True,
    )
    cases = tuple(sorted((*problem.cases, case), key=lambda c: c.id))
    return Contingency(EMERGENCY, "An emergency comes now", replace(problem, cases=cases))
