"""What the bench's storm tells, and how it judges what left."""

import zlib
from base64 import b64encode
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from orloop_cli import benchstorm
from orloop_common.domain import events as e
from orloop_common.domain.building import build_problem
from orloop_common.domain.derived import Proposal
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.triggers import triggers_of
from orloop_common.messages import PLAN_PROPOSALS, SUITE_EVENTS, to_json
from orloop_common.testing import suite as small

LAYOUT = small.small_layout()
BEGAN = small.clock("10:00")


@dataclass(frozen=True)
class Lying:
    """A record as it lies on a topic."""

    topic: str
    given: Any
    received: datetime
    offset: int
    suite: str = "main"

    def message(self) -> Any:
        return self.given


def morning() -> list[e.Event]:
    return [
        small.tick("07:00"),
        small.booked("hip", "1", "12:00"),
        small.booked("knee", "2", "12:00"),
        small.tick("10:00"),
    ]


def proposed() -> Proposal:
    """Hip goes to room 3."""
    given = small.proposal(
        "p", "10:00", small.alternative("a", small.change("hip", ("1", "12:00"), ("3", "12:00"))), decide_by="10:15"
    )
    problem = build_problem(small.day_after(*morning()), {}, LAYOUT)
    return replace(given, problem=b64encode(zlib.compress(to_json(problem))).decode())


def judged(*later: tuple[float, Any]) -> benchstorm.Told:
    """The morning, then messages so many seconds after the storm began, for ten seconds."""
    lying = [Lying(SUITE_EVENTS, event, BEGAN - timedelta(minutes=1), n) for n, event in enumerate(morning())]
    for n, (seconds, message) in enumerate(later, start=len(lying)):
        topic = PLAN_PROPOSALS if isinstance(message, Proposal) else SUITE_EVENTS
        lying.append(Lying(topic, message, BEGAN + timedelta(seconds=seconds), n))
    until = BEGAN + timedelta(seconds=10)
    return benchstorm.judged(lying, LAYOUT, SuiteDay(suite="main"), BEGAN, until)  # type: ignore[arg-type]


def down(room: str) -> e.RoomWentDown:
    return e.RoomWentDown(id=f"down-{room}", suite="main", at=small.clock("10:00"), room=room, cause="air")


def test_pauses_are_between_answers_that_held_and_up_to_the_end() -> None:
    told = judged((1.0, proposed()), (4.5, small.proposal("q", "10:00")))
    assert (told.answers, told.proposals, told.invalid) == (2, 1, 0)
    assert told.pauses == [1.0, 3.5, 5.5]


def test_an_answer_that_no_longer_held_when_it_was_written_counts_as_none() -> None:
    told = judged((1.0, down("3")), (2.0, proposed()))
    assert (told.invalid, told.pauses) == (1, [10.0])


def test_what_came_while_an_answer_was_being_written_cannot_be_in_it() -> None:
    assert judged((1.99, down("3")), (2.0, proposed())).invalid == 0


def test_an_answer_that_an_earlier_proposal_still_stands_is_judged_by_that_proposal() -> None:
    stands = replace(small.proposal("q", "10:00"), reason="The open proposal still stands.")
    assert judged((1.0, proposed()), (2.0, down("3")), (3.0, stands)).invalid == 1
    assert judged((1.0, proposed()), (3.0, stands)).invalid == 0


def test_every_event_of_the_storm_is_a_trigger() -> None:
    day, moment = small.day_after(*morning()), BEGAN
    for make in islice(benchstorm.triggers(LAYOUT), 30):
        moment += timedelta(seconds=2)
        event = make(moment)
        after = day.apply(event)
        assert triggers_of(day, event, after, LAYOUT) is not None, event
        day = after
