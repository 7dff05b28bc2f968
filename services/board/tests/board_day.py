"""One moment of a made-up Monday for the board's tests: room 3 has gone down, the recommendation waits.

Ten rooms, built from real events through the real fold. Run as a script it serves the board with this
moment, without Kafka: `python services/board/tests/board_day.py --port 8077`.
"""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

from immutables import Map

from orloop_board.domain.heard import Heard, Pulse
from orloop_common.domain import events as e
from orloop_common.domain.derived import (
    Alternative,
    CaseForecast,
    GateStatus,
    Price,
    Proposal,
    SolverRecord,
    Trigger,
    WritebackStatus,
)
from orloop_common.domain.plan import Assignment, Change, Place, Quantiles
from orloop_common.domain.site import RoomLayout, SuiteLayout
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import (
    BedUnit,
    ChangeAnswer,
    Milestone,
    Mode,
    Urgency,
    Verdict,
)

SUITE = "main"
LIVE = Pulse(silent_for=timedelta(seconds=1))
QUIET = Pulse(silent_for=timedelta(seconds=40))
_ROOMS = (
    ("1", "orthopaedics", "15:30"),
    ("2", "orthopaedics", "15:30"),
    ("3", "urology", "15:30"),
    ("4", "general", "15:30"),
    ("5", "general", "17:00"),
    ("6", "gynaecology", "15:30"),
    ("7", "ent", "15:30"),
    ("8", "open", "17:00"),
    ("9", "eye", "15:30"),
    ("10", "vascular", "17:00"),
)
LAYOUT = SuiteLayout(
    id=SUITE,
    name="Main operating suite",
    rooms=tuple(
        RoomLayout(
            id=number,
            name=f"OR {number}",
            service=service,
            services=(service,),
            block_start=time(7, 30),
            block_end=time.fromisoformat(end),
            closes=time(19),
        )
        for number, service, end in _ROOMS
    ),
)


def at(clock: str) -> datetime:
    """A time of that Monday."""
    return datetime.fromisoformat(f"2026-03-02T{clock}:00+00:00").astimezone(UTC)


def mins(number: float) -> timedelta:
    return timedelta(minutes=number)


# case, room, planned start, booked minutes, procedure, surgeon
CASES: tuple[tuple[str, str, str, int, str, str], ...] = (
    ("knee-scope", "1", "07:30", 95, "Knee arthroscopy", "Okafor"),
    ("hip", "1", "09:26", 110, "Hip replacement", "Okafor"),
    ("knee", "1", "11:42", 90, "Knee replacement", "Okafor"),
    ("ankle", "1", "13:40", 85, "Ankle fixation", "Reyes"),
    ("spine", "2", "07:35", 165, "Spinal decompression", "Lindqvist"),
    ("disc-1", "2", "10:52", 115, "Disc surgery", "Lindqvist"),
    ("disc-2", "2", "13:20", 85, "Disc surgery", "Lindqvist"),
    ("tur", "3", "07:33", 108, "Prostate resection", "Marino"),
    ("nephrectomy", "3", "10:50", 95, "Nephrectomy", "Marino"),
    ("ureteroscopy", "3", "12:50", 75, "Ureteroscopy", "Marino"),
    ("cystoscopy", "3", "14:30", 60, "Cystoscopy", "Haddad"),
    ("hemi", "4", "07:38", 144, "Hemicolectomy", "Petrov"),
    ("gall", "4", "10:35", 105, "Cholecystectomy", "Petrov"),
    ("hernia-4", "4", "12:50", 80, "Inguinal hernia repair", "Nakamura"),
    ("liver", "5", "07:20", 136, "Liver resection", "Bauer"),
    ("hernia-5", "5", "11:00", 100, "Incisional hernia repair", "Bauer"),
    ("hyster", "6", "07:35", 130, "Hysterectomy", "Osei"),
    ("laparoscopy", "6", "10:36", 70, "Diagnostic laparoscopy", "Osei"),
    ("hysteroscopy", "6", "14:35", 60, "Hysteroscopy", "Osei"),
    ("tonsil", "7", "07:30", 55, "Tonsillectomy", "Kim"),
    ("septo", "7", "08:50", 45, "Septoplasty", "Kim"),
    ("sinus", "7", "09:58", 37, "Sinus surgery", "Kim"),
    ("thyroid", "7", "11:00", 60, "Thyroidectomy", "Kim"),
    ("parotid", "7", "12:25", 70, "Parotidectomy", "Adeyemi"),
    ("cataract-1", "9", "07:45", 35, "Cataract surgery", "Novak"),
    ("cataract-2", "9", "08:40", 35, "Cataract surgery", "Novak"),
    ("vitrectomy", "9", "09:40", 75, "Vitrectomy", "Novak"),
    ("cataract-3", "9", "11:30", 35, "Cataract surgery", "Novak"),
    ("cataract-4", "9", "12:25", 35, "Cataract surgery", "Novak"),
    ("fistula", "10", "07:40", 80, "Arteriovenous fistula", "Brandt"),
    ("carotid", "10", "09:35", 140, "Carotid endarterectomy", "Brandt"),
    ("varicose", "10", "12:50", 90, "Removal of varicose veins", "Ito"),
)
_DONE = {  # case: out of room
    "knee-scope": "09:08",
    "tur": "09:20",
    "hemi": "10:02",
    "hyster": "09:50",
    "tonsil": "08:29",
    "septo": "09:40",
    "cataract-1": "08:18",
    "cataract-2": "09:17",
    "fistula": "09:06",
}
_RUNNING = {  # case: milestones so far, remaining P50/P80/P95
    "hip": (("09:26", "09:50"), (58, 80, 99)),
    "spine": (("07:35", "08:10", "10:06"), (6, 12, 20)),
    "liver": (("07:20", "07:58"), (50, 76, 97)),
    "sinus": (("09:58", "10:08"), (21, 29, 40)),
    "vitrectomy": (("09:44", "10:02"), (38, 52, 70)),
    "carotid": (("09:41",), (118, 142, 171)),
}
_STEPS = (Milestone.PATIENT_IN_ROOM, Milestone.PROCEDURE_START, Milestone.PROCEDURE_END)
_NO_BED = {"cataract-1", "cataract-2", "cataract-3", "cataract-4"}


def _scheduled(
    case: str, room: str | None, start: str, booked: int, what: str, who: str, **more: Any
) -> e.CaseScheduled:
    fields: dict[str, Any] = {
        "id": f"s-{case}-{more.get('version', 1)}",
        "suite": SUITE,
        "at": at("06:30"),
        "case": case,
        "version": 1,
        "service": "general",
        "procedures": (e.Procedure(code=case, text=what),),
        "surgeons": (e.Surgeon(id=f"S-{who}", name=who),),
        "room": room,
        "start": at(start),
        "booked": mins(booked),
        "bed": None if case in _NO_BED else BedUnit.PACU,
        "recovery": None if case in _NO_BED else mins(75),
    }
    return e.CaseScheduled(**(fields | more))


def milestone(case: str, step: Milestone, clock: str) -> e.MilestoneRecorded:
    """One milestone of a case."""
    return e.MilestoneRecorded(id=f"m-{case}-{step}", suite=SUITE, at=at(clock), case=case, milestone=step)


def tick(clock: str, seconds: int = 0) -> e.ClockTicked:
    moment = at(clock) + timedelta(seconds=seconds)
    return e.ClockTicked(id=f"tick-{moment:%H%M%S}", suite=SUITE, at=moment)


def events() -> list[e.Event]:
    """The log of that morning until 10:14."""
    log: list[e.Event] = [tick("06:30"), *(_scheduled(*case) for case in CASES)]
    log.append(
        _scheduled(
            "appendix",
            "6",
            "12:20",
            60,
            "Appendicectomy",
            "Osei",
            add_on=True,
            urgency=Urgency.URGENT,
            waiting_since=at("09:31"),
            latest=at("15:31"),
        )
    )
    log.append(
        _scheduled(
            "wrist",
            None,
            "16:00",
            50,
            "Wrist fixation",
            "Reyes",
            add_on=True,
            urgency=Urgency.EXPEDITED,
            waiting_since=at("08:05"),
            latest=at("15:31") + timedelta(days=1),
        )
    )
    starts = {case: start for case, _, start, *_ in CASES}
    for case, out in _DONE.items():
        log.append(milestone(case, Milestone.PATIENT_IN_ROOM, starts[case]))
        log.append(milestone(case, Milestone.PATIENT_OUT_OF_ROOM, out))
        if case not in ("hemi",):
            cleaned = at(out) + mins(18)
            log.append(milestone(case, Milestone.CLEANUP_END, f"{cleaned:%H:%M}"))
    for case, (times, _) in _RUNNING.items():
        log.extend(milestone(case, step, clock) for step, clock in zip(_STEPS, times, strict=False))
    for case, back in (("knee-scope", "09:12"), ("tur", "09:26"), ("hyster", "09:55"), ("hemi", "10:06")):
        log.append(milestone(case, Milestone.PACU_IN, back))
    log.append(milestone("laparoscopy", Milestone.PATIENT_IN_PREOP, "10:08"))
    log.append(milestone("laparoscopy", Milestone.ROOM_SETUP_START, "10:10"))
    shift = [(f"a{n}", "07:00", "16:00" if n > 2 else "19:00") for n in range(8)] + [("a8", "16:00", "22:00")] * 3
    log.append(
        e.RosterChanged(
            id="roster-a",
            suite=SUITE,
            at=at("06:45"),
            role="anaesthesia",
            entries=tuple(
                e.RosterEntry(team=t, role="anaesthesia", shift_start=at(a), shift_end=at(b)) for t, a, b in shift
            ),
        )
    )
    log.append(
        e.RosterChanged(
            id="roster-c",
            suite=SUITE,
            at=at("06:45"),
            role="cleaning",
            entries=tuple(
                e.RosterEntry(team=t, role="cleaning", shift_start=at("07:00"), shift_end=at("20:00"))
                for t in ("c1", "c2", "c3")
            ),
        )
    )
    log.append(
        e.StaffShort(
            id="short-c", suite=SUITE, at=at("09:00"), role="cleaning", missing=1, start=at("09:00"), end=at("12:00")
        )
    )
    log.append(e.BedsChanged(id="beds", suite=SUITE, at=at("07:05"), unit=BedUnit.PACU, capacity=8, occupied=0))
    log.append(e.BedsChanged(id="icu", suite=SUITE, at=at("07:05"), unit=BedUnit.ICU, capacity=6, occupied=4))
    log.append(e.ModeChanged(id="mode", suite=SUITE, at=at("06:40"), mode=Mode.ADVISORY, decided_by="board"))
    log.append(
        e.RoomWentDown(
            id="down",
            suite=SUITE,
            at=at("10:12"),
            room="3",
            cause="air handling",
            until=at("15:00"),
            reported_by="board",
        )
    )
    log.append(tick("10:14", 0))
    return log


def day_of(log: list[e.Event]) -> SuiteDay:
    day = SuiteDay(suite=SUITE)
    for event in log:
        day = day.apply(event)
    assert not day.refused, day.refused
    return day


def _quantiles(p50: float, p80: float, p95: float) -> Quantiles:
    return Quantiles(p50=mins(p50), p80=mins(p80), p95=mins(p95))


def forecasts(day: SuiteDay) -> Map[str, CaseForecast]:
    """A forecast for every case that is not over."""
    made = {}
    for case, record in day.cases.items():
        if case in _DONE or record.schedule is None:
            continue
        booked = record.schedule.booked / mins(1)
        remaining = _RUNNING.get(case)
        made[case] = CaseForecast(
            suite=SUITE,
            as_of=90,
            at=at("10:14"),
            case=case,
            stage="in_room" if remaining else "scheduled",
            model="demo",
            duration=_quantiles(booked * 0.97, booked * 1.2, booked * 1.47),
            remaining=_quantiles(*remaining[1]) if remaining else None,
        )
    return Map(made)


def change(day: SuiteDay, case: str, room: str | None, start: str | None, reason: str) -> Change:
    place = day.place(case)
    schedule = day.cases[case].schedule
    assert place is not None
    assert schedule is not None
    return Change(
        case=case,
        version=1,
        origin=place,
        target=Place(room=room, start=at(start) if start else None),
        length=schedule.booked,
        reason=reason,
        rules=("room-usable", "room-eligible", "surgeon-one-place", "anaesthesia-teams", "recovery-beds"),
    )


def _alternative(
    number: int,
    kind: str,
    title: str,
    summary: str,
    changes: tuple[Change, ...],
    price: Price,
    gap: float | None,
    break_in: int,
) -> Alternative:
    return Alternative(
        id=f"alt-{number}",
        kind=kind,
        title=title,
        summary=summary,
        changes=changes,
        plan=tuple(Assignment(case=c.case, place=c.target) for c in changes),
        cost=100 + number,
        price=price,
        gap=gap,
        break_in_gap=mins(break_in),
    )


def proposal(day: SuiteDay) -> Proposal:
    """What the planner says of the room that went down."""
    nephrectomy = change(
        day,
        "nephrectomy",
        "8",
        "11:00",
        "Room 8 is clean and has the laparoscopy tower; it saves 52 min of waiting",
    )
    ureteroscopy = change(
        day,
        "ureteroscopy",
        "10",
        "14:40",
        "Dr Marino is free from 12:56; room 10 has the C-arm and stands empty from 14:20",
    )
    cystoscopy = change(
        day, "cystoscopy", "8", "13:00", "Earlier by 90 min; the patient is on the ward and fasting since midnight"
    )
    stays = change(day, "ureteroscopy", "8", "13:00", "Same surgeon follows in room 8 after 25 min of turnover")
    late = change(day, "cystoscopy", "3", "15:15", "Waits for room 3, which is expected back at 15:00")
    postponed = change(
        day, "cystoscopy", None, None, "Elective, and least urgent of the three; room 8 stays free from 12:56"
    )
    return Proposal(
        suite=SUITE,
        as_of=91,
        at=at("10:14"),
        id="f3a91c",
        answer="proposal",
        triggers=(
            Trigger(
                event="down",
                type="RoomWentDown",
                at=at("10:12"),
                room="3",
                sentence="Room 3 went down at 10:12: air handling, expected back at 15:00",
            ),
        ),
        headline="Move 3 cases, nobody is postponed",
        reason="Room 3 cannot be used before 15:00",
        alternatives=(
            _alternative(
                1,
                "lowest_cost",
                "Fewest waits",
                "Three cases leave room 3; two go to room 8 and one to room 10",
                (nephrectomy, cystoscopy, ureteroscopy),
                Price(
                    patients_waiting=mins(35),
                    surgeons_idle=mins(12),
                    staff_overtime=mins(0),
                    postponed=0,
                    rooms_changed=3,
                    recovery_peak=7,
                    recovery_beds=8,
                ),
                0.021,
                34,
            ),
            _alternative(
                2,
                "fewest_changes",
                "Fewest changes",
                "The cystoscopy waits for room 3",
                (nephrectomy, stays, late),
                Price(
                    patients_waiting=mins(95),
                    surgeons_idle=mins(0),
                    staff_overtime=mins(25),
                    postponed=0,
                    rooms_changed=2,
                    recovery_peak=7,
                    recovery_beds=8,
                ),
                0.044,
                28,
            ),
            _alternative(
                3,
                "least_overtime",
                "Keep room 8 for emergencies",
                "The cystoscopy is postponed, room 8 is free early",
                (nephrectomy, ureteroscopy, postponed),
                Price(
                    patients_waiting=mins(20),
                    surgeons_idle=mins(40),
                    staff_overtime=mins(0),
                    postponed=1,
                    rooms_changed=2,
                    recovery_peak=6,
                    recovery_beds=8,
                ),
                0.0,
                21,
            ),
        ),
        decide_by=at("10:24"),
        solver=SolverRecord(path="milp", solver="HiGHS", seed=1, settings={}, seconds=0.62),
    )


def gate_status(**more: Any) -> GateStatus:
    fields: dict[str, Any] = {
        "suite": SUITE,
        "as_of": 92,
        "at": at("10:14"),
        "mode": Mode.ADVISORY,
        "open_proposal": "f3a91c",
    }
    return GateStatus(**(fields | more))


def heard(log: list[e.Event] | None = None, **more: Any) -> Heard:
    """The moment: what the board has heard at 10:14."""
    day = day_of(log or events())
    answer = proposal(day_of(events()))
    fields: dict[str, Any] = {
        "day": day,
        "as_of": 92,
        "forecasts": forecasts(day),
        "proposals": Map({answer.id: answer}),
        "newest_answer": answer.id,
        "gate": gate_status(),
    }
    return Heard(**(fields | more))


def quiet_morning(**more: Any) -> Heard:
    """The same morning without the failure: the planner says that the plan still holds."""
    log = [event for event in events() if event.id != "down"]
    holds = Proposal(
        suite=SUITE,
        as_of=92,
        at=at("10:14"),
        id="nc",
        answer="no_change",
        triggers=(Trigger(event="m", type="MilestoneRecorded", at=at("10:13"), sentence="Room 5 runs 38 min over"),),
        headline="The plan still holds",
        reason="the best other plan saves 3 min",
    )
    fields: dict[str, Any] = {
        "proposals": Map({"nc": holds}),
        "newest_answer": "nc",
        "gate": gate_status(open_proposal=None),
    }
    return heard(log, **(fields | more))


def approved(alternative: int = 1, answers: int = 1, echoes: int = 1) -> Heard:
    """The recommendation was approved; the hospital has confirmed some changes and echoed others."""
    log = events()
    first = proposal(day_of(log)).alternatives[alternative - 1]
    log.append(
        e.PlanDecided(
            id="decided",
            suite=SUITE,
            at=at("10:15"),
            proposal="f3a91c",
            verdict=Verdict.APPROVED,
            based_on=92,
            decided_by="board",
            alternative=first.id,
            changes=first.changes,
        )
    )
    for number, moved in enumerate(first.changes):
        if number < echoes + answers:
            log.append(
                e.ChangeAnswered(
                    id=f"answer-{moved.case}",
                    suite=SUITE,
                    at=at("10:15"),
                    proposal="f3a91c",
                    case=moved.case,
                    answer=ChangeAnswer.ACKNOWLEDGED,
                    message="m",
                )
            )
        if number < echoes:
            held = day_of(log).cases[moved.case].schedule
            assert held is not None
            log.append(
                replace(
                    held,
                    id=f"echo-{moved.case}",
                    version=2,
                    room=moved.target.room,
                    start=moved.target.start or held.start,
                )
            )
    log.append(tick("10:16"))
    return heard(log, gate=gate_status(open_proposal=None))


def refused() -> Heard:
    """The hospital applied the first change and refused the second: the rest stops."""
    now = approved(answers=0, echoes=1)
    second = proposal(day_of(events())).alternatives[0].changes[1]
    day = now.day.apply(
        e.ChangeAnswered(
            id="refusal",
            suite=SUITE,
            at=at("10:16"),
            proposal="f3a91c",
            case=second.case,
            answer=ChangeAnswer.REFUSED,
            message="m",
            text="Room 8 is reserved",
        )
    )
    status = WritebackStatus(
        suite=SUITE,
        as_of=99,
        at=at("10:16"),
        case=second.case,
        proposal="f3a91c",
        status="refused",
        order=2,
        of=3,
        text="Room 8 is reserved",
    )
    return replace(now, day=day, writeback=Map({("f3a91c", second.case): status}))


class Stage:
    """A source that shows whatever a test puts on it."""

    def __init__(self, now: Heard | None = None) -> None:
        self.live = True
        self.suites = (LAYOUT,)
        self.now = now or heard()
        self.beat = LIVE

    def heard(self, suite: str) -> Heard:
        return self.now

    def pulse(self, suite: str) -> Pulse:
        return self.beat
