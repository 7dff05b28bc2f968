"""A day on the whole mesh, undisturbed and with every process killed: what must hold, holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from holding import decisions, differing_folds, fold, found_in, metrics_of, texts_below, unanswered_triggers
from playing import DEAD_LETTERS, UNREADABLE, Played, play, seeded_kills

from orloop_cli.mesh import Mesh, Options
from orloop_cli.ports import free_port
from orloop_common import messages
from orloop_common.domain import events as e
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.triggers import triggers_of
from orloop_common.domain.vocabulary import Verdict
from orloop_twin.domain.people import CANARIES

pytestmark = [pytest.mark.scenario, pytest.mark.slow, pytest.mark.timeout(600)]

SERVICES = ("ingest", "features", "forecast", "replan", "gate", "writeback", "board", "twin")
SPEED = 120.0


def played(root: Path, seed: int, disturbed: bool) -> Iterator[Played]:
    mesh = Mesh.new(root, Options(speed=SPEED, seed=seed, board_port=free_port()))
    kill = seeded_kills(seed, (*SERVICES, "kafka", "kafka"), 8, 105) if disturbed else None
    with mesh:
        yield play(mesh, mesh.starts_at + timedelta(hours=4), SPEED, kill)


@pytest.fixture(scope="module", params=["undisturbed", "disturbed"])
def day(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    disturbed = request.param == "disturbed"
    yield from played(tmp_path_factory.mktemp(request.param), 11, disturbed)


def test_every_process_was_killed_if_that_was_the_plan(day: Played, request: pytest.FixtureRequest) -> None:
    wanted = sorted((*SERVICES, "kafka", "kafka")) if "disturbed]" in request.node.name and day.kills else []
    assert sorted(day.kills) == wanted
    assert day.mesh.supervisor.all_ready


def test_every_services_state_is_a_fresh_fold_of_the_log(day: Played) -> None:
    assert differing_folds(day.topics[messages.SUITE_EVENTS], day.states, day.calendar) == []


def test_nothing_that_was_acknowledged_to_the_hospital_is_lost(day: Played) -> None:
    acknowledged = acknowledged_by_ingest(day.run / "data" / "twin")
    assert len(acknowledged) > 100
    kept = {record.message.control_id for record in day.topics[messages.HL7_RAW]}
    assert acknowledged - kept == set()


def test_an_event_that_nobody_can_read_is_dead_lettered_once_with_its_reason_and_the_mesh_goes_on(day: Played) -> None:
    letters = [record.message for record in day.topics[DEAD_LETTERS]]
    [written] = [r for r in day.topics[messages.SUITE_EVENTS] if r.headers["ce_id"] == UNREADABLE]
    assert {(letter.offset, letter.service) for letter in letters} == {(written.offset, "gate")}
    assert "missing required field" in letters[0].reason
    assert b"no room is named here" not in day.topics[DEAD_LETTERS][0].value
    assert len(letters) == 1 or day.kills, "only a killed gate may write it twice"


def test_nothing_was_refused_or_quarantined(day: Played) -> None:
    final = fold(day.log, "main", day.calendar)
    assert {r.type: r.reason for r in final.refused.values()} == {}
    assert [r.message.problem for r in day.topics[messages.HL7_RAW] if r.message.problem] == []


def test_every_material_trigger_is_answered(day: Played) -> None:
    layout = day.site.suite("main")
    state, triggers = SuiteDay(suite="main", calendar=day.calendar), []
    for record in day.log:
        after = state.apply(record.message)
        trigger = triggers_of(state, record.message, after, layout) if after is not state else None
        if trigger is not None:
            triggers.append(trigger)
        state = after
    assert len(triggers) > 3
    unanswered = unanswered_triggers([t.event for t in triggers], day.topics[messages.PLAN_PROPOSALS])
    assert [f"{t.at:%H:%M:%S} {t.sentence}" for t in triggers if t.event in unanswered] == []


def test_the_room_that_went_down_led_to_an_applied_plan(day: Played) -> None:
    final = fold(day.log, "main", day.calendar)
    down = {event.room for event in day.of_type(e.RoomWentDown)}
    moved = [
        (change.origin.room, change.target.room)
        for decision in final.decisions.values()
        for change in decision.decided.changes
        if decision.outcomes.get(change.case) == "applied"
    ]
    assert any(origin in down and target not in (None, origin) for origin, target in moved), moved


def test_every_approval_was_carried_out_exactly_once(day: Played) -> None:
    received = received_by_hospital(day.run / "data" / "twin")
    assert len(received) == len(set(received)), "the hospital took the same change twice"
    final = fold(day.log, "main", day.calendar)
    applied = [
        case
        for decision in final.decisions.values()
        for case, outcome in decision.outcomes.items()
        if outcome == "applied"
    ]
    assert applied
    approved = [d for d in decisions(day.log).values() if d.verdict in (Verdict.APPROVED, Verdict.OVERRIDDEN)]
    assert {len(d.changes) for d in approved} != {0}


def test_the_audit_chain_verifies(day: Played) -> None:
    from orloop_gate.domain.audit import verify

    entries, seen = [], set()
    for record in day.topics[messages.AUDIT]:
        if record.message.id not in seen:  # told twice is told once
            seen.add(record.message.id)
            entries.append(record.message)
    decided = set(decisions(day.log))
    assert decided <= {entry.subject for entry in entries}
    assert verify(entries) is None


def test_no_patient_is_named_in_any_log_topic_file_or_metric(day: Played) -> None:
    names = [str(name) for name in CANARIES]
    assert names
    leaks = []
    for path, text in texts_below(day.run, skip=("data/twin", "broker")):
        leaks += [f"{path}: {name}" for name in found_in(text, names)]
    for topic, records in day.topics.items():
        for record in records:
            everything = record.value + record.key.encode() + json.dumps(record.headers).encode()
            leaks += [f"{topic}@{record.offset}: {name}" for name in found_in(everything, names)]
    for part in day.mesh.parts:
        leaks += [f"{part.name} metrics: {n}" for n in found_in(metrics_of(part.health_port).encode(), names)]
    assert leaks == []


def journal(twin: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (twin / "journal.jsonl").read_text().splitlines()]


def acknowledged_by_ingest(twin: Path) -> set[str]:
    """Control ids of the twin's messages that ingest acknowledged, from the twin's own journal."""
    told = {str(entry["id"]) for entry in journal(twin) if entry["kind"] == "delivered"}
    return {control for control in told if not control.startswith("R")}


def received_by_hospital(twin: Path) -> list[str]:
    """Control ids of changes that the hospital accepted, from its journal."""
    return [str(x["control"]) for x in journal(twin) if x["kind"] == "received" and x.get("change")]
