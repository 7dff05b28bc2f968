"""The fold of a suite's day."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orloop_common.domain import events as e
from orloop_common.domain.digest import digest
from orloop_common.domain.plan import Change, Place
from orloop_common.domain.reading import occupant, phase, room_state
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import (
    BedUnit,
    ChangeAnswer,
    Milestone,
    Mode,
    ReadinessItem,
    ReadinessStatus,
    RoomState,
    Urgency,
    Verdict,
)

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return NINE + timedelta(minutes=minutes)


def scheduled(case: str = "hip", version: int = 1, room: str = "3", start: int = 60, **more: object) -> e.CaseScheduled:
    base = e.CaseScheduled(
        id=f"{case}/v{version}",
        suite="main",
        at=NINE,
        case=case,
        version=version,
        service="orthopaedics",
        procedures=(e.Procedure(code="5-820", text="Hip replacement"),),
        surgeons=(e.Surgeon(id="S1"),),
        room=room,
        start=at(start),
        booked=timedelta(minutes=90),
    )
    return replace(base, **more)  # type: ignore[arg-type]


def milestone(kind: Milestone, minutes: int, case: str = "hip", recorded: int | None = None) -> e.MilestoneRecorded:
    told = at(minutes if recorded is None else recorded)
    key = f"{case}/{kind}/{minutes}/{recorded}"
    return e.MilestoneRecorded(id=key, suite="main", at=at(minutes), case=case, milestone=kind, recorded=told)


def change(case: str = "hip", version: int = 1, start: int = 60, target: str = "8", to: int = 70) -> Change:
    return Change(
        case=case,
        version=version,
        origin=Place(room="3", start=at(start)),
        target=Place(room=target, start=at(to)),
        length=timedelta(minutes=90),
    )


def approved(*changes: Change, proposal: str = "P") -> e.PlanDecided:
    return e.PlanDecided(
        id=f"decision/{proposal}",
        suite="main",
        at=at(5),
        proposal=proposal,
        verdict=Verdict.APPROVED,
        based_on=9,
        decided_by="j.moreau",
        alternative="a1",
        changes=changes,
    )


def answered(case: str, answer: ChangeAnswer, proposal: str = "P") -> e.ChangeAnswered:
    key = f"{proposal}/{case}/{answer}"
    return e.ChangeAnswered(id=key, suite="main", at=at(6), proposal=proposal, case=case, answer=answer, message="m")


def fold(*events: e.Event) -> SuiteDay:
    day = SuiteDay(suite="main")
    for event in events:
        day = day.apply(event)
    return day


def outcomes(day: SuiteDay, proposal: str = "P") -> dict[str, str]:
    return dict(day.decisions[proposal].outcomes)


# --- total and idempotent ------------------------------------------------------------------------

milestones = st.builds(
    milestone,
    st.sampled_from([Milestone.PATIENT_IN_ROOM, Milestone.PROCEDURE_START, Milestone.PATIENT_OUT_OF_ROOM]),
    st.integers(0, 300),
    st.sampled_from(["hip", "knee"]),
    st.one_of(st.none(), st.integers(0, 300)),
)
schedules = st.builds(
    scheduled,
    st.sampled_from(["hip", "knee", "eye"]),
    st.integers(1, 4),
    st.sampled_from(["3", "8"]),
    st.integers(0, 240),
).map(lambda s: replace(s, id=f"{s.case}/v{s.version}/{s.room}/{s.start:%H%M}"))
cancels = st.builds(
    lambda case, version: e.CaseCancelled(
        id=f"{case}/cancel{version}", suite="main", at=NINE, case=case, version=version
    ),
    st.sampled_from(["hip", "knee"]),
    st.integers(1, 4),
)
rooms = st.builds(
    lambda room, minutes, down: (
        e.RoomWentDown(id=f"down/{room}/{minutes}", suite="main", at=at(minutes), room=room, cause="air")
        if down
        else e.RoomRestored(id=f"up/{room}/{minutes}", suite="main", at=at(minutes), room=room)
    ),
    st.sampled_from(["3", "8"]),
    st.integers(0, 300),
    st.booleans(),
)
world = st.lists(st.one_of(milestones, schedules, cancels, rooms), max_size=12, unique_by=lambda x: x.id)
ticks = st.builds(lambda m: e.ClockTicked(id=f"tick/{m}", suite="main", at=at(m)), st.integers(0, 3000))
decisions = st.builds(
    lambda p, c: approved(change(c), proposal=p), st.sampled_from("PQ"), st.sampled_from(["hip", "knee"])
)
answers = st.builds(
    answered, st.sampled_from(["hip", "knee"]), st.sampled_from(list(ChangeAnswer)), st.sampled_from("PQ")
)
junk = st.sampled_from(
    [
        e.Unreadable(id="unreadable/t/0/1", suite="main", at=NINE, reason="not JSON"),
        e.ClockTicked(id="elsewhere", suite="other", at=NINE),
        e.BedsChanged(id="beds", suite="main", at=NINE, unit=BedUnit.PACU, capacity=-1),
        scheduled("void", booked=timedelta(0)),
    ]
)
anything = st.lists(st.one_of(milestones, schedules, cancels, rooms, ticks, decisions, answers, junk), max_size=30)


@given(anything)
def test_any_sequence_folds_without_an_exception_and_telling_it_twice_changes_nothing(events: list[e.Event]) -> None:
    day = fold(*events)
    last_day_only = all(day.calendar.day(x.at) == day.calendar.day(NINE) for x in events)
    if last_day_only:  # a new operational day forgets old ids; versions and merges still hold then
        assert digest(fold(*events, *events)) == digest(day)


@given(world, st.randoms(use_true_random=False))
def test_the_world_may_be_told_in_any_order(events: list[e.Event], shuffle: object) -> None:
    shuffled = list(events)
    shuffle.shuffle(shuffled)  # type: ignore[attr-defined]
    assert digest(fold(*shuffled)) == digest(fold(*events))


@given(anything)
def test_the_hospitals_schedule_is_only_changed_by_the_hospital(events: list[e.Event]) -> None:
    day = SuiteDay(suite="main")
    for event in events:
        before = {k: c.schedule for k, c in day.cases.items()}
        day = day.apply(event)
        after = {k: c.schedule for k, c in day.cases.items() if k in before}
        if not isinstance(event, (e.CaseScheduled, e.ClockTicked)):
            assert after == before


@given(anything)
def test_a_pending_change_always_belongs_to_a_decision_in_force(events: list[e.Event]) -> None:
    day = fold(*events)
    for case, pending in day.pending.items():
        decision = day.decisions[pending.proposal]
        assert decision.in_force
        assert decision.outcomes[case] in ("queued", "acknowledged")


def test_what_cannot_be_applied_is_recorded_with_its_reason() -> None:
    day = fold(
        e.Unreadable(id="u", suite="main", at=NINE, reason="not JSON"),
        e.ClockTicked(id="x", suite="other", at=NINE),
        scheduled("void", booked=timedelta(0)),
        answered("hip", ChangeAnswer.REFUSED, "unknown"),
    )
    assert {r.event: r.type for r in day.refused.values()} == {
        "u": "Unreadable",
        "x": "ClockTicked",
        "void/v1": "CaseScheduled",
        "unknown/hip/refused": "ChangeAnswered",
    }
    assert "suite main" in day.refused["x"].reason
    assert day.doubted("void") == ("Expected a booked length above zero, got 0:00:00.",)


# --- cases ---------------------------------------------------------------------------------------


def test_only_a_newer_version_of_the_schedule_is_taken() -> None:
    day = fold(scheduled(version=2, start=90), scheduled(version=1, start=60))
    schedule = day.cases["hip"].schedule
    assert schedule is not None
    assert (schedule.version, schedule.start) == (2, at(90))


def test_of_a_version_told_twice_the_later_word_counts() -> None:
    """A merge of patients tells a schedule once more under its version, with the patient's new key."""
    first = scheduled("hip", 2)
    merged = replace(first, id="0", at=first.at + timedelta(seconds=1), patient_key="p2")
    for order in ((first, merged), (merged, first)):
        held = fold(*order).cases["hip"].schedule
        assert held is not None
        assert held.patient_key == "p2"


def test_a_doubt_is_over_when_it_is_withdrawn_and_others_stand() -> None:
    doubts = [e.CaseDoubted(id=why, suite="main", at=NINE, case="hip", reason=why) for why in ("room", "time")]
    over = replace(doubts[0], id="over", withdrawn=True)
    assert fold(scheduled("hip"), *doubts, over).doubted("hip") == ("time",)


def test_a_cancelled_case_is_never_revived_and_a_later_booking_puts_it_in_doubt() -> None:
    cancel = e.CaseCancelled(id="c", suite="main", at=at(1), case="hip", version=2)
    day = fold(cancel, scheduled(version=1))
    assert phase(day.cases["hip"]) == "cancelled"
    assert day.doubted("hip") == ()
    day = day.apply(scheduled(version=3))
    assert phase(day.cases["hip"]) == "cancelled"
    assert day.doubted("hip") == ("the sender scheduled it again after it had ended",)


def test_a_later_correction_wins_and_the_earlier_value_is_kept() -> None:
    first = milestone(Milestone.PATIENT_IN_ROOM, 62, recorded=63)
    correction = milestone(Milestone.PATIENT_IN_ROOM, 55, recorded=80)
    for order in permutations([scheduled(), first, correction]):
        held = fold(*order).cases["hip"].milestones[Milestone.PATIENT_IN_ROOM]
        assert held.at == at(55)
        assert [earlier.at for earlier in held.earlier] == [at(62)]


def test_anaesthesia_may_start_before_the_patient_is_in_the_room() -> None:
    day = fold(scheduled(), milestone(Milestone.ANAESTHESIA_START, 50), milestone(Milestone.PATIENT_IN_ROOM, 60))
    assert not day.refused
    assert phase(day.cases["hip"]) == "in_room"


def test_a_milestone_before_its_case_waits_for_it() -> None:
    day = fold(milestone(Milestone.PATIENT_IN_ROOM, 60))
    assert not day.cases["hip"].active
    assert phase(day.apply(scheduled()).cases["hip"]) == "in_room"


def test_readiness_is_kept_by_item() -> None:
    done = e.ReadinessChanged(
        id="r", suite="main", at=NINE, case="hip", item=ReadinessItem.CONSENT, status=ReadinessStatus.DONE
    )
    assert fold(scheduled(), done).cases["hip"].readiness[ReadinessItem.CONSENT] is ReadinessStatus.DONE


# --- rooms ---------------------------------------------------------------------------------------


def test_a_room_that_went_down_is_down_until_it_is_restored() -> None:
    down = e.RoomWentDown(id="d", suite="main", at=at(0), room="3", cause="air handling")
    up = e.RoomRestored(id="u", suite="main", at=at(30), room="3")
    assert room_state(fold(down), "3") == (RoomState.DOWN, at(0))
    assert room_state(fold(up, down), "3")[0] is RoomState.IDLE


def test_a_room_follows_its_patient() -> None:
    steps = [
        (Milestone.ROOM_SETUP_START, 45, RoomState.SETUP),
        (Milestone.PATIENT_IN_ROOM, 60, RoomState.OCCUPIED_PREPARATION),
        (Milestone.PROCEDURE_START, 80, RoomState.PROCEDURE),
        (Milestone.PROCEDURE_END, 140, RoomState.OCCUPIED_EMERGENCE),
        (Milestone.PATIENT_OUT_OF_ROOM, 150, RoomState.CLEANING),
        (Milestone.CLEANUP_END, 170, RoomState.IDLE),
    ]
    day = fold(scheduled())
    for kind, minutes, state in steps:
        day = day.apply(milestone(kind, minutes))
        assert room_state(day, "3")[0] is state, kind
    assert occupant(day, "3") is None


def test_a_patient_in_a_room_that_went_down_is_still_seen_there() -> None:
    down = e.RoomWentDown(id="d", suite="main", at=at(70), room="3", cause="light")
    day = fold(scheduled(), milestone(Milestone.PATIENT_IN_ROOM, 60), down)
    assert room_state(day, "3")[0] is RoomState.OCCUPIED_PREPARATION


# --- decisions -----------------------------------------------------------------------------------


def test_an_approved_change_is_pending_until_the_hospital_echoes_it() -> None:
    day = fold(scheduled(), approved(change()))
    assert day.place("hip") == Place(room="8", start=at(70))
    assert outcomes(day) == {"hip": "queued"}
    day = day.apply(answered("hip", ChangeAnswer.ACKNOWLEDGED))
    assert outcomes(day) == {"hip": "acknowledged"}
    day = day.apply(scheduled(version=2, room="8", start=70))
    assert outcomes(day) == {"hip": "applied"}
    assert not day.pending
    assert day.cases["hip"].moved == 1


def test_the_first_decision_wins() -> None:
    second = replace(approved(change(target="9")), id="another", decided_by="late")
    day = fold(scheduled(), approved(change()), second)
    assert day.place("hip") == Place(room="8", start=at(70))
    assert day.decisions["P"].decided.decided_by == "j.moreau"


@pytest.mark.parametrize(
    ("since", "rule"),
    [
        (scheduled(version=2, start=65), "version-unchanged"),
        (e.CaseCancelled(id="c", suite="main", at=at(1), case="hip", version=2), "case-open"),
        (milestone(Milestone.PATIENT_IN_ROOM, 58), "not-started"),
        (e.RoomWentDown(id="d", suite="main", at=at(2), room="8", cause="light"), "room-usable"),
        (approved(change(), proposal="Q"), "one-change-at-a-time"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_a_decision_is_void_if_the_log_moved_on_against_it(since: e.Event, rule: str) -> None:
    day = fold(scheduled(), since, approved(change()))
    assert day.decisions["P"].voided == (rule,)
    assert outcomes(day) == {}


@pytest.mark.parametrize("wrong", [ChangeAnswer.REFUSED, ChangeAnswer.TIMED_OUT])
def test_the_first_refusal_stops_the_rest(wrong: ChangeAnswer) -> None:
    day = fold(scheduled(), scheduled("knee"), approved(change(), change("knee", to=200)), answered("hip", wrong))
    assert outcomes(day) == {"hip": str(wrong), "knee": "stopped"}
    assert not day.pending
    assert day.place("hip") == day.place("knee") == Place(room="3", start=at(60))


def test_a_differing_echo_stops_the_rest() -> None:
    day = fold(scheduled(), scheduled("knee"), approved(change(), change("knee", to=200)))
    day = day.apply(scheduled(version=2, room="8", start=95))
    assert outcomes(day) == {"hip": "differs", "knee": "stopped"}
    assert day.place("hip") == Place(room="8", start=at(95))


def test_news_of_the_case_that_leaves_its_place_alone_is_no_echo() -> None:
    day = fold(scheduled(), approved(change()), scheduled(version=2, asa=3))
    assert outcomes(day) == {"hip": "queued"}


def test_an_echo_may_overtake_its_answer() -> None:
    day = fold(scheduled(), approved(change()), scheduled(version=2, room="8", start=70))
    day = day.apply(answered("hip", ChangeAnswer.ACKNOWLEDGED))
    assert outcomes(day) == {"hip": "applied"}


def test_a_patient_who_enters_the_room_overtakes_the_change() -> None:
    day = fold(scheduled(), scheduled("knee"), approved(change(), change("knee", to=200)))
    day = day.apply(milestone(Milestone.PATIENT_IN_ROOM, 59))
    assert outcomes(day) == {"hip": "overtaken", "knee": "stopped"}


def test_a_rejected_proposal_changes_nothing() -> None:
    rejected = replace(approved(), verdict=Verdict.REJECTED, reason_code="later")
    day = fold(scheduled(), rejected)
    assert day.decisions["P"].in_force is False
    assert day.place("hip") == Place(room="3", start=at(60))


# --- time ----------------------------------------------------------------------------------------


def test_now_is_the_largest_tick() -> None:
    day = fold(*(e.ClockTicked(id=f"t{m}", suite="main", at=at(m)) for m in (5, 9, 7)))
    assert day.now == at(9)


def test_a_new_operational_day_forgets_ids_but_not_tombstones() -> None:
    cancel = e.CaseCancelled(id="c", suite="main", at=at(1), case="hip", version=2)
    day = fold(e.ClockTicked(id="t0", suite="main", at=NINE), scheduled(), cancel)
    for days in range(1, 6):
        day = day.apply(e.ClockTicked(id=f"t{days}", suite="main", at=NINE + timedelta(days=days)))
    assert "hip/v1" not in day.seen
    assert phase(day.apply(scheduled()).cases["hip"]) == "cancelled"
    for days in range(6, 12):
        day = day.apply(e.ClockTicked(id=f"t{days}", suite="main", at=NINE + timedelta(days=days)))
    assert "hip" not in day.cases


def test_the_mode_is_the_last_word_that_was_said() -> None:
    frozen = e.ModeChanged(id="f", suite="main", at=at(5), mode=Mode.FROZEN, decided_by="j.moreau")
    advisory = e.ModeChanged(id="a", suite="main", at=at(3), mode=Mode.ADVISORY, decided_by="j.moreau")
    assert fold(frozen, advisory).mode == frozen


def test_an_urgent_case_stays_urgent() -> None:
    schedule = fold(scheduled(urgency=Urgency.URGENT)).cases["hip"].schedule
    assert schedule is not None
    assert schedule.urgency is Urgency.URGENT
