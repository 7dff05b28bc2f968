"""Rules of staff, things, beds and classes: each broken by one example, and kept by the one next to it."""

from dataclasses import replace

from stating import KIDNEY, STONE, at, broken, case, minutes, problem, running

from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import Capacity, EquipmentNeed, StaffHours, Turnover
from orloop_common.domain.rightshift import right_shift
from orloop_common.domain.vocabulary import Urgency


def always(count: int) -> tuple[Capacity, ...]:
    return (Capacity(start=at("00:00"), end=at("23:00"), count=count),)


def between(start: str, end: str) -> Interval:
    return Interval(start=at(start), end=at(end))


def rules(found: list[tuple[str, str]]) -> list[str]:
    return [rule for rule, _ in found]


def test_a_surgeon_is_bound_for_the_critical_part_only() -> None:
    flip = {"surgeons": ("O",), "surgeon_after": minutes(15), "surgeon_before": minutes(20)}
    one, two = replace(KIDNEY, **flip), case("cystoscopy", ("8", "11:25"), **flip)
    assert broken(problem(one, two)) == [], "bound until 11:40, and from 11:40 on"
    assert rules(broken(problem(one, two), cystoscopy=("8", "11:20"))) == ["surgeon-one-place"]
    held = running("hip", "8", "11:30", surgeons=("O",), surgeon=between("10:00", "11:15"))
    assert broken(problem(one, committed=(held,))) == []
    assert rules(broken(problem(one, committed=(replace(held, surgeon=None),)))) == ["surgeon-one-place"]
    brief = replace(one, surgeon_before=minutes(55))
    late = replace(two, surgeon_after=minutes(0))
    assert rules(broken(problem(brief, late), cystoscopy=("8", "11:15"))) == ["surgeon-one-place"], "one slot at least"
    assert broken(problem(brief, late), cystoscopy=("8", "11:20")) == []


def test_a_surgeon_works_until_the_shift_ends_and_not_in_a_break() -> None:
    mine = replace(KIDNEY, surgeons=("O",), surgeon_before=minutes(10))
    whole = problem(mine, hours={"O": StaffHours(until=at("12:00"), breaks=(between("10:30", "11:00"),))})
    assert broken(whole, nephrectomy=("3", "11:10")) == []
    assert broken(whole, nephrectomy=("3", "11:15")) == [
        ("surgeon-hours", "Dr Okafor is there until 12:00; the nephrectomy would need the surgeon until 12:05.")
    ]
    assert broken(whole, nephrectomy=("3", "10:55")) == [
        ("surgeon-hours", "Dr Okafor has a break from 10:30, during the nephrectomy.")
    ]


def test_a_skill_is_there_for_every_patient_who_needs_it() -> None:
    one, two = replace(KIDNEY, skills=("perfusion",)), case("bypass", ("8", "11:30"), skills=("perfusion", "perfusion"))
    assert broken(problem(one, two, skills={"perfusion": always(2)})) == [
        ("staff-skills", "At 11:30 3 people with the skill perfusion would be needed; there are 2.")
    ]
    assert broken(problem(one, two, skills={"perfusion": always(2)}), bypass=("8", "12:00")) == []
    assert broken(problem(one, two, skills={"echo": always(0)})) == [], "what is not limited"


def test_equipment_is_held_until_it_is_reprocessed() -> None:
    need = (EquipmentNeed(kind="C-arm", reprocessing=minutes(30)),)
    one, two = replace(KIDNEY, equipment=need), case("cystoscopy", ("8", "12:25"), equipment=need)
    whole = problem(one, two, equipment={"C-arm": always(1)})
    assert broken(whole) == [("equipment-units", "At 12:25 2 units of C-arm would be needed; there is 1.")]
    assert broken(whole, cystoscopy=("8", "12:30")) == []
    pair = replace(one, equipment=(EquipmentNeed(kind="C-arm", count=2),))
    assert rules(broken(problem(pair, equipment={"C-arm": always(1)}))) == ["equipment-units"]


def test_each_room_is_cleaned_by_a_team_of_its_own() -> None:
    other = case("cystoscopy", ("8", "11:15"))
    whole = problem(KIDNEY, other, cleaning=always(1))
    assert broken(whole) == [("cleaning-teams", "At 12:15 2 rooms would have to be cleaned; there is 1 cleaning team.")]
    assert broken(whole, cystoscopy=("8", "11:20")) == []
    held = problem(KIDNEY, committed=(running("hip", "8", "11:50"),), cleaning=always(1))
    assert rules(broken(held)) == ["cleaning-teams"]


def test_a_patient_keeps_a_unit_bed_for_the_rest_of_the_day() -> None:
    beds = {"icu": (Capacity(start=at("00:00"), end=at("14:00"), count=1),)}
    beds["icu"] += (Capacity(start=at("14:00"), end=at("23:00"), count=2),)
    one = replace(KIDNEY, unit="icu")
    two = case("aneurysm", ("8", "12:00"), unit="icu", recovery=minutes(30))
    assert broken(problem(one, two, units=beds)) == [
        ("unit-beds", "At 13:30 2 patients would need an ICU bed; there is 1 bed.")
    ]
    assert broken(problem(one, two, units=beds), aneurysm=("8", "12:30")) == []
    gone = problem(one, units={"icu": always(0)}, horizon=at("12:00"))
    assert broken(gone) == [], "out at the end of the day"


def test_a_room_needs_more_time_between_some_cases() -> None:
    rule = Turnover(service_change=minutes(10), after_contaminated=minutes(20), before_latex=minutes(15))
    dirty = replace(KIDNEY, contaminated=True)
    after = replace(STONE, service="general", latex=True)
    rooms = tuple(replace(room, services=("urology", "general")) for room in problem().rooms)
    whole = problem(dirty, after, turnover=rule, rooms=rooms)
    assert broken(whole, ureteroscopy=("3", "13:20")) == []
    assert broken(whole, ureteroscopy=("3", "13:15")) == [
        (
            "turnover-between",
            "Room 3 needs 45 min between the nephrectomy and the ureteroscopy (change of service, after a "
            "contaminated case, before a latex allergy) beyond cleanup and setup; the plan leaves 40 min.",
        )
    ]
    assert broken(problem(dirty, replace(after, contaminated=True), turnover=rule, rooms=rooms)) == []
    held = running("hip", "3", "12:00", contaminated=True)
    clean = problem(STONE, committed=(held,), turnover=rule)
    assert broken(clean) == [], "whose service is not known has none to change"
    assert rules(broken(clean, ureteroscopy=("3", "12:50"))) == ["turnover-between"]
    assert rules(broken(clean, ureteroscopy=("3", "12:30"))) == ["room-one-patient"], "an overlap is one thing"


def test_no_case_starts_before_its_implant_is_there() -> None:
    hip = replace(KIDNEY, implant=between("10:00", "11:05"))
    assert broken(problem(hip)) == [
        ("implant-there", "The implant for the nephrectomy may arrive as late as 11:05.")
    ], "not even where it is published"
    assert broken(problem(hip), nephrectomy=("3", "11:05")) == []


def test_no_patient_is_asked_for_before_being_ready_and_brought() -> None:
    slow = replace(KIDNEY, transport=minutes(50))
    assert broken(problem(slow), nephrectomy=("8", "10:45")) == [
        ("earliest-start", "The nephrectomy cannot start before 10:50.")
    ]
    assert broken(problem(slow), nephrectomy=("8", "10:50")) == []
    unready = replace(KIDNEY, ready=at("11:30"))
    assert broken(problem(unready)) == [], "what stays as published is the day's affair"
    assert rules(broken(problem(unready), nephrectomy=("8", "11:25"))) == ["earliest-start"]


def test_the_notice_may_be_shorter_for_an_immediate_case() -> None:
    now = replace(KIDNEY, urgency=Urgency.IMMEDIATE)
    short = problem(now, earliest_emergency=at("10:10"))
    assert broken(short, nephrectomy=("8", "10:10")) == []
    assert broken(short, nephrectomy=("8", "10:05")) == [
        ("frozen-window", "It is too late to move the nephrectomy to before 10:10.")
    ]
    assert rules(broken(problem(KIDNEY, earliest_emergency=at("10:10")), nephrectomy=("8", "10:10"))) == [
        "frozen-window"
    ]


def test_no_case_keeps_a_place_that_a_postponed_one_of_a_higher_class_could_take() -> None:
    strict = replace(problem().weights, strict=True)
    waits = case("abscess", None, urgency=Urgency.EXPEDITED)
    told = "The abscess (expedited) is postponed and could have the place of the nephrectomy: room 3 at 11:00."
    assert broken(problem(KIDNEY, waits, weights=strict)) == [("class-order", told)]
    priced = replace(strict, strict=False)
    assert broken(problem(KIDNEY, waits, weights=priced)) == [], "where everything has its price"
    assert broken(problem(KIDNEY, replace(waits, urgency=Urgency.ELECTIVE), weights=strict)) == []
    assert broken(problem(KIDNEY, replace(waits, needs=("robot",)), weights=strict)) == [], "no robot in room 3"
    assert broken(problem(KIDNEY, replace(waits, latest=at("10:55")), weights=strict)) == [], "that is too late"
    urgent = problem(KIDNEY, replace(waits, urgency=Urgency.URGENT), weights=strict)
    assert rules(broken(urgent)) == ["emergency-never-postponed", "class-order"]
    emergencies = problem(
        replace(KIDNEY, urgency=Urgency.URGENT), replace(waits, urgency=Urgency.IMMEDIATE), weights=strict
    )
    assert rules(broken(emergencies)) == ["emergency-never-postponed"]


def test_places_outside_of_given_steps_have_nothing() -> None:
    early = (Capacity(start=at("08:00"), end=at("11:30"), count=9),)
    assert rules(broken(problem(KIDNEY, cleaning=early))) == ["cleaning-teams"]
    assert broken(problem(replace(KIDNEY, current=Place(room="3", start=at("10:05"))), cleaning=early)) == []


def test_right_shift_leaves_the_lower_class_without_a_place() -> None:
    strict = replace(problem().weights, strict=True)
    abscess = case(
        "abscess", None, urgency=Urgency.EXPEDITED, latest=at("11:00"), scheduled=Place(room="3", start=at("11:00"))
    )
    full = problem(KIDNEY, replace(abscess, needs=("laser",)), weights=strict)
    assert right_shift(full) == {"nephrectomy": Place(room=None, start=None), "abscess": KIDNEY.current}
    assert right_shift(replace(full, weights=replace(strict, strict=False)))["abscess"].room is None


def test_right_shift_waits_for_whatever_a_case_needs() -> None:
    need = (EquipmentNeed(kind="C-arm", reprocessing=minutes(30)),)
    whole = problem(
        replace(KIDNEY, equipment=need, surgeons=("O",), implant=between("10:00", "11:10")),
        case("cystoscopy", ("8", "11:00"), equipment=need, contaminated=True),
        case("ureteroscopy", ("8", "12:35"), latex=True),
        equipment={"C-arm": always(1)},
        hours={"O": StaffHours(breaks=(between("11:00", "11:30"),))},
        turnover=Turnover(after_contaminated=minutes(10), before_latex=minutes(10)),
    )
    plan = right_shift(whole)
    assert broken(whole, **{name: (str(p.room), f"{p.start:%H:%M}") for name, p in plan.items() if p.start}) == []
    assert [f"{plan[name].start:%H:%M}" for name in ("cystoscopy", "ureteroscopy", "nephrectomy")] == [
        "11:00",
        "12:55",
        "12:30",
    ]
