"""A merge that a person undoes: every case has its own patient's key again, and a resend does not merge anew."""

from datetime import timedelta

import pytest

from orloop_ingest.domain import parting
from orloop_ingest.intake import raw_id


def merge(control="M2", minute="20"):
    lines = (
        f"MSH|^~\\&|TWIN|DEMO|ORLOOP|ORLOOP|202603020{minute[0]}{minute[1]}500+0000||ADT^A40|{control}|P|2.5.1",
        "EVN|A40|20260302072000+0000",
        "PID|1||OTHER88^^^DEMO^MR||Zzyxcanary^Ada",
        "MRG|CANARYMRN77^^^DEMO^MR",
    )
    return "".join(line + "\r" for line in lines).encode()


@pytest.fixture
def parted(desk, siu):
    """A desk whose case was merged into another patient, its keys before and after, and how to part them."""
    desk.tell(siu())
    before = desk.case().schedule.patient_key
    desk.tell(merge())
    after = desk.case().schedule.patient_key
    assert before != after
    return before, after


def pseudonyms(desk):
    return desk.reception._pseudonyms


def part(desk, key):
    known = desk.ledger.known("main")
    (record,) = parting.merges_named(known.identities, pseudonyms(desk), key)
    body = parting.body_of(record, "main", "anna: ticket 7", desk.clock.now())
    told = parting.told_by(body, desk.clock.now(), raw_id(parting.KIND, parting.SOURCE, body))
    assert told == parting.told_by(body, desk.clock.now(), told.raw)
    done = desk.reception.read(desk.reception.arrive_told(told, body, parting.KIND))
    for draft in done.records:
        desk.ledger.fold_record(draft)
    for event in done.events:
        desk.ledger.fold(event)
    desk.reception.settled(done)
    return done


def test_each_case_gets_its_own_patients_key_back(desk, parted):
    before, _ = parted
    done = part(desk, before)
    assert done.problem is None
    assert desk.case().schedule.patient_key == before
    known = desk.ledger.known("main")
    (record,) = known.identities.merges.values()
    told = parting.describe(record, known.identities, pseudonyms(desk))
    assert (told["retired"], told["undone"]) == (before, "anna: ticket 7")


def test_the_senders_resend_does_not_merge_them_anew(desk, parted):
    before, _ = parted
    part(desk, before)
    desk.clock.set(desk.clock.now() + timedelta(hours=1))
    desk.tell(merge(control="M3"))
    assert desk.case().schedule.patient_key == before


def test_a_merge_is_named_by_keys_alone(desk, parted, canaries):
    before, after = parted
    known = desk.ledger.known("main")
    (record,) = known.identities.merges.values()
    told = parting.describe(record, known.identities, pseudonyms(desk))
    assert (told["retired"], told["survivor"], told["undone"]) == (before, after, None)
    assert [word for word in (*canaries, "OTHER88") if word in repr(told)] == []
    assert parting.merges_named(known.identities, pseudonyms(desk), "pffff") == []
