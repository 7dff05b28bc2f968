"""Which case a message is about, what waits, what is doubted, and who is believed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from settling_desk import SECRET, SettlingDesk, booking, merge, minutes, patient

from orloop_common.domain import events as e
from orloop_common.domain.events import Surgeon
from orloop_common.domain.site import Truth
from orloop_common.domain.vocabulary import BedUnit, Milestone
from orloop_ingest.domain.identities import CaseIdentityDraft, open_draft
from orloop_ingest.domain.known import Identities
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.settling import PARKED_TOO_LONG, doubt, settle, sweep, waiting
from orloop_ingest.domain.told import (
    Act,
    Action,
    BedTold,
    CaseRef,
    FactTold,
    Flag,
    MilestoneTold,
    ResourceAction,
)
from orloop_ingest.domain.truth import outranks

CANARIES = ("CANARYMRN77", "Zzyxcanary", "19511123")


@pytest.fixture
def desk():
    return SettlingDesk()


def sweep_at(desk, minute):
    settled = sweep(desk.known, desk.pseudonyms, "main", minutes(minute))
    desk.write(settled.identities, settled.events)
    return settled


# --- ids ------------------------------------------------------------------------------------------------------


def test_a_case_keeps_its_uid_by_any_id_it_was_ever_named_by(desk):
    desk.tell(booking(ids=("P1",)), at=1)
    uid = desk.uid("P1")
    desk.tell(booking(ids=("F1", "P1"), start=90), at=2)
    desk.tell(booking(ids=("F1",), start=120), at=3)
    assert {desk.uid(id) for id in ("P1", "F1")} == {uid} == {SECRET.case_uid("EHR", "P1")}
    assert desk.schedule("F1").start == minutes(120)


def test_two_appointments_of_one_order_are_two_cases(desk):
    desk.tell(booking(ids=("F1", "P1")), at=1)
    settled = desk.tell(booking(ids=("F2", "P1"), start=200), at=2)
    assert "shares_an_id" in settled.notes
    assert len(desk.known.day.cases) == 2
    assert (desk.schedule("F1").start, desk.schedule("F2").start) == (minutes(60), minutes(200))


def test_a_cancelled_case_is_not_the_next_one_of_its_order(desk):
    desk.tell(booking(ids=("F1", "P1")), at=1)
    desk.tell(booking(ids=("F1", "P1"), start=None, act=Act.CANCELLED), at=2)
    desk.tell(booking(ids=("F2", "P1"), start=200), at=3)
    assert desk.case("F2").replaces == desk.uid("F1")


def test_sources_of_one_namespace_speak_of_one_case_and_count_each_for_itself(desk):
    desk.tell(booking(version=2, counted=True), at=1)
    assert desk.tell(booking(version=7, counted=True, source="FHIR"), at=2, source="FHIR").events == ()
    desk.tell(booking(version=8, counted=True, source="FHIR", start=90), at=3, source="FHIR")
    desk.tell(booking(version=3, counted=True, start=150), at=4)
    assert len(desk.known.day.cases) == 1
    assert desk.schedule().start == minutes(150)
    assert desk.tell(booking(version=2, counted=True), at=900).events == (), "an older one of its own"
    assert desk.schedule().start == minutes(150)


def test_what_a_mirror_lags_behind_with_reverts_nothing(desk):
    desk.tell(booking(version=1, counted=True), at=1)
    desk.tell(booking(version=2, counted=True, start=90), at=2)
    assert desk.tell(booking(version=1, counted=True, source="FHIR"), at=3, source="FHIR").events == ()
    assert desk.schedule().start == minutes(90)


@pytest.mark.parametrize("act", [Act.BOOKED, Act.CANCELLED])
def test_a_source_of_lower_rank_overrides_nothing_and_is_heard(desk, act):
    desk.ledger._truth = Truth(cases=("TWIN", "FHIR"))
    desk.tell(booking(), at=1)
    told = booking(source="FHIR", start=90, act=act)
    (event,) = desk.tell(told, at=5, source="FHIR").events
    assert isinstance(event, e.SourceDisagreed)
    assert event.first.startswith("TWIN")
    assert (desk.schedule().start, desk.case().status) == (minutes(60), "scheduled")
    assert desk.tell(told, at=900, source="FHIR").events == ()


def test_a_room_that_people_reported_down_is_not_restored_by_a_source_below_them(desk):
    desk.ledger._truth = Truth(rooms=("manual", "FHIR"))
    down = e.RoomWentDown(id="down", suite="main", at=minutes(1), room="3", cause="air handling", reported_by="ada")
    desk.ledger.fold(down)
    back = e.RoomRestored(id="back", suite="main", at=minutes(2), room="3", reported_by="FHIR")
    (event,) = desk.tell(FactTold(event=back), at=2, source="FHIR").events
    assert isinstance(event, e.SourceDisagreed)
    assert (event.first, event.second) == ("manual: down", "FHIR: usable")


def test_sources_that_nobody_ranks_are_equals_and_come_last():
    assert outranks(("A", "B"), "A", "B")
    assert outranks(("A",), "A", "X")
    assert not outranks(("A",), "X", "Y")
    assert not outranks((), "A", "B")


# --- parked -----------------------------------------------------------------------------------------------------


def amend(minute=90):
    added = ResourceAction(action=Action.ADD, surgeon=Surgeon(id="S9"))
    return booking(start=minute, creates=False, actions=(added,))


def test_a_statement_before_its_case_waits_and_is_applied_when_it_comes(desk):
    assert desk.tell(amend(), at=5).events == ()
    assert [w.kind for w in waiting(desk.known.identities, "main")] == ["parked"]
    desk.tell(booking(start=60), at=4)
    assert [s.id for s in desk.schedule().surgeons] == ["S017", "S9"]
    assert desk.schedule().start == minutes(90)
    sweep_at(desk, 300)
    assert waiting(desk.known.identities, "main") == ()


def test_what_waits_is_overtaken_by_a_newer_booking(desk):
    desk.tell(amend(), at=5)
    desk.tell(booking(start=60), at=9)
    assert desk.schedule().start == minutes(60)
    sweep_at(desk, 300)
    assert waiting(desk.known.identities, "main") == ()


def test_what_waits_too_long_has_an_age_for_the_alarm(desk):
    desk.tell(amend(), at=5)
    (one,) = waiting(desk.known.identities, "main")
    assert one.age(one.since + timedelta(hours=2)) > PARKED_TOO_LONG
    assert not any(word in repr(one) for word in CANARIES)


# --- milestones without a case id ----------------------------------------------------------------------------------


def in_room(visit="", room="3", at=61, pid=None):
    ref = CaseRef(visit=visit, **({"patient": pid} if pid else {}))
    return MilestoneTold(ref=ref, milestone=Milestone.PATIENT_IN_ROOM, at=minutes(at), room=room)


def test_of_two_cases_of_a_visit_in_one_room_the_time_decides(desk):
    desk.tell(booking("A1", visit="V1"), at=1)
    desk.tell(booking("A2", visit="V1", start=700), at=2)
    (event,) = desk.tell(in_room("V1"), at=62).events
    assert event.case == desk.uid("A1")


def test_without_a_visit_the_patient_the_room_and_the_time_must_all_fit(desk):
    desk.tell(booking("A1"), at=1)
    known = booking("A1").ref.patient
    assert desk.tell(in_room(pid=known), at=62).events[0].case == desk.uid("A1")
    for wrong in (in_room(pid=known, room="1"), in_room(pid=patient("P9")), in_room()):
        assert desk.tell(wrong, at=63).problem.reason is Reason.UNKNOWN_VISIT


# --- actions --------------------------------------------------------------------------------------------------------


def test_deleting_what_was_never_there_is_flagged_once_and_changes_nothing(desk):
    desk.tell(booking(), at=1)
    wrong = booking(actions=(ResourceAction(action=Action.DELETE, surgeon=Surgeon(id="S404")),), fields={})
    wrong = replace(wrong, fields={})
    (event,) = desk.tell(wrong, at=2).events
    assert (type(event), event.subject) == (e.SourceDisagreed, "surgeon:S404")
    assert [s.id for s in desk.schedule().surgeons] == ["S017"]
    assert desk.tell(wrong, at=900).events == ()


# --- doubts


def broken(desk, at, content="bad"):
    told = desk.message(at=at, content=content)
    settled = doubt(told, CaseRef(ids=("A1",)), Quarantined(Reason.BAD_TIME, "TQ1-7"), desk.known, SECRET)
    desk.write(settled.identities, settled.events)
    return settled


def test_a_quarantined_message_doubts_its_case_until_a_later_one_tells_it_whole(desk):
    desk.tell(booking(), at=1)
    broken(desk, 2)
    assert desk.known.day.doubted(desk.uid())
    assert desk.tell(booking(), at=3).events == (), "the same again may have been sent before the broken one"
    assert desk.known.day.doubted(desk.uid())
    desk.tell(booking(start=120), at=4)
    assert desk.known.day.doubted(desk.uid()) == ()
    assert broken(desk, 900).events == (), "the broken one sent again"
    assert desk.known.day.doubted(desk.uid()) == ()


def test_a_retry_withdraws_the_doubt_of_its_own_message(desk):
    desk.tell(booking(), at=1)
    broken(desk, 2)
    desk.hear(desk.message(replace(booking(), fields={"asa": 3}), at=2, content="bad"))
    assert desk.known.day.doubted(desk.uid()) == ()


def test_an_action_that_was_lost_is_not_mended_by_the_next_one(desk):
    desk.tell(booking(), at=1)
    broken(desk, 2)
    desk.tell(amend(120), at=3)
    assert desk.known.day.doubted(desk.uid())


def test_a_case_in_an_unknown_room_is_scheduled_without_it_flagged_and_in_doubt(desk):
    flag = Flag(kind="unknown_room", word="OR9", place="AIL-3")
    settled = desk.tell(booking(room=None), at=1, flags=(flag,))
    assert [type(event) for event in settled.events] == [e.CaseScheduled, e.SourceDisagreed, e.CaseDoubted]
    assert (desk.schedule().room, settled.events[1].subject) == (None, "room:OR9")
    assert desk.tell(booking(room=None), at=900, flags=(flag,)).events == ()
    desk.tell(booking(room="3"), at=901)
    assert desk.known.day.doubted(desk.uid()) == ()


def test_a_question_that_stays_open_puts_the_case_in_doubt_until_news_comes(desk):
    desk.tell(booking(start=60), at=1)
    desk.tell(booking(start=90), at=2)
    desk.tell(booking(start=60), at=300)
    assert sweep_at(desk, 305).events == ()
    (event,) = sweep_at(desk, 311).events
    assert isinstance(event, e.CaseDoubted)
    assert sweep_at(desk, 312).events == ()
    desk.tell(booking(start=150), at=320)
    assert desk.known.day.doubted(desk.uid()) == ()


# --- beds -----------------------------------------------------------------------------------------------------------


def test_single_beds_become_what_the_unit_can_take(desk):
    for at, (bed, status) in enumerate([("B1", "U"), ("B2", "O"), ("B3", "K"), ("B4", "C")]):
        desk.tell(BedTold(unit=BedUnit.PACU, bed=bed, status=status), at=at)
    beds = desk.known.day.beds[BedUnit.PACU]
    assert (beds.capacity, beds.occupied, beds.reported_by) == (3, 2, "TWIN")


def test_a_stated_capacity_stands_until_every_bed_is_known(desk):
    stated = e.BedsChanged(id="b", suite="main", at=minutes(0), unit=BedUnit.PACU, capacity=6, occupied=1)
    desk.tell(FactTold(event=stated), at=0)
    desk.tell(BedTold(unit=BedUnit.PACU, bed="B1", status="O"), at=1)
    desk.tell(BedTold(unit=BedUnit.PACU, bed="B2", status="O"), at=2)
    assert (desk.known.day.beds[BedUnit.PACU].capacity, desk.known.day.beds[BedUnit.PACU].occupied) == (6, 2)


# --- killed at any point, and built again


def story(desk):
    """One of everything that leaves a record."""
    flag = Flag(kind="unknown_room", word="OR9", place="AIL-3")
    return [
        desk.message(amend(), at=5),
        desk.message(booking(start=60, pid=patient("P1"), visit="V1"), at=4),
        desk.message(booking("A2", start=200, pid=patient("P2")), at=6),
        desk.message(merge("P1", "P2"), at=7),
        desk.message(booking("A2", start=None, act=Act.CANCELLED), at=8),
        desk.message(booking("A3", start=240, pid=patient("P2"), room=None), at=9, flags=(flag,)),
        desk.message(BedTold(unit=BedUnit.PACU, bed="B1", status="O"), at=10),
        desk.message(booking("A3", start=300, pid=patient("P2")), at=11),
        desk.message(booking("A3", start=240, pid=patient("P2")), at=3),
        desk.message(booking("A3", start=260, pid=patient("P2")), at=2),
    ]


def test_killed_between_any_two_writes_and_told_again_everything_is_written():
    """Records before events, and the message is settled again by whoever comes after: nothing lost, nothing doubled."""
    whole = SettlingDesk()
    messages = story(whole)
    for message in messages:
        whole.hear(message)
    for victim, message in enumerate(messages):
        desk = SettlingDesk()
        for earlier in messages[:victim]:
            desk.hear(earlier)
        planned = settle(message, desk.known, SECRET)
        for cut in range(len(planned.identities) + len(planned.events) + 1):
            desk = SettlingDesk()
            for earlier in messages[:victim]:
                desk.hear(earlier)
            records = planned.identities[:cut]
            desk.write(records, planned.events[: max(0, cut - len(planned.identities))])
            for later in messages[victim:]:
                desk.hear(later)
            assert desk.state() == whole.state(), (victim, cut)
            ids = [event.id for event in desk.events]
            assert len(ids) == len(set(ids)), (victim, cut)


def test_the_identity_topic_and_the_log_alone_give_the_same_knowledge():
    desk = SettlingDesk()
    for message in story(desk):
        desk.hear(message)
    newest: dict[tuple[str, str, str], CaseIdentityDraft] = {}
    for record in desk.records:  # compaction: the newest of each key, in the order of the log
        key = (record.kind, record.suite, record.name)
        newest.pop(key, None)
        newest[key] = record
    rebuilt = SettlingDesk()
    for record in newest.values():
        sealed = record.seal(minutes(0), lambda body: body)
        opened = open_draft(sealed, lambda body: body)
        assert opened == record
        rebuilt.ledger.fold_record(opened)
    for event in desk.events:
        rebuilt.ledger.fold(event)
    assert rebuilt.known == desk.known
    assert rebuilt.known.identities != Identities()


def test_no_identifying_word_leaves_the_sealed_records():
    desk = SettlingDesk()
    for message in story(desk):
        desk.hear(message)
    text = repr(desk.events) + "".join(f"{r.kind} {r.name}" for r in desk.records)
    assert not any(word in text for word in (*CANARIES, "'P1'", "'P2'"))
