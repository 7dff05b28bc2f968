"""Each stop condition, and the sentence that a charge nurse reads."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orloop_common.domain import events as e
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.vocabulary import CauseClass, Milestone, Mode, Verdict
from orloop_common.testing.suite import (
    SEVEN,
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
from orloop_gate.domain.decide import Open, Withhold, doubted_case, judge
from orloop_gate.domain.sight import Heard, Limits, Sight
from orloop_gate.domain.stops import (
    downstream_congestion,
    low_confidence,
    mode,
    silent_feed,
    stale_forecasts,
    stale_ticks,
)
from orloop_gate.domain.suite import SuiteView

MOVE = change("hip", ("1", "10:30"), ("3", "11:00"))
PROPOSAL = proposal("p1", "09:00", alternative("a", MOVE))
DAY = (booked("hip", "1", "10:30"), booked("knee", "3", "08:30"), tick("09:00"))


def sight(*events: e.Event, **more: Any) -> Sight:
    day = day_after(*DAY, *events)
    base: dict[str, Any] = {
        "day": day,
        "layout": small_layout(),
        "now": day.now,
        "mode": Mode.ADVISORY,
        "tick_age": timedelta(seconds=1),
        "tick_limit": timedelta(seconds=10),
        "forecasts": {"hip": forecast("hip"), "knee": forecast("knee")},
    }
    return Sight(**base | more)


def approved(*cases: str, at: str = "09:00") -> e.PlanDecided:
    moves = tuple(change(case, ("1", "10:30"), ("2", "13:00")) for case in cases)
    return e.PlanDecided(
        id="d",
        suite="main",
        at=clock(at),
        proposal="p0",
        verdict=Verdict.APPROVED,
        based_on=0,
        decided_by="x",
        changes=moves,
    )


def test_with_everything_in_order_people_see_the_proposal() -> None:
    assert judge(sight(), PROPOSAL, lambda *_: ()) == Open()


def test_a_clock_that_stands_still_withholds() -> None:
    stop = stale_ticks(sight(tick_age=timedelta(seconds=11)))
    assert stop
    assert stop.cause is CauseClass.PROCESS
    assert stop.sentence == "The suite's clock has stopped at 09:00: what you see may be out of date."
    assert stale_ticks(sight(tick_age=timedelta(seconds=10))) is None


def test_a_clock_that_never_started_withholds() -> None:
    stop = stale_ticks(sight(tick_age=None))
    assert stop
    assert stop.sentence == "The suite's clock has not started yet, so nothing can be judged."


def test_a_silent_feed_withholds_until_it_returns() -> None:
    silent = e.FeedWentSilent(id="s", suite="main", at=clock("09:00"), source="EPIC", since=clock("08:40"))
    stop = silent_feed(sight(silent))
    assert stop
    assert stop.cause is CauseClass.DATA
    assert stop.sentence == "Nothing has come from EPIC since 08:40: cases may have moved unseen."
    assert silent_feed(sight(silent, e.FeedReturned(id="r", suite="main", at=clock("09:01"), source="EPIC"))) is None


def test_changes_that_the_hospital_does_not_answer_withhold() -> None:
    stop = downstream_congestion(sight(approved("hip"), tick("09:21")))
    assert stop
    assert stop.cause is CauseClass.DOWNSTREAM
    assert stop.sentence == (
        "1 approved change has not come back from the hospital's system since 09:00: "
        "settle these first, a new plan would build on them."
    )
    assert downstream_congestion(sight(approved("hip"), tick("09:20"))) is None


def test_what_was_never_entered_yesterday_does_not_withhold_today() -> None:
    seen = sight(approved("hip"))
    assert downstream_congestion(replace(seen, now=clock("09:00") + timedelta(days=1))) is None


def test_many_changes_under_way_withhold() -> None:
    cases = [f"c{n}" for n in range(26)]
    events = [booked(case, "1", "10:30") for case in cases]
    stop = downstream_congestion(sight(*events, approved(*cases)))
    assert stop
    assert stop.sentence == "26 approved changes are still on their way into the hospital's system: wait for them."
    assert downstream_congestion(sight(*events, approved(*cases[:25]))) is None


def test_a_forecast_older_than_what_is_known_of_the_case_withholds_after_a_while() -> None:
    behind = {"hip": forecast("hip", as_of=5), "knee": forecast("knee")}
    heard = {"hip": Heard(as_of=7, at=clock("08:49"))}
    stop = stale_forecasts(sight(forecasts=behind, heard=heard), PROPOSAL)
    assert stop
    assert stop.cause is CauseClass.MODEL
    assert stop.sentence == (
        "The forecast is out of date for Hip repair (OR 1, 10:30): the times in this proposal may be wrong."
    )
    assert stop.since == clock("08:49")
    fresh = {"hip": Heard(as_of=7, at=clock("08:50"))}
    assert stale_forecasts(sight(forecasts=behind, heard=fresh), PROPOSAL) is None
    assert stale_forecasts(sight(forecasts={"hip": forecast("hip", as_of=7)}, heard=heard), PROPOSAL) is None


def test_a_case_without_a_forecast_withholds() -> None:
    stop = stale_forecasts(sight(forecasts={}), PROPOSAL)
    assert stop
    assert "Hip repair (OR 1, 10:30)" in stop.sentence


def test_an_old_remaining_time_of_the_patient_in_the_room_that_a_case_goes_to_withholds() -> None:
    inside = milestone("knee", Milestone.PATIENT_IN_ROOM, "08:30", "3")
    seen = sight(inside, forecasts={"hip": forecast("hip"), "knee": forecast("knee", at="08:44")})
    stop = stale_forecasts(seen, PROPOSAL)
    assert stop
    assert "the patient now in OR 3" in stop.sentence
    fresh = sight(inside, forecasts={"hip": forecast("hip"), "knee": forecast("knee", at="08:45")})
    assert stale_forecasts(fresh, PROPOSAL) is None


def test_too_many_uncertain_forecasts_withhold() -> None:
    stop = low_confidence(sight(forecasts={"hip": forecast("hip", low=True)}), PROPOSAL)
    assert stop
    assert stop.cause is CauseClass.MODEL
    assert stop.sentence == (
        "Too little is known of how long Hip repair (OR 1, 10:30) will take: judge this one by your own experience."
    )


def test_one_uncertain_forecast_among_many_does_not_withhold() -> None:
    moves = [change(case, ("1", "10:30"), ("2", "13:00")) for case in ("hip", "ear", "toe")]
    forecasts = {c: forecast(c, low=c == "ear") for c in ("hip", "ear", "toe")}
    assert low_confidence(sight(forecasts=forecasts), proposal("p", "09:00", alternative("a", *moves))) is None


def test_a_doubted_case_withholds_for_good() -> None:
    doubt = e.CaseDoubted(id="q", suite="main", at=clock("09:00"), case="hip", reason="unknown room")
    seen = sight(doubt)
    stop = doubted_case(seen, PROPOSAL.alternatives[0])
    assert stop
    assert stop.cause is CauseClass.DATA
    assert stop.sentence == (
        "What is known of Hip repair (OR 1, 10:30) may be wrong: a message about it could not be read. "
        "Look it up first."
    )
    judged = judge(seen, PROPOSAL, lambda *_: ())
    assert isinstance(judged, Withhold)
    assert judged.final


def test_a_doubt_that_was_mended_does_not_withhold() -> None:
    doubt = e.CaseDoubted(id="q", suite="main", at=clock("09:00"), case="hip", reason="unknown room")
    mended = replace(doubt, id="m", withdrawn=True)
    assert doubted_case(sight(doubt), PROPOSAL.alternatives[0]) is not None
    assert doubted_case(sight(doubt, mended), PROPOSAL.alternatives[0]) is None


def test_a_doubt_about_a_case_that_stays_where_it_is_does_not_withhold() -> None:
    doubt = e.CaseDoubted(id="q", suite="main", at=clock("09:00"), case="knee", reason="unknown room")
    assert judge(sight(doubt), PROPOSAL, lambda *_: ()) == Open()


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        (Mode.FROZEN, "Re-planning was frozen by kim at 08:55 (fire drill): the plan stays as it is."),
        (Mode.SHADOW, "Proposals are only recorded, not shown: shadow mode was set by kim at 08:55 (fire drill)."),
        (Mode.AUTO, "The mode auto is not available yet."),
    ],
)
def test_a_mode_that_shows_nothing_says_who_set_it(chosen: Mode, sentence: str) -> None:
    event = e.ModeChanged(id="m", suite="main", at=clock("08:55"), mode=chosen, decided_by="kim", reason="fire drill")
    stop = mode(sight(event, mode=chosen))
    assert stop
    assert stop.sentence == sentence


def test_what_passes_by_itself_is_not_final() -> None:
    judged = judge(sight(tick_age=timedelta(minutes=2)), PROPOSAL, lambda *_: ())
    assert isinstance(judged, Withhold)
    assert not judged.final
    assert [stop.id for stop in judged.stops] == ["stale_ticks"]


def test_a_proposal_without_alternatives_is_withheld() -> None:
    judged = judge(sight(), replace(PROPOSAL, alternatives=()), lambda *_: ())
    assert isinstance(judged, Withhold)
    assert judged.final


def test_a_case_that_only_changes_rooms_needs_no_new_forecast() -> None:
    view = SuiteView.empty(small_layout(), OperationalCalendar(), Mode.ADVISORY, Limits())
    view.take_event(booked("hip", "1", "10:30"), 0, SEVEN)
    assert view.heard["hip"].as_of == 1
    view.take_event(booked("hip", "2", "10:30", version=2), 1, SEVEN)
    assert view.heard["hip"].as_of == 1
    view.take_event(booked("hip", "2", "11:30", version=3), 2, SEVEN)
    assert view.heard["hip"].as_of == 3
