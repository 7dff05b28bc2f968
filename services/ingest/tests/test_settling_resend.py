"""After an outage a day is sent again, with new MSH-7 and MSH-10: it makes no event and reverts nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from settling_desk import SettlingDesk, booking, merge, minutes, patient

from orloop_common.domain import events as e
from orloop_common.domain.events import Procedure, Surgeon
from orloop_common.domain.vocabulary import BedUnit, Milestone, ReadinessItem, ReadinessStatus
from orloop_ingest.domain.identities import person_of
from orloop_ingest.domain.told import (
    Act,
    Action,
    BedTold,
    CaseRef,
    MilestoneTold,
    PatientsParted,
    ReadinessTold,
    ResourceAction,
)

CASES = ("A1", "A2")
cases = st.sampled_from(CASES)
patients = st.sampled_from(["P1", "P2"])


def ref(case):
    return CaseRef(ids=(case,))


def person(name):
    return Surgeon(id=name, role="surgeon", name=f"Dr {name}")


wholes = st.builds(
    lambda case, start, room, surgeon, number, visit: booking(
        case, start=start, room=room, pid=patient(number), visit=visit, fields={"surgeons": (person(surgeon),)}
    ),
    cases,
    st.sampled_from([60, 90, 120]),
    st.sampled_from(["1", "3", None]),
    st.sampled_from(["S1", "S2"]),
    patients,
    st.sampled_from(["", "V1", "V2"]),
)
attributes = st.builds(
    lambda case, asa: replace(booking(case, start=None, creates=False), fields={"asa": asa}),
    cases,
    st.sampled_from([2, 3, None]),
)
actions = st.builds(
    lambda case, start, acts: replace(
        booking(case, start=start, actions=tuple(acts)), fields={"service": "orthopaedics"}
    ),
    cases,
    st.sampled_from([60, 90, 120]),
    st.lists(
        st.one_of(
            st.builds(
                lambda a, s: ResourceAction(action=a, surgeon=person(s)),
                st.sampled_from([Action.ADD, Action.UPDATE, Action.DELETE]),
                st.sampled_from(["S1", "S2", "S3"]),
            ),
            st.builds(
                lambda a, r: ResourceAction(action=a, room=r),
                st.sampled_from([Action.UPDATE, Action.DELETE]),
                st.sampled_from(["1", "3"]),
            ),
            st.builds(
                lambda a, q: ResourceAction(action=a, equipment=q),
                st.sampled_from([Action.ADD, Action.DELETE]),
                st.sampled_from(["TOWER", "ARM"]),
            ),
        ),
        max_size=3,
    ),
)
ends = st.builds(
    lambda case, act, reason: replace(booking(case, start=None, act=act, reason_code=reason), fields={}),
    cases,
    st.sampled_from([Act.CANCELLED, Act.NO_SHOW, Act.ENTERED_IN_ERROR]),
    st.sampled_from(["C1", None]),
)
milestones = st.builds(
    lambda case, kind, at, gap: MilestoneTold(ref=ref(case), milestone=kind, at=minutes(at), fills_gap_only=gap),
    cases,
    st.sampled_from([Milestone.PATIENT_IN_ROOM, Milestone.PROCEDURE_START]),
    st.sampled_from([61, 62, 70]),
    st.booleans(),
)
readiness = st.builds(
    lambda case, status: ReadinessTold(ref=ref(case), item=ReadinessItem.CONSENT, status=status),
    cases,
    st.sampled_from(list(ReadinessStatus)),
)
numbers_told = st.sampled_from(["P1", "P2", "P3", "P4"])
merges = st.builds(merge, numbers_told, numbers_told)  # chains, cycles, and one number retired into several survivors
beds = st.builds(
    lambda bed, status, at: BedTold(unit=BedUnit.PACU, bed=bed, status=status, at=minutes(at)),
    st.sampled_from(["B1", "B2"]),
    st.sampled_from(["O", "U", "C"]),
    st.integers(0, 60),
)


def day_of(whole):
    """Messages with the minute of their MSH-7: some are told late, some in the same second as the one before."""
    one = st.one_of(
        whole.map(lambda s: (s,)),
        st.tuples(whole, milestones),
        attributes.map(lambda s: (s,)),
        ends.map(lambda s: (s,)),
        milestones.map(lambda s: (s,)),
        readiness.map(lambda s: (s,)),
        merges.map(lambda s: (s,)),
        beds.map(lambda s: (s,)),
    )
    return st.lists(st.tuples(one, st.sampled_from([0, 1, 1, 1, -2])), min_size=1, max_size=14)


def play(desk, day, *, counted=False):
    """The messages of a day as they were told."""
    told, at, numbers = [], 10.0, {}
    for statements, step in day:
        at += step
        if counted:
            statements = tuple(_numbered(s, numbers) for s in statements)
        told.append(desk.message(*statements, at=at))
        desk.hear(told[-1])
    return told


def _numbered(statement, numbers):
    case = getattr(statement, "ref", None)
    if case is None or not hasattr(statement, "act") or (not statement.creates):
        return statement
    key = case.ids[0]
    numbers[key] = numbers.get(key, 0) + 1
    return replace(statement, version=numbers[key], counted=True)


def told_anew(desk, told, which=None, *, step=1.0):
    """Everything again (or those of `which`), hours later; the events that came of it."""
    events = []
    for number, message in enumerate(told):
        if which is None or which[number % len(which)]:
            events += desk.again(message, at=900 + number * step).events
    return events


some = st.one_of(st.none(), st.lists(st.booleans(), min_size=3, max_size=14))


@pytest.mark.parametrize("counted", [False, True], ids=["versions by time", "versions counted"])
@pytest.mark.parametrize("mode", [wholes, actions], ids=["snapshot", "action codes"])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_day_sent_again_makes_no_event_and_reverts_nothing(mode, counted, data):
    day, which = data.draw(day_of(mode)), data.draw(some)
    desk = SettlingDesk()
    told = play(desk, day, counted=counted)
    before = desk.state()
    assert told_anew(desk, told, which, step=data.draw(st.sampled_from([1.0, 0.0]))) == []
    assert desk.state() == before
    assert told_anew(desk, told, which) == [], "nor the third time"
    assert desk.state() == before


@pytest.mark.parametrize("undo", [False, True], ids=["", "parted by a person"])
def test_a_cycle_that_was_refused_is_refused_again_when_the_number_has_another_survivor(undo):
    desk = SettlingDesk()
    desk.tell(booking("A1", pid=patient("P3")), at=0)
    first, cycle, second = (
        desk.message(merge(*pair), at=n) for n, pair in enumerate((("P1", "P3"), ("P3", "P1"), ("P1", "P2")), 1)
    )
    assert [desk.hear(told).problem is None for told in (first, cycle, second)] == [True, False, True]
    if undo:
        desk.tell(PatientsParted(retired=patient("P1"), by="anna"), at=9)
    assert told_anew(desk, [first, cycle, second]) == []
    assert desk.schedule().patient_key == desk.pseudonyms.patient_key(*person_of(patient("P3")))


@pytest.mark.parametrize("last", ["P1", "P2"])
def test_a_case_told_by_a_number_that_has_another_survivor_since_keeps_its_patient_when_it_is_sent_again(last):
    desk = SettlingDesk()
    statements = (
        merge("P2", "P1"),
        booking("A1", pid=patient("P1")),
        booking("A1", pid=patient("P2")),
        booking("A1", pid=patient(last)),
        merge("P2", "P3"),
    )
    told = play(desk, [((statement,), 1) for statement in statements])
    before = desk.state()
    survivor = {"P1": "P1", "P2": "P3"}[last]
    assert desk.schedule().patient_key == desk.pseudonyms.patient_key(*person_of(patient(survivor)))
    assert told_anew(desk, told) == []
    assert desk.state() == before
    assert not desk.known.identities.again, "the last word on the patient answers what was held"


def test_a_case_told_twice_by_a_number_that_has_another_survivor_since_is_not_reverted_when_it_is_sent_again():
    desk = SettlingDesk()
    first, second = (booking("A1", start=start, pid=patient("P2")) for start in (60, 90))
    told = play(desk, [((statement,), 1) for statement in (merge("P2", "P1"), first, second, merge("P2", "P3"))])
    before = desk.state()
    assert told_anew(desk, told) == []
    assert desk.state() == before


def equip(action, *names):
    return tuple(ResourceAction(action=action, equipment=name) for name in names)


def operate(action, *names):
    return tuple(ResourceAction(action=action, surgeon=person(name)) for name in names)


def procure(action, *codes):
    return tuple(ResourceAction(action=action, procedure=Procedure(code=code, text=code)) for code in codes)


@pytest.mark.parametrize("step", [0.0, 1.0], ids=["in one second", "a minute apart"])
@pytest.mark.parametrize("counted", [False, True], ids=["versions by time", "versions counted"])
@pytest.mark.parametrize(("resource", "names"), [(equip, "equipment"), (operate, "surgeons"), (procure, "procedures")])
def test_what_a_message_takes_off_and_adds_again_keeps_its_place_when_it_is_sent_again(resource, names, counted, step):
    desk = SettlingDesk()
    swap = (*resource(Action.DELETE, "ARM"), *resource(Action.ADD, "ARM"), *resource(Action.ADD, "TOWER"))
    bare = {"fields": {"surgeons": (), "procedures": ()}}
    told = play(desk, [((booking(**bare),), 0), ((replace(booking(actions=swap), fields={}),), step)], counted=counted)
    before, made = desk.state(), getattr(desk.schedule(), names)
    assert [getattr(one, "id", getattr(one, "code", one)) for one in made] == ["ARM", "TOWER"]
    assert told_anew(desk, told) == []
    assert desk.state() == before
    assert told_anew(desk, told) == [], "nor the third time"
    assert desk.state() == before


@pytest.mark.parametrize("counted", [False, True], ids=["versions by time", "versions counted"])
def test_who_is_taken_off_in_one_role_keeps_the_other_when_it_is_sent_again(counted):
    desk = SettlingDesk()
    both = (Surgeon(id="S1", role="surgeon"), Surgeon(id="S1", role="anaesthetist"))
    off = (ResourceAction(action=Action.DELETE, surgeon=both[0]),)
    told = play(
        desk,
        [((booking(fields={"surgeons": both}),), 0), ((replace(booking(actions=off), fields={}),), 1.0)],
        counted=counted,
    )
    assert desk.schedule().surgeons == both[1:]
    before = desk.state()
    assert told_anew(desk, told) == []
    assert desk.state() == before


def test_who_is_taken_off_in_a_role_that_the_case_never_had_loses_the_role_that_is_held():
    desk = SettlingDesk()
    desk.tell(booking(fields={"surgeons": (Surgeon(id="S1", role="assistant"),)}), at=1)
    off = (ResourceAction(action=Action.DELETE, surgeon=Surgeon(id="S1", role="surgeon")),)
    desk.tell(replace(booking(actions=off), fields={}), at=2)
    assert desk.schedule().surgeons == ()


def test_a_case_that_was_told_again_in_whole_is_no_open_question():
    desk = SettlingDesk()
    told = [desk.message(booking(start=start), at=n) for n, start in enumerate((60, 90, 120))]
    for message in told:
        desk.hear(message)
    desk.again(told[0], at=900)
    assert desk.known.identities.again[desk.uid()].fields == ("start",)
    desk.again(told[1], at=901)
    desk.again(told[2], at=902)
    assert not desk.known.identities.again
    assert desk.schedule().start == minutes(120)


def test_a_move_back_with_other_news_is_a_move_back():
    desk = SettlingDesk()
    desk.tell(booking(start=60), at=1)
    desk.tell(booking(start=90), at=2)
    in_room = MilestoneTold(ref=ref("A1"), milestone=Milestone.PATIENT_IN_ROOM, at=minutes(61))
    settled = desk.tell(booking(start=60), in_room, at=62)
    assert [type(event) for event in settled.events] == [e.CaseScheduled, e.MilestoneRecorded]
    assert desk.schedule().start == minutes(60)


def test_news_in_the_midst_of_what_is_told_again_is_followed_to_its_end():
    """The second of three messages was never received: it comes first with the resend, and the third after it."""
    desk = SettlingDesk()
    first, lost, third = (desk.message(booking(start=start), at=n) for n, start in enumerate((60, 90, 120)))
    desk.hear(first)
    desk.hear(third)
    for number, message in enumerate((first, lost, third)):
        desk.again(message, at=900 + number)
    assert desk.schedule().start == minutes(120)
    assert desk.state()[desk.uid()][4] == ()


def test_news_after_a_resend_is_taken_as_ever():
    desk = SettlingDesk()
    told = [desk.message(booking(start=start), at=n) for n, start in enumerate((60, 90))]
    for message in told:
        desk.hear(message)
    for message in told:
        desk.again(message, at=900)
    (event,) = desk.tell(booking(start=150), at=901).events
    assert (event.start, event.version) == (minutes(150), int(minutes(901).timestamp()))
    assert event.at - event.start > timedelta(0)


# --- through the door, as HL7 --------------------------------------------------------------------------------------


def test_a_morning_of_hl7_sent_again_with_new_times_and_ids_makes_no_event(desk, siu):
    desk.clock.set(minutes(240))
    moved = {"start": "20260302110000+0000", "end": "20260302123000+0000"}
    morning = [
        siu(version="", control="M1"),
        siu("S13", version="", control="M2", sent="20260302072000+0000", **moved),
        siu("S14", version="", control="M3", sent="20260302090600+0000", obx=("DTM|WHEELS_IN||20260302090500+0000",)),
        siu("S14", version="", control="M4", sent="20260302091000+0000", obx=("DTM|WHEELS_IN||20260302090700+0000",)),
        siu(version="", control="M5", case="A200", room="OR9", sent="20260302091500+0000"),
        siu(version="", control="M6", case="A300", start="yesterday", sent="20260302091600+0000"),
        siu("S15", version="", control="M7", case="A200", room="OR9", sent="20260302092000+0000"),
    ]
    for body in morning:
        desk.tell(body)
    before = desk.ledger.day("main")
    desk.clock.set(minutes(400))
    for number, body in enumerate(morning):
        fields = body.split(b"|")
        fields[6], fields[9] = b"202603021430%02d+0000" % number, b"R%d" % number
        received = desk.tell(b"|".join(fields))
        assert received.events == ()
    assert desk.ledger.day("main") == before
