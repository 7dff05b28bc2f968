"""What the launcher tells of a day: seconds to proposal and application, and why a plan was not applied."""

from datetime import UTC, datetime, timedelta

import pytest

from orloop_cli.story import Line, SuiteStory
from orloop_common.domain.derived import Alternative, GateStatus, Price, Proposal, Trigger
from orloop_common.domain.events import CaseScheduled, ChangeAnswered, PlanDecided, RoomWentDown
from orloop_common.domain.plan import Change, Place
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import ChangeAnswer, Mode, Verdict

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
SENT = datetime(2026, 11, 1, 12, tzinfo=UTC)  # wall time
HOUR = timedelta(hours=1)


def wall(seconds: float) -> datetime:
    return SENT + timedelta(seconds=seconds)


def scheduled(version: int, room: str, start: datetime) -> CaseScheduled:
    return CaseScheduled(
        id=f"hip/{version}",
        suite="main",
        at=NINE,
        case="hip",
        version=version,
        service="orthopaedics",
        procedures=(),
        surgeons=(),
        room=room,
        start=start,
        booked=HOUR,
    )


CHANGE = Change(
    case="hip",
    version=1,
    origin=Place(room="3", start=NINE + HOUR),
    target=Place(room="5", start=NINE + 2 * HOUR),
    length=HOUR,
)
DOWN = RoomWentDown(id="down", suite="main", at=NINE, room="3", cause="ventilation")
FREE = Price(
    patients_waiting=timedelta(0),
    surgeons_idle=timedelta(0),
    staff_overtime=timedelta(0),
    postponed=0,
    rooms_changed=1,
)
BEST = Alternative(id="a1", kind="lowest_cost", title="t", summary="s", changes=(CHANGE,), plan=(), cost=1, price=FREE)


def proposal(answer: str = "proposal") -> Proposal:
    trigger = Trigger(event="down", type="RoomWentDown", at=NINE, sentence="Room 3 is down", room="3")
    return Proposal(
        suite="main",
        as_of=3,
        at=NINE,
        id="p1",
        answer=answer,
        triggers=(trigger,),
        headline="Move the hip",
        reason="nothing better",
        alternatives=(BEST,) if answer == "proposal" else (),
    )


def decided(verdict: Verdict = Verdict.APPROVED) -> PlanDecided:
    return PlanDecided(
        id="p1/decided",
        suite="main",
        at=NINE,
        proposal="p1",
        verdict=verdict,
        based_on=3,
        decided_by="demo",
        changes=(CHANGE,) if verdict is Verdict.APPROVED else (),
    )


@pytest.fixture
def story() -> SuiteStory:
    story = SuiteStory("main", SuiteDay(suite="main"))
    list(story.event(scheduled(1, "3", NINE + HOUR), wall(0)))
    list(story.event(DOWN, wall(10)))
    return story


def test_seconds_are_told_from_the_trigger_to_its_proposal_and_to_its_application(story: SuiteStory) -> None:
    [proposed] = story.proposal(proposal(), wall(12.5))
    assert (proposed.kind, proposed.seconds) == ("proposal", 2.5)
    assert story.answered_room_down() is None
    list(story.event(decided(), wall(14)))
    assert story.answered_room_down() is None
    lines: list[Line] = list(story.event(scheduled(2, "5", NINE + 2 * HOUR), wall(17)))
    assert [(line.kind, line.seconds) for line in lines] == [("applied", 7.0)]
    assert story.answered_room_down() == "p1"


def test_a_plan_that_the_hospital_refused_is_not_applied_and_says_so(story: SuiteStory) -> None:
    list(story.proposal(proposal(), wall(12)))
    list(story.event(decided(), wall(14)))
    refused = ChangeAnswered(
        id="no", suite="main", at=NINE, proposal="p1", case="hip", answer=ChangeAnswer.REFUSED, message="m"
    )
    [line] = story.event(refused, wall(15))
    assert line.text == "0 of 1 changes applied (refused)"
    assert story.answered_room_down() is None
    assert story.why_not() == "room 3 went down at 09:00, 0 of 1 changes were applied, the rest: refused"


def test_a_proposal_waits_until_it_is_decided(story: SuiteStory) -> None:
    list(story.proposal(proposal(), wall(12)))
    assert story.open_proposal is None
    open_ = GateStatus(suite="main", as_of=3, at=NINE, mode=Mode.ADVISORY, open_proposal="p1")
    list(story.status(open_))
    assert story.open_proposal == proposal()
    list(story.event(decided(Verdict.REJECTED), wall(14)))
    assert story.open_proposal is None
    assert story.why_not() == "room 3 went down at 09:00, and no plan that moves a case out of it was approved"


def test_why_not_names_the_first_thing_that_is_missing(story: SuiteStory) -> None:
    assert SuiteStory("main", SuiteDay(suite="main")).why_not() == "no room went down"
    assert story.why_not() == "room 3 went down at 09:00, and no proposal answered it"
    list(story.proposal(proposal("no_change"), wall(12)))
    assert story.why_not() == "room 3 went down at 09:00, and was answered: nothing better"
    withheld = GateStatus(
        suite="main", as_of=3, at=NINE, mode=Mode.ADVISORY, withheld="p1", withheld_because=("The feed is silent.",)
    )
    assert [line.text for line in story.status(withheld)] == ["the gate withholds: The feed is silent."]
    assert story.why_not() == "room 3 went down at 09:00, but the gate withholds: The feed is silent."
