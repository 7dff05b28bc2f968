"""What is known of a case has an age: it leaves memory and topic, and nothing that is told late brings it back."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from immutables import Map
from settling_desk import SITE, SettlingDesk, booking, merge, minutes, patient

from orloop_common.domain import events as e
from orloop_common.domain.vocabulary import Milestone, ReadinessItem, ReadinessStatus
from orloop_common.messages import CASE_IDENTITY
from orloop_common.messages.identity import CASE
from orloop_common.runtime.records import Record
from orloop_common.testing import ManualClock
from orloop_ingest.domain import identities as i
from orloop_ingest.domain.quarantine import Reason
from orloop_ingest.domain.settling import age_out
from orloop_ingest.domain.told import Act, CaseRef, MilestoneTold, ReadinessTold
from orloop_ingest.flow import IngestFlow
from orloop_ingest.ledger import Ledger
from orloop_ingest.sweeping import LOOKED_AT, Sweeper

DAY = 24 * 60.0  # the desk counts in minutes
AGE = timedelta(days=90)
LONG_AFTER = 110 * DAY


class OldDesk(SettlingDesk):
    """A desk on which days pass: `desk.wait(9 * DAY)` ticks until then."""

    def __init__(self, age=AGE):
        super().__init__(ledger=Ledger(SITE, ["main"], age))

    def write(self, records=(), events=()):
        super().write((replace(r, at=minutes(0)) if r.at is None else r for r in records), events)

    def wait(self, until):
        tick = e.ClockTicked(id=f"tick/{until}", suite="main", at=minutes(until))
        self.ledger.fold(tick)

    def age(self, at):
        """What leaves at this time."""
        self.wait(at)
        gone = age_out(self.known, "main", minutes(at), tuple(self.known.identities.by_case))
        assert gone.events == ()
        self.write(gone.identities)
        return {draft.name for draft in gone.identities if draft.kind == CASE}

    def resend(self, told, at):
        return self.hear(replace(told, at=minutes(at), received=minutes(at), raw=f"again{at}"))

    def deliver_late(self, told, at):
        return self.hear(replace(told, received=minutes(at), raw=f"late{at}"))


def end(case="A1", act=Act.CANCELLED):
    return replace(booking(case, start=None, act=act), fields={})


def test_a_case_leaves_ninety_days_after_its_day_or_the_last_word_whichever_is_later():
    desk = OldDesk()
    desk.tell(booking("A1", start=60), at=0)
    desk.tell(booking("A2", start=20 * DAY), at=1)
    desk.tell(booking("A3", start=60), at=2)
    desk.wait(5 * DAY)
    desk.tell(end("A3"), at=6 * DAY)
    uids = [desk.uid(case) for case in ("A1", "A2", "A3")]
    assert desk.age(90 * DAY) == set()
    assert desk.age(92 * DAY) == {uids[0]}
    assert desk.age(97 * DAY) == {uids[2]}
    assert desk.age(111 * DAY) == {uids[1]}
    held = desk.known.identities
    assert not any((held.by_case, held.by_id, held.by_visit, held.by_patient, held.by_key, held.written))


def test_a_case_moved_to_an_earlier_day_is_remembered_as_long_as_the_later_one_needs():
    desk = OldDesk()
    told = [desk.message(booking(start=start), at=n) for n, start in enumerate((100 * DAY, 60))]
    for message in told:
        desk.hear(message)
    desk.tell(end(), at=5)
    before = desk.uid()
    assert desk.age(120 * DAY) == set()
    assert desk.resend(told[0], 120 * DAY).events == ()
    assert desk.age(191 * DAY) == {before}


def keep_open(desk):
    desk.tell(booking(start=30 * DAY), at=DAY)


def park(desk):
    desk.tell(booking("A9", start=60, creates=False), at=0)


def ask_again(desk):
    first, second = desk.message(booking(start=60), at=0), desk.message(booking(start=90), at=1)
    for told in (first, second):
        desk.hear(told)
    desk.resend(first, 200)


def merge_with_an_open_one(desk):
    desk.tell(booking("A1", pid=patient("P1"), start=60), at=0)
    desk.tell(booking("A2", pid=patient("P2"), start=300 * DAY), at=1)
    desk.tell(merge("P1", "P2"), at=2)


@pytest.mark.parametrize("prepare", [park, ask_again, merge_with_an_open_one])
def test_what_something_waits_for_never_leaves(prepare):
    desk = OldDesk()
    prepare(desk)
    before = set(desk.known.identities.by_case)
    assert desk.age(LONG_AFTER) == set()
    assert set(desk.known.identities.by_case) == before


def test_a_merged_patients_cases_leave_together_and_the_merge_stays():
    desk = OldDesk()
    merge_with_an_open_one(desk)
    assert len(desk.age(400 * DAY)) == 2
    assert desk.known.identities.root(i.person_of(patient("P1"))) == i.person_of(patient("P2"))
    desk.tell(booking("B1", pid=patient("P1"), start=410 * DAY), at=400 * DAY)
    assert desk.schedule("B1").patient_key == desk.pseudonyms.patient_key(*i.person_of(patient("P2")))


def test_without_an_age_nothing_leaves():
    desk = OldDesk(age=None)
    desk.tell(booking(), at=0)
    assert desk.age(1000 * DAY) == set()


def test_a_word_not_yet_read_back_from_the_topic_keeps_its_case():
    desk = OldDesk()
    desk.tell(booking(), at=0)
    desk.wait(LONG_AFTER)
    fresh = replace(desk.records[-1], record=replace(desk.records[-1].record, placer="new"))
    desk.ledger.fold_record(replace(fresh, at=minutes(LONG_AFTER)))
    assert desk.age(LONG_AFTER) == set()


# --- what is told late ------------------------------------------------------------------------------------------


ref = CaseRef(ids=("A1",))
words = st.one_of(
    st.builds(lambda start: booking(start=start), st.sampled_from([-60, 60, 3 * DAY, 12 * DAY])),
    st.builds(lambda act: end(act=act), st.sampled_from([Act.CANCELLED, Act.NO_SHOW, Act.ENTERED_IN_ERROR])),
    st.just(replace(booking(start=None, creates=False), fields={"asa": 3})),
    st.just(MilestoneTold(ref=ref, milestone=Milestone.PATIENT_IN_ROOM, at=minutes(61))),
    st.just(ReadinessTold(ref=ref, item=ReadinessItem.CONSENT, status=ReadinessStatus.DONE)),
)


@settings(max_examples=150, deadline=None)
@given(
    story=st.lists(words, max_size=5),
    after=st.sampled_from([25.0, 60.0, 104.0, 300.0]),
    order=st.randoms(use_true_random=False),
    swept=st.booleans(),
)
def test_nothing_told_late_brings_a_case_back(story, after, order, swept):
    """Delivered late as it was, or told once more with a new time: no booking, no other end, no milestone."""
    desk = OldDesk()
    told = [desk.message(word, at=n) for n, word in enumerate([booking(start=60), *story])]
    for message in told:
        desk.hear(message)
    desk.tell(end(), at=60)
    for day in (12, 20):
        desk.wait(day * DAY)
    if swept:
        desk.age(after * DAY)
    desk.wait(after * DAY)
    before, events = desk.known.day, []
    order.shuffle(told)
    for n, message in enumerate(told):
        events += desk.deliver_late(message, after * DAY + n).events
        if any(getattr(s, "start", None) or hasattr(s, "milestone") for s in message.statements):
            events += desk.resend(message, after * DAY + 100 + n).events
    assert events == []
    assert desk.known.day == before


@pytest.mark.parametrize(
    "word", [booking(), MilestoneTold(ref=ref, milestone=Milestone.PATIENT_IN_ROOM, at=minutes(61))]
)
def test_what_is_told_of_long_ago_and_of_a_case_that_nobody_knows_is_kept_for_a_person_and_doubts_nothing(word):
    """The log has forgotten it, too: it may have been cancelled, so it is not booked."""
    told = SettlingDesk().message(word, at=0)
    desk = OldDesk()
    desk.wait(LONG_AFTER)
    for hear in (desk.deliver_late, desk.resend):
        late = hear(told, LONG_AFTER)
        assert (late.problem.reason, late.events, late.identities) == (Reason.LONG_PAST, (), ())
    forever = OldDesk(age=None)
    assert forever.deliver_late(told, LONG_AFTER).problem is None


def test_what_is_told_late_of_a_case_that_is_over_is_counted_and_no_more():
    desk = OldDesk()
    booked = desk.message(booking(), at=0)
    desk.hear(booked)
    desk.wait(20 * DAY)
    late = desk.resend(booked, 20 * DAY)
    assert (late.events, late.identities, late.problem, late.notes) == ((), (), None, ("day_is_over",))


@pytest.mark.parametrize("after", [20 * DAY, LONG_AFTER], ids=["still known", "aged out"])
def test_a_case_that_is_booked_for_a_new_day_is_news_under_its_old_id(after):
    desk = OldDesk()
    desk.tell(booking(), at=0)
    before = desk.uid()
    desk.tell(end(), at=5)
    desk.age(after)
    (event,) = desk.tell(booking(start=after + 2 * DAY), at=after + 1, received=minutes(after + 1)).events
    assert (event.case, desk.uid(), desk.case().status) == (before, before, "scheduled")
    assert desk.age(after + 30 * DAY) == set()


def test_a_move_of_the_patient_is_not_taken_for_a_case_that_is_over():
    desk = OldDesk()
    desk.tell(booking(visit="V1"), at=0)
    desk.wait(20 * DAY)
    into = MilestoneTold(
        ref=CaseRef(ids=(), visit="V1"), milestone=Milestone.PATIENT_IN_ROOM, at=minutes(20 * DAY), room="3"
    )
    settled = desk.tell(into, at=20 * DAY, received=minutes(20 * DAY))
    assert (settled.problem.reason, settled.events) == (Reason.UNKNOWN_VISIT, ())


# --- the topic, the sweep, the memory ----------------------------------------------------------------------------


def test_the_topic_and_the_log_alone_give_the_same_knowledge_after_cases_have_left():
    desk = OldDesk()
    for n in range(3):
        desk.tell(booking(f"A{n}", start=60 + n * 60 * DAY, pid=patient(f"P{n}")), at=n)
    desk.age(LONG_AFTER)
    rebuilt = OldDesk()
    for record in desk.records:
        rebuilt.ledger.fold_record(record)
    for event in desk.events:
        rebuilt.ledger.fold(event)
    rebuilt.wait(LONG_AFTER)
    assert rebuilt.known.identities == desk.known.identities
    assert len(rebuilt.known.identities.by_case) == 2
    assert rebuilt.age(LONG_AFTER) == set()


def test_a_tombstone_is_written_under_the_key_of_the_record_and_read_back_from_it(site):
    ledger, clock = Ledger(site, ["main"], AGE), ManualClock(minutes(0))
    flow = IngestFlow(site, ledger, None, clock, timedelta(minutes=15), timedelta(seconds=10))
    desk = OldDesk()
    desk.ledger = ledger
    desk.tell(booking(), at=0)
    desk.wait(LONG_AFTER)
    (case,) = ledger.known("main").identities.by_case
    outputs = list(Sweeper(ledger, desk.pseudonyms, lambda body: body)("main", minutes(LONG_AFTER)))
    assert [(o.topic, o.key, o.suite, o.message) for o in outputs] == [(CASE_IDENTITY, f"main/{case}", "main", None)]
    assert ledger.known("main").identities.by_case == Map(), "it is expected before it is read back"
    flow.fold(Record(CASE_IDENTITY, 0, 7, f"main/{case}", "main", None, {}, minutes(LONG_AFTER)))
    assert ledger.known("main").identities.by_case == Map()
    assert not ledger._unfolded_records


@pytest.mark.parametrize("kind", list(i.KINDS))
def test_the_key_of_every_kind_of_record_is_read_back(kind):
    draft = i.CaseIdentityDraft(kind, "name-1", "main", None)
    assert i.open_tombstone(draft.key) == draft


@pytest.mark.parametrize("key", ["", "main", "main/stranger/name"])
def test_a_key_that_is_none_of_ours_forgets_nothing(key):
    assert i.open_tombstone(key) is None


def test_the_sweep_looks_at_some_cases_with_each_tick_and_in_the_end_at_all():
    desk = OldDesk()
    count = 2 * LOOKED_AT + 10
    for n in range(count):
        desk.tell(booking(f"A{n}", pid=patient(f"P{n}")), at=n / 1000)
    desk.wait(LONG_AFTER)
    sweeper = Sweeper(desk.ledger, desk.pseudonyms, lambda body: body)
    gone = [len(list(sweeper("main", minutes(LONG_AFTER)))) for _ in range(4)]
    assert gone == [LOOKED_AT, LOOKED_AT, 10, 0]


def test_what_cases_have_in_common_is_in_memory_once():
    desk = SettlingDesk()
    for n in range(2):
        told = booking(f"A{n}", pid=patient(f"P{n}"), visit=f"V{n}")
        told = replace(told, identity=replace(told.identity, aliases={"3": "OR 3"}, facility="DEMO"))
        desk.tell(told, at=n)
    sealed = [draft.seal(minutes(0), lambda body: body) for draft in desk.records]
    one, other = (i.open_draft(record, lambda body: body).record for record in sealed)
    assert (one, other) == tuple(draft.record for draft in desk.records)
    assert one.aliases is other.aliases
    assert one.versions is other.versions
    assert one.facility is other.facility
    assert one.filler is one.ids[0]
    assert one.visit is one.visits[-1]
