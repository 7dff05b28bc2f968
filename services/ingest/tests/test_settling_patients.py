"""Merged patients and moved visits: in any order with their cases the state is the same."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from settling_desk import ADA, SECRET, SettlingDesk, booking, merge, minutes, patient

from orloop_common.domain import events as e
from orloop_ingest.domain.identities import person_of
from orloop_ingest.domain.pseudonyms import Pseudonyms, Secret
from orloop_ingest.domain.quarantine import Reason
from orloop_ingest.domain.settling import sweep
from orloop_ingest.domain.told import Act, PatientsParted, VisitMoved


def key(number, pseudonyms=SECRET):
    return pseudonyms.patient_key(*person_of(patient(number)))


def tell_all(messages):
    desk = SettlingDesk()
    for at, statement in messages:
        desk.tell(statement, at=at)
    return desk


@st.composite
def families(draw):
    """Merges without a cycle in which nobody is retired twice, and cases of any of the patients."""
    count = draw(st.integers(2, 5))
    merges = [
        (10 + n, merge(f"P{n}", f"P{draw(st.integers(n + 1, count))}")) for n in range(count) if draw(st.booleans())
    ]
    cases = [
        (30 + n, booking(f"A{n}", pid=patient(f"P{draw(st.integers(0, count))}"), start=60 * n))
        for n in range(draw(st.integers(1, 3)))
    ]
    return merges + cases


@settings(max_examples=150, deadline=None)
@given(messages=families(), order=st.randoms(use_true_random=False))
def test_merges_and_cases_in_any_order_give_the_same_state(messages, order):
    shuffled = list(messages)
    order.shuffle(shuffled)
    assert tell_all(shuffled).state() == tell_all(messages).state()


def test_a_chain_of_merges_is_followed_to_its_end():
    for order in itertools.permutations(
        [(1, booking(pid=patient("P1"))), (2, merge("P1", "P2")), (3, merge("P2", "P3"))]
    ):
        assert tell_all(order).schedule().patient_key == key("P3")


def test_a_merge_tells_the_schedule_once_more_under_its_version():
    desk = tell_all([(1, booking(pid=patient("P1")))])
    (event,) = desk.tell(merge("P1", "P2"), at=5).events
    before, after = desk.events[0], event
    assert (after.version, after.patient_key) == (before.version, key("P2"))
    assert desk.schedule() == after
    assert desk.tell(merge("P1", "P2"), at=900).events == ()


@pytest.mark.parametrize("length", [2, 3, 4])
def test_a_cycle_of_merges_is_refused(length):
    desk = SettlingDesk()
    for n in range(length - 1):
        assert desk.tell(merge(f"P{n}", f"P{n + 1}"), at=n).problem is None
    settled = desk.tell(merge(f"P{length - 1}", "P0"), at=50)
    assert settled.problem.reason is Reason.MERGE_CYCLE
    assert (settled.events, settled.identities) == ((), ())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=10))
def test_whatever_is_merged_every_chain_has_an_end(pairs):
    desk = SettlingDesk()
    for n, (retired, survivor) in enumerate(pairs):
        desk.tell(merge(f"P{retired}", f"P{survivor}"), at=n)
    known = desk.known.identities
    for n in range(5):
        end = known.root(person_of(patient(f"P{n}")))
        assert end not in known.merges
        assert person_of(patient(f"P{n}")) in known.persons(end)


def test_a_person_parts_what_was_merged_and_a_resent_merge_does_not_join_it_again():
    desk = tell_all(
        [(1, booking("A1", pid=patient("P1"))), (2, booking("A2", pid=patient("P2"))), (3, merge("P1", "P2"))]
    )
    assert desk.schedule("A1").patient_key == desk.schedule("A2").patient_key
    desk.tell(PatientsParted(retired=patient("P1"), by="anna"), at=4)
    assert (desk.schedule("A1").patient_key, desk.schedule("A2").patient_key) == (key("P1"), key("P2"))
    assert desk.tell(merge("P1", "P2"), at=900).problem.reason is Reason.PARTED_BY_HAND
    assert desk.schedule("A1").patient_key == key("P1")


def test_a_patient_merged_into_another_and_then_elsewhere_is_not_thrown_back_by_a_resend():
    desk = SettlingDesk()
    desk.tell(merge("P1", "P2"), at=1)
    desk.tell(merge("P1", "P3"), at=2)
    desk.tell(merge("P1", "P2"), at=900)
    assert desk.known.identities.root(person_of(patient("P1"))) == person_of(patient("P3"))


def test_a_moved_visit_takes_its_cases_along_whether_it_comes_before_or_after_them():
    move = VisitMoved(visit="V1", now_visit="V9", patient=patient("P2"))
    case = booking(pid=patient("P1"), visit="V1")
    late, early = tell_all([(1, case), (5, move)]), tell_all([(5, move), (6, case)])
    for desk in (late, early):
        assert desk.schedule().patient_key == key("P2")
        assert desk.known.identities.by_case[desk.uid()].visit == "V9"
    assert late.tell(case, at=900).events == ()


# --- cancelled and booked again ---------------------------------------------------------------------------


def cancel(case):
    return booking(case, start=None, act=Act.CANCELLED, fields={})


OLD, CANCEL, NEW = (1, booking("A1", start=60)), (20, cancel("A1")), (30, booking("A2", start=240))


@pytest.mark.parametrize("order", [(OLD, CANCEL, NEW), (OLD, NEW, CANCEL), (NEW, OLD, CANCEL)])
def test_a_case_booked_again_under_a_new_id_is_linked_and_never_merged(order):
    desk = tell_all(order)
    assert desk.case("A2").replaces == desk.uid("A1")
    assert desk.uid("A1") != desk.uid("A2")
    assert (desk.case("A1").status, desk.case("A2").status) == ("cancelled", "scheduled")


@pytest.mark.parametrize(
    "new",
    [
        (30, booking("A2", pid=patient("P9"))),
        (30, booking("A2", fields={"service": "urology", "procedures": (e.Procedure(code="9", text="x"),)})),
        (30 + 4 * 24 * 60, booking("A2")),
    ],
    ids=["another patient", "another procedure and service", "days later"],
)
def test_what_does_not_fit_is_not_linked(new):
    assert tell_all([OLD, CANCEL, new]).case("A2").replaces is None


def test_a_merge_that_makes_two_cases_one_patients_links_them():
    desk = tell_all([OLD, CANCEL, (30, booking("A2", pid=patient("P2")))])
    assert desk.case("A2").replaces is None
    desk.tell(merge("P2", ADA.id), at=40)
    assert desk.case("A2").replaces == desk.uid("A1")


# --- secrets ------------------------------------------------------------------------------------------------


NEWER = Pseudonyms.parse("2:" + "n" * 32 + ",1:" + "s" * 32)


def test_a_rotation_keeps_every_case_and_gives_every_patient_the_new_key():
    desk = tell_all([(1, booking("A1")), (2, booking("A2", start=200)), (3, booking("A3", pid=patient("P9")))])
    uids = [desk.uid(case) for case in ("A1", "A2", "A3")]
    old, new = key(ADA.id), key(ADA.id, NEWER)
    desk.pseudonyms = NEWER
    assert desk.tell(booking("A1"), at=900).events == (), "the old key is the same patient"
    settled = sweep(desk.known, NEWER, "main", minutes(901))
    desk.write(settled.identities, settled.events)
    assert {desk.schedule(case).patient_key for case in ("A1", "A2")} == {new}
    assert len({old, new, desk.schedule("A3").patient_key}) == 3
    assert [desk.uid(case) for case in ("A1", "A2", "A3")] == uids
    index = desk.known.identities.by_key
    assert index[old] == index[new] == person_of(ADA)
    assert sweep(desk.known, NEWER, "main", minutes(902)).events == ()
    desk.tell(booking("A1", start=90), at=903)
    assert (desk.schedule().patient_key, desk.uid()) == (new, uids[0])
    done = Pseudonyms(NEWER.secret, NEWER.version)
    settled = sweep(desk.known, done, "main", minutes(904))
    desk.write(settled.identities, settled.events)
    assert settled.events == ()
    assert desk.uid() == uids[0]


def test_a_case_without_its_record_is_found_under_the_secret_that_named_it():
    desk = SettlingDesk()
    desk.write(events=tell_all([(1, booking())]).events)
    desk.pseudonyms = NEWER
    desk.tell(booking(start=90), at=5)
    assert len(desk.known.day.cases) == 1


@pytest.mark.parametrize("text", ["2:abc,1", "2:a,2:b", "2:a,1:b,x"])
def test_secrets_without_clear_versions_are_refused(text):
    with pytest.raises(ValueError, match="Expected secrets as VERSION:SECRET"):
        Pseudonyms.parse(text)


def test_a_plain_secret_is_the_first_version():
    assert Pseudonyms.parse("s" * 32) == SECRET
    assert NEWER.former == (Secret(b"s" * 32, 1),)
