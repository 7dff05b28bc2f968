"""A dry run: the bytes that an approval would send, in their order, with what speaks against them; nothing leaves."""

from dataclasses import replace

from writing_back import CANARY, CIPHER, identity, sealed

from orloop_common.domain import events as e
from orloop_common.domain.derived import CaseIdentity, Proposal
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import Verdict
from orloop_common.testing.suite import alternative, booked, change, clock, day_after, proposal, small_site, tick
from orloop_writeback.adapters.siu import SiuScribe
from orloop_writeback.domain.message import Step
from orloop_writeback.domain.routes import Postponements, Route, Routes, Way
from orloop_writeback.dry_run import lines
from orloop_writeback.rehearsal import Shown, rehearse

SITE = small_site()
A = change("hip", ("1", "10:30"), ("2", "12:30"))
B = change("knee", ("2", "12:30"), ("3", "12:30"))
LATER = change("ear", ("1", "14:30"), None)
BOOKED = (booked("hip", "1", "10:30"), booked("knee", "2", "12:30"), booked("ear", "1", "14:30"), tick("09:00"))


def identities() -> dict[str, CaseIdentity]:
    return {
        case: CaseIdentity(
            case=case, suite="main", at=clock("08:00"), payload=sealed(case, identity(filler=f"C-{case}"))
        )
        for case in ("hip", "knee", "ear")
    }


def show(day: SuiteDay, given: Proposal, *, masked: bool = True, route: Route | None = None) -> list[Shown]:
    assert SITE.hl7 is not None
    scribe = SiuScribe(SITE.hl7, CIPHER.decrypt, masked=masked)

    def write(step: Step, payload: str) -> bytes:
        return scribe.write(step, payload)[0]

    routes = Routes((route or Route(),))
    return list(rehearse(day, identities(), given, given.alternatives[0], SITE.suite("main"), routes, write))


def test_steps_are_shown_in_the_order_in_which_they_would_leave() -> None:
    shown = show(day_after(*BOOKED), proposal("p1", "08:50", alternative("a", A, B)))
    assert [(one.case, one.trigger, one.note) for one in shown] == [("knee", "S13", ""), ("hip", "S13", "")]
    assert b"C-knee" in (shown[0].body or b"")


def test_a_dry_run_hides_the_patient_unless_asked() -> None:
    day, given = day_after(*BOOKED), proposal("p1", "08:50", alternative("a", A))
    hidden, plain = show(day, given)[0].body or b"", show(day, given, masked=False)[0].body or b""
    assert all(word.encode() not in hidden for canary in CANARY for word in canary.split("^"))
    assert b"Zimtstern^Ottilie" in plain


def test_after_the_approval_it_shows_the_very_bytes_that_left() -> None:
    assert SITE.hl7 is not None
    decision = e.PlanDecided(
        id="d",
        suite="main",
        at=clock("09:00"),
        proposal="p1",
        verdict=Verdict.APPROVED,
        based_on=0,
        decided_by="demo",
        changes=(A,),
    )
    day = day_after(*BOOKED, decision)
    pending = day.pending["hip"]
    place = pending.change.target
    step = Step(suite="main", pending=pending, place=place, booked=pending.change.length, held=pending.change.origin)
    left, _ = SiuScribe(SITE.hl7, CIPHER.decrypt).write(step, identities()["hip"].payload)
    (shown,) = show(day, proposal("p1", "08:50", alternative("a", A)), masked=False)
    assert shown.body == left


def test_cases_that_swap_rooms_are_shown_with_the_stop_on_the_way() -> None:
    swap = (change("hip", ("1", "10:30"), ("2", "12:30")), change("knee", ("2", "12:30"), ("1", "10:30")))
    shown = show(day_after(*BOOKED), proposal("p1", "08:50", alternative("a", *swap)))
    assert len(shown) == 3
    assert shown[0].case == shown[2].case


def test_what_speaks_against_a_step_by_now_is_said_beside_it() -> None:
    down = e.RoomWentDown(id="down", suite="main", at=clock("09:01"), room="3", cause="flood")
    shown = show(day_after(*BOOKED, down), proposal("p1", "08:50", alternative("a", B)))
    assert shown[0].body
    assert "went down" in shown[0].note
    stale = proposal("p1", "08:50", alternative("a", replace(A, version=7)))
    assert "version-unchanged" in show(day_after(*BOOKED), stale)[0].note


def test_a_postponement_shows_what_the_site_chose_for_it() -> None:
    given = proposal("p1", "08:50", alternative("a", LATER))
    (by_hand,) = show(day_after(*BOOKED), given)
    assert (by_hand.body, "by hand" in by_hand.note) == (None, True)
    (cancel,) = show(day_after(*BOOKED), given, route=Route(postponements=Postponements.CANCEL))
    assert b"SIU^S15" in (cancel.body or b"")


def test_what_people_key_in_is_listed_without_bytes() -> None:
    (line,) = show(day_after(*BOOKED), proposal("p1", "08:50", alternative("a", A)), route=Route(way=Way.MANUAL))
    assert (line.body, line.way) == (None, Way.MANUAL)
    assert "worklist" in line.note


def test_people_read_a_segment_a_line_and_that_nothing_was_sent() -> None:
    shown = show(day_after(*BOOKED), proposal("p1", "08:50", alternative("a", A)))
    text = list(lines(shown))
    assert text[0] == "--- 1 of 1: case hip to room 2 at 2026-03-02T12:30:00+00:00, by hospital (SIU^S13)"
    assert "Nothing was sent." in text[-1]
    assert any(line.startswith("AIL|1|U|OR2^^^DEMO") for line in text)
