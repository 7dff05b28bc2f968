"""Two cases change places on the whole mesh: approved once, sent in three steps, and echoed until both have moved."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from holding import fold, read_topic

from orloop_cli.approve import Approver
from orloop_cli.mesh import Mesh, Options
from orloop_cli.ports import LOOPBACK, free_port
from orloop_cli.services import demo_site
from orloop_cli.watch import Watch
from orloop_common import messages
from orloop_common.domain.building import build_problem
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.carrying import waits_for
from orloop_common.domain.checker import check_changes
from orloop_common.domain.derived import CaseForecast, Proposal
from orloop_common.domain.plan import Change
from orloop_common.domain.problem import PlanProblem, ProblemCase
from orloop_common.domain.site import SuiteLayout
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.messages.sitefile import parse_site
from orloop_common.testing import suite as made_up
from orloop_common.testing.process import Desk

pytestmark = [pytest.mark.scenario, pytest.mark.slow, pytest.mark.timeout(240)]


def test_an_approved_swap_goes_through_gate_write_back_and_echo_to_applied(tmp_path: Path) -> None:
    site = parse_site(demo_site().read_text())
    layout, calendar = site.suite("main"), OperationalCalendar(site.timezone, site.day_boundary)
    with Mesh.new(tmp_path, Options(speed=60, seed=11, board_port=free_port(), scenario="quiet")) as mesh:
        mesh.start()
        watch = Watch(mesh.bootstrap, demo_site())
        approver = Approver(f"{LOOPBACK}:{mesh.addresses.gate}", mesh.run.secrets.token_secret)
        try:
            mesh.play(60)
            assert mesh.run_until(lambda: mesh.day is not None and mesh.day.now().minute >= 2, 30)
            mesh.play(5)
            swap = find_swap(mesh, layout, calendar)
            proposal = propose(mesh, swap)
            story = watch.suites["main"]

            def settled() -> bool:
                watch.poll()
                approver.answer([p for p in watch.waiting if p.id == proposal.id])
                if proposal.id in story.day.decisions:
                    mesh.play(60)
                decision = story.day.decisions.get(proposal.id)
                return decision is not None and decision.settled

            assert mesh.run_until(settled, 60), story.day.decisions.get(proposal.id) or proposal
        finally:
            approver.close()
            watch.close()
        final = story.day
        decision = final.decisions[proposal.id]
        assert dict(decision.outcomes) == {change.case: "applied" for change in swap}
        [parked] = [change for change in decision.decided.changes if change.via is not None]
        booked = {change.case: final.cases[change.case].schedule for change in swap}
        assert {c.case: (c.target.room, c.target.start) for c in swap} == {
            case: (schedule.room, schedule.start) for case, schedule in booked.items() if schedule
        }
        told = [r.message for r in read_topic(mesh.bootstrap, messages.SUITE_EVENTS) if parked.case in str(r.value)]
        rooms = [(x.room, x.start) for x in told if type(x).__name__ == "CaseScheduled" and x.case == parked.case]
        assert parked.via is not None
        assert (parked.via.room, parked.via.start) in rooms, "it waited outside hours on its way"


def find_swap(mesh: Mesh, layout: SuiteLayout, calendar: OperationalCalendar) -> tuple[Change, Change]:
    """Two cases that may change rooms by every rule, now or a little later, and wait for each other."""
    found: list[tuple[Change, Change]] = []

    def look() -> bool:
        log = read_topic(mesh.bootstrap, messages.SUITE_EVENTS)
        day = fold(log, "main", calendar)
        forecasts: dict[str, CaseForecast] = {}
        for record in read_topic(mesh.bootstrap, messages.CASE_FORECASTS):
            forecasts[record.message.case] = record.message
        if day.now is None or set(forecasts) < set(day.cases):
            return False
        problem = build_problem(day, forecasts, layout, layout.decide_within)
        found.extend(itertools.islice(swaps(day, problem), 1))
        return bool(found)

    assert mesh.run_until(look, 30, pause=0.5)
    return found[0]


def swaps(day: SuiteDay, problem: PlanProblem) -> Iterator[tuple[Change, Change]]:
    later = [timedelta(minutes=15 * k) for k in range(9)]
    for a, b in itertools.combinations([c for c in problem.cases if c.current.start], 2):
        for one, other in itertools.product(later, later):
            pair = moved(a, b, one), moved(b, a, other)
            broken = {rule.rule for rule in check_changes(problem, pair)}
            if a.current.room == b.current.room or "room-eligible" in broken:
                break  # they never may
            if not broken and all(waits_for(day, change, pair) for change in pair):
                yield pair


def moved(case: ProblemCase, other: ProblemCase, later: timedelta) -> Change:
    assert other.current.start is not None
    return Change(
        case=case.id,
        version=case.version,
        origin=case.current,
        target=replace(other.current, start=other.current.start + later),
        length=case.length,
        reason="They change rooms.",
    )


def propose(mesh: Mesh, swap: tuple[Change, Change]) -> Proposal:
    """As the planner would say it; the gate's own checker judges it."""
    assert mesh.day is not None
    now = mesh.day.now()
    given = made_up.proposal("swap", "07:00", made_up.alternative("swap-1", *swap), suite="main")
    proposal = replace(given, at=now, decide_by=None, headline="Two cases change places")
    desk = Desk(mesh.bootstrap)
    try:
        desk.publish(messages.PLAN_PROPOSALS, "main", "main", proposal)
    finally:
        desk.close()
    return proposal
