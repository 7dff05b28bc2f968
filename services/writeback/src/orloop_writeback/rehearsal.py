"""What write-back would send for a proposal, step by step, if the hospital echoed each one: nothing leaves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from immutables import Map

from orloop_common.domain import events as e
from orloop_common.domain.carrying import in_order
from orloop_common.domain.derived import Alternative, CaseIdentity, Proposal
from orloop_common.domain.site import SuiteLayout
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import Verdict

from .domain.book import SuiteBook
from .domain.message import Step
from .domain.routes import Postponements, Routes, Way
from .domain.worklist import worklist

Write = Callable[[Step, str], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One step: what would leave by which route, or why nothing would; `note` says what speaks against it now."""

    case: str
    route: str
    way: Way
    trigger: str
    room: str | None
    start: str | None
    body: bytes | None
    note: str = ""


def rehearse(
    day: SuiteDay,
    identities: dict[str, CaseIdentity],
    proposal: Proposal,
    alternative: Alternative,
    layout: SuiteLayout,
    routes: Routes,
    write: Write,
) -> Iterator[Shown]:
    """Each step in the order in which it would leave; what people have to key in comes last.

    A decision that was made gives the very bytes that left; before one, MSH-7 is the proposal's own time.
    """
    fresh, voided = _decided(day, proposal, alternative, layout)
    book = SuiteBook(fresh, routes, identities=dict(identities))
    for _ in range(2 * len(alternative.changes)):
        step = book.next_step()
        if step is None:
            break
        yield _shown(book, step, write, voided)
        book.day = _echoed(book.day, step)
    for line in worklist(book.day, lambda _: True):
        step = book.step_of(line.pending)
        note = "A person keys it in, from the worklist." if book.by_hand(line.pending) else "It waits for others."
        yield replace(_shown(book, step, lambda *_: b"", voided), body=None, way=Way.MANUAL, note=note)


def _decided(
    day: SuiteDay, proposal: Proposal, alternative: Alternative, layout: SuiteLayout
) -> tuple[SuiteDay, tuple[str, ...]]:
    """The day with these changes alone pending, and the rules that they break by now."""
    made = day.decisions.get(proposal.id)
    ordered = in_order(day, alternative.changes, layout)
    if made is not None and made.in_force:
        ordered = made.decided.changes
    bare = replace(day, mode=None, pending=Map(), decisions=Map(), plan=Map())
    decision = e.PlanDecided(
        id=f"rehearsal/{proposal.id}",
        suite=day.suite,
        at=made.decided.at if made is not None else proposal.at,
        proposal=proposal.id,
        verdict=Verdict.APPROVED,
        based_on=0,
        decided_by="",
        changes=ordered,
    )
    folded = bare.apply(decision)
    voided = folded.decisions[proposal.id].voided
    if not voided:
        return folded, ()
    able = tuple(c for c in ordered if (record := bare.cases.get(c.case)) is not None and record.active)
    current = tuple(replace(c, version=_version(bare, c.case)) for c in able)
    again = replace(bare, rooms=Map()).apply(replace(decision, changes=current))
    return replace(again, rooms=bare.rooms), voided


def _version(day: SuiteDay, case: str) -> int:
    schedule = day.cases[case].schedule
    return schedule.version if schedule else 0


def _shown(book: SuiteBook, step: Step, write: Write, voided: tuple[str, ...]) -> Shown:
    note = book.objection(step) or book.delay(step) or ""
    if voided and not note:
        note = f"An approval would not take effect now: {', '.join(voided)}."
    sealed = book.identities.get(step.case)
    by_hand = step.cancels and step.route.postponements is not Postponements.CANCEL
    body = None if sealed is None or by_hand else write(step, sealed.payload)
    return Shown(
        case=step.case,
        route=step.route.name,
        way=step.route.way,
        trigger=step.trigger,
        room=step.place.room,
        start=step.place.start.isoformat() if step.place.start else None,
        body=body,
        note=note,
    )


def _echoed(day: SuiteDay, step: Step) -> SuiteDay:
    """The day once the hospital has echoed this step (or refused what we may not send)."""
    schedule = day.cases[step.case].schedule
    assert schedule is not None
    version = schedule.version + 1
    id, at = f"rehearsal/{step.control_id}", (day.now or schedule.at) + timedelta(seconds=1)
    if step.cancels:
        return day.apply(e.CaseCancelled(id=id, suite=day.suite, at=at, case=step.case, version=version))
    assert step.place.start is not None
    told = replace(schedule, id=id, at=at, version=version, room=step.place.room, start=step.place.start)
    return day.apply(told)
