"""The checker once more on the newest fold: facts move the log on, drift does not."""

import time
import zlib
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orloop_common.domain import events as e
from orloop_common.domain.building import build_problem
from orloop_common.domain.derived import CaseForecast, Proposal
from orloop_common.domain.plan import Quantiles
from orloop_common.domain.vocabulary import Milestone, Mode, Verdict
from orloop_common.messages import to_json
from orloop_common.testing.suite import (
    HOUR,
    alternative,
    booked,
    change,
    clock,
    day_after,
    forecast,
    milestone,
    proposal,
    small_layout,
    tick,
)
from orloop_gate.domain.decide import Open, Withhold, judge
from orloop_gate.domain.recheck import recheck
from orloop_gate.domain.sight import Sight

LAYOUT = small_layout()
DAY = (
    booked("hip", "1", "10:30"),
    booked("knee", "3", "08:30"),
    booked("ear", "2", "13:00"),
    milestone("knee", Milestone.PATIENT_IN_ROOM, "08:30", "3"),
    tick("09:00"),
)


def remaining(minutes: int, at: str = "09:00") -> CaseForecast:
    span = timedelta(minutes=minutes)
    left = Quantiles(p50=span, p80=span, p95=span)
    return replace(forecast("knee", at=at), stage="in_room", remaining=left)


def sight(*events: e.Event, knee: int = 30, at: str = "09:00") -> Sight:
    day = day_after(*DAY, *events)
    assert day.now
    return Sight(
        day=day,
        layout=LAYOUT,
        now=day.now,
        mode=Mode.ADVISORY,
        tick_age=timedelta(0),
        tick_limit=timedelta(seconds=10),
        forecasts={"hip": forecast("hip"), "ear": forecast("ear"), "knee": remaining(knee, at)},
    )


def proposed(*changes: Any) -> Proposal:
    """A proposal with the problem it was made for."""
    seen = sight()
    problem = build_problem(seen.day, seen.forecasts, LAYOUT, LAYOUT.decide_within)
    packed = b64encode(zlib.compress(to_json(problem))).decode()
    return replace(proposal("p1", "09:00", alternative("a", *changes)), problem=packed)


# the patient in OR 3 is out at 09:30 and the room clean at 09:50: 10:05 is the first free start
TIGHT = proposed(change("hip", ("1", "10:30"), ("3", "10:05")))


def broken(seen: Sight, one: Proposal = TIGHT) -> list[str]:
    return [b.rule for b in recheck(seen, one, one.alternatives[0])]


def test_an_alternative_that_still_holds_breaks_nothing() -> None:
    assert broken(sight()) == []
    assert broken(sight(tick("09:10"), knee=20, at="09:10")) == []


def test_a_drift_below_the_materiality_does_not_move_the_log_on() -> None:
    assert broken(sight(knee=40)) == []


def test_an_overrun_past_the_materiality_moves_the_log_on() -> None:
    assert broken(sight(knee=46)) == ["room-one-patient"]


def test_a_target_room_that_went_down_moves_the_log_on() -> None:
    down = e.RoomWentDown(id="d", suite="main", at=clock("09:01"), room="3", cause="flood")
    assert "room-usable" in broken(sight(down))


def test_a_case_that_the_hospital_changed_moves_the_log_on() -> None:
    assert broken(sight(booked("hip", "1", "10:45", version=2))) == ["version-unchanged"]


def test_a_case_that_was_cancelled_moves_the_log_on() -> None:
    gone = e.CaseCancelled(id="x", suite="main", at=clock("09:01"), case="hip", version=2)
    assert broken(sight(gone)) == ["case-open"]


def test_a_patient_who_is_in_the_room_moves_the_log_on() -> None:
    assert broken(sight(milestone("hip", Milestone.PATIENT_IN_ROOM, "09:01", "1"))) == ["not-started"]


def test_a_patient_who_was_called_moves_the_log_on() -> None:
    assert broken(sight(milestone("hip", Milestone.PATIENT_IN_PREOP, "09:01"))) == ["frozen-window"]


def test_a_case_with_a_change_under_way_moves_the_log_on() -> None:
    earlier = e.PlanDecided(
        id="d",
        suite="main",
        at=clock("09:00"),
        proposal="p0",
        verdict=Verdict.APPROVED,
        based_on=0,
        decided_by="x",
        changes=(change("hip", ("1", "10:30"), ("2", "10:30")),),
    )
    assert "one-change-at-a-time" in broken(sight(earlier))


def test_a_new_case_in_the_target_slot_moves_the_log_on() -> None:
    assert broken(sight(booked("toe", "3", "10:30"))) == ["room-one-patient"]


def test_a_new_case_elsewhere_does_not_matter() -> None:
    assert broken(sight(booked("toe", "2", "15:00"))) == []


def test_an_approval_that_comes_too_late_for_the_notice_moves_the_log_on() -> None:
    early = proposed(change("hip", ("1", "10:30"), ("2", "10:05")))
    assert broken(sight(tick("09:35")), early) == []
    assert broken(sight(tick("09:40")), early) == ["frozen-window"]


def test_changes_that_have_become_much_dearer_are_refused_and_a_little_dearer_are_not() -> None:
    late = proposed(change("hip", ("1", "10:30"), ("3", "14:05")))
    seen = sight()

    def lasting(minutes: int) -> Sight:
        span = timedelta(minutes=minutes)
        longer = replace(forecast("hip"), duration=Quantiles(p50=span, p80=span, p95=span))
        return replace(seen, forecasts={**seen.forecasts, "hip": longer})

    assert broken(lasting(60), late) == []
    assert broken(lasting(85), late) == [], "25 minutes past block end"
    assert broken(lasting(120), late) == ["cost-changed"]
    (told,) = recheck(lasting(120), late, late.alternatives[0])
    assert told.sentence == "The changes have become dearer, by the worth of 49 min of overtime."


def test_a_recheck_of_forty_rooms_takes_less_than_50_ms() -> None:
    rooms = tuple(str(number) for number in range(1, 41))
    layout = small_layout(rooms=rooms)
    starts = ("08:00", "11:00", "12:40", "14:20")
    cases = [booked(f"{room}-{at}", room, at) for room in rooms for at in starts]
    inside = [milestone(f"{room}-08:00", Milestone.PATIENT_IN_ROOM, "08:00", room) for room in rooms]
    day = day_after(*cases, *inside, tick("09:00"))
    seen = replace(sight(), day=day, layout=layout, forecasts={c.case: forecast(c.case) for c in cases})
    moves = [change(f"{room}-14:20", (room, "14:20"), (room, "14:40")) for room in rooms]
    problem = build_problem(day, seen.forecasts, layout, layout.decide_within)
    packed = b64encode(zlib.compress(to_json(problem))).decode()
    one = replace(proposal("p1", "09:00", alternative("a", *moves)), problem=packed)
    assert len(problem.cases) >= 110
    spent = []
    for _ in range(5):
        begun = time.process_time()
        assert broken(seen, one) == []
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.05, spent


def test_the_recommended_alternative_decides_and_the_others_are_closed_one_by_one() -> None:
    good, bad = change("hip", ("1", "10:30"), ("3", "10:05")), change("hip", ("1", "10:30"), ("2", "12:30"))
    both = replace(TIGHT, alternatives=(alternative("a", good), alternative("b", bad)))
    judged = judge(sight(), both, recheck)
    assert isinstance(judged, Open)
    assert list(judged.closed) == ["b"]
    turned = replace(TIGHT, alternatives=(alternative("b", bad), alternative("a", good)))
    refused = judge(sight(), turned, recheck)
    assert isinstance(refused, Withhold)
    assert refused.final
    assert refused.sentences[0].startswith("Things have moved on since this was proposed: ")


@pytest.mark.parametrize("problem", ["%%%", "AAAA", b64encode(zlib.compress(b"{}")).decode()])
def test_a_proposal_whose_problem_cannot_be_read_is_withheld_and_stops_nothing_else(problem: str) -> None:
    assert broken(sight(), replace(TIGHT, problem=problem)) == ["problem-unreadable"]


def test_before_the_first_tick_nothing_can_be_rechecked_and_the_clock_withholds() -> None:
    day = day_after(booked("hip", "1", "10:30"))
    seen = replace(sight(), day=day, tick_age=None)
    judged = judge(seen, TIGHT, recheck)
    assert isinstance(judged, Withhold)
    assert not judged.final
    assert timedelta(hours=1) == HOUR
