"""What a proposal's record is good for: replay and explanation."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from replan_day import Suite, down, morning

from orloop_common.domain.derived import Proposal
from orloop_common.messages import decode, encode, from_json, to_json
from orloop_replan import replay
from orloop_replan.adapters.servicer import explain
from orloop_replan.domain.answers import LARGEST, pack, unpack
from orloop_replan.generate import generate


@pytest.fixture
def proposal(suite: Suite) -> Proposal:
    suite.tell(*morning())
    suite.settle()
    suite.tell(down("3", "10:02"))
    (answer,) = suite.settle()
    return answer


def test_a_proposal_replays_to_the_byte_after_a_journey_as_json(proposal: Proposal) -> None:
    read = decode("orloop.Proposal", "proposal.v1", encode(proposal))
    assert read == proposal
    result = replay.recompute(read)
    assert (result.verdict, result.sentence) == ("identical", "3 alternatives, the same to the byte.")


def test_another_plan_that_is_sound_is_verified_and_not_identical(proposal: Proposal) -> None:
    fewer = replace(proposal, alternatives=proposal.alternatives[:1])
    assert replay.recompute(fewer).verdict == "verified, not identical"


def test_the_bound_of_another_machines_record_is_verified_without_a_solver(proposal: Proposal) -> None:
    fewer = _proven(replace(proposal, alternatives=proposal.alternatives[:1]), 0)
    assert replay.recompute(fewer).sentence.endswith(" Its bound of 0 is verified without a solver.")
    wrong = _proven(fewer, 10_000)
    result = replay.recompute(wrong)
    assert (result.verdict, result.sentence[:28]) == ("broken", "Its bound of 10000 is above ")


def _proven(proposal: Proposal, bound: int) -> Proposal:
    assert proposal.solver is not None
    return replace(proposal, solver=replace(proposal.solver, bound=bound))


def test_a_record_of_an_older_or_newer_program_is_read(proposal: Proposal) -> None:
    assert proposal.solver is not None
    settings = {"nodes": "100", "kept": "10", "unheard_of": "1"}
    old = replace(proposal, solver=replace(proposal.solver, settings=settings))
    assert replay.recompute(old).ok


def test_a_record_of_an_engine_that_is_no_longer_there_is_verified(proposal: Proposal) -> None:
    assert proposal.solver is not None
    gone = replace(proposal.solver, path="milp", solver="pyomo 6.9 highs 1.9", settings={"kept": "10"})
    result = replay.recompute(replace(proposal, alternatives=proposal.alternatives[:1], solver=gone))
    assert result.verdict == "verified, not identical"
    assert "(recorded by pyomo 6.9 highs 1.9)" in result.sentence


def test_a_forged_record_is_broken_and_says_where(proposal: Proposal) -> None:
    best = proposal.alternatives[0]
    cheap = replace(proposal, alternatives=(replace(best, cost=best.cost - 1),))
    assert "it states another price than its plan has" in replay.recompute(cheap).sentence
    kept = replace(best, plan=tuple(replace(a, place=unpack(proposal.problem).cases[0].current) for a in best.plan))
    assert replay.recompute(replace(proposal, alternatives=(kept,))).verdict == "broken"
    hidden = replace(best, changes=best.changes[1:])
    assert "not the difference" in replay.recompute(replace(proposal, alternatives=(hidden,))).sentence
    assert replay.recompute(replace(proposal, problem_digest="0")).verdict == "broken"
    assert replay.recompute(replace(proposal, problem="")).verdict == "broken"


def test_the_command_prints_a_verdict_and_its_exit_code(
    proposal: Proposal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "proposal.json"
    path.write_bytes(to_json(proposal))
    assert replay.main([str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"{proposal.id}: identical.")
    path.write_bytes(to_json(replace(proposal, problem_digest="0")))
    assert replay.main([str(path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "broken"
    path.write_text("{")
    assert replay.main([str(path)]) == 2
    assert "Expected a proposal" in capsys.readouterr().err


def test_an_explanation_says_what_leaving_a_change_out_would_break(proposal: Proposal) -> None:
    reasons = explain(unpack(proposal.problem), proposal.alternatives[0])
    assert [r.case_uid for r in reasons] == [c.case for c in proposal.alternatives[0].changes]
    assert all(list(r.undone_breaks) == ["room-usable"] and not r.HasField("undone_costs") for r in reasons)


def test_a_large_suites_problem_travels_well_below_the_limit() -> None:
    problem = generate(40, "storm", 1)
    packed = pack(problem)
    assert len(packed) < LARGEST / 10
    assert unpack(packed) == problem
    assert from_json(type(problem), to_json(problem)) == problem
