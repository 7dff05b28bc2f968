"""The audit chain: whatever is done to it shows."""

from dataclasses import replace

import pytest

from orloop_common.domain import events as e
from orloop_common.domain.derived import AuditEntry
from orloop_common.domain.digest import derived_id
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import ChangeAnswer, Mode, Verdict
from orloop_common.testing.suite import booked, change, clock, tick
from orloop_gate.domain.audit import GENESIS, Head, chain, facts_of, seal, verify


def decided(proposal: str, verdict: Verdict, *changes: object, id: str = "") -> e.PlanDecided:
    return e.PlanDecided(
        id=id or f"decision/{proposal}",
        suite="main",
        at=clock("09:00"),
        proposal=proposal,
        verdict=verdict,
        based_on=3,
        decided_by="kim",
        reason_code="staff_unavailable" if verdict is Verdict.REJECTED else None,
        reason="two are ill" if verdict is Verdict.REJECTED else "",
        changes=changes,  # type: ignore[arg-type]
    )


LOG: tuple[e.Event, ...] = (
    booked("hip", "1", "10:30"),
    booked("knee", "1", "12:30"),
    tick("09:00"),
    decided("p1", Verdict.REJECTED),
    decided(
        "p2",
        Verdict.APPROVED,
        change("hip", ("1", "10:30"), ("2", "10:30")),
        change("knee", ("1", "12:30"), ("2", "12:30")),
    ),
    e.ChangeAnswered(
        id="a1",
        suite="main",
        at=clock("09:01"),
        proposal="p2",
        case="hip",
        answer=ChangeAnswer.ACKNOWLEDGED,
        message="M1",
    ),
    booked("hip", "2", "10:30", version=2),
    e.ChangeAnswered(
        id="a2",
        suite="main",
        at=clock("09:02"),
        proposal="p2",
        case="knee",
        answer=ChangeAnswer.REFUSED,
        message="M2",
        text="no",
    ),
    e.ModeChanged(id="m1", suite="main", at=clock("09:03"), mode=Mode.FROZEN, decided_by="kim", reason="drill"),
)


def audit(log: tuple[e.Event, ...] = LOG) -> list[AuditEntry]:
    day, head, entries = SuiteDay(suite="main"), Head(), list[AuditEntry]()
    for offset, event in enumerate(log):
        after = day.apply(event)
        for fact in facts_of(day, event, after):
            entries.append(chain(head, fact, event, offset + 1))
            head = Head(sequence=entries[-1].sequence, hash=entries[-1].hash)
        day = after
    return entries


def test_every_decision_and_what_became_of_it_is_entered_in_log_order() -> None:
    assert [(x.sequence, x.who, x.what, x.subject, x.outcome) for x in audit()] == [
        (1, "kim", "plan_decided", "p1", "rejected"),
        (2, "kim", "plan_decided", "p2", "approved"),
        (3, "hospital", "change_carried", "p2/hip", "acknowledged"),
        (4, "hospital", "change_carried", "p2/hip", "applied"),
        (5, "hospital", "change_carried", "p2/knee", "refused"),
        (6, "kim", "mode_changed", "main", "frozen"),
    ]
    assert audit()[0].why == "staff_unavailable: two are ill"
    assert audit()[0].previous == GENESIS


def test_a_sound_chain_verifies_and_folding_again_gives_the_same_one() -> None:
    entries = audit()
    head = Head(sequence=6, hash=entries[-1].hash)
    ids = [event.id for event in LOG if isinstance(event, e.PlanDecided)]
    assert verify(entries, head, ids) is None
    assert audit() == entries


def test_an_entry_delivered_twice_is_one_entry() -> None:
    entries = audit()
    assert verify([*entries[:3], *entries[1:]]) is None


def test_an_event_told_twice_is_audited_once() -> None:
    assert audit((*LOG, *LOG)) == audit()


def test_a_second_decision_is_entered_as_late() -> None:
    log = (*LOG[:4], decided("p1", Verdict.APPROVED, id="another"))
    assert audit(log)[-1].outcome == "late: an earlier decision holds"


def test_a_decision_that_the_fold_voids_says_so() -> None:
    moved = booked("hip", "1", "10:45", version=2)
    log = (*LOG[:3], moved, decided("p2", Verdict.APPROVED, change("hip", ("1", "10:30"), ("2", "10:30"))))
    assert audit(log)[-1].outcome == "approved, void: version-unchanged"


@pytest.mark.parametrize("field", ["who", "what", "subject", "why", "outcome", "suite", "id"])
def test_an_edit_shows(field: str) -> None:
    entries = audit()
    entries[2] = replace(entries[2], **{field: "someone else"})
    assert verify(entries) == "Expected entry 3 as it was sealed, got one that was edited."


def test_an_edit_that_was_sealed_again_breaks_the_chain_after_it() -> None:
    entries = audit()
    forged = replace(entries[2], who="someone else")
    entries[2] = replace(forged, hash=seal(forged))
    assert verify(entries) == "Expected entry 4 to follow entry 3, got one that follows another."


def test_a_reorder_shows() -> None:
    entries = audit()
    entries[1], entries[2] = entries[2], entries[1]
    assert verify(entries) == "Expected entry 2, got entry 3: an entry was removed or reordered."


def test_a_removal_shows() -> None:
    entries = audit()
    assert verify([*entries[:2], *entries[3:]]) == "Expected entry 3, got entry 4: an entry was removed or reordered."
    assert verify(entries[1:]) == "Expected entry 1, got entry 2: an entry was removed or reordered."


def test_a_fork_shows() -> None:
    entries = audit()
    other = replace(entries[5], who="someone else")
    forked = [*entries, replace(other, hash=seal(other))]
    assert verify(forked) == "Expected one entry 6, got two that differ: the chain was forked."


def test_a_truncation_shows_against_the_published_head() -> None:
    entries = audit()
    head = Head(sequence=6, hash=entries[-1].hash)
    assert verify(entries[:5]) is None
    assert verify(entries[:5], head) == "Expected 6 entries, got 5: the end of the chain was cut off."
    assert verify([], head) == "Expected 6 entries, got 0: the end of the chain was cut off."


def test_a_chain_written_anew_shows_against_the_published_head() -> None:
    other = audit((*LOG[:3], decided("p9", Verdict.REJECTED), *LOG[4:]))
    head = Head(sequence=6, hash=audit()[-1].hash)
    assert verify(other) is None
    problem = verify(other, head)
    assert problem == "Expected entry 6 to have the published digest, got another: the chain was rewritten."


def test_a_decision_without_entry_shows() -> None:
    assert verify(audit(), None, ["decision/p1", "decision/p7"]) == (
        "Expected an entry for decision decision/p7, got none."
    )
    assert derived_id("audit", "decision/p1") == audit()[0].id
